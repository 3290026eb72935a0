"use strict";
/* The table on top of a report: one row per file, sorted by a click or Enter on a column's head. */
const Overview = (() => {
  const { element } = AlignedAudio;
  const MINUS = "\u2212";
  const STATUS = {
    restored: "restored",
    cleaned: "cleaned",
    passed: "passed through",
    compared: "compared",
    skipped: "skipped",
    no_before: "nothing before",
    no_after: "nothing after",
    failed: "failed",
    unreadable: "not measured",
  };

  /* A level in figures; what JSON cannot hold comes as text. */
  function level(value, digits = 1) {
    if (value === null || value === undefined) return "–";
    if (value === "-inf") return `${MINUS}∞`;
    if (value === "inf") return "∞";
    const text = value.toFixed(digits);
    return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", MINUS);
  }

  const order = (value) => (value === "-inf" ? -Infinity : value === "inf" ? Infinity : (value ?? null));
  const hertz = (value) => (value === null ? "–" : value >= 1000 ? `${(value / 1000).toFixed(2)} kHz` : `${value.toFixed(0)} Hz`);

  function change(before, after, digits = 1) {
    if (before === null || before === undefined) return level(after, digits);
    if (after === null || after === undefined) return level(before, digits);
    return `${level(before, digits)} → ${level(after, digits)}`;
  }

  const levels = (file, side, name) => file[side]?.levels[name];
  const duration = (file) => (file.after ?? file.before)?.duration_s ?? null;
  const speed = (file) => (file.render_s > 0 && duration(file) ? duration(file) / file.render_s : null);

  function badge(status) {
    return element("span", { class: `badge ${status}`, text: STATUS[status] });
  }

  /* Heads, what a cell shows, and what it is sorted by. */
  const COLUMNS = [
    { head: "#", cell: (file, i) => String(i + 1), key: (file, i) => i, isNumber: true },
    { head: "File", cell: (file, i) => element("a", { href: `#file-${i + 1}`, title: file.name }, element("bdi", { text: file.name })), key: (file) => file.name, wide: true },
    { head: "Result", cell: (file) => badge(file.status), key: (file) => file.status },
    { head: "Cutoff", cell: (file) => hertz(file.cutoff_hz), key: (file) => file.cutoff_hz, isNumber: true },
    { head: "LUFS", cell: (file) => change(levels(file, "before", "integrated_lufs"), levels(file, "after", "integrated_lufs")), key: (file) => levels(file, "after", "integrated_lufs"), isNumber: true },
    { head: "True peak, dBTP", cell: (file) => change(levels(file, "before", "true_peak_dbtp"), levels(file, "after", "true_peak_dbtp")), key: (file) => levels(file, "after", "true_peak_dbtp"), isNumber: true },
    { head: "Null", cell: (file) => file.null?.short ?? "–", key: (file) => file.null_dbfs, isNumber: true },
    { head: "Mono sum", cell: (file) => file.mono?.short ?? "–", key: (file) => file.mono_level_db, isNumber: true },
    { head: "Speed", cell: (file) => (speed(file) ? `${speed(file).toFixed(1)}×` : "–"), key: speed, isNumber: true },
  ];

  /* Unknown values come last, whichever way. */
  function compare(left, right, direction) {
    if (left === right) return 0;
    if (left === null || left === undefined) return 1;
    if (right === null || right === undefined) return -1;
    const sign = typeof left === "string" && typeof right === "string" ? left.localeCompare(right, undefined, { numeric: true }) : left - right;
    return direction * sign;
  }

  function table(files) {
    const rows = files.map((file, i) => ({
      keys: COLUMNS.map((column) => (column.isNumber ? order(column.key(file, i)) : column.key(file, i))),
      node: element(
        "tr",
        { class: file.status },
        ...COLUMNS.map((column) => element(column.wide ? "th" : "td", { class: column.isNumber ? "number" : column.wide ? "name" : false, scope: column.wide ? "row" : null }, column.cell(file, i))),
      ),
    }));
    const body = element("tbody", {}, ...rows.map(({ node }) => node));
    const heads = COLUMNS.map((column, place) => {
      const head = element("th", { scope: "col", class: column.isNumber ? "number" : false }, element("button", { class: "sort", type: "button", text: column.head, onclick: () => sort(place) }));
      return head;
    });
    heads[0].setAttribute("aria-sort", "ascending");
    function sort(place) {
      const isAgain = heads[place].getAttribute("aria-sort") === "ascending";
      const direction = isAgain ? -1 : 1;
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[place].setAttribute("aria-sort", isAgain ? "descending" : "ascending");
      rows.sort((left, right) => compare(left.keys[place], right.keys[place], direction) || left.keys[0] - right.keys[0]);
      body.replaceChildren(...rows.map(({ node }) => node));
    }
    return element(
      "div",
      { class: "table", tabindex: "0", role: "region", "aria-label": "Overview" },
      element("table", { class: "overview" }, element("thead", {}, element("tr", {}, ...heads)), body),
    );
  }

  return { table, level, hertz, badge, speed, duration, STATUS };
})();
