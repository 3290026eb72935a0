// The half of the device that knows Live: runs in [js audiosr_live.js], whose JavaScript is that of 2009.
// `go` reads the clip in the detail view and sends `render ...` to the node; `done` brings the result back
// as a clip in a new take lane, or for a session clip in the next free slot. The right outlet says how it goes.
// It has not been run in Live itself: its tests run it in node, against the documented Live Object Model.

autowatch = 1;
inlets = 1;
outlets = 2;

var TWICE_MS = 300;
var AUDIOSR = { asks: {}, count: 0, went_at: 0, preset: "", options: "" };

function say(text) {
  outlet(1, "set", text);
}

// A single value of an object; Live gives lists, of another JavaScript than ours.
function value(api, name) {
  var got = api.get(name);
  return got && typeof got === "object" ? got[0] : got;
}

function number(api, name) {
  return Number(value(api, name));
}

function path_of(api) {
  return String(api.unquotedpath || api.path).replace(/"/g, "");
}

function is_there(api) {
  return api && Number(api.id) !== 0;
}

// Live on a Mac may name a volume in front: "Disk:/a.wav" is "/Volumes/Disk/a.wav".
function plain_path(path) {
  return String(path).replace(/^([^:\/\\]{2,}):\//, "/Volumes/$1/");
}

// Why a clip's audio is not simply its file's; "" where it is.
function obstacle(clip) {
  if (!is_there(clip)) {
    return "select a clip first";
  }
  if (number(clip, "is_audio_clip") !== 1) {
    return "is a MIDI clip; freeze and flatten its track first";
  }
  if (number(clip, "warping") === 1) {
    return "is warped, so that its beats are not those of its file; switch Warp off in it first";
  }
  if (!value(clip, "file_path")) {
    return "has no file; collect and save first";
  }
  if (!(number(clip, "sample_rate") > 0)) {
    return "does not say its sample rate; Live 12 is needed";
  }
  return "";
}

function go() {
  var now = new Date().getTime();
  if (now - AUDIOSR.went_at < TWICE_MS) {
    return; // a button may say it twice
  }
  AUDIOSR.went_at = now;
  var clip = new LiveAPI("live_set view detail_clip");
  var why = obstacle(clip);
  var name = is_there(clip) ? String(value(clip, "name") || "the clip") : "";
  if (why) {
    say(name ? name + ": " + why : why);
    return;
  }
  var rate = Math.round(number(clip, "sample_rate"));
  var frames = number(clip, "sample_length");
  var start = Math.max(0, Math.round(number(clip, "loop_start") * rate));
  var stop = Math.min(frames, Math.round(number(clip, "loop_end") * rate));
  if (!(stop > start)) {
    say(name + ": has nothing of its file in it");
    return;
  }
  AUDIOSR.count += 1;
  var word = ["live", now, Math.floor(Math.random() * 1e9), AUDIOSR.count].join("-");
  AUDIOSR.asks[word] = { id: clip.id, name: name, lead: start / rate - number(clip, "loop_start") };
  say(name + ": asked for");
  var path = plain_path(value(clip, "file_path"));
  outlet(0, "render", word, path, start, stop - start, rate, AUDIOSR.preset, AUDIOSR.options);
}

function use_preset(name) {
  AUDIOSR.preset = name === undefined ? "" : String(name);
}

function use_options() {
  AUDIOSR.options = Array.prototype.slice.call(arguments).join(" ");
}

// Replies of the node

function accepted(word) {
  about(word, "waits");
}

function progress(word, share) {
  about(word, Math.floor(100 * share) + " %");
}

function failed(word, text) {
  about(word, text);
  delete AUDIOSR.asks[word];
}

function about(word, text) {
  var ask = AUDIOSR.asks[word];
  say(ask ? ask.name + ": " + text : text);
}

function done(word, output) {
  var ask = AUDIOSR.asks[word];
  if (!ask) {
    return;
  }
  delete AUDIOSR.asks[word];
  var clip = new LiveAPI("id " + ask.id);
  if (!is_there(clip)) {
    say(ask.name + ": the clip is gone; the result is " + output);
    return;
  }
  var is_arranged = number(clip, "is_arrangement_clip") === 1;
  var made = is_arranged ? in_arrangement(clip, output, ask) : in_session(clip, output);
  if (!is_there(made)) {
    say(ask.name + ": Live makes no clip of the result, which is " + output);
    return;
  }
  made.set("warping", 0);
  made.set("name", ask.name + " (restored)");
  var kept = ["gain", "pitch_coarse", "pitch_fine", "color"];
  for (var i = 0; i < kept.length; i++) {
    made.set(kept[i], number(clip, kept[i]));
  }
  say(ask.name + ": restored");
}

// Ids of a list of children.
function ids(api, name) {
  var got = api.get(name) || [];
  var found = [];
  for (var i = 0; i + 1 < got.length; i += 2) {
    found.push(got[i + 1]);
  }
  return found;
}

function track_of(clip) {
  return new LiveAPI(path_of(clip).match(/^live_set tracks \d+/)[0]);
}

function offers(api, name) {
  return String(api.info).indexOf("function " + name) >= 0;
}

// The child that a call adds to an object's list; nothing where it adds none.
function added(api, list, name, first, second) {
  var before = ids(api, list);
  if (second !== undefined) {
    api.call(name, first, second);
  } else if (first !== undefined) {
    api.call(name, first);
  } else {
    api.call(name);
  }
  var after = ids(api, list);
  for (var i = 0; i < after.length; i++) {
    if (before.indexOf(after[i]) < 0) {
      return new LiveAPI("id " + after[i]);
    }
  }
  return null;
}

// A new take lane of the clip's track, or where Live has none a new track, at the clip's own place.
function in_arrangement(clip, output, ask) {
  var song = new LiveAPI("live_set");
  var track = track_of(clip);
  var place = offers(track, "create_take_lane")
    ? added(track, "take_lanes", "create_take_lane")
    : added(song, "tracks", "create_audio_track", -1);
  if (!is_there(place) || !offers(place, "create_audio_clip")) {
    return null;
  }
  var beats = number(clip, "start_time") + (ask.lead * number(song, "tempo")) / 60;
  return added(place, "arrangement_clips", "create_audio_clip", output, beats);
}

function in_session(clip, output) {
  var track = track_of(clip);
  var own = Number(path_of(clip).match(/clip_slots (\d+)/)[1]);
  var slots = ids(track, "clip_slots");
  for (var i = own + 1; i < slots.length; i++) {
    var slot = new LiveAPI("id " + slots[i]);
    if (number(slot, "has_clip") === 0 && offers(slot, "create_audio_clip")) {
      slot.call("create_audio_clip", output);
      return new LiveAPI(path_of(slot) + " clip");
    }
  }
  return null;
}
