"use strict";
/* A mastering report: a table of all files, then a card for each. */
const Report = (() => {
  const { element, clock, keyList, wantsOwnKeys } = AlignedAudio;
  const { level, hertz, badge, speed, duration } = Overview;
  const report = AlignedAudio.json("report");
  const METERS = [
    ["integrated_lufs", "Integrated", "LUFS"],
    ["loudness_range_lu", "Loudness range", "LU"],
    ["max_short_term_lufs", "Short-term max", "LUFS"],
    ["max_momentary_lufs", "Momentary max", "LUFS"],
    ["sample_peak_dbfs", "Sample peak", "dBFS"],
    ["true_peak_dbtp", "True peak", "dBTP"],
  ];
  const CHANNELS = { 1: "mono", 2: "stereo" };

  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const time = (seconds) => clock(seconds).slice(0, -2);
  const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

  function head() {
    const { files } = report;
    const counts = Object.entries(Overview.STATUS)
      .map(([status, word]) => [files.filter((file) => file.status === status).length, word])
      .filter(([count]) => count)
      .map(([count, word]) => `${count} ${word}`);
    const parts = [plural(files.length, "file"), ...(files.length > 1 ? counts : [])];
    const timed = files.filter(speed);
    const audio = sum(files.map(duration));
    if (audio) parts.push(`${time(audio)} of audio`);
    if (timed.length) {
      const seconds = sum(timed.map((file) => file.render_s));
      parts.push(`made in ${time(seconds)} (${(sum(timed.map(duration)) / seconds).toFixed(1)}× real time)`);
    }
    document.getElementById("title").append(element("bdi", { text: report.title }));
    document.getElementById("about").textContent = [...parts, report.software].join(" · ");
  }

  function format(side) {
    const rate = `${(side.sample_rate / 1000).toFixed(1).replace(".0", "")} kHz`;
    return [side.format.replace("_", " "), rate, CHANNELS[side.channels] ?? `${side.channels} channels`, clock(side.duration_s)].join(", ");
  }

  /* ---- one file ---- */

  function meters(file) {
    const sides = ["before", "after"].filter((side) => file[side]);
    if (!sides.length) return "";
    const rows = METERS.map(([name, label, unit]) => {
      const values = sides.map((side) => file[side].levels[name]);
      const [before, after] = values;
      const isKnown = values.length === 2 && values.every((value) => typeof value === "number");
      const moved = isKnown ? level(after - before).replace(/^(?=[0-9])/, "+").replace("+0.0", "0.0") : "";
      const isOver = name === "true_peak_dbtp" && values.length === 2 && after > 0;
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, label, element("span", { class: "unit", text: unit })),
        ...values.map((value, i) => element("td", { class: isOver && i === 1 ? "number over" : "number", text: level(value) })),
        ...(sides.length === 2 ? [element("td", { class: "number soft", text: moved })] : []),
      );
    });
    const heads = [...sides, ...(sides.length === 2 ? ["change"] : [])];
    return element(
      "table",
      { class: "meters" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col", text: "Levels" }), ...heads.map((text) => element("th", { scope: "col", class: "number", text })))),
      element("tbody", {}, ...rows),
    );
  }

  function fact(name, value, tone) {
    return [element("dt", { text: name }), element("dd", { class: tone ?? false }, value)];
  }

  function facts(file) {
    const rows = [];
    if (file.null) rows.push(...fact("Null test", file.null.text, file.null.tone));
    if (file.mono) rows.push(...fact("Mono sum", file.mono.text, file.mono.tone));
    if (file.lag_ms) rows.push(...fact("Delay", `The output is ${Math.abs(file.lag_ms).toFixed(2)} ms ${file.lag_ms > 0 ? "late" : "early"}; pictures, checks and sounds were put in step.`, "warn"));
    if (Math.abs(file.missing_s) >= 0.01 && file.after) {
      const [much, word] = [Math.abs(file.missing_s).toFixed(2), file.missing_s > 0 ? "shorter" : "longer"];
      rows.push(...fact("Length", `The output is ${much} s ${word} than the source${file.start_s ? " from there on" : ""}.`));
    }
    for (const line of file.decisions) rows.push(...fact("Loudness", line));
    if (file.status !== "unreadable") for (const note of file.notes) rows.push(...fact("Note", note, "warn"));
    return rows.length ? element("dl", { class: "facts" }, ...rows) : "";
  }

  function origin(file) {
    const rows = [];
    if (file.before) rows.push(...fact("Source", `${format(file.before)}${file.start_s ? `, from ${clock(file.start_s)}` : ""}`));
    if (file.after) rows.push(...fact("Output", format(file.after)));
    if (file.crossover_hz) rows.push(...fact("Joined at", hertz(file.crossover_hz)));
    if (file.preset) rows.push(...fact("Preset", file.preset));
    if (file.render_s !== null) {
      rows.push(...fact("Time", `${file.render_s.toFixed(1)} s${speed(file) ? `, ${speed(file).toFixed(1)}× real time` : ""}`));
    }
    for (const step of file.provenance) {
      const known = Object.fromEntries(step);
      const words = step.filter(([name]) => name !== "software" && name !== "weights_sha256").map(([name, value]) => `${name.replace("_hz", "")} ${name.endsWith("_hz") ? hertz(Number(value)) : value}`);
      rows.push(...fact("Made by", [known.software, ...words].join(", ")));
      if (known.weights_sha256) rows.push(...fact("Weights", element("code", { text: known.weights_sha256 })));
    }
    return element("dl", { class: "facts origin" }, ...rows);
  }

  /* What went wrong: on the file, or on measuring it. */
  function problems(file) {
    return [...(file.error ? [file.error] : []), ...(file.status === "unreadable" ? file.notes : [])];
  }

  function card(file, i) {
    const pictures = Charts.spectrograms(file);
    const marks = pictures ? [...pictures.querySelectorAll(".at")] : [];
    for (const mark of marks) mark.seconds = file.pictures.seconds;
    const deck = file.excerpt ? new Blind.Deck(file, marks).node : "";
    const reason = file.reason && file.status !== "failed" ? element("p", { class: "soft reason", text: file.reason }) : "";
    return element(
      "article",
      { class: `card file ${file.status}`, id: `file-${i + 1}` },
      element(
        "header",
        { class: "file-head" },
        element("span", { class: "place", text: String(i + 1) }),
        element("div", { class: "file-name" }, element("h2", {}, element("bdi", { text: file.name })), reason),
        badge(file.status),
      ),
      ...problems(file).map((text) => element("p", { class: "error", text })),
      deck,
      pictures ? element("div", { class: "pictures" }, pictures, Charts.scale(file.pictures)) : "",
      element("div", { class: "columns" }, Charts.curves(file), meters(file)),
      facts(file),
      origin(file),
    );
  }

  /* ---- the rest ---- */

  function stems() {
    const check = report.stem_check;
    if (!check) return "";
    return element(
      "section",
      { class: "card stems", id: "stems" },
      element("h2", { text: "Stem set" }),
      element("p", { class: "figure" }, `${level(check.null_dbfs)} dBFS`, element("span", { class: "soft", text: `RMS of the difference of the sums of ${plural(check.stems, "stem")} ${check.where}` })),
      check.reason ? element("p", { text: check.reason }) : "",
    );
  }

  function keys() {
    const rows = [
      [["Space"], "play, pause"],
      [["1", "2"], "hear A, hear B"],
      [["X"], "hear the other one"],
      [["R"], "say which is which"],
      [["N", "P"], "next file, previous file"],
      [["[", "]"], "loop from here, to here"],
      [["L"], "loop the whole excerpt"],
      [[",", "."], "back, on by a second"],
    ];
    return element("details", { class: "card help" }, element("summary", { text: "Keys for listening" }), keyList(rows));
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!wantsOwnKeys(event.target, event.key)) Blind.handleKey(event);
  });

  head();
  const cards = report.files.map(card);
  const overview = report.files.length ? Overview.table(report.files) : element("p", { class: "soft", text: "There are no files in this report." });
  document.getElementById("main").replaceChildren(overview, stems(), Blind.decks.length ? keys() : "", ...cards);

  return { report };
})();
