(() => {
  "use strict";
  // Tables: sort, search, filter, choose columns, pin rows. What is chosen of the page's own table stands in the fragment
  // of the address; tables without an id are sorted only.
  const orders = {
    number: { ascending: "lowest first", descending: "highest first" },
    text: { ascending: "A to Z", descending: "Z to A" },
    date: { ascending: "oldest first", descending: "newest first" }
  };
  const announce = document.getElementById("announce"), first = {}, none = "\u2013";
  const table = document.getElementById("table"), form = document.querySelector("form.tools[data-for=table]");
  const boxes = form ? [...form.querySelectorAll("[type=checkbox]:not([name=column])")] : [];

  const textOf = cell => cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  const label = head => head.querySelector("button").textContent;
  const heads = of => [...of.tHead.rows[0].cells].filter(head => head.dataset.key);
  const rowsOf = body => [...body.rows].filter(row => !row.classList.contains("group"));
  const rows = () => [...table.tBodies].flatMap(rowsOf);
  const partsOf = row => [...row.querySelector("th").querySelectorAll("a, .q, th > bdi")].map(part => part.textContent);

  // A row is called by its name; where several have the same, by all that distinguishes it.
  const called = new Map(), times = new Map();
  if (table) {
    const all = rows().map(row => [row, partsOf(row)]);
    all.forEach(([, [name]]) => times.set(name, (times.get(name) || 0) + 1));
    all.forEach(([row, parts]) => called.set(row, times.get(parts[0]) > 1 ? parts.join(", ") : parts[0]));
  }
  const nameOf = row => called.get(row);

  // What is no number stays last in both directions; equal rows keep their first order.
  const places = new Map(), moving = new Map(), words = new Intl.Collator("en", { numeric: true });
  function sort(head, order) {
    const of = head.closest("table"), type = head.dataset.type, sign = order === "ascending" ? 1 : -1, at = head.cellIndex;
    for (const body of of.tBodies) {
      const keyed = rowsOf(body).map((row, place) => {
        if (!places.has(row)) { places.set(row, place); }
        const text = textOf(row.cells[at]), number = parseFloat(text);
        return { row, text, number, none: isNaN(number), place: places.get(row), pinned: row.classList.contains("pinned") };
      });
      keyed.sort((a, b) => b.pinned - a.pinned || (type === "number" ?
        a.none - b.none || sign * (a.number - b.number) : sign * words.compare(a.text, b.text)) || a.place - b.place);
      move(body, keyed.map(k => k.row));
    }
    heads(of).forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const best = head.querySelector(".way") && order === head.dataset.first ? "best first" : orders[type][order];
    const said = label(head) + ", " + best;
    of.querySelector("caption .order").textContent = said;
    of.classList.toggle("reordered", head !== first.head || order !== first.order);
    return said;
  }

  // To lay out a row anew takes long: what fills a screen moves at once, the rest of a long table frame by frame.
  function move(body, sorted, from = 0) {
    const before = from ? sorted[from - 1] : body.querySelector(".group"), to = from + 100, some = sorted.slice(from, to);
    before ? before.after(...some) : body.prepend(...some);
    cancelAnimationFrame(moving.get(body));
    if (to < sorted.length) { moving.set(body, requestAnimationFrame(() => move(body, sorted, to))); }
  }

  function showPlaces(head) {
    if (!table.classList.contains("board") || !head.classList.contains("number") || head.classList.contains("rank")) { return; }
    for (const row of rows()) {
      const cell = row.cells[head.cellIndex], rank = row.querySelector("td.rank b"), phone = row.querySelector(".phone");
      if (rank) {
        rank.textContent = cell.dataset.p || none;
        row.cells[0].dataset.v = cell.dataset.p || "";
        const range = row.cells[0].querySelector("small");
        if (range) { range.hidden = head !== first.head; }
      }
      if (phone) { phone.textContent = label(head) + " " + cell.firstChild.textContent; }
    }
  }

  function read() {
    const state = {};
    for (const part of location.hash.slice(1).split("&")) {
      const k = part.indexOf("=");
      if (k > 0) {
        try { state[part.slice(0, k)] = decodeURIComponent(part.slice(k + 1)); } catch (error) { continue; }
      }
    }
    return state;
  }

  function write(state) {
    const text = Object.keys(state).filter(k => state[k]).map(k => k + "=" + encodeURIComponent(state[k])).join("&");
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
  }

  function apply(state) {
    const chosen = heads(table).find(h => h.dataset.key === state.sort), head = chosen || first.head;
    const order = !chosen ? first.order : state.dir === "ascending" || state.dir === "descending" ? state.dir : head.dataset.first;
    const split = text => (text || "").split("|").filter(Boolean), pins = split(state.pin), hide = split(state.hide), all = rows();
    for (const row of all) {
      const on = pins.length > 0 && pins.includes(nameOf(row)), pin = row.querySelector(".pin");
      row.classList.toggle("pinned", on);
      if (pin) { pin.checked = on; }
    }
    const said = head ? sort(head, order) : "";
    if (head) { showPlaces(head); }
    const q = (state.q || "").toLowerCase();
    for (const row of all) {
      const badges = row.dataset.badges || "", has = text => text.split("|").some(part => badges.includes(part));
      row.hidden = !row.classList.contains("pinned") && Boolean(
        q && !partsOf(row).join(" ").toLowerCase().includes(q) && !badges.toLowerCase().includes(q) ||
        boxes.some(({ name, dataset: d }) => state[name] && (d.not && has(d.not) || d.has && !has(d.has))) ||
        state.since && row.querySelector("time").dateTime < state.since ||
        !state.variants && !q && row.classList.contains("variant"));
    }
    if (pins.length || all.some(row => row.hidden)) { table.classList.add("reordered"); }  // brackets join neighbors
    for (const h of heads(table)) {
      const off = hide.includes(h.dataset.key), at = h.cellIndex;
      if (h.hidden !== off) { [table.tHead.rows[0], ...all].forEach(row => { row.cells[at].hidden = off; }); }
    }
    if (form) {
      for (const name of ["q", "since"]) {
        if (form.elements[name]) { form.elements[name].value = state[name] || ""; }
      }
      for (const box of boxes) { box.checked = Boolean(state[box.name]); }
      for (const box of form.querySelectorAll("[name=column]")) { box.checked = !hide.includes(box.value); }
      const shown = all.filter(row => !row.hidden).length;
      form.querySelector(".shown").textContent = shown === all.length ? "" : shown + " of " + all.length + " rows shown";
    }
    return said;
  }

  function change(changes) {
    const state = Object.assign(read(), changes);
    write(state);
    return apply(state);
  }

  for (const of of document.querySelectorAll("table.sortable")) {
    for (const head of heads(of)) {
      const button = head.querySelector("button");
      button.disabled = false;
      button.addEventListener("click", () => {
        const turned = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        const dir = head.hasAttribute("aria-sort") ? turned : head.dataset.first;
        const said = of === table ? change({ sort: head.dataset.key, dir }) : sort(head, dir);
        announce.textContent = of.querySelector("caption .name").textContent + ": sorted by " + said;
      });
    }
  }

  if (table) {
    first.head = heads(table).find(h => h.hasAttribute("aria-sort"));
    first.order = first.head && first.head.getAttribute("aria-sort");
    if (table.classList.contains("board")) {
      for (const row of rows()) {
        const pin = document.createElement("input");
        Object.assign(pin, { type: "checkbox", className: "pin", title: "Keep on top", ariaLabel: `Keep ${nameOf(row)} on top` });
        pin.addEventListener("change", () => {
          change({ pin: rows().filter(other => other.querySelector(".pin:checked")).map(nameOf).join("|") });
          pin.focus();
        });
        row.cells[0].prepend(pin);
      }
    }
    if (form) {
      form.hidden = false;
      const filters = form.querySelector(".filters"), wide = window.matchMedia("(min-width: 40.01rem)");
      if (filters) { (wide.onchange = () => { filters.open = wide.matches; })(); }
      form.addEventListener("submit", event => event.preventDefault());
      form.addEventListener("input", () => {
        const off = [...form.querySelectorAll("[name=column]")].filter(box => !box.checked);
        const changes = { q: form.elements.q.value, since: form.elements.since?.value, hide: off.map(box => box.value).join("|") };
        for (const box of boxes) { changes[box.name] = box.checked ? "1" : ""; }
        change(changes);
      });
      form.addEventListener("keydown", event => {
        const menu = event.key === "Escape" && event.target.closest(".choose[open]");
        if (menu) {
          menu.open = false;
          menu.firstChild.focus();
        }
      });
      form.addEventListener("reset", event => {
        event.preventDefault();
        write({});
        apply({});
      });
    }
    if (location.hash.includes("=") || table.querySelector(".variant")) { apply(read()); }
    window.addEventListener("hashchange", () => {
      if (!location.hash || location.hash.includes("=")) { apply(read()); }
    });
  }
})();
