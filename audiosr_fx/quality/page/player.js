"use strict";
/* Aligned audio for pages that stand alone: reads embedded data, plays several recordings of the same length
   in step, and switches between them without a click and without moving in time.

   const player = new AlignedAudio.Player(new AudioContext({ sampleRate: 48000 }));
   player.load([{ id: "a", buffer: await AlignedAudio.decode(context, "audio-…") }, …]);
   player.select("a"); player.play();

   transport.js adds a play button, waveform, loop and volume to it.
*/
const AlignedAudio = (() => {
  const SWITCH_S = 0.004; // time constant; gains always add up to one
  const FADE_S = 0.006; // at the ends of what is looped
  const AHEAD_S = 0.01; // so that all recordings are told in time
  const SHORTEST_LOOP_S = 0.5;

  /* ---- embedded data ---- */

  function bytes(id) {
    const text = atob(document.getElementById(id).textContent);
    const data = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) data[i] = text.charCodeAt(i);
    return data;
  }

  function json(id) {
    return JSON.parse(new TextDecoder().decode(bytes(id)));
  }

  async function decode(context, id, frames) {
    const buffer = await context.decodeAudioData(bytes(id).buffer);
    if (frames !== undefined && buffer.length !== frames) {
      throw new Error(`this browser decodes ${buffer.length} samples where ${frames} are embedded`);
    }
    return buffer;
  }

  /* ---- playing ---- */

  /* Events: "change" (playing, selection, loop or position were set), "load". */
  class Player extends EventTarget {
    #take = null; // what sounds now: one source and one gain per recording, started at the same sample
    #resumeAt = 0; // seconds into the recordings, while nothing plays
    #slices = new Map();

    constructor(context, destination = context.destination) {
      super();
      this.context = context;
      this.stimuli = [];
      this.selected = null;
      this.loop = [0, 0];
      this.output = new GainNode(context, { gain: 1 });
      this.output.connect(destination);
    }

    /* stimuli: [{id, buffer, gainDb = 0}], all buffers of one length. */
    load(stimuli) {
      this.pause();
      this.stimuli = stimuli;
      this.selected = stimuli.length ? stimuli[0].id : null;
      this.loop = [0, this.duration];
      this.#resumeAt = 0;
      this.#slices.clear();
      this.dispatchEvent(new Event("load"));
      this.#changed();
    }

    get duration() {
      return this.stimuli.length ? this.stimuli[0].buffer.duration : 0;
    }

    get playing() {
      return this.#take !== null;
    }

    get isSection() {
      return this.loop[0] > 0 || this.loop[1] < this.duration;
    }

    /* Seconds into the recordings. */
    get position() {
      if (!this.#take) return this.#resumeAt;
      const { startedAt, offset, start, length } = this.#take;
      return start + ((Math.max(0, this.context.currentTime - startedAt) + offset) % length);
    }

    get volumeDb() {
      return 20 * Math.log10(this.output.gain.value);
    }

    setVolume(gain) {
      const now = this.context.currentTime;
      this.output.gain.cancelScheduledValues(now);
      this.output.gain.setTargetAtTime(gain, now, 0.015);
    }

    play() {
      if (this.playing || !this.stimuli.length) return;
      this.#start(this.#resumeAt); // before the clock goes on: what is scheduled late would start late
      if (this.context.state === "suspended") this.context.resume().catch(() => {});
      this.#changed();
    }

    pause() {
      if (!this.playing) return;
      this.#resumeAt = this.position;
      this.#stop();
      this.#changed();
    }

    toggle() {
      if (this.playing) this.pause();
      else this.play();
    }

    /* Hear another recording from the same place on. */
    select(id) {
      if (id === this.selected || !this.stimuli.some((stimulus) => stimulus.id === id)) return;
      this.selected = id;
      if (this.#take) {
        const at = this.context.currentTime + AHEAD_S;
        this.stimuli.forEach((stimulus, i) => {
          const { gain } = this.#take.voices[i].gain;
          gain.cancelScheduledValues(at);
          gain.setTargetAtTime(this.#level(stimulus), at, SWITCH_S);
        });
      }
      this.#changed();
    }

    seek(seconds) {
      const [start, end] = this.loop;
      const inside = seconds >= start && seconds < end ? seconds : start;
      if (this.playing) {
        this.#stop();
        this.#start(inside);
      } else {
        this.#resumeAt = inside;
      }
      this.#changed();
    }

    setLoop(start, end) {
      const last = this.duration;
      let from = Math.min(Math.max(0, Math.min(start, end)), last);
      let to = Math.min(Math.max(start, end), last);
      const shortest = Math.min(SHORTEST_LOOP_S, last);
      if (to - from < shortest) {
        to = Math.min(from + shortest, last);
        from = to - shortest;
      }
      const position = this.position;
      this.loop = [from, to];
      this.#slices.clear();
      this.seek(position);
    }

    clearLoop() {
      this.setLoop(0, this.duration);
    }

    #changed() {
      this.dispatchEvent(new Event("change"));
    }

    #level(stimulus) {
      return stimulus.id === this.selected ? 10 ** ((stimulus.gainDb ?? 0) / 20) : 0;
    }

    #start(position) {
      const { context } = this;
      const startedAt = context.currentTime + AHEAD_S;
      const fade = new GainNode(context, { gain: 0 });
      fade.gain.setValueAtTime(0, startedAt);
      fade.gain.linearRampToValueAtTime(1, startedAt + FADE_S);
      fade.connect(this.output);
      const [start, end] = this.loop;
      const rate = this.stimuli[0].buffer.sampleRate;
      const length = (Math.round(end * rate) - Math.round(start * rate)) / rate;
      const offset = Math.min(Math.max(0, position - start), length) % length;
      const voices = this.stimuli.map((stimulus) => {
        const gain = new GainNode(context, { gain: this.#level(stimulus) });
        const source = new AudioBufferSourceNode(context, { buffer: this.#slice(stimulus), loop: true });
        source.connect(gain).connect(fade);
        source.start(startedAt, offset);
        return { source, gain };
      });
      this.#take = { voices, fade, startedAt, offset, start: Math.round(start * rate) / rate, length };
    }

    #stop() {
      const { voices, fade } = this.#take;
      const now = this.context.currentTime;
      const { gain } = fade;
      gain.cancelScheduledValues(now);
      gain.setValueAtTime(Math.min(1, Math.max(0, (now - this.#take.startedAt) / FADE_S)), now);
      gain.linearRampToValueAtTime(0, now + FADE_S);
      voices.forEach(({ source }) => source.stop(now + 2 * FADE_S));
      voices[0].source.onended = () => fade.disconnect();
      this.#take = null;
    }

    /* The looped part of a recording, faded at both ends, so that the seam of the loop does not click. */
    #slice(stimulus) {
      const known = this.#slices.get(stimulus.id);
      if (known) return known;
      const { buffer } = stimulus;
      const rate = buffer.sampleRate;
      const from = Math.round(this.loop[0] * rate);
      const to = Math.max(from + 1, Math.round(this.loop[1] * rate));
      const slice = new AudioBuffer({
        numberOfChannels: buffer.numberOfChannels,
        length: to - from,
        sampleRate: rate,
      });
      const fade = Math.min(Math.round(FADE_S * rate), Math.floor((to - from) / 2));
      for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
        const samples = buffer.getChannelData(channel).slice(from, to);
        for (let i = 0; i < fade; i += 1) {
          const weight = 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / fade);
          samples[i] *= weight;
          samples[samples.length - 1 - i] *= weight;
        }
        slice.copyToChannel(samples, channel);
      }
      this.#slices.set(stimulus.id, slice);
      return slice;
    }
  }

  return { bytes, json, decode, Player };
})();
