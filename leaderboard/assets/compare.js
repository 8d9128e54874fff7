(function () {
  "use strict";
  // Any two models of a board, from the means in the page: the difference on each stimulus and a sign-flip test.
  var form = document.getElementById("pair"), source = document.getElementById("means");
  if (!form || !source) { return; }
  var data = JSON.parse(source.textContent), n = data.stimuli.length, decoded = {}, svg = "http://www.w3.org/2000/svg";

  function values(metric, model) {
    var m = data.metrics[metric];
    if (!decoded[metric]) {
      var raw = atob(m.levels), levels = new Uint16Array(raw.length / 2);
      for (var i = 0; i < levels.length; i++) { levels[i] = raw.charCodeAt(2 * i) | raw.charCodeAt(2 * i + 1) << 8; }
      decoded[metric] = levels;
    }
    return Array.from(decoded[metric].subarray(model * n, (model + 1) * n), function (level) {
      return level === 65535 ? NaN : m.low + level / 65534 * m.span;
    });
  }

  // Two-sided p: groups flip their signs together; all signs up to 12 groups, else 5,000 drawn ones.
  function test(totals) {
    var observed = Math.abs(totals.reduce(function (a, b) { return a + b; }, 0)), size = totals.length, k = 0;
    var least = observed - 1e-9 * (1 + observed), exact = size <= 12, draws = exact ? Math.pow(2, size) : 5000, seed = 1;
    for (var d = 0; d < draws; d++) {
      var sum = 0;
      for (var g = 0; g < size; g++) {
        var bit = d >> g & 1;
        if (!exact) { seed = Math.imul(seed, 1664525) + 1013904223 | 0; bit = seed >>> 31; }
        sum += bit ? totals[g] : -totals[g];
      }
      k += Math.abs(sum) >= least ? 1 : 0;
    }
    return exact ? k / draws : (1 + k) / (1 + draws);
  }

  function draw(found) {
    var drawn = document.getElementById("drawn"), low = Math.min(0, found[0].d);
    var high = Math.max(0, found[found.length - 1].d), span = high - low || 1;
    var step = 690 / found.length, y = function (v) { return 10 + 200 * (high - v) / span; };
    drawn.textContent = "";
    found.forEach(function (f, k) {
      var bar = drawn.appendChild(document.createElementNS(svg, "path"));
      bar.setAttribute("class", f.d < 0 ? "below" : "above");
      bar.setAttribute("d", "M" + (60 + k * step).toFixed(1) + " " + y(0).toFixed(1) + "V" + y(f.d).toFixed(1) + "h" + step.toFixed(2) + "V" + y(0).toFixed(1) + "z");
      bar.appendChild(document.createElementNS(svg, "title")).textContent = data.stimuli[f.k] + ": " + f.d.toFixed(3);
    });
    [low, 0, high].forEach(function (v, k, all) {
      if (all.indexOf(v) !== k) { return; }
      var text = document.createElementNS(svg, "text");
      text.setAttribute("class", "tick end");
      text.setAttribute("x", "54");
      text.setAttribute("y", y(v) + 4);
      text.textContent = v.toFixed(2);
      drawn.appendChild(text);
    });
  }

  function cell(text, number) {
    var made = document.createElement(number ? "td" : "th");
    if (number) { made.className = "number"; } else { made.scope = "row"; }
    made.textContent = text;
    return made;
  }

  function show() {
    var metric = form.elements.metric.value, a = +form.elements.a.value, b = +form.elements.b.value;
    var one = values(metric, a), other = values(metric, b), found = [], totals = {}, sum = 0;
    one.forEach(function (v, k) {
      var difference = v - other[k];
      if (!isNaN(difference)) {
        found.push({ k: k, a: v, b: other[k], d: difference });
        totals[data.groups[k]] = (totals[data.groups[k]] || 0) + difference;
        sum += difference;
      }
    });
    found.sort(function (x, y) { return x.d - y.d || x.k - y.k; });
    document.getElementById("found").hidden = false;
    var body = document.getElementById("differences");
    body.textContent = "";
    document.getElementById("result").textContent = data.models[a] + " minus " + data.models[b];
    history.replaceState(null, "", "#a=" + a + "&b=" + b + "&metric=" + encodeURIComponent(metric));
    if (!found.length || a === b) {
      document.getElementById("told").textContent = a === b ? "Choose two models." : "No stimulus has a value of both.";
      document.getElementById("drawn").textContent = "";
      return;
    }
    var above = found.filter(function (f) { return f.d > 0; }).length, mean = sum / found.length;
    var p = test(Object.keys(totals).map(function (g) { return totals[g]; }));
    var better = mean === 0 || p > 0.05 ? "The test does not tell them apart." :
      data.models[mean > 0 === data.metrics[metric].up ? a : b] + " is better.";
    document.getElementById("told").textContent = data.metrics[metric].label + ": mean difference " + mean.toFixed(3) +
      " over " + found.length + " stimuli (" + above + " above zero), sign-flip p " + (p < 0.001 ? "< 0.001" : p.toFixed(3)) + ". " + better;
    document.getElementById("announce").textContent = document.getElementById("told").textContent;
    draw(found);
    var ends = found.length <= 20 ? found : found.slice(0, 10).concat(found.slice(-10));
    ends.reverse().forEach(function (f) {
      var row = document.createElement("tr"), head = cell("", false), to = document.createElement("a");
      to.href = "../" + data.pages[f.k];
      to.textContent = data.stimuli[f.k];
      head.appendChild(to);
      row.append(head, cell(f.a.toFixed(3), true), cell(f.b.toFixed(3), true), cell(f.d.toFixed(3), true));
      body.appendChild(row);
    });
  }

  var chosen = new URLSearchParams(location.hash.slice(1));
  ["a", "b", "metric"].forEach(function (name) {
    if (chosen.get(name) !== null) { form.elements[name].value = chosen.get(name); }
    if (form.elements[name].selectedIndex < 0) { form.elements[name].selectedIndex = 0; }
  });
  form.hidden = false;
  form.addEventListener("input", show);
  show();
})();
(function () {
  "use strict";
  // Protocols side by side: two of them, and only what differs.
  var form = document.getElementById("protocols"), table = document.getElementById("choices");
  if (!form || !table) { return; }
  function show() {
    var chosen = [form.elements.a.value, form.elements.b.value].filter(Boolean).map(Number);
    for (const row of table.rows) {
      const said = [];
      [...row.cells].forEach((c, k) => {
        c.hidden = k > 0 && chosen.length > 0 && !chosen.includes(k);
        if (k > 0 && !c.hidden) { said.push(c.textContent); }
      });
      row.hidden = row.parentNode.tagName === "TBODY" && form.elements.differ.checked && said.every(text => text === said[0]);
    }
    const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
    if (state || location.hash.includes("=")) { history.replaceState(null, "", "#" + state); }
  }
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of ["a", "b"]) {
    form.elements[name].value = asked.get(name) || "";
    if (form.elements[name].selectedIndex < 0) { form.elements[name].value = ""; }
  }
  form.elements.differ.checked = asked.has("differ");
  show();
  form.hidden = false;
  form.addEventListener("input", show);
})();
