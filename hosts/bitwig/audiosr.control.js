// Bitwig Studio's half: a panel under Studio I/O asks the server for a file, or for the part of it that lies in
// the arranger loop, and puts the result into the first free launcher slot of the selected track.
// Scripts are told no file of a clip, so the file is named in the panel: an export that begins with the song.
// It has not been run in Bitwig itself: its tests run it in node, over a stub of the documented API.

loadAPI(10);
host.defineController("audiosr_fx", "Restore", "1.0", "6c1d5f6e-2f0b-4f0e-9d6b-5a4b8c1d7e21", "audiosr_fx");
host.defineMidiPorts(0, 0);

var SERVER_PORT = 9123; // of audiosr-fx serve
var REPLY_PORT = 9125; // of this script
var SLOTS = 64;
var REPEAT_MS = 250;
var ASK_AFTER_MS = 2000; // once it is acknowledged
var GIVE_UP_MS = 10000; // of silence
var WHOLE = "Whole file";
var LOOP = "Arranger loop";

var audiosr = { asks: Object.create(null), count: 0 };

function init() {
  var osc = host.getOscModule();
  var space = osc.createAddressSpace();
  space.registerDefaultMethod(function (source, message) {
    var reply = read_reply(message);
    if (reply) {
      hear(reply);
    }
  });
  osc.createUdpServer(REPLY_PORT, space);
  audiosr.server = osc.connectToUdpServer("127.0.0.1", SERVER_PORT, null);
  watch_song();
  make_panel();
}

function exit() {}

function watch_song() {
  var transport = host.createTransport();
  audiosr.tempo = transport.tempo().value();
  audiosr.loop_start = transport.arrangerLoopStart();
  audiosr.loop_length = transport.arrangerLoopDuration();
  audiosr.tempo.markInterested();
  audiosr.loop_start.markInterested();
  audiosr.loop_length.markInterested();
  audiosr.slots = host.createCursorTrack("audiosr_fx", "audiosr_fx", 0, SLOTS, true).clipLauncherSlotBank();
  for (var i = 0; i < SLOTS; i++) {
    audiosr.slots.getItemAt(i).exists().markInterested();
    audiosr.slots.getItemAt(i).hasContent().markInterested();
  }
}

function make_panel() {
  var panel = host.getDocumentState();
  audiosr.file = panel.getStringSetting("File", "audiosr_fx", 1000, "");
  audiosr.region = panel.getEnumSetting("Region", "audiosr_fx", [WHOLE, LOOP], WHOLE);
  audiosr.preset = panel.getStringSetting("Preset", "audiosr_fx", 64, "");
  audiosr.options = panel.getStringSetting("Options", "audiosr_fx", 200, "");
  var all = [audiosr.file, audiosr.region, audiosr.preset, audiosr.options];
  for (var i = 0; i < all.length; i++) {
    all[i].markInterested();
  }
  panel.getSignalSetting("Restore", "audiosr_fx", "Restore").addSignalObserver(restore);
}

function restore() {
  var path = clean_path(audiosr.file.get());
  if (!path) {
    host.showPopupNotification("audiosr_fx: name a file in the panel first");
    return;
  }
  var span = ["0", "0"];
  if (audiosr.region.get() === LOOP) {
    span = loop_seconds(audiosr.loop_start.get(), audiosr.loop_length.get(), audiosr.tempo.getRaw());
  }
  audiosr.count += 1;
  var chance = Math.floor(Math.random() * 1e9); // two machines may press at once
  var word = ["bitwig", new Date().getTime(), audiosr.count, chance].join("-");
  audiosr.asks[word] = {
    name: path.replace(/^.*[\/\\]/, ""),
    path: path,
    start: span[0],
    length: span[1],
    preset: String(audiosr.preset.get()),
    options: audiosr.options.get() + " reply_port=" + REPLY_PORT,
    silent_ms: 0,
  };
  say(word);
}

// Says a render until its end is heard: once acknowledged, less often, as a repeat is told how it stands and
// UDP may lose an end. That for channels has all options in one text, so that the number of arguments is fixed;
// positions are text, whatever numbers a script engine makes of its own.
function say(word) {
  var ask = audiosr.asks[word];
  if (!ask) {
    return;
  }
  if (ask.silent_ms >= GIVE_UP_MS) {
    delete audiosr.asks[word];
    tell(ask, "nothing answers; start it with: audiosr-fx serve --root FOLDER");
    return;
  }
  var address = "/audiosr/render/channels";
  audiosr.server.sendMessage(address, word, "", ask.start, ask.length, 0, ask.preset, ask.options, ask.path);
  var wait_ms = ask.is_accepted ? ASK_AFTER_MS : REPEAT_MS;
  ask.silent_ms += wait_ms;
  host.scheduleTask(function () {
    say(word);
  }, wait_ms);
}

// A reply's last name, and those of its arguments that are used: the request, and what follows the job. Nothing
// where it is none of ours, or of another form.
function read_reply(message) {
  try {
    var name = String(message.getAddressPattern()).replace("/audiosr/", "");
    if (!/^(accepted|progress|done|error)$/.test(name)) {
      return null;
    }
    var reply = { name: name, word: String(message.getString(0)) };
    if (name === "done" || name === "error") {
      reply.text = String(message.getString(2));
    } else if (name === "progress") {
      reply.share = Number(message.getFloat(2));
    }
    return reply;
  } catch (fault) {
    return null;
  }
}

function hear(reply) {
  var ask = audiosr.asks[reply.word];
  if (!ask) {
    return;
  }
  ask.is_accepted = true;
  ask.silent_ms = 0;
  if (reply.name === "progress") {
    tell(ask, Math.floor(100 * reply.share) + " %");
  } else if (reply.name === "error") {
    delete audiosr.asks[reply.word];
    tell(ask, reply.text);
  } else if (reply.name === "done") {
    delete audiosr.asks[reply.word];
    tell(ask, insert(reply.text) ? "restored" : "no free launcher slot; the result is " + reply.text);
  }
}

function insert(path) {
  for (var i = 0; i < SLOTS; i++) {
    var slot = audiosr.slots.getItemAt(i);
    if (slot.exists().get() && !slot.hasContent().get()) {
      slot.replaceInsertionPoint().insertFile(path);
      return true;
    }
  }
  return false;
}

function tell(ask, text) {
  host.showPopupNotification("audiosr_fx: " + ask.name + ": " + text);
}

// Start and length of a loop in seconds as text, which is exact; its beats are quarters of one tempo.
function loop_seconds(start_beats, length_beats, tempo) {
  return [((start_beats * 60) / tempo).toFixed(9), ((length_beats * 60) / tempo).toFixed(9)];
}

// A path as a person pastes it: in quotes, or with spaces around it.
function clean_path(text) {
  return String(text).replace(/^\s*["']?/, "").replace(/["']?\s*$/, "");
}
