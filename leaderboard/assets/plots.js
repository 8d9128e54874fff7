(() => {
"use strict";
// Plots say the value under the pointer, or of the mark that the arrow keys reach.
const numbers = text => text.match(/-?\d*\.?\d+/g).map(Number);

// The value at a share of the way from the upper edge of the scale to the lower one.
const valueAt = (data, share) => (+data.high + share * (data.low - data.high)).toFixed(2);

// Steps over time: the inner drawing is stretched; its lines go on by differences, and break at gaps.
function steps(data, inner) {
  const [left, top, wide, high] = ["x", "y", "width", "height"].map(name => inner[name].baseVal.value), units = inner.viewBox.baseVal;
  const size = +data.width, found = [];
  for (const line of inner.querySelector(".line").getAttribute("d").split("M").slice(1)) {
    const parts = numbers(line);
    let k = 0, y = 0;
    for (let i = 0; i + 1 < parts.length; i += 2) {
      k += parts[i];
      y += parts[i + 1];
      const from = +data.first + Math.floor(k) * size, frames = size > 1 ? `frames ${from} to ${from + size - 1}` : "frame " + from;
      found.push({ x: left + k * wide / units.width, y: top + y * high / units.height, say: `${frames}: ${data.label} ${valueAt(data, y / units.height)}` });
    }
  }
  return found;
}

// Stairs of sorted differences; a table on the page names all of them, or as many of the first as of the last.
function stairs(plot) {
  const found = [], known = Array.from(document.querySelectorAll("[data-differences] tbody tr"), row => Array.from(row.cells, cell => cell.textContent).join(": ")).reverse();
  for (const which of [".below", ".above"]) {
    let x;
    for (const [, start, y, end] of plot.querySelector(which).getAttribute("d").matchAll(/M([\d.]+)|V([\d.]+)H([\d.]+)/g)) {
      if (end) { found.push({ x: (x + +end) / 2, y: +y }); }
      x = +(start || end);
    }
  }
  const n = found.length, left = n - known.length;
  found.forEach((mark, k) => {
    mark.say = (2 * k < known.length ? known[k] : k >= left && known[k - left]) ||
      `stimulus ${k + 1} of ${n}: ${valueAt(plot.dataset, mark.y / plot.viewBox.baseVal.height)}`;
  });
  return found;
}

function marksOf(plot) {
  const inner = plot.querySelector("svg");
  return inner ? steps(plot.dataset, inner) : plot.dataset.low ? stairs(plot) :
    Array.from(plot.querySelectorAll(":not(text) > title"), title => {
      const box = title.parentNode.getBBox();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2, say: title.textContent };
    });
}

document.querySelectorAll("svg[data-read]").forEach(plot => {
  const said = document.createElement("output"), ring = document.createElementNS("http://www.w3.org/2000/svg", "circle"), by = plot.dataset.read;
  const set = (to, attributes) => Object.keys(attributes).forEach(k => to.setAttribute(k, attributes[k]));
  let marks = [], at = 0;
  said.className = "read";
  plot.after(said);
  plot.tabIndex = 0;
  set(plot, { role: "slider", "aria-valuemin": 1, "aria-valuenow": 1 });

  function show(k) {
    at = Math.max(0, Math.min(marks.length - 1, k));
    const mark = marks[at];
    if (!mark) { return; }
    set(plot.appendChild(ring), { class: "here", r: 7, cx: mark.x, cy: mark.y });
    set(plot, { "aria-valuemax": marks.length, "aria-valuenow": at + 1, "aria-valuetext": mark.say });
    said.textContent = mark.say;
  }
  const read = () => { marks = marksOf(plot); }, leave = () => { ring.remove(); said.textContent = ""; };
  const pointed = event => {
    const box = plot.getBoundingClientRect(), unit = plot.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * unit, y = (event.clientY - box.top) * unit;
    const away = marks.map(mark => (by === "y" ? 0 : (mark.x - x) ** 2) + (by === "x" ? 0 : (mark.y - y) ** 2));
    show(away.indexOf(Math.min(...away)));
  };
  const on = (names, act) => names.split(" ").forEach(name => plot.addEventListener(name, act));
  on("focus", () => { read(); show(at); });
  on("pointerenter", read);
  on("pointermove pointerdown", pointed);
  on("blur pointerleave", leave);
  on("keydown", event => {
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: marks.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); show(to); }
  });
});
})();
