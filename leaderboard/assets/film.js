"use strict";
(() => {
const DASH = ["", "7 3", "2 3", "9 3 2 3"];

const set = (element, attributes) => {
  for (const k in attributes) { element.setAttribute(k, attributes[k]); }
  return element;
};
const svg = (name, attributes, parent) => parent.appendChild(set(document.createElementNS("http://www.w3.org/2000/svg", name), attributes));
const html = (name, attributes, parent, text) => {
  const made = parent.appendChild(set(document.createElement(name), attributes));
  if (text !== undefined) { made.textContent = text; }
  return made;
};

// The place of the nearest of ascending numbers.
function nearest(numbers, wanted) {
  let low = 0, high = numbers.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= wanted) { low = middle; } else { high = middle; }
  }
  return wanted - numbers[low] <= numbers[high] - wanted ? low : high;
}

function quantile(sorted, q) {
  const place = (sorted.length - 1) * q, low = Math.floor(place);
  return sorted[low] + (sorted[Math.ceil(place)] - sorted[low]) * (place - low);
}

function start(root) {
  const $ = query => root.querySelector(query), D = JSON.parse($("script[type='application/json']").textContent);
  const slider = $(".film-slide input"), plot = $(".film-plot"), drawing = $(".film-plot > svg"), now = $(".film-now");
  const screens = $(".film-screens"), select = $(".film-metric select"), ticks = $(".film-ticks"), marks = $(".film-marks");
  const at = D.at.n ? Array.from({ length: D.at.n }, (_, k) => D.at.first + k * D.at.step) : D.at;
  const [first, last] = D.frames, span = Math.max(1, last - first), heat = { filter: `url(#${root.dataset.film}-heat)` }, known = {};
  let chosen = D.chosen, metric = D.metric, frame, cursor, truth, shown, asked, held, starred;

  // The scale of the metric; the values of a run, NaN for none, packed as film.py says.
  const scale = () => D.metrics[metric].ticks, low = () => scale()[0], high = () => scale()[scale().length - 1];
  const packed = atob(D.values), wide = packed.length > D.runs.length * D.metrics.length * at.length;
  function decode(line) {
    const size = (high() - low()) / (wide ? 65534 : 254);
    return at.map((_, k) => {
      const j = line * at.length + k, level = wide ? packed.charCodeAt(2 * j) + 256 * packed.charCodeAt(2 * j + 1) : packed.charCodeAt(j);
      return level ? low() + (level - 1) * size : NaN;
    });
  }
  const values = run => known[run + "/" + metric] ||= decode(run * D.metrics.length + metric);
  const x = f => (1000 * (f - first) / span).toFixed(1), y = v => (1000 * (high() - v) / (high() - low())).toFixed(1);
  const said = v => v !== v ? "no value" : D.exact ? v.toFixed(2) : "about " + v.toFixed(1);
  const color = place => `var(--film-${place % 8})`, dash = place => ({ "stroke-dasharray": DASH[place % 4] });
  function path(line) {
    let d = "", open = false;
    line.forEach((v, k) => {
      if (v === v) { d += (open ? "L" : "M") + x(at[k]) + " " + y(v) + (open ? "" : "h.1"); }
      open = v === v;
    });
    return d;
  }

  function draw() {
    const chance = D.metrics[metric].chance;
    drawing.textContent = ticks.textContent = marks.textContent = "";
    starred = [];
    const rule = (v, name, text) => {
      svg("path", { class: name, d: `M0 ${y(v)}H1000` }, drawing);
      html("span", { class: name }, ticks, text).style.top = y(v) / 10 + "%";
    };
    scale().forEach(v => rule(v, "film-grid", v));
    if (chance !== null) { rule(chance, "film-chance", "chance"); }
    if (D.runs.length > D.most) { band(); }
    chosen.forEach((run, place) => {
      const line = values(run);
      svg("path", { class: "film-line", d: path(line), ...dash(place) }, drawing).style.stroke = color(place);
      for (const which of ["best", "worst"]) {
        for (const f of D.runs[run][which] || []) {
          const v = line[nearest(at, f)];
          if (v === v) { starred.push(f); Object.assign(html("span", { class: "film-mark " + which }, marks).style, { left: x(f) / 10 + "%", top: y(v) / 10 + "%", color: color(place) }); }
        }
      }
    });
    cursor = html("span", { class: "film-cursor" }, marks);
  }

  // The middle 80 % of all models, and their median.
  function band() {
    const every = D.runs.map((_, run) => values(run)), upper = [], lower = [];
    const middle = at.map((f, k) => {
      const here = every.map(line => line[k]).filter(v => v === v).sort((a, b) => a - b);
      if (!here.length) { return NaN; }
      upper.push(x(f) + " " + y(quantile(here, .9)));
      lower.unshift(x(f) + " " + y(quantile(here, .1)));
      return quantile(here, .5);
    });
    if (upper.length) { svg("path", { class: "film-band", d: `M${upper.concat(lower).join("L")}z` }, drawing); }
    svg("path", { class: "film-median", d: path(middle) }, drawing);
  }

  function screen(name, link, place) {
    const figure = html("figure", { class: "film-screen" }, screens), box = html("div", { class: "film-cell" }, figure);
    const view = svg("svg", { class: "film-picture", role: "img" }, box);
    const caption = html("figcaption", {}, figure);
    if (place !== undefined) {
      svg("path", { d: "M0 3H24", ...dash(place) }, svg("svg", { class: "film-key", viewBox: "0 0 24 6", "aria-hidden": "true" }, caption)).style.stroke = color(place);
    }
    html(link ? "a" : "span", link ? { href: link } : { class: "film-name" }, caption, name);
    return { box, view, value: html("b", {}, caption), note: html("small", {}, caption) };
  }

  // Show the nearest cell of those groups that have pictures of a kind; return its frame.
  function show(to, groups, kind, text) {
    let group, k, off = Infinity;
    for (const other of groups) {
      const place = other[kind] ? nearest(other.frames, frame) : -1, away = Math.abs(other.frames[place] - frame);
      if (away < off) { group = other; k = place; off = away; }
    }
    const [w, h] = group.cells[kind];
    if (to.href !== group[kind]) {
      to.href = group[kind];
      to.view.textContent = "";
      svg(to.href[0] === "#" ? "use" : "image", { href: to.href, width: 8 * w, height: h * Math.ceil(group.frames.length / 8) }, to.view);
    }
    set(to.view, { viewBox: [k % 8 * w, (k >> 3) * h, w, h].join(" "), "aria-label": `${text}, frame ${group.frames[k]}` });
    to.note.textContent = off ? "picture of frame " + group.frames[k] : "";
    return group.frames[k];
  }

  function layout() {
    const seen = D.runs.find(run => run.groups);
    screens.textContent = "";
    truth = seen && { groups: chosen.flatMap(run => D.runs[run].groups || []).concat(seen.groups[0]), parts: [] };
    if (truth) {
      if (truth.groups.some(g => g.frame)) { truth.parts.push(["frame", "The video", screen("Video")]); }
      truth.parts.push(["truth", "Where people looked", screen("Where people looked")]);
      set(truth.parts[truth.parts.length - 1][2].view, heat);
      truth.dots = truth.parts.flatMap(([, , to]) => {
        const over = svg("svg", { class: "film-dots", viewBox: "0 0 " + D.shape.join(" "), "aria-hidden": "true" }, to.box);
        return ["film-rim", "film-dot"].map(name => svg("path", { class: name }, over));
      });
    }
    shown = chosen.map((run, place) => {
      const { label, page, groups } = D.runs[run], made = screen(label, page, place);
      if (groups) { set(made.view, heat); } else { made.box.classList.add("film-none"); made.box.textContent = "this run kept no pictures"; }
      return made;
    });
    const n = screens.children.length;
    screens.dataset.columns = Math.ceil(n / Math.ceil(n / 6));
  }

  function update() {
    const k = nearest(at, frame), label = D.metrics[metric].label, words = [`frame ${frame} of ${last}`];
    asked = 0;
    cursor.style.left = x(frame) / 10 + "%";
    slider.value = frame;
    if (truth) {
      const dots = truth.parts.map(([kind, text, to]) => show(to, truth.groups, kind, text)).pop();
      truth.dots.forEach(to => set(to, { d: D.dots[dots] || "" }));
    }
    shown.forEach((to, place) => {
      const run = D.runs[chosen[place]], value = `${label} ${said(values(chosen[place])[k])}`;
      to.value.textContent = value;
      words.push(shown.length > 1 ? run.label + " " + value : value);
      if (run.groups) { show(to, run.groups, "maps", `Map of ${run.label}, ${value}`); }
    });
    now.textContent = words[0];
    set(slider, { "aria-valuetext": words.join(", ") });
  }

  function go(to) {
    frame = Math.min(last, Math.max(first, Math.round(to)));
    asked = asked || requestAnimationFrame(update);
  }
  const redraw = () => { draw(); layout(); update(); };
  // The pointer moves the frame until a press holds it; then it is dragged. A press beside a mark is meant for it.
  const pointed = event => {
    const box = plot.getBoundingClientRect(), to = first + span * (event.clientX - box.left) / box.width;
    const near = starred.filter(f => Math.abs(f - to) * box.width < 9 * span).sort((a, b) => Math.abs(a - to) - Math.abs(b - to));
    go(event.type === "pointerdown" ? near[0] ?? to : to);
  };

  slider.addEventListener("input", () => { held = true; go(+slider.value); });
  plot.addEventListener("pointerdown", event => { held = true; plot.setPointerCapture(event.pointerId); pointed(event); });
  plot.addEventListener("pointermove", event => { if (event.buttons || event.pointerType === "mouse" && !held) { pointed(event); } });

  D.metrics.forEach((m, k) => html("option", { value: k }, select, m.label + (m.higher ? " \u2191" : " \u2193")));
  select.value = metric;
  select.addEventListener("change", () => { metric = +select.value; redraw(); });

  D.runs.forEach((run, k) => {
    const label = html("label", {}, html("li", {}, $(".film-models ul"))), box = html("input", { type: "checkbox" }, label);
    html("span", {}, label, run.label);
    box.checked = chosen.includes(k);
    box.addEventListener("change", () => {
      chosen = chosen.filter(other => other !== k).concat(box.checked ? k : []);
      redraw();
    });
  });
  Object.assign($(".film-models"), { hidden: D.runs.length < 2, open: D.runs.length <= D.most });

  root.querySelectorAll("figcaption[data-frame]").forEach(caption => {
    const button = html("button", { type: "button" }, caption);
    button.append(...[...caption.childNodes].filter(node => node !== button));
    button.addEventListener("click", () => {
      held = true;
      go(+caption.dataset.frame);
      $(".film-live").scrollIntoView({ block: "nearest" });
    });
  });

  $(".film-live").hidden = false;
  root.classList.toggle("film-single", first === last);
  // At first a frame of which every model kept a picture, next to the best one.
  const [best] = D.runs[chosen[0]].best || [], even = best === undefined ? [first] : D.runs[chosen[0]].groups[0].frames;
  frame = even[nearest(even, best ?? first)];
  redraw();
}

document.querySelectorAll("[data-film]").forEach(start);
})();
