// Stands for Max's max-api: a message a line comes in as JSON, what goes out of the outlet is printed likewise.

"use strict";

const readline = require("readline");

const handlers = new Map();

function addHandlers(given) {
  for (const [name, handler] of Object.entries(given)) {
    handlers.set(name, handler);
  }
}

async function outlet(...values) {
  for (const value of values) {
    if (!["string", "number", "boolean"].includes(typeof value)) {
      throw new TypeError(`outlet is given ${typeof value}`);
    }
  }
  process.stdout.write(`${JSON.stringify(values)}\n`);
}

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...values] = JSON.parse(line);
    handlers.get(name)(...values);
  })
  .on("close", () => process.exit(0));

module.exports = { addHandlers, outlet };
