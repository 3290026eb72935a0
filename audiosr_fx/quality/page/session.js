"use strict";
/* One participant's way through a listening test: the order of trials and stimuli, the answers, what is kept
   for a reload, and the results. It knows nothing of screens. */
const Session = (() => {
  /* Numbers from 0 to 1, the same for the same text (FNV-1a, then the mixer of MurmurHash3). */
  function generator(text) {
    let state = 2166136261;
    for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 16777619);
    return () => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
    };
  }

  function shuffled(values, random) {
    const result = [...values];
    for (let last = result.length - 1; last > 0; last -= 1) {
      const other = Math.floor(random() * (last + 1));
      [result[last], result[other]] = [result[other], result[last]];
    }
    return result;
  }

  /* All trials of a participant. Every item comes once before any comes again. `systems` are those that are
     heard, by their place in the test; `x` is the place that X repeats. */
  function plan(test, participant) {
    const random = generator(`${test.seed}/${participant}`);
    const trials = [];
    for (let repeat = 0; repeat < test.repeats; repeat += 1) {
      const round = [];
      for (let item = 0; item < test.items.length; item += 1) {
        if (test.mode === "mushra") round.push({ item, systems: shuffled(test.systems.keys(), random) });
        for (const pair of test.pairs) {
          const trial = { item, systems: shuffled(pair, random) };
          if (test.mode === "abx") trial.x = trial.systems[random() < 0.5 ? 0 : 1];
          round.push(trial);
        }
      }
      trials.push(...shuffled(round, random));
    }
    return trials.map((trial) => ({
      ...trial,
      ratings: trial.systems.map(() => null),
      choice: null,
      listens: {},
      heard: {},
      seconds: 0,
    }));
  }

  /* Answers survive a reload, though not the tab, where the browser lets a page keep something; from file://
     not all do. */
  function storage(test) {
    const key = `audiosr-fx-listening-${test.page}`;
    const tried = (action, fallback) => {
      try {
        return action();
      } catch {
        return fallback;
      }
    };
    return {
      load: () => tried(() => JSON.parse(sessionStorage.getItem(key)), null),
      save: (state) => tried(() => sessionStorage.setItem(key, JSON.stringify(state)), undefined),
      clear: () => tried(() => sessionStorage.removeItem(key), undefined),
    };
  }

  function begin(test, participant, volume) {
    return {
      participant,
      started: new Date().toISOString(),
      finished: null,
      at: 0,
      volume,
      saved: false,
      trials: plan(test, participant),
    };
  }

  /* What a trial still lacks: places (from 0) of stimuli that were not heard, and that were not rated. */
  function missing(test, trial) {
    const places = [...trial.systems.keys()];
    const unheard = places.filter((place) => !trial.listens[place]);
    if (test.mode === "mushra") {
      return { unheard, unrated: places.filter((place) => trial.ratings[place] === null) };
    }
    if (test.mode === "abx" && !trial.listens.x) unheard.push("x");
    return { unheard, unrated: trial.choice === null ? [0] : [] };
  }

  function isAnswered(test, trial) {
    const { unheard, unrated } = missing(test, trial);
    return !unheard.length && !unrated.length;
  }

  /* Whether there are answers that no file holds yet. */
  function isAtRisk(test, state) {
    return Boolean(state?.trials) && !state.saved && state.trials.some((trial) => isAnswered(test, trial));
  }

  const rounded = (seconds) => Math.round((seconds || 0) * 10) / 10;

  function answer(test, trial, position) {
    const name = (system) => test.systems[system].name;
    const common = { item: test.items[trial.item].name, position: position + 1, seconds: rounded(trial.seconds) };
    const heard = (place) => ({ listens: trial.listens[place] || 0, heard_s: rounded(trial.heard[place]) });
    if (test.mode === "mushra") {
      return {
        ...common,
        reference_listens: trial.listens.reference || 0,
        stimuli: trial.systems.map((system, place) => ({
          system: name(system),
          rating: trial.ratings[place],
          ...heard(place),
        })),
      };
    }
    const [a, b] = trial.systems;
    const pair = { ...common, a: name(a), b: name(b), listens: { a: heard(0).listens, b: heard(1).listens } };
    if (test.mode === "ab") return { ...pair, choice: trial.choice };
    return { ...pair, x: trial.x === a ? "a" : "b", answer: trial.choice };
  }

  /* The file of results; trials that were not answered to the end are left out. */
  function results(test, state) {
    return {
      format: "audiosr-fx listening results 1",
      page: test.page,
      mode: test.mode,
      title: test.title,
      seed: test.seed,
      participant: state.participant,
      started: state.started,
      finished: state.finished,
      complete: state.trials.every((trial) => isAnswered(test, trial)),
      volume: state.volume,
      systems: test.systems,
      items: test.items.map((item) => item.name),
      trials: state.trials
        .map((trial, position) => (isAnswered(test, trial) ? answer(test, trial, position) : null))
        .filter((trial) => trial !== null),
    };
  }

  function fileName(test, state) {
    const slug = state.participant.replace(/[^\p{L}\p{M}\p{N}_-]+/gu, "-").replace(/^-+|-+$/g, "") || "participant";
    return `${slug}-${test.mode}-${test.page.slice(0, 8)}.json`;
  }

  return { plan, storage, begin, missing, isAnswered, isAtRisk, results, fileName };
})();
