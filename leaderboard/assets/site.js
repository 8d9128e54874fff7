(function () {
  "use strict";
  // Tables: sort, search, filter, choose columns, pin rows. What is chosen stands in the fragment of the address.
  var announce = document.getElementById("announce");
  var orders = {
    number: { ascending: "lowest first", descending: "highest first" },
    text: { ascending: "A to Z", descending: "Z to A" },
    date: { ascending: "oldest first", descending: "newest first" }
  };
  var table = document.getElementById("table"), form = document.querySelector("form.tools[data-for=table]");

  function textOf(cell) {
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  }

  function label(head) {
    return head.querySelector("button").textContent;
  }

  // What is no number stays last in both directions; equal rows keep their first order.
  function sort(head, order) {
    var column = head.cellIndex, type = head.dataset.type, sign = order === "ascending" ? 1 : -1;
    Array.from(table.tBodies).forEach(function (body) {
      var keyed = Array.from(body.rows).filter(function (row) { return !row.classList.contains("group"); })
        .map(function (row, place) {
          if (row.dataset.place === undefined) { row.dataset.place = place; }
          var text = textOf(row.cells[column]), number = parseFloat(text);
          return { row: row, text: text, number: number, place: +row.dataset.place,
            pinned: row.classList.contains("pinned") };
        });
      keyed.sort(function (a, b) {
        var by;
        if (a.pinned !== b.pinned) { return a.pinned ? -1 : 1; }
        if (type === "number") {
          by = isNaN(a.number) || isNaN(b.number) ? isNaN(a.number) - isNaN(b.number) : sign * (a.number - b.number);
        } else {
          by = sign * a.text.localeCompare(b.text, "en", { numeric: true });
        }
        return by || a.place - b.place;
      });
      var parts = document.createDocumentFragment();
      keyed.forEach(function (k) { parts.appendChild(k.row); });
      body.appendChild(parts);
    });
    Array.from(head.parentNode.cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", order);
    var best = head.querySelector(".way") && order === head.dataset.first ? "best first" : orders[type][order];
    var words = label(head) + ", " + best;
    table.querySelector("caption .order").textContent = words;
    table.classList.toggle("reordered", head !== first.head || order !== first.order);
    return words;
  }

  function showPlaces(head) {
    if (!table.classList.contains("board") || !head.classList.contains("number") || head.classList.contains("rank")) { return; }
    Array.from(table.querySelectorAll("tbody tr:not(.group)")).forEach(function (row) {
      var cell = row.cells[head.cellIndex], rank = row.querySelector("td.rank b"), phone = row.querySelector(".phone");
      if (rank) {
        rank.textContent = cell.dataset.p || "\u2013";
        row.cells[0].dataset.v = cell.dataset.p || "";
        var range = row.cells[0].querySelector("small");
        if (range) { range.hidden = head !== first.head; }
      }
      if (phone) { phone.textContent = label(head) + " " + cell.firstChild.textContent; }
    });
  }

  function read() {
    var state = {};
    location.hash.slice(1).split("&").forEach(function (part) {
      var k = part.indexOf("=");
      if (k > 0) {
        try { state[part.slice(0, k)] = decodeURIComponent(part.slice(k + 1)); } catch (error) { return; }
      }
    });
    return state;
  }

  function write(state) {
    var text = Object.keys(state).filter(function (k) { return state[k]; }).map(function (k) {
      return k + "=" + encodeURIComponent(state[k]);
    }).join("&");
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
  }

  function heads() {
    return Array.from(table.tHead.rows[0].cells).filter(function (head) { return head.dataset.key; });
  }

  function rows() {
    return Array.from(table.querySelectorAll("tbody tr:not(.group)"));
  }

  function nameOf(row) {
    return row.querySelector("th").querySelector("a, bdi").textContent;
  }

  function apply(state) {
    var head = heads().find(function (h) { return h.dataset.key === state.sort; }) || first.head;
    var order = state.sort && head && (state.dir === "ascending" || state.dir === "descending") ? state.dir :
      state.sort && head ? head.dataset.first : first.order;
    var pins = (state.pin || "").split("|").filter(Boolean);
    rows().forEach(function (row) {
      var on = pins.indexOf(nameOf(row)) >= 0, pin = row.querySelector(".pin");
      row.classList.toggle("pinned", on);
      if (pin) { pin.checked = on; }
    });
    var said = head ? sort(head, order) : "";
    if (head) { showPlaces(head); }
    var q = (state.q || "").toLowerCase(), shown = 0, hide = (state.hide || "").split("|"), all = rows();
    all.forEach(function (row) {
      var badges = row.dataset.badges || "";
      var out = q && nameOf(row).toLowerCase().indexOf(q) < 0 && badges.toLowerCase().indexOf(q) < 0 ||
        state.seen && badges.indexOf("saw this data set") >= 0 ||
        state.ahead && /not (stated whether )?causal/.test(badges) ||
        state.reference && badges.indexOf("reference predictor") >= 0 ||
        state.fold && row.classList.contains("variant");
      row.hidden = Boolean(out) && !row.classList.contains("pinned");
      shown += row.hidden ? 0 : 1;
    });
    heads().forEach(function (h) {
      var off = hide.indexOf(h.dataset.key) >= 0;
      Array.from(table.rows).forEach(function (row) {
        if (!row.classList.contains("group")) { row.cells[h.cellIndex].hidden = off; }
      });
    });
    if (form) {
      form.elements.q.value = state.q || "";
      ["seen", "ahead", "reference", "fold"].forEach(function (name) {
        if (form.elements[name]) { form.elements[name].checked = Boolean(state[name]); }
      });
      Array.from(form.querySelectorAll("[name=column]")).forEach(function (box) {
        box.checked = hide.indexOf(box.value) < 0;
      });
      form.querySelector(".shown").textContent = shown === all.length ? "" : shown + " of " + all.length + " rows shown";
    }
    return said;
  }

  function change(changes) {
    var state = read();
    Object.keys(changes).forEach(function (k) { state[k] = changes[k]; });
    write(state);
    return apply(state);
  }

  function pinned() {
    return rows().filter(function (row) { return row.querySelector(".pin:checked"); }).map(nameOf).join("|");
  }

  var first = {};
  if (table) {
    first.head = heads().find(function (h) { return h.hasAttribute("aria-sort"); });
    first.order = first.head && first.head.getAttribute("aria-sort");
    var firstWords = table.querySelector("caption .order").textContent;
    heads().forEach(function (head) {
      var button = head.querySelector("button");
      button.disabled = false;
      button.addEventListener("click", function () {
        var turned = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        var said = change({ sort: head.dataset.key, dir: head.hasAttribute("aria-sort") ? turned : head.dataset.first });
        announce.textContent = table.querySelector("caption .name").textContent + ": sorted by " + said;
      });
    });
    if (table.classList.contains("board")) {
      rows().forEach(function (row) {
        var pin = document.createElement("input");
        pin.type = "checkbox";
        pin.className = "pin";
        pin.setAttribute("aria-label", "Keep " + nameOf(row) + " on top");
        pin.title = "Keep on top";
        pin.addEventListener("change", function () { change({ pin: pinned() }); });
        row.querySelector("th").prepend(pin);
      });
    }
    if (form) {
      form.hidden = false;
      form.addEventListener("submit", function (event) { event.preventDefault(); });
      form.addEventListener("input", function () {
        var off = Array.from(form.querySelectorAll("[name=column]")).filter(function (box) { return !box.checked; });
        var changes = { q: form.elements.q.value, hide: off.map(function (box) { return box.value; }).join("|") };
        ["seen", "ahead", "reference", "fold"].forEach(function (name) {
          changes[name] = form.elements[name] && form.elements[name].checked ? "1" : "";
        });
        change(changes);
      });
      form.addEventListener("reset", function (event) {
        event.preventDefault();
        write({});
        location.reload();
      });
    }
    if (location.hash.indexOf("=") > 0) { apply(read()); }
    window.addEventListener("hashchange", function () {
      if (!location.hash || location.hash.indexOf("=") > 0) { apply(read()); }
    });
  }
})();
