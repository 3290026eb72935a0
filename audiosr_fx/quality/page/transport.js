"use strict";
/* The controls of an AlignedAudio.Player: play button, waveform to click and drag on, loop, volume and keys.

   AlignedAudio.transport(element, player);
   document.addEventListener("keydown", (event) => AlignedAudio.handleKey(event, player));
*/
(() => {
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") node.textContent = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  function icon(path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
    shape.setAttribute("d", path);
    svg.append(shape);
    return svg;
  }

  function clock(seconds) {
    const tenths = Math.round(seconds * 10);
    return `${Math.floor(tenths / 600)}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
  }

  /* Largest magnitude per column over some buffers. */
  function peaks(buffers, columns) {
    const result = new Float32Array(columns);
    for (const buffer of buffers) {
      for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
        const samples = buffer.getChannelData(channel);
        for (let column = 0; column < columns; column += 1) {
          const stop = Math.floor(((column + 1) * samples.length) / columns);
          for (let i = Math.floor((column * samples.length) / columns); i < stop; i += 1) {
            const magnitude = Math.abs(samples[i]);
            if (magnitude > result[column]) result[column] = magnitude;
          }
        }
      }
    }
    return result;
  }

  /* Waveform with loop and playhead: a click moves, a drag loops. It shows `shown(stimuli)`: the buffers to
     draw, by default the loudest of all, which betrays nobody. */
  class Timeline {
    #dragFrom = null;
    #frame = 0;
    #drawnWidth = 0;

    constructor(container, player, shown = (stimuli) => stimuli.map(({ buffer }) => buffer)) {
      this.player = player;
      this.shown = shown;
      this.listening = new AbortController();
      const { signal } = this.listening;
      this.canvas = element("canvas", { class: "aa-wave", "aria-hidden": "true" });
      this.section = element("div", { class: "aa-section" });
      this.head = element("div", { class: "aa-head" });
      this.node = element(
        "div",
        { class: "aa-timeline", role: "slider", tabindex: "0", "aria-label": "Position", "aria-valuemin": "0" },
        this.canvas,
        this.section,
        this.head,
      );
      container.append(this.node);
      this.node.addEventListener("pointerdown", (event) => this.#press(event));
      this.node.addEventListener("pointermove", (event) => this.#drag(event));
      this.node.addEventListener("pointerup", (event) => this.#release(event));
      this.node.addEventListener("pointercancel", () => (this.#dragFrom = null));
      this.node.addEventListener("keydown", (event) => this.#key(event));
      player.addEventListener("load", () => this.draw(), { signal });
      player.addEventListener("change", () => this.update(), { signal });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal });
      const resized = new ResizeObserver(() => this.canvas.clientWidth !== this.#drawnWidth && this.draw());
      resized.observe(this.node);
      signal.addEventListener("abort", () => {
        resized.disconnect();
        cancelAnimationFrame(this.#frame);
      });
    }

    draw() {
      const width = this.canvas.clientWidth;
      const height = this.canvas.clientHeight;
      this.#drawnWidth = width;
      if (!width || !this.player.stimuli.length) return;
      const scale = window.devicePixelRatio || 1;
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
      const paint = this.canvas.getContext("2d");
      paint.scale(scale, scale);
      paint.fillStyle = getComputedStyle(this.node).color;
      const columns = Math.floor(width / 3);
      const heights = peaks(this.shown(this.player.stimuli), columns);
      const loudest = Math.max(1e-6, ...heights);
      heights.forEach((peak, i) => {
        const tall = Math.max(2, (peak / loudest) * (height - 8));
        paint.beginPath();
        paint.roundRect(i * 3, (height - tall) / 2, 2, tall, 1);
        paint.fill();
      });
      this.update();
    }

    update() {
      const { player } = this;
      const { duration, position, loop } = player;
      const share = (seconds) => `${duration ? (100 * seconds) / duration : 0}%`;
      this.head.style.left = share(position);
      this.section.hidden = !player.isSection;
      this.section.style.left = share(loop[0]);
      this.section.style.width = share(loop[1] - loop[0]);
      this.node.setAttribute("aria-valuemax", duration.toFixed(1));
      this.node.setAttribute("aria-valuenow", position.toFixed(1));
      this.node.setAttribute("aria-valuetext", `${clock(position)} of ${clock(duration)}`);
      this.onupdate?.();
      cancelAnimationFrame(this.#frame);
      if (player.playing) this.#frame = requestAnimationFrame(() => this.update());
    }

    #seconds(event) {
      const box = this.node.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return share * this.player.duration;
    }

    #press(event) {
      if (event.button !== 0) return;
      this.node.setPointerCapture(event.pointerId);
      this.#dragFrom = { x: event.clientX, seconds: this.#seconds(event), moved: false };
    }

    #drag(event) {
      if (!this.#dragFrom) return;
      if (Math.abs(event.clientX - this.#dragFrom.x) > 5) this.#dragFrom.moved = true;
      if (!this.#dragFrom.moved) return;
      const [from, to] = [this.#dragFrom.seconds, this.#seconds(event)].sort((a, b) => a - b);
      const { duration } = this.player;
      this.section.hidden = false;
      this.section.style.left = `${(100 * from) / duration}%`;
      this.section.style.width = `${(100 * (to - from)) / duration}%`;
    }

    #release(event) {
      if (!this.#dragFrom) return;
      const { moved, seconds } = this.#dragFrom;
      this.#dragFrom = null;
      const here = this.#seconds(event);
      if (moved) {
        this.player.setLoop(seconds, here);
      } else {
        const [start, end] = this.player.loop;
        if (here < start || here >= end) this.player.clearLoop();
        this.player.seek(here);
      }
    }

    #key(event) {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -5, PageUp: 5 };
      let target = null;
      if (event.key in steps) target = this.player.position + steps[event.key];
      if (event.key === "Home") target = this.player.loop[0];
      if (event.key === "End") target = this.player.loop[1] - 1;
      if (target === null || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      const [start, end] = this.player.loop;
      this.player.seek(Math.min(Math.max(start, target), end - 0.01));
    }
  }

  const PLAY = "M8 5.5v13a1 1 0 0 0 1.5.86l10.6-6.5a1 1 0 0 0 0-1.72L9.5 4.64A1 1 0 0 0 8 5.5z";
  const PAUSE = "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z";

  /* Play button, waveform, time, loop and volume in one row. Options: shown (see Timeline), volume (0 to 1),
     onvolume. Call `dispose` of what it returns before the controls leave the page. */
  function transport(container, player, { shown, volume = 1, onvolume } = {}) {
    const play = element("button", { class: "aa-play", type: "button", onclick: () => player.toggle() });
    const now = element("span", { class: "aa-now", text: clock(0) });
    const total = element("span", { class: "aa-total" });
    const clear = element("button", {
      class: "aa-quiet",
      type: "button",
      text: "Whole excerpt",
      title: "Loop the whole excerpt (L)",
      onclick: () => player.clearLoop(),
    });
    const start = element("button", {
      class: "aa-quiet",
      type: "button",
      text: "Loop from here",
      title: "Start the loop here ([)",
      onclick: () => player.setLoop(player.position, player.loop[1]),
    });
    const end = element("button", {
      class: "aa-quiet",
      type: "button",
      text: "Loop to here",
      title: "End the loop here (])",
      onclick: () => player.setLoop(player.loop[0], player.position),
    });
    const level = element("input", {
      type: "range",
      min: "0",
      max: "100",
      step: "1",
      value: String(Math.round(100 * volume)),
      "aria-label": "Volume",
      oninput: () => apply(),
    });
    function apply() {
      const share = Number(level.value) / 100;
      level.style.setProperty("--share", `${level.value}%`);
      level.setAttribute("aria-valuetext", share ? `${(20 * Math.log10(gainOf(share))).toFixed(0)} dB` : "mute");
      player.setVolume(gainOf(share));
      onvolume?.(share);
    }
    const row = element("div", { class: "aa-row" }, play);
    const timeline = new Timeline(row, player, shown);
    const foot = element(
      "div",
      { class: "aa-foot" },
      element("span", { class: "aa-time" }, now, " / ", total),
      element("span", { class: "aa-loops" }, start, end, clear),
      element("label", { class: "aa-volume" }, element("span", { text: "Volume" }), level),
    );
    container.replaceChildren(element("div", { class: "aa-transport" }, row, foot));
    timeline.onupdate = () => {
      now.textContent = clock(player.position);
    };
    function refresh() {
      const label = player.playing ? "Pause" : "Play";
      if (play.getAttribute("aria-label") !== label) {
        play.setAttribute("aria-label", label);
        play.replaceChildren(icon(player.playing ? PAUSE : PLAY));
      }
      total.textContent = clock(player.duration);
      clear.disabled = !player.isSection;
    }
    player.addEventListener("change", refresh, { signal: timeline.listening.signal });
    refresh();
    apply();
    timeline.draw();
    return { dispose: () => timeline.listening.abort() };
  }

  /* The volume slider runs over 50 dB. */
  function gainOf(share) {
    return share > 0 ? 10 ** ((share - 1) * 2.5) : 0;
  }

  /* Keys that every page with a player has: space, [ ] L, comma and dot. True if the key was one of them. */
  function handleKey(event, player) {
    const { key } = event;
    if (key === " ") player.toggle();
    else if (key === "[") player.setLoop(player.position, player.loop[1]);
    else if (key === "]") player.setLoop(player.loop[0], player.position);
    else if (key === "l" || key === "L") player.clearLoop();
    else if (key === ",") player.seek(Math.max(player.loop[0], player.position - 1));
    else if (key === ".") player.seek(Math.min(player.loop[1] - 0.01, player.position + 1));
    else return false;
    event.preventDefault();
    return true;
  }

  function kbd(key) {
    return element("kbd", { text: key });
  }

  /* What keys do: rows of [[key, …], text]; a dash stands for itself. */
  function keyList(rows) {
    return element(
      "dl",
      { class: "keys" },
      ...rows.map(([keys, text]) =>
        element(
          "div",
          {},
          element("dt", {}, ...keys.map((key) => (key === "–" ? key : kbd(key)))),
          element("dd", { text }),
        ),
      ),
    );
  }

  const CONTROLS = "a, button, summary, [role=radio]";
  let pressed = null; // the control that has the focus because a pointer pressed it

  document.addEventListener("pointerdown", (event) => (pressed = event.target.closest?.(CONTROLS) ?? null), true);
  document.addEventListener("keydown", (event) => event.key === "Tab" && (pressed = null), true);

  /* Whether what has the focus needs a key itself, so that the page must leave it alone. Who clicks means the
     page by Space and Enter, who went there by Tab means the button; :focus-visible says neither, for any key
     makes it true. */
  function wantsOwnKeys(target, key) {
    if (target.matches("input[type=text], textarea")) return true;
    if (target.matches("input[type=range]")) return key !== " " && key !== "Enter";
    return target.matches(CONTROLS) && (key === " " || key === "Enter") && target !== pressed;
  }

  Object.assign(AlignedAudio, {
    Timeline,
    transport,
    handleKey,
    wantsOwnKeys,
    element,
    icon,
    kbd,
    keyList,
    clock,
    gainOf,
  });
})();
