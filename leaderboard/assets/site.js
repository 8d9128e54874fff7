"use strict";
(function () {
  var announce = document.getElementById("announce");
  var orders = {
    number: { ascending: "lowest first", descending: "highest first" },
    text: { ascending: "A to Z", descending: "Z to A" },
    date: { ascending: "oldest first", descending: "newest first" }
  };

  function textOf(cell) {
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  }

  // Negative if a comes before b. What is no number stays last in both directions.
  function compare(a, b, type, sign) {
    if (type !== "number") {
      return sign * a.localeCompare(b, "en", { numeric: true });
    }
    var x = parseFloat(a), y = parseFloat(b);
    if (isNaN(x) || isNaN(y)) {
      return isNaN(x) - isNaN(y);
    }
    return sign * (x - y);
  }

  function sort(table, head, order) {
    var column = head.cellIndex, type = head.dataset.type, sign = order === "ascending" ? 1 : -1;
    Array.from(table.tBodies).forEach(function (body) {
      var rows = Array.from(body.querySelectorAll("tr:not(.group)"));
      rows.forEach(function (row, place) {
        if (row.dataset.place === undefined) { row.dataset.place = place; }
      });
      rows.sort(function (a, b) {
        return compare(textOf(a.cells[column]), textOf(b.cells[column]), type, sign) ||
          a.dataset.place - b.dataset.place;
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
    Array.from(head.parentNode.cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", order);
    var words = head.querySelector("button").textContent + ", " + orders[type][order];
    table.querySelector("caption .order").textContent = words;
    announce.textContent = table.querySelector("caption .name").textContent + ": sorted by " + words;
  }

  Array.from(document.querySelectorAll("table.sortable th[data-type]")).forEach(function (head) {
    var button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", function () {
      var turned = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      sort(head.closest("table"), head, head.hasAttribute("aria-sort") ? turned : head.dataset.first);
    });
  });
})();
