"use strict";
(function () {
  var NS = "http://www.w3.org/2000/svg", DASH = ["", "7 3", "2 3", "9 3 2 3", "", "7 3", "2 3", "9 3 2 3"];

  function svg(name, attributes, parent) {
    var made = document.createElementNS(NS, name);
    set(made, attributes);
    if (parent) { parent.appendChild(made); }
    return made;
  }

  function html(name, attributes, parent) {
    var made = document.createElement(name);
    if (attributes) {
      Object.keys(attributes).forEach(function (k) {
        if (k === "text") { made.textContent = attributes.text; } else { made.setAttribute(k, attributes[k]); }
      });
    }
    if (parent) { parent.appendChild(made); }
    return made;
  }

  function set(element, attributes) {
    Object.keys(attributes || {}).forEach(function (k) { element.setAttribute(k, attributes[k]); });
  }

  // The place of the nearest of ascending numbers.
  function nearest(numbers, wanted) {
    var low = 0, high = numbers.length - 1;
    while (high - low > 1) {
      var middle = (low + high) >> 1;
      if (numbers[middle] <= wanted) { low = middle; } else { high = middle; }
    }
    return wanted - numbers[low] <= numbers[high] - wanted ? low : high;
  }

  function quantile(sorted, q) {
    var place = (sorted.length - 1) * q, low = Math.floor(place), high = Math.ceil(place);
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
  }

  function start(root) {
    var id = root.dataset.film, D = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    function $(query) { return root.querySelector(query); }
    var slider = $(".film-slide input"), plot = $(".film-plot"), drawing = $(".film-plot > svg"), now = $(".film-now");
    var screens = $(".film-screens"), select = $(".film-metric select"), ticks = $(".film-ticks"), marks = $(".film-marks");
    var at = Array.isArray(D.at) ? D.at : Array.from({ length: D.at.n }, function (_, k) { return D.at.first + k * D.at.step; });
    var first = D.frames[0], span = Math.max(1, D.frames[1] - first);
    var chosen = D.chosen.slice(), metric = D.metric, frame = first, cursor = null, truth = null, shown = [], asked = false;
    var cache = {};

    // The values of a run: numbers, NaN where there is none. A byte or two each, see film.py.
    function values(run) {
      var key = run + "/" + metric, scale = D.metrics[metric].ticks, low = scale[0], high = scale[scale.length - 1];
      if (!cache[key]) {
        var text = atob(D.runs[run].values[metric]), wide = text.length > at.length ? 2 : 1, top = wide === 2 ? 65534 : 254;
        cache[key] = at.map(function (_, k) {
          var level = text.charCodeAt(wide * k) + (wide === 2 ? 256 * text.charCodeAt(2 * k + 1) : 0);
          return level ? low + (level - 1) / top * (high - low) : NaN;
        });
      }
      return cache[key];
    }

    function x(f) { return 1000 * (f - first) / span; }
    function y(v) {
      var scale = D.metrics[metric].ticks;
      return 1000 * (scale[scale.length - 1] - v) / (scale[scale.length - 1] - scale[0]);
    }
    function path(line) {
      var d = "", open = false;
      line.forEach(function (v, k) {
        if (v !== v) { open = false; return; }
        d += (open ? "L" : "M") + x(at[k]).toFixed(1) + " " + y(v).toFixed(1) + (open ? "" : "h.1");
        open = true;
      });
      return d;
    }
    function said(v) {
      return v !== v ? "no value" : D.exact ? v.toFixed(2) : "about " + v.toFixed(1);
    }
    function color(place) { return "var(--film-" + place % 8 + ")"; }
    function key(place, parent) {
      var line = svg("path", { d: "M0 3H24", "stroke-dasharray": DASH[place % 8] });
      line.style.stroke = color(place);
      svg("svg", { "class": "film-key", viewBox: "0 0 24 6", "aria-hidden": "true" }, parent).appendChild(line);
    }

    function draw() {
      var scale = D.metrics[metric].ticks, chance = D.metrics[metric].chance, all;
      drawing.textContent = ticks.textContent = marks.textContent = "";
      set(drawing, { viewBox: "0 0 1000 1000" });
      scale.forEach(function (v) {
        svg("path", { "class": "film-grid", d: "M0 " + y(v) + "H1000" }, drawing);
        html("span", { text: String(v) }, ticks).style.top = y(v) / 10 + "%";
      });
      if (chance !== null) {
        svg("path", { "class": "film-chance", d: "M0 " + y(chance) + "H1000" }, drawing);
        all = html("span", { "class": "film-said", text: "chance" }, ticks);
        all.style.top = y(chance) / 10 + "%";
      }
      if (D.runs.length > D.most) { band(); }
      chosen.forEach(function (run, place) {
        var line = values(run);
        svg("path", { "class": "film-line", d: path(line), "stroke-dasharray": DASH[place % 8] }, drawing).style.stroke = color(place);
        ["best", "worst"].forEach(function (which) {
          (D.runs[run][which] || []).slice(0, 3).forEach(function (f) {
            var v = line[nearest(at, f)], mark;
            if (v !== v) { return; }
            mark = html("span", { "class": "film-mark" + (which === "worst" ? " film-low" : "") }, marks);
            mark.style.left = x(f) / 10 + "%";
            mark.style.top = y(v) / 10 + "%";
            mark.style.color = color(place);
          });
        });
      });
      cursor = svg("path", { "class": "film-cursor" }, drawing);
    }

    // The middle eighty percent of all models, and their median.
    function band() {
      var upper = [], lower = [], middle = [], every = D.runs.map(function (_, run) { return values(run); });
      at.forEach(function (f, k) {
        var here = every.map(function (line) { return line[k]; }).filter(function (v) { return v === v; });
        here.sort(function (a, b) { return a - b; });
        middle.push(here.length ? quantile(here, .5) : NaN);
        if (here.length) {
          upper.push(x(f).toFixed(1) + " " + y(quantile(here, .9)).toFixed(1));
          lower.unshift(x(f).toFixed(1) + " " + y(quantile(here, .1)).toFixed(1));
        }
      });
      if (upper.length) { svg("path", { "class": "film-band", d: "M" + upper.concat(lower).join("L") + "z" }, drawing); }
      svg("path", { "class": "film-median", d: path(middle) }, drawing);
    }

    function screen(name, link, place) {
      var figure = html("figure", { "class": "film-screen" }, screens), box = html("div", { "class": "film-cell" }, figure);
      var made = { box: box, view: svg("svg", { "class": "film-picture", role: "img" }, box) };
      made.image = svg("image", {}, made.view);
      var caption = html("figcaption", {}, figure);
      if (place !== null) { key(place, caption); }
      html(link ? "a" : "span", link ? { href: link, text: name } : { "class": "film-name", text: name }, caption);
      made.value = html("b", {}, caption);
      made.note = html("small", {}, caption);
      return made;
    }

    // Which cell of which group is nearest to the frame.
    function pick(groups, kind) {
      var found = null;
      groups.forEach(function (group) {
        if (!group[kind]) { return; }
        var k = nearest(group.frames, frame), off = Math.abs(group.frames[k] - frame);
        if (!found || off < found.off) { found = { group: group, k: k, off: off, frame: group.frames[k] }; }
      });
      return found;
    }

    function show(to, found, kind, text) {
      if (!found) { return; }
      var size = kind === "frame" ? found.group.big : found.group.cell, href = found.group[kind];
      if (to.href !== href) {
        to.href = href;
        set(to.image, { href: href, width: 8 * size[0], height: size[1] * Math.ceil(found.group.frames.length / 8) });
      }
      set(to.view, {
        viewBox: [found.k % 8 * size[0], Math.floor(found.k / 8) * size[1], size[0], size[1]].join(" "),
        "aria-label": text + ", frame " + found.frame
      });
      to.note.textContent = found.off ? "picture of frame " + found.frame : "";
    }

    function layout() {
      var groups = [], place;
      screens.textContent = "";
      shown = [];
      chosen.forEach(function (run) { groups = groups.concat(D.runs[run].groups || []); });
      D.runs.some(function (run) { groups = groups.concat(run.groups ? run.groups.slice(0, 1) : []); return run.groups; });
      truth = null;
      if (groups.length) {
        truth = { groups: groups, frame: null, map: null };
        if (groups.some(function (g) { return g.frame; })) { truth.frame = screen("Video", "", null); }
        truth.map = screen("Where people looked", "", null);
        set(truth.map.view, { filter: "url(#" + id + "-heat)" });
        truth.dots = [truth.map].concat(truth.frame || []).map(function (to) {
          var over = svg("svg", { "class": "film-dots", viewBox: "0 0 " + D.shape.join(" "), "aria-hidden": "true" }, to.box);
          return [svg("path", { "class": "film-rim" }, over), svg("path", { "class": "film-dot" }, over)];
        });
      }
      for (place = 0; place < chosen.length; place += 1) {
        var run = D.runs[chosen[place]], made = screen(run.label, run.page, place);
        if (run.groups) {
          set(made.view, { filter: "url(#" + id + "-heat)" });
        } else {
          made.box.className += " film-none";
          made.box.textContent = "this run kept no pictures";
        }
        shown.push(made);
      }
    }

    function update() {
      var k = nearest(at, frame), label = D.metrics[metric].label, words = [];
      asked = false;
      cursor.setAttribute("d", "M" + x(frame) + " 0V1000");
      slider.value = frame;
      if (truth) {
        var found = pick(truth.groups, "truth"), path = (found && D.dots[found.frame]) || "";
        show(truth.map, found, "truth", "Where people looked");
        if (truth.frame) { show(truth.frame, pick(truth.groups, "frame"), "frame", "The video"); }
        truth.dots.forEach(function (pair) { set(pair[0], { d: path }); set(pair[1], { d: path }); });
      }
      shown.forEach(function (to, place) {
        var run = D.runs[chosen[place]], value = said(values(chosen[place])[k]);
        to.value.textContent = label + " " + value;
        words.push((chosen.length > 1 ? run.label + " " : "") + label + " " + value);
        if (run.groups) { show(to, pick(run.groups, "maps"), "maps", "Map of " + run.label + ", " + label + " " + value); }
      });
      now.textContent = "frame " + frame + " of " + D.frames[1];
      slider.setAttribute("aria-valuetext", "frame " + frame + " of " + D.frames[1] + (words.length ? ", " + words.join(", ") : ""));
    }

    function go(to) {
      frame = Math.min(D.frames[1], Math.max(first, Math.round(to)));
      if (!asked) { asked = true; requestAnimationFrame(update); }
    }

    function redraw() { draw(); layout(); update(); }

    slider.addEventListener("input", function () { go(+slider.value); });
    function pointed(event) {
      var box = plot.getBoundingClientRect();
      go(first + span * (event.clientX - box.left) / box.width);
    }
    plot.addEventListener("pointerdown", function (event) { plot.setPointerCapture(event.pointerId); pointed(event); });
    plot.addEventListener("pointermove", function (event) {
      if (event.pointerType === "mouse" || event.buttons) { pointed(event); }
    });

    D.metrics.forEach(function (m, k) { html("option", { value: k, text: m.label + (m.higher ? " \u2191" : " \u2193") }, select); });
    select.value = metric;
    select.addEventListener("change", function () { metric = +select.value; redraw(); });

    var list = $(".film-models ul");
    D.runs.forEach(function (run, k) {
      var label = html("label", {}, html("li", {}, list)), box = html("input", { type: "checkbox" }, label);
      html("span", { text: run.label }, label);
      box.checked = chosen.indexOf(k) >= 0;
      box.addEventListener("change", function () {
        chosen = chosen.filter(function (other) { return other !== k; });
        if (box.checked) { chosen.push(k); }
        redraw();
      });
    });
    $(".film-models").hidden = D.runs.length < 2;
    $(".film-models").open = D.runs.length <= D.most;

    root.querySelectorAll("figcaption[data-frame]").forEach(function (caption) {
      var button = html("button", { type: "button" });
      while (caption.firstChild) { button.appendChild(caption.firstChild); }
      caption.appendChild(button);
      button.addEventListener("click", function () {
        go(+caption.dataset.frame);
        $(".film-live").scrollIntoView({ block: "nearest" });
      });
    });

    $(".film-live").hidden = false;
    frame = (D.runs[chosen[0]].best || [first])[0] || first;
    redraw();
  }

  document.querySelectorAll("[data-film]").forEach(start);
})();
