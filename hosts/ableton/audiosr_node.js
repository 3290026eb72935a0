// The half of the device that speaks OSC: runs in [node.script audiosr_node.js @autostart 1].
// In comes `render WORD PATH START LENGTH RATE PRESET OPTIONS`, out go `accepted`, `progress`, `done`, `failed`.
// It has not been run in Max itself: its tests run it in node, with the real service.

"use strict";

const max = require("max-api");
const { Client } = require("./client.js");

let client = null;

function connect(port) {
  client?.close();
  client = new Client((name, ...more) => max.outlet(name === "error" ? "failed" : name, ...more), { port });
}

max.addHandlers({
  port: (port) => {
    if (Number.isInteger(port) && port > 0 && port < 65536) {
      connect(port);
    } else {
      max.outlet("failed", "", `the port is ${port}; expected 1 to 65535`);
    }
  },
  render: (word, path, start, length, rate, preset, options) => {
    const list = String(options ?? "").split(" ").filter(Boolean);
    const region = [start, length, rate].map(Number);
    try {
      client.render(String(word), String(path), ...region, String(preset ?? ""), list);
    } catch (error) {
      max.outlet("failed", String(word), error.message);
    }
  },
  cancel: () => client.cancel(),
});

connect(9123);
