"use strict";
/* Blind listening in a report: A and B are before and after, in an order nobody is told until they ask. All
   files share one player; a file's sounds are decoded when it is first played, and let go when another is. */
const Blind = (() => {
  const { element, kbd, decode, Player, transport, ...audio } = AlignedAudio;
  const context = new AudioContext({ sampleRate: AlignedAudio.json("report").sample_rate, latencyHint: "interactive" });
  const player = new Player(context);
  const decks = [];
  let active = null;
  let volume = 0.8;

  const isHeads = () => crypto.getRandomValues(new Uint8Array(1))[0] < 128;
  const decibels = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)} dB`;

  function announce(text) {
    document.getElementById("live").textContent = text;
  }

  /* What one file can be heard by: two buttons, and the player while it is this file's turn. */
  class Deck {
    #controls = null;
    #frame = 0;

    constructor(file, marks) {
      this.excerpt = file.excerpt;
      this.name = file.name;
      this.marks = marks; // playheads over the spectrograms
      this.isSwapped = isHeads();
      this.isRevealed = false;
      this.slot = element("div", { class: "slot" });
      this.buttons = ["a", "b"].map((id) =>
        element("button", { class: "stimulus", type: "button", "aria-pressed": "false", onclick: () => this.hear(id) }),
      );
      this.reveal = element("button", { class: "quiet", type: "button", onclick: () => this.turn() });
      this.problem = element("p", { class: "hint", role: "alert" });
      this.node = element(
        "section",
        { class: "deck", "aria-label": "Listen" },
        element("div", { class: "choose" }, ...this.buttons, this.reveal),
        this.slot,
        this.problem,
        element("p", { class: "soft small", text: this.#about(file) }),
      );
      this.refresh();
      this.#close();
      decks.push(this);
    }

    #about({ excerpt }) {
      const { start_s: start, seconds, choice, loudness_lufs: loudness, gains_db: gains } = excerpt;
      const whole = choice === "whole";
      const part = whole ? "The whole file" : `${seconds.toFixed(0)} s from ${audio.clock(start).slice(0, -2)}, where it is ${choice === "loudest" ? "loudest" : "changed most"}`;
      const level = loudness.toFixed(1).replace("-", "−");
      return `${part}; both sides at ${level} LUFS (before ${decibels(gains[0])}, after ${decibels(gains[1])}), in step to the sample, FLAC of 16 bit.`;
    }

    get isActive() {
      return active === this;
    }

    /* Which recording a letter stands for. */
    side(id) {
      return (id === "a") === this.isSwapped ? "after" : "before";
    }

    /* Make it this file's turn. */
    async open() {
      if (this.isActive) return this.opened;
      active?.#close();
      active = this;
      this.opened = this.#load();
      return this.opened;
    }

    async #load() {
      const { frames } = this.excerpt;
      try {
        const stimuli = await Promise.all(
          ["a", "b"].map(async (id) => ({ id, buffer: await decode(context, this.excerpt[this.side(id)], frames) })),
        );
        if (!this.isActive) return;
        player.load(stimuli);
        this.#controls = transport(this.slot, player, { volume, onvolume: (share) => (volume = share) });
      } catch (error) {
        this.problem.textContent = `The audio cannot be played: ${error?.message || error}. Another browser may help.`;
      }
      this.refresh();
    }

    #close() {
      if (this.isActive) {
        player.pause();
        player.load([]);
        active = null;
      }
      this.#controls?.dispose();
      this.#controls = null;
      cancelAnimationFrame(this.#frame);
      for (const mark of this.marks) mark.hidden = true;
      const play = element("button", { class: "aa-play", type: "button", "aria-label": `Listen to ${this.name}`, onclick: () => this.play() });
      play.append(audio.icon("M8 5.5v13a1 1 0 0 0 1.5.86l10.6-6.5a1 1 0 0 0 0-1.72L9.5 4.64A1 1 0 0 0 8 5.5z"));
      this.slot.replaceChildren(element("div", { class: "aa-row idle" }, play, element("div", { class: "aa-timeline idle" }, element("span", { class: "soft small", text: `${this.excerpt.seconds.toFixed(0)} s, level-matched` }))));
      this.refresh();
    }

    async play() {
      context.resume().catch(() => {});
      await this.open();
      if (this.isActive && !player.playing) player.play();
    }

    async hear(id) {
      const mustStart = !this.isActive;
      await this.open();
      if (!this.isActive) return;
      player.select(id);
      if (mustStart) await this.play();
      announce(id.toUpperCase());
    }

    /* Say which is which, or draw a new order. */
    turn() {
      if (this.isRevealed) {
        this.isRevealed = false;
        if (isHeads()) this.#swap();
        announce("A and B are drawn anew");
      } else {
        this.isRevealed = true;
        announce(`A is ${this.side("a")}, B is ${this.side("b")}`);
      }
      this.refresh();
    }

    #swap() {
      this.isSwapped = !this.isSwapped;
      if (!this.isActive || !player.stimuli.length) return;
      const [a, b] = player.stimuli;
      const { playing, position, loop } = player;
      player.load([{ ...b, id: "a" }, { ...a, id: "b" }]);
      player.setLoop(...loop);
      player.seek(position);
      if (playing) player.play();
    }

    refresh() {
      this.buttons.forEach((button, i) => {
        const id = "ab"[i];
        const isHeard = this.isActive && player.selected === id;
        button.setAttribute("aria-pressed", String(isHeard));
        const known = this.isRevealed ? [element("span", { class: "known", text: this.side(id) })] : [];
        button.replaceChildren(element("span", { text: id.toUpperCase() }), ...known, kbd(String(i + 1)));
      });
      this.reveal.replaceChildren(this.isRevealed ? "Hide and draw again" : "Which is which?", kbd("R"));
      this.node.classList.toggle("on", this.isActive);
      this.#follow();
    }

    #follow() {
      cancelAnimationFrame(this.#frame);
      if (!this.isActive || !player.stimuli.length) return;
      for (const mark of this.marks) {
        mark.hidden = false;
        mark.style.left = Charts.percent((this.excerpt.start_s + player.position) / mark.seconds);
      }
      if (player.playing) this.#frame = requestAnimationFrame(() => this.#follow());
    }
  }

  player.addEventListener("change", () => active?.refresh());

  const other = { a: "b", b: "a" };

  /* The keys of listening; true if the key was one of them. */
  function handleKey(event) {
    const deck = active ?? decks[0];
    if (!deck) return false;
    const key = event.key.toLowerCase();
    if (key === "1" || key === "a") deck.hear("a");
    else if (key === "2" || key === "b") deck.hear("b");
    else if (key === "x") deck.hear(other[player.selected] ?? "a");
    else if (key === "r") deck.turn();
    else if (key === "n" || key === "p") go(deck, key === "n" ? 1 : -1);
    else if (key === " " && !active) deck.play();
    else return active ? audio.handleKey(event, player) : false;
    event.preventDefault();
    return true;
  }

  /* The file before or after, and play it if something plays. */
  function go(deck, step) {
    const next = decks[decks.indexOf(deck) + (active ? step : 0)];
    if (!next) return;
    next.node.closest(".file").scrollIntoView({ block: "start" });
    if (player.playing) next.play();
    else next.open();
  }

  addEventListener("beforeprint", () => player.pause());

  return {
    Deck,
    decks,
    player,
    context,
    handleKey,
    get active() {
      return active;
    },
  };
})();
