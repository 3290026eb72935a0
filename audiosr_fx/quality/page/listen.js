"use strict";
/* The screens of a listening test: a start with level check, one screen per trial, and the results. */
const Listening = (() => {
  const { element, keyList, decode, Player, transport, handleKey, wantsOwnKeys } = AlignedAudio;
  const test = AlignedAudio.json("test");
  const store = Session.storage(test);
  const stage = document.getElementById("stage");
  const hasReference = test.systems.some((system) => system.role === "reference");
  const context = new AudioContext({ sampleRate: test.sample_rate, latencyHint: "interactive" });
  const player = new Player(context);
  const STEPS = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
  const INTERVALS = ["Excellent", "Good", "Fair", "Poor", "Bad"];
  let state = null;
  let screen = "start";
  let view = null; // what the keys of a trial act on
  let volume = 0.8;

  /* ---- small things ---- */

  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const trialNow = () => state.trials[state.at];
  const interval = (rating) => INTERVALS[4 - Math.min(4, Math.floor(rating / 20))];

  function announce(text) {
    document.getElementById("live").textContent = text;
  }

  function show(name, ...nodes) {
    screen = name;
    document.body.dataset.screen = name;
    stage.replaceChildren(...nodes);
    stage.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  function fail(error) {
    player.pause();
    const text = `The audio cannot be played: ${error?.message || error}. Another browser may help, or a test made with --format wav.`;
    show("error", element("section", { class: "card", role: "alert" }, element("h2", { text: "Sorry" }), element("p", { text })));
  }

  function keep() {
    if (state) store.save(state);
  }

  function keepAnswer() {
    state.saved = false;
    keep();
  }

  /* Whether those answers may go: where they are in no file yet, somebody has to say so. */
  function mayForget(session) {
    if (!Session.isAtRisk(test, session)) return true;
    return confirm(`The answers of ${session.participant} are not saved yet. Go on without them?`);
  }

  /* ---- audio of a trial ---- */

  const decoded = new Map(); // the blocks of this trial and the next

  function blockOf(item, system) {
    return test.items[item].stimuli[system].audio;
  }

  function blocksOf(trial) {
    const reference = test.systems.findIndex((system) => system.role === "reference");
    const systems = reference < 0 ? trial.systems : [reference, ...trial.systems];
    return [...new Set(systems.map((system) => blockOf(trial.item, system)))];
  }

  function fetchBlock(block, frames) {
    if (!decoded.has(block)) decoded.set(block, decode(context, block, frames));
    return decoded.get(block);
  }

  /* The recordings of a trial as the player wants them; the ids say nothing about systems. */
  async function stimuliOf(trial) {
    const { frames } = test.items[trial.item];
    const load = async (id, system) => ({ id, buffer: await fetchBlock(blockOf(trial.item, system), frames) });
    const reference = test.systems.findIndex((system) => system.role === "reference");
    const wanted = reference < 0 ? [] : [load("reference", reference)];
    trial.systems.forEach((system, place) => wanted.push(load(place, system)));
    if (trial.x !== undefined) wanted.push(load("x", trial.x));
    return Promise.all(wanted);
  }

  function prefetch(at) {
    const kept = new Set();
    for (const trial of state.trials.slice(at, at + 2)) {
      for (const block of blocksOf(trial)) {
        kept.add(block);
        fetchBlock(block, test.items[trial.item].frames).catch(() => {});
      }
    }
    for (const block of decoded.keys()) if (!kept.has(block)) decoded.delete(block);
  }

  /* What is drawn: the reference, or else all recordings at once; never the one that is heard. */
  const shown = (stimuli) =>
    stimuli.filter(({ id }) => !hasReference || id === "reference").map(({ buffer }) => buffer);

  let mounted = null;

  function controls(container) {
    mounted?.dispose();
    mounted = transport(container, player, {
      shown,
      volume,
      onvolume: (share) => {
        volume = share;
        if (state) state.volume = share;
      },
    });
  }

  /* ---- listening times ---- */

  let hearing = null; // {id, since}

  function track() {
    const id = screen === "trial" && player.playing ? player.selected : null;
    if (hearing && hearing.id !== id) {
      const { heard } = trialNow();
      heard[hearing.id] = (heard[hearing.id] || 0) + (performance.now() - hearing.since) / 1000;
      hearing = null;
    }
    if (id !== null && !hearing) {
      hearing = { id, since: performance.now() };
      const trial = trialNow();
      const wasAnswered = Session.isAnswered(test, trial);
      trial.listens[id] = (trial.listens[id] || 0) + 1;
      if (Session.isAnswered(test, trial) === wasAnswered) keep();
      else keepAnswer(); // who chose before hearing all has answered now
    }
  }

  let shownAt = 0;

  function countTime() {
    if (screen !== "trial") return;
    const now = performance.now();
    trialNow().seconds += (now - shownAt) / 1000;
    shownAt = now;
  }

  player.addEventListener("change", () => {
    track();
    view?.refresh();
  });
  addEventListener("pagehide", () => {
    countTime();
    keep();
  });
  addEventListener("beforeunload", (event) => {
    // What survives a reload is gone with the tab, and nobody knows which of the two this is.
    if (Session.isAtRisk(test, state ?? store.load())) event.preventDefault();
  });

  /* ---- start ---- */

  const TASKS = {
    mushra: [
      "You hear several versions of the same recording, and the reference they should sound like.",
      "Rate every version from 0 (bad) to 100 (excellent): how close does it come to the reference? One of the versions is the reference itself, so at least one deserves 100.",
    ],
    ab: [
      "You hear two versions of the same recording, A and B.",
      "Say which of the two you prefer. If you hear no difference, say so.",
    ],
    abx: [
      "You hear two versions of the same recording, A and B, and X, which is one of the two.",
      "Say which of them X is. If you are not sure, guess.",
    ],
  };

  function keyTable() {
    const places = test.mode === "mushra" ? Math.min(9, test.systems.length) : 2;
    const rows = [
      [["Space"], "play, pause"],
      [["1", "–", String(places)], test.mode === "mushra" ? "hear a version" : "hear A or B"],
    ];
    if (test.mode === "abx") rows.push([["3"], "hear X"]);
    if (hasReference && test.mode !== "abx") rows.push([["0"], "hear the reference"]);
    if (test.mode === "mushra") {
      rows.push([["↑", "↓"], "rate, by 1"], [["PgUp", "PgDn"], "rate, by 10"], [["Home", "End"], "rate 0, 100"]);
      rows.push([["←", "→"], "hear the version beside"]);
    } else {
      rows.push([["←", "→"], test.mode === "ab" ? "prefer A, prefer B" : "X is A, X is B"]);
      if (test.mode === "ab") rows.push([["↓"], "no preference"]);
    }
    rows.push([["[", "]"], "loop from here, to here"], [["L"], "loop the whole excerpt"]);
    rows.push([[",", "."], "back, on by a second"], [["Enter"], "next"]);
    return keyList(rows);
  }

  async function startScreen() {
    const stored = store.load();
    const isUsable = stored && Array.isArray(stored.trials) && stored.trials.length > stored.at;
    if (isUsable) volume = stored.volume;
    const count = Session.plan(test, "").length;
    const name = element("input", {
      id: "participant",
      type: "text",
      maxlength: "60",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
      value: isUsable ? stored.participant : "",
    });
    const hint = element("p", { class: "hint", id: "hint", role: "alert" });
    const form = element(
      "form",
      { class: "begin" },
      element("label", { for: "participant", text: "Your name or number" }),
      element(
        "div",
        { class: "begin-row" },
        name,
        element("button", { class: "primary", type: "submit", text: isUsable ? `Continue at trial ${stored.at + 1}` : "Start" }),
      ),
      hint,
    );
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const participant = name.value.trim();
      if (!participant) {
        hint.textContent = "Please enter a name or a number: your results are saved under it.";
        name.focus();
        return;
      }
      context.resume().catch(() => {});
      if (isUsable && stored.participant === participant) {
        state = stored;
        state.volume = volume;
      } else {
        if (isUsable && !mayForget(stored)) return;
        state = Session.begin(test, participant, volume);
      }
      trialScreen(state.at);
    });
    const box = element("div", {});
    show(
      "start",
      element(
        "section",
        { class: "card intro" },
        element("h2", { text: "What to do" }),
        ...TASKS[test.mode].map((text) => element("p", { text })),
        element("p", {
          class: "soft",
          text:
            `${plural(count, "trial")}. All versions of a recording are equally loud and run in step; ` +
            "nobody, you included, sees which is which. Loop the part that tells most, and take your time.",
        }),
      ),
      element(
        "section",
        { class: "card" },
        element("h2", { text: "Set your level" }),
        element("p", { class: "soft", text: "Use headphones or good loudspeakers in a quiet room. Play this and set a comfortable volume; then leave it as it is." }),
        box,
      ),
      element("section", { class: "card" }, element("h2", { text: "Keys" }), keyTable()),
      element("section", { class: "card accent" }, form),
    );
    header();
    try {
      const reference = Math.max(0, test.systems.findIndex((system) => system.role === "reference"));
      const buffer = await fetchBlock(blockOf(0, reference), test.items[0].frames);
      if (screen !== "start") return;
      player.load([{ id: "reference", buffer }]);
      controls(box);
    } catch (error) {
      fail(error);
    }
  }

  function header() {
    const bar = document.getElementById("progress");
    const isRunning = screen === "trial";
    document.getElementById("where").textContent = isRunning ? `Trial ${state.at + 1} of ${state.trials.length}` : "";
    document.getElementById("save").hidden = !isRunning;
    bar.hidden = !isRunning;
    if (!isRunning) return;
    const done = state.trials.filter((trial) => Session.isAnswered(test, trial)).length;
    bar.setAttribute("aria-valuemax", state.trials.length);
    bar.setAttribute("aria-valuenow", done);
    bar.setAttribute("aria-valuetext", `${done} of ${plural(state.trials.length, "trial")} answered`);
    bar.firstElementChild.style.width = `${(100 * done) / state.trials.length}%`;
  }

  /* ---- trials ---- */

  async function trialScreen(at) {
    countTime();
    player.pause();
    view = null;
    state.at = at;
    keep();
    show("loading", element("p", { class: "loading", role: "status", text: "Loading …" }));
    prefetch(at);
    try {
      const stimuli = await stimuliOf(state.trials[at]);
      if (screen !== "loading" || state.at !== at) return;
      player.load(stimuli);
      shownAt = performance.now();
      (test.mode === "mushra" ? mushra : choice)(state.trials[at]);
      header();
      announce(`Trial ${at + 1} of ${state.trials.length}`);
    } catch (error) {
      fail(error);
    }
  }

  function footer(trial) {
    const hint = element("p", { class: "hint", role: "status" });
    const isLast = state.at === state.trials.length - 1;
    const next = element(
      "button",
      { class: "primary", type: "button", onclick: () => advance(hint) },
      isLast ? "Finish" : "Next",
      element("kbd", { text: "Enter", "aria-hidden": "true" }),
    );
    const back = element("button", {
      class: "quiet",
      type: "button",
      text: "Back",
      disabled: state.at === 0,
      onclick: () => trialScreen(state.at - 1),
    });
    const refresh = () => {
      const isReady = Session.isAnswered(test, trial);
      next.setAttribute("aria-disabled", String(!isReady));
      if (isReady) hint.textContent = "";
      header();
    };
    return { node: element("div", { class: "footer" }, back, hint, next), hint, refresh };
  }

  function advance(hint) {
    const trial = trialNow();
    const { unheard, unrated } = Session.missing(test, trial);
    const label = (place) => (place === "x" ? "X" : test.mode === "mushra" ? place + 1 : "AB"[place]);
    if (unheard.length) hint.textContent = `Not heard yet: ${unheard.map(label).join(", ")}`;
    else if (unrated.length && test.mode === "mushra") hint.textContent = `Not rated yet: ${unrated.map(label).join(", ")}`;
    else if (unrated.length) hint.textContent = "Choose one of the answers";
    else if (state.at + 1 < state.trials.length) trialScreen(state.at + 1);
    else endScreen();
  }

  function stimulusButton(id, label, key, name) {
    return element(
      "button",
      { class: "stimulus", type: "button", "aria-pressed": "false", "aria-label": name, onclick: () => pick(id) },
      element("span", { text: label }),
      key === null ? "" : element("kbd", { text: key, "aria-hidden": "true" }),
    );
  }

  function pick(id) {
    player.select(id);
    if (!player.playing) player.play();
  }

  function mark(buttons) {
    for (const [id, button] of buttons) {
      const isOn = player.selected === id;
      button.setAttribute("aria-pressed", String(isOn));
      button.closest(".lane")?.classList.toggle("on", isOn);
    }
  }

  function mushra(trial) {
    const box = element("div", {});
    const buttons = new Map();
    const sliders = [];
    const foot = footer(trial);
    const lanes = trial.systems.map((_, place) => {
      const value = element("output", { class: "value", text: "–" });
      const slider = element(
        "div",
        {
          class: "slider",
          role: "slider",
          tabindex: "0",
          "aria-label": `Rating of version ${place + 1}`,
          "aria-orientation": "vertical",
          "aria-valuemin": "0",
          "aria-valuemax": "100",
        },
        element("div", { class: "fill" }),
        element("div", { class: "thumb" }),
      );
      const button = stimulusButton(place, String(place + 1), null, `Version ${place + 1}`);
      buttons.set(place, button);
      const set = (rating) => {
        trial.ratings[place] = Math.min(100, Math.max(0, Math.round(rating)));
        paint();
        foot.refresh();
        keepAnswer();
      };
      const paint = () => {
        const rating = trial.ratings[place];
        slider.classList.toggle("unrated", rating === null);
        slider.style.setProperty("--rating", `${rating ?? 0}%`);
        slider.setAttribute("aria-valuenow", rating ?? 0);
        slider.setAttribute("aria-valuetext", rating === null ? "not rated" : `${rating}, ${interval(rating)}`);
        value.textContent = rating ?? "–";
      };
      const drag = (event) => {
        const track = slider.getBoundingClientRect();
        set((100 * (track.bottom - event.clientY)) / track.height);
      };
      slider.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        slider.setPointerCapture(event.pointerId);
        player.select(place);
        drag(event);
      });
      slider.addEventListener("pointermove", (event) => slider.hasPointerCapture(event.pointerId) && drag(event));
      slider.addEventListener("focus", () => player.select(place));
      paint();
      sliders.push({ slider, set });
      return element("div", { class: "lane" }, value, element("div", { class: "well" }, slider), button);
    });
    const reference = stimulusButton("reference", "Reference", "0", "Reference");
    buttons.set("reference", reference);
    const axis = element(
      "div",
      { class: "lane axis" },
      element("span", { class: "value" }),
      element("div", { class: "well" }, ...INTERVALS.map((text, i) => element("span", { text, "data-upper": 100 - 20 * i }))),
      reference,
    );
    show(
      "trial",
      element("section", { class: "card" }, box),
      element(
        "section",
        { class: "card", role: "group", "aria-label": "Ratings" },
        element("h2", { class: "question", text: "How close does each version come to the reference?" }),
        element("div", { class: "lanes" }, axis, ...lanes),
      ),
      foot.node,
    );
    controls(box);
    view = {
      refresh: () => {
        mark(buttons);
        foot.refresh();
      },
      hear: (place) => {
        if (!buttons.has(place)) return;
        if (place === "reference") stage.focus({ preventScroll: true });
        else sliders[place].slider.focus();
        pick(place);
      },
      key: (event) => {
        const place = player.selected;
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
          const order = ["reference", ...sliders.keys()];
          const step = event.key === "ArrowLeft" ? -1 : 1;
          view.hear(order[(order.indexOf(place) + step + order.length) % order.length]);
        } else if (place === "reference") return false;
        else if (event.key in STEPS) {
          sliders[place].set((trial.ratings[place] ?? 0) + STEPS[event.key] * (event.shiftKey ? 10 : 1));
        } else if (event.key === "Home") sliders[place].set(0);
        else if (event.key === "End") sliders[place].set(100);
        else return false;
        return true;
      },
      next: () => advance(foot.hint),
    };
    view.refresh();
  }

  function choice(trial) {
    const isAbx = test.mode === "abx";
    const box = element("div", {});
    const buttons = new Map();
    const foot = footer(trial);
    const add = (id, label, key, name) => {
      const button = stimulusButton(id, label, key, name);
      buttons.set(id, button);
      return element("div", { class: "lane" }, button);
    };
    const lanes = [add(0, "A", "1", "Version A"), add(1, "B", "2", "Version B")];
    if (isAbx) lanes.push(add("x", "X", "3", "X"));
    else if (hasReference) lanes.unshift(add("reference", "Reference", "0", "Reference"));
    const texts = isAbx
      ? [["a", "X is A", "←"], ["b", "X is B", "→"]]
      : [["a", "I prefer A", "←"], ["none", "No preference", "↓"], ["b", "I prefer B", "→"]];
    const answers = texts.map(([value, text, key]) =>
      element(
        "button",
        { class: "answer", type: "button", role: "radio", "data-value": value, onclick: () => choose(value) },
        element("span", { text }),
        element("kbd", { text: key, "aria-hidden": "true" }),
      ),
    );
    const choose = (value) => {
      trial.choice = value;
      announce(texts.find(([known]) => known === value)[1]);
      view.refresh();
      keepAnswer();
    };
    show(
      "trial",
      element("section", { class: "card" }, box),
      element(
        "section",
        { class: "card" },
        element("h2", { class: "question", text: isAbx ? "Which of the two is X?" : "Which version do you prefer?" }),
        element("div", { class: "pair" }, ...lanes),
        element("div", { class: "answers", role: "radiogroup", "aria-label": "Answer" }, ...answers),
      ),
      foot.node,
    );
    controls(box);
    const values = { ArrowLeft: "a", ArrowRight: "b", ...(isAbx ? {} : { ArrowDown: "none" }) };
    const places = isAbx ? { 3: "x" } : {};
    view = {
      refresh: () => {
        mark(buttons);
        answers.forEach((node) => node.setAttribute("aria-checked", String(node.dataset.value === trial.choice)));
        foot.refresh();
      },
      hear: (place) => {
        const id = places[place + 1] ?? place;
        if (buttons.has(id)) pick(id);
      },
      key: (event) => {
        if (!(event.key in values)) return false;
        choose(values[event.key]);
        return true;
      },
      next: () => advance(foot.hint),
    };
    player.select(0);
    view.refresh();
  }

  /* ---- end ---- */

  function save() {
    countTime();
    const text = JSON.stringify(Session.results(test, state), null, 1);
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = element("a", { href: url, download: Session.fileName(test, state) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    state.saved = true;
    keep();
    announce("Results saved");
  }

  function ownMeans() {
    const sums = new Map();
    const add = (system, value) => {
      const sum = sums.get(system) || { total: 0, count: 0 };
      sums.set(system, { total: sum.total + value, count: sum.count + 1 });
    };
    for (const trial of state.trials) {
      trial.systems.forEach((system, place) => {
        if (test.mode === "mushra") add(system, trial.ratings[place]);
        else if (test.mode === "ab") add(system, trial.choice === "none" ? 50 : trial.choice === "ab"[place] ? 100 : 0);
      });
      if (test.mode === "abx") {
        const system = trial.systems.find((known) => test.systems[known].role !== "reference") ?? trial.systems[0];
        add(system, (trial.x === trial.systems[0] ? "a" : "b") === trial.choice ? 100 : 0);
      }
    }
    return [...sums]
      .map(([system, { total, count }]) => {
        const { name, role } = test.systems[system];
        return [role === "system" || role === name ? name : `${name} (${role})`, total / count];
      })
      .sort((left, right) => right[1] - left[1]);
  }

  function revealed() {
    if (!test.reveal) return "";
    const units = { mushra: "mean rating", ab: "preferred, in per cent", abx: "X named rightly, in per cent" };
    const rows = ownMeans().map(([name, mean]) => {
      const bar = element("div", { class: "bar" }, element("div", {}));
      bar.firstElementChild.style.width = `${mean}%`;
      return element("tr", {}, element("th", { scope: "row", text: name }), element("td", {}, bar), element("td", { class: "number", text: mean.toFixed(0) }));
    });
    return element(
      "section",
      { class: "card" },
      element("h2", { text: "What you heard" }),
      element("table", { class: "own" }, element("caption", { text: `Your ${units[test.mode]}` }), element("tbody", {}, ...rows)),
    );
  }

  function endScreen() {
    countTime();
    player.pause();
    view = null;
    state.finished = new Date().toISOString();
    keep();
    const again = element("button", {
      class: "quiet",
      type: "button",
      text: "Next participant",
      onclick: () => {
        if (!mayForget(state)) return;
        store.clear();
        state = null;
        startScreen();
      },
    });
    const text = element("textarea", { readonly: true, rows: "6", "aria-label": "Results as text", spellcheck: "false" });
    text.value = JSON.stringify(Session.results(test, state));
    show(
      "end",
      element(
        "section",
        { class: "card accent finish" },
        element("h2", { text: "Thank you" }),
        element("p", { text: `You answered ${plural(state.trials.length, "trial")}. Save the results and send the file to whoever gave you this page.` }),
        element(
          "div",
          { class: "begin-row" },
          element("button", { class: "primary", id: "download", type: "button", text: "Save results", onclick: save }),
          element("button", { class: "quiet", type: "button", text: "Back to the last trial", onclick: () => trialScreen(state.trials.length - 1) }),
          again,
        ),
        element("details", {}, element("summary", { text: "No file appears?" }), element("p", { class: "soft", text: "Copy this text instead:" }), text),
      ),
      revealed(),
    );
    header();
    announce("The test is finished. Save your results.");
  }

  /* ---- keys ---- */

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (wantsOwnKeys(event.target, event.key)) return;
    if (screen === "trial" && view) {
      let isDone = true;
      if (/^[1-9]$/.test(event.key)) view.hear(Number(event.key) - 1);
      else if (event.key === "0") view.hear("reference");
      else if (event.key === "Enter" && !event.repeat) view.next();
      else isDone = view.key(event);
      if (isDone) {
        event.preventDefault();
        return;
      }
    }
    if (screen === "trial" || screen === "start") handleKey(event, player);
  });

  document.getElementById("title").textContent = test.title;
  document.getElementById("save").addEventListener("click", save);
  startScreen();

  return {
    player,
    test,
    get state() {
      return state;
    },
  };
})();
