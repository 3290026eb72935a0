"use strict";
/* Pictures of a report: spectrograms with axes around them, and mean spectra as curves. */
const Charts = (() => {
  const { element, clock } = AlignedAudio;
  const LOWEST_HZ = 60; // where curves begin
  const DEEPEST_DB = 90; // under the top of a curve's chart

  function svg(tag, attributes = {}, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") node.textContent = value;
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  const minus = (value) => String(value).replace("-", "−");
  const percent = (share) => `${(100 * Math.min(1, Math.max(0, share))).toFixed(3)}%`;

  /* Round steps that part a range into no more than so many pieces. */
  function ticks(last, most, steps) {
    const step = steps.find((width) => last / width <= most) ?? steps[steps.length - 1];
    return Array.from({ length: Math.floor(last / step + 1e-9) + 1 }, (_, i) => i * step);
  }

  /* The two spectrograms of a file, beside each other, on one scale. */
  function spectrograms(file) {
    const { pictures } = file;
    const panels = ["before", "after"].filter((side) => pictures[side]).map((side) => spectrogram(file, side));
    if (!panels.length) return "";
    return element("div", { class: "spectrograms" }, ...panels);
  }

  function spectrogram(file, side) {
    const { pictures, excerpt, crossover_hz: crossover } = file;
    const { nyquist_hz: nyquist, seconds } = pictures;
    const name = side === "before" ? "Before" : "After";
    const image = element("img", { alt: `Spectrogram, ${side}`, decoding: "async", draggable: "false" });
    image.src = `data:image/png;base64,${document.getElementById(pictures[side].block).textContent}`;
    const frame = element("div", { class: "frame" }, image);
    if (crossover && crossover < nyquist) {
      const line = element("div", { class: "crossover" });
      line.style.bottom = percent(crossover / nyquist);
      frame.append(line);
    }
    if (excerpt && excerpt.choice !== "whole") {
      const part = element("div", { class: "part", title: "What you can listen to" });
      part.style.left = percent(excerpt.start_s / seconds);
      part.style.width = percent(excerpt.seconds / seconds);
      frame.append(part);
    }
    frame.append(element("div", { class: "at", hidden: true }));
    const levels = ticks(nyquist / 1000, 6, [1, 2, 4, 5, 10, 20, 40, 80]).map((kilohertz) => {
      const label = element("span", { text: String(kilohertz) });
      label.style.bottom = percent((kilohertz * 1000) / nyquist);
      return label;
    });
    const times = ticks(seconds, 6, [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600]).map((second) => {
      const label = element("span", { text: seconds < 5 ? second.toFixed(1) : clock(second).slice(0, -2) });
      label.style.left = percent(second / seconds);
      return label;
    });
    return element(
      "figure",
      { class: "spectrogram" },
      element("figcaption", {}, element("b", { text: name })),
      element("div", { class: "axis-y", "aria-hidden": "true" }, ...levels),
      frame,
      element("div", { class: "axis-x", "aria-hidden": "true" }, ...times),
    );
  }

  /* The colours of spectrograms, from dark to bright. */
  function scale({ top_db: top, range_db: range }) {
    return element(
      "div",
      { class: "scale" },
      element("span", { text: minus(top - range) }),
      element("div", { class: "ramp", "aria-hidden": "true" }),
      element("span", { text: `${minus(top)} dBFS` }),
    );
  }

  /* Mean spectra before and after over a logarithmic axis. */
  function curves(file) {
    const { pictures, crossover_hz: crossover } = file;
    const { nyquist_hz: nyquist } = pictures;
    const sides = ["before", "after"].filter((side) => pictures[side]);
    if (!sides.length || nyquist <= LOWEST_HZ) return "";
    const [width, height, left, bottom] = [560, 220, 34, 22];
    const top = 10 * Math.ceil(Math.max(...sides.flatMap((side) => pictures[side].curve_db)) / 10);
    const x = (hertz) => left + ((width - left - 6) * Math.log(hertz / LOWEST_HZ)) / Math.log(nyquist / LOWEST_HZ);
    const y = (level) => 8 + ((height - bottom - 8) * (top - level)) / DEEPEST_DB;
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "curves", role: "img", "aria-label": "Mean spectrum" });
    for (let level = top; level >= top - DEEPEST_DB; level -= 30) {
      drawing.append(
        svg("line", { class: "grid", x1: left, x2: width - 6, y1: y(level), y2: y(level) }),
        svg("text", { class: "tick", x: left - 6, y: y(level) + 4, "text-anchor": "end", text: minus(level) }),
      );
    }
    for (const [hertz, text] of [[100, "100"], [300, "300"], [1000, "1k"], [3000, "3k"], [10000, "10k"], [20000, "20k"]]) {
      if (hertz > nyquist) continue;
      drawing.append(
        svg("line", { class: "grid", x1: x(hertz), x2: x(hertz), y1: 8, y2: height - bottom }),
        svg("text", { class: "tick", x: x(hertz), y: height - 5, "text-anchor": "middle", text }),
      );
    }
    if (crossover && crossover < nyquist) {
      drawing.append(svg("line", { class: "edge", x1: x(crossover), x2: x(crossover), y1: 8, y2: height - bottom }));
    }
    const field = svg("svg", { x: 0, y: 0, width, height: height - bottom }); // cuts off what lies below its axis
    drawing.append(field);
    for (const side of sides) {
      const levels = pictures[side].curve_db;
      const points = levels.map((level, i) => {
        const hertz = LOWEST_HZ * (nyquist / LOWEST_HZ) ** (i / (levels.length - 1));
        return `${x(hertz).toFixed(1)},${y(level).toFixed(1)}`;
      });
      field.append(svg("polyline", { class: `curve ${side}`, points: points.join(" ") }));
    }
    const legend = sides.map((side) =>
      element("span", { class: `key ${side}`, text: side === "before" ? "before" : "after" }),
    );
    return element(
      "figure",
      { class: "spectrum" },
      element("figcaption", {}, element("b", { text: "Mean spectrum" }), element("span", { class: "legend" }, ...legend), element("span", { class: "soft", text: "dBFS over Hz" })),
      drawing,
    );
  }

  return { spectrograms, scale, curves, percent };
})();
