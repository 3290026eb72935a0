// Runs audiosr.control.js as Bitwig does, over a stub of the documented API (version 10) with real UDP:
// node bitwig.js SCRIPT SERVER_PORT REPLY_PORT SONG. Printed are popups and insertions, a line of JSON each.

"use strict";

const dgram = require("dgram");
const fs = require("fs");
const path = require("path");
const vm = require("vm");
const osc = require(path.join(__dirname, "../../../hosts/ableton/osc.js"));

const [, , script, serverPort, replyPort, description] = process.argv;
const song = JSON.parse(description);
const print = (...values) => process.stdout.write(`${JSON.stringify(values)}\n`);
let isInit = true;

// An object that has these members, and fails for any other.
function strict(name, members) {
  return new Proxy(members, {
    get(target, key) {
      if (!(key in target)) {
        throw new Error(`${name} has no ${String(key)}`);
      }
      return target[key];
    },
  });
}

function need(values, types) {
  const got = values.map((value) => (Array.isArray(value) ? "array" : typeof value));
  if (got.join() !== types) {
    throw new TypeError(`given ${got.join()}; expected ${types}`);
  }
}

// A value of the host: to be read only after it was marked, and marked only in init.
function value(held, read = "get") {
  let isMarked = false;
  return strict("a value", {
    markInterested: () => {
      if (!isInit) {
        throw new Error("markInterested outside of init");
      }
      isMarked = true;
    },
    [read]: () => {
      if (!isMarked) {
        throw new Error("a value is read that nobody is interested in");
      }
      return typeof held === "function" ? held() : held;
    },
  });
}

const sockets = [];
let connection = null;
let hear = null;
const oscModule = strict("OscModule", {
  createAddressSpace: () => strict("OscAddressSpace", { registerDefaultMethod: (callback) => (hear = callback) }),
  createUdpServer: (port, space) => {
    need([port, space], "number,object");
    const socket = dgram.createSocket("udp4");
    socket.on("message", (packet) => {
      const { address, values } = osc.decode(packet);
      const of = (type) => (index) => {
        if (typeof values[index] !== type) {
          throw new TypeError(`argument ${index} of ${address} is no ${type}`);
        }
        return values[index];
      };
      const message = { getAddressPattern: () => address, getString: of("string"), getFloat: of("number") };
      hear(connection, strict("OscMessage", message));
    });
    socket.bind(port, "127.0.0.1");
    sockets.push(socket);
  },
  connectToUdpServer: (host, port, space) => {
    if (!isInit || space !== null) {
      throw new Error("connections are made in init");
    }
    need([host, port], "string,number");
    const socket = dgram.createSocket("udp4");
    sockets.push(socket);
    const send = (address, ...values) => socket.send(osc.encode(address, values), port, host);
    connection = strict("OscConnection", { sendMessage: send });
    return connection;
  },
});

const slots = Array.from({ length: 64 }, (_, index) => {
  const slot = song.slots[index] ?? { exists: false };
  const exists = value(slot.exists);
  const hasContent = value(() => slot.has ?? false);
  const insertFile = (file) => {
    need([file], "string");
    slot.has = true;
    print("insert", index, file);
  };
  return strict("ClipLauncherSlot", {
    exists: () => exists,
    hasContent: () => hasContent,
    replaceInsertionPoint: () => strict("InsertionPoint", { insertFile }),
  });
});

function setting(label, ...types) {
  return (...values) => {
    need(values, ["string", "string", ...types].join());
    return value(song.panel[values[0]] ?? values.at(-1));
  };
}

let press = null;
const tempo = value(song.tempo, "getRaw");
const loop = [value(song.loop[0]), value(song.loop[1])];
const host = strict("ControllerHost", {
  defineController: (...values) => need(values, "string,string,string,string,string"),
  defineMidiPorts: (...values) => need(values, "number,number"),
  getOscModule: () => oscModule,
  createTransport: () =>
    strict("Transport", {
      tempo: () => strict("Parameter", { value: () => tempo }),
      arrangerLoopStart: () => loop[0],
      arrangerLoopDuration: () => loop[1],
    }),
  createCursorTrack: (...values) => {
    need(values, "string,string,number,number,boolean");
    return strict("CursorTrack", {
      clipLauncherSlotBank: () => strict("ClipLauncherSlotBank", { getItemAt: (index) => slots[index] }),
    });
  },
  getDocumentState: () =>
    strict("DocumentState", {
      getStringSetting: setting("String", "number", "string"),
      getEnumSetting: setting("Enum", "array", "string"),
      getSignalSetting: (...values) => {
        need(values, "string,string,string");
        return strict("Signal", { addSignalObserver: (callback) => (press = callback) });
      },
    }),
  showPopupNotification: (text) => {
    print("popup", text);
    if (!text.endsWith(" %")) {
      sockets.forEach((socket) => socket.close());
      process.exit(0);
    }
  },
  scheduleTask: (callback, delay) => {
    need([callback, delay], "function,number");
    setTimeout(callback, delay / song.speed);
  },
});

const source = fs
  .readFileSync(script, "utf8")
  .replace(/SERVER_PORT = \d+/, `SERVER_PORT = ${serverPort}`)
  .replace(/REPLY_PORT = \d+/, `REPLY_PORT = ${replyPort}`);
const world = vm.createContext({ host, loadAPI: (version) => need([version], "number") });
vm.runInContext(source, world);
world.init();
isInit = false;
press();
