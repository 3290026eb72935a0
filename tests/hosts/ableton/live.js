// Runs audiosr_live.js as Max's [js] does, over a Live set made from a plain description:
// node live.js SCRIPT DESCRIPTION. The description's messages come in one after another; printed are what went
// out, and the set. Objects answer to what the Live Object Model documents, and to nothing else.

"use strict";

const fs = require("fs");
const vm = require("vm");

const MODEL = {
  Song: { get: ["tracks", "tempo"], set: [], call: ["create_audio_track"] },
  Track: {
    get: ["arrangement_clips", "take_lanes", "clip_slots", "name"],
    set: ["name"],
    call: ["create_take_lane", "create_audio_clip"],
  },
  TakeLane: { get: ["arrangement_clips", "name"], set: ["name"], call: ["create_audio_clip"] },
  ClipSlot: { get: ["has_clip", "clip"], set: [], call: ["create_audio_clip"] },
  Clip: {
    get: [
      "is_audio_clip", "warping", "file_path", "sample_rate", "sample_length", "loop_start", "loop_end", "name",
      "start_time", "is_arrangement_clip", "gain", "pitch_coarse", "pitch_fine", "color",
    ],
    set: ["warping", "name", "gain", "pitch_coarse", "pitch_fine", "color"],
    call: [],
  },
};
const LISTS = ["tracks", "arrangement_clips", "take_lanes", "clip_slots"];

const [, , script, description] = process.argv;
const told = JSON.parse(fs.readFileSync(description, "utf8"));
const objects = new Map();
let lastId = 0;

// Gives a part of the set, and what is in it, ids and classes.
function enter(object, kind, path) {
  lastId += 1;
  Object.assign(object, { kind, path, id: lastId });
  objects.set(lastId, object);
  const children = { tracks: "Track", arrangement_clips: "Clip", take_lanes: "TakeLane", clip_slots: "ClipSlot" };
  for (const [list, each] of Object.entries(children)) {
    (object[list] ?? []).forEach((child, place) => enter(child, each, `${path} ${list} ${place}`));
  }
  if (object.clip) {
    enter(object.clip, "Clip", `${path} clip`);
  }
  return object;
}

function add(parent, list, kind, child) {
  parent[list] = parent[list] ?? [];
  parent[list].push(enter(child, kind, `${parent.path} ${list} ${parent[list].length}`));
  return ["id", lastId];
}

const song = enter(told.set, "Song", "live_set");
const newClip = (file, more) => ({ file_path: file, is_audio_clip: 1, warping: 1, name: "", ...more });

const calls = {
  create_take_lane: (track) => add(track, "take_lanes", "TakeLane", { arrangement_clips: [] }),
  create_audio_track: (set) => add(set, "tracks", "Track", { arrangement_clips: [] }),
  create_audio_clip: (place, file, beats) => {
    if (told.makes_no_clips) {
      return 0;
    }
    if (place.kind !== "ClipSlot") {
      return add(place, "arrangement_clips", "Clip", newClip(file, { start_time: beats, is_arrangement_clip: 1 }));
    }
    place.clip = enter(newClip(file, { is_arrangement_clip: 0 }), "Clip", `${place.path} clip`);
    place.has_clip = 1;
    return ["id", lastId];
  },
};

function find(path) {
  if (path.startsWith("id ")) {
    return objects.get(Number(path.slice(3)));
  }
  const wanted = path === "live_set view detail_clip" ? told.detail_clip : path;
  return [...objects.values()].find((object) => object.path === wanted);
}

class LiveAPI {
  constructor(path) {
    this.object = find(path);
    this.id = this.object ? String(this.object.id) : "0";
    this.path = `"${this.object?.path ?? ""}"`;
  }

  get info() {
    const { kind } = this.object;
    const missing = told.lacks ?? [];
    return MODEL[kind].call.filter((name) => !missing.includes(name)).map((name) => `function ${name}`).join("\n");
  }

  allows(how, name) {
    if (!MODEL[this.object.kind][how].includes(name)) {
      throw new Error(`a ${this.object.kind} has no ${name} to ${how}`);
    }
  }

  get(name) {
    this.allows("get", name);
    const held = this.object[name];
    return LISTS.includes(name) ? (held ?? []).flatMap((child) => ["id", child.id]) : [held];
  }

  set(name, value) {
    this.allows("set", name);
    this.object[name] = value;
  }

  call(name, ...values) {
    this.allows("call", name);
    return calls[name](this.object, ...values);
  }
}

const out = [];
const world = vm.createContext({ LiveAPI, outlet: (...values) => out.push(values) });
vm.runInContext(fs.readFileSync(script, "utf8"), world);
const word = () => out.find((values) => values[1] === "render")[2];
for (const [name, ...values] of told.messages) {
  if (name === "delete_clip") {
    objects.delete(find(told.detail_clip).id);
  } else {
    world[name](...values.map((value) => (value === "WORD" ? word() : value)));
  }
}
process.stdout.write(JSON.stringify({ out, set: song }));
