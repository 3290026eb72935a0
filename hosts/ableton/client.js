// A client of `audiosr-fx serve`: says a render until it is acknowledged, then asks after it until it has ended.

"use strict";

const dgram = require("dgram");
const osc = require("./osc.js");

const REPEAT_MS = 250;
const ASK_AFTER_MS = 2000;
const GIVE_UP_MS = 10000;
const TICK_MS = 50;

class Client {
  // `hear` is called with a reply's last name, the request's word, and what follows the job's name.
  constructor(hear, { host = "127.0.0.1", port = 9123, giveUpMs = GIVE_UP_MS } = {}) {
    this.hear = hear;
    this.port = port;
    this.host = host;
    this.giveUpMs = giveUpMs;
    this.open = new Map();
    this.socket = dgram.createSocket("udp4");
    this.socket.on("message", (packet, from) => {
      if (from.address === this.host && from.port === this.port) {
        this.take(packet);
      }
    });
    this.socket.on("error", () => {}); // as where nobody listens yet; silence is noticed by the clock
    this.timer = null;
  }

  render(word, path, start, length, rate, preset = "", options = []) {
    const packet = osc.encode("/audiosr/render", [word, "", path, start, length, rate, preset, ...options]);
    this.open.set(word, { packet, isAccepted: false, heardAt: Date.now(), saidAt: 0 });
    this.tick();
    this.timer = this.timer ?? setInterval(() => this.tick(), TICK_MS);
  }

  cancel() {
    for (const word of this.open.keys()) {
      this.send(osc.encode("/audiosr/cancel", [word]));
    }
  }

  close() {
    clearInterval(this.timer);
    this.timer = null;
    this.socket.close();
  }

  send(packet) {
    this.socket.send(packet, this.port, this.host, () => {});
  }

  tick() {
    const now = Date.now();
    for (const [word, request] of this.open) {
      if (now - request.heardAt > this.giveUpMs) {
        this.end(word);
        const how = "start it with: audiosr-fx serve --root FOLDER";
        this.hear("error", word, `nothing answers at port ${this.port}; ${how}`);
      } else if (now - request.saidAt > (request.isAccepted ? ASK_AFTER_MS : REPEAT_MS)) {
        request.saidAt = now;
        this.send(request.packet);
      }
    }
  }

  take(packet) {
    const message = osc.decode(packet);
    const name = message?.address.match(/^\/audiosr\/(accepted|progress|done|error)$/)?.[1];
    const request = name && this.open.get(message.values[0]);
    if (!request) {
      return;
    }
    const [word, , ...more] = message.values;
    request.heardAt = Date.now();
    if (name === "accepted") {
      if (request.isAccepted) {
        return;
      }
      request.isAccepted = true;
      request.packet = osc.encode("/audiosr/status", [word]);
      request.saidAt = Date.now();
    } else if (name !== "progress") {
      this.end(word);
    }
    this.hear(name, word, ...more);
  }

  end(word) {
    this.open.delete(word);
    if (this.open.size === 0) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }
}

module.exports = { Client };
