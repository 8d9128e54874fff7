"""Plots say their values to the pointer and to keys: the same that tables hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .browser import PHONE, Scenario, drive, page_types

SAID = "document.querySelector('output.read').textContent"
PLOT = "document.querySelector('svg[data-read]')"
HEARD = f"{PLOT}.getAttribute('aria-valuetext')"


def seen(site: Path, *steps: tuple[str, Any], size: tuple[int, int] = (1400, 900)) -> list[Any]:
    (visit,) = drive(site, [Scenario(steps, size)])
    assert (visit.error, visit.messages, visit.requests) == (None, [], [])
    return visit.answers


def test_a_plot_of_intervals_is_read_by_keys(site: Path) -> None:
    """From the first line to the second and to the last; what is said is in the table (variants with their
    version and options), and is gone with the focus."""
    board = page_types(site)["boards"][0]
    names = "Array.from(document.querySelectorAll('#table tbody:first-of-type th a'), (a) => a.textContent)"
    answers = seen(
        site, ("go", board), ("ask", names), ("focus", "svg[data-read]"), ("ask", SAID), ("press", "ArrowDown"),
        ("ask", f"[{SAID}, {HEARD}]"), ("press", "End"), ("ask", SAID), ("focus", ".skip"), ("ask", SAID),
    )  # fmt: skip
    models, first, second, last, gone = answers[1], answers[3], answers[5], answers[7], answers[9]
    assert re.match(rf"{models[0]}[, ]", first)
    assert second[0] == second[1], "a screen reader is told"
    assert re.match(rf"{models[1]}[, ]", second[0])
    assert re.match(rf"{models[-1]}[, ]", last)
    assert gone == ""


def test_a_line_over_time_says_the_frame_and_the_value_under_the_pointer(site: Path) -> None:
    run = next(p for p in page_types(site)["runs"] if 'data-read="x"' in (site / p).read_text(encoding="utf-8"))
    cells = "Array.from(document.querySelectorAll('.panels')[0].closest('details').querySelectorAll('tbody td'), (c) => c.textContent)"
    lowest = f"""(() => {{
      const plot = {PLOT}, box = plot.getBoundingClientRect(), said = [];
      for (let x = 44; x < 312; x++) {{
        const at = {{ clientX: box.left + x * box.width / 320, clientY: box.top }};
        for (const name of x > 44 ? ["pointermove"] : ["pointerenter", "pointermove"]) {{ plot.dispatchEvent(new PointerEvent(name, at)); }}
        said.push({SAID});
      }}
      return said.sort((a, b) => a.split(" ").pop() - b.split(" ").pop())[0];
    }})()"""
    _, row, said = seen(site, ("go", run), ("ask", cells), ("ask", lowest))
    assert said == f"frame {row[1]}: AUC-J {float(row[0]):.2f}", "the lowest value and its frame stand in the table"


def test_a_difference_says_its_stimulus(site: Path) -> None:
    """On the page of a pair by its table, where a script draws by itself."""
    pages = page_types(site)["compare"]
    pair = next(p for p in pages if "data-differences" in (site / p).read_text(encoding="utf-8"))
    last = "Array.from(document.querySelectorAll('[data-differences] tbody tr:first-child > *'), (c) => c.textContent)"
    _, _, _, said, row = seen(
        site, ("go", pair), ("focus", "svg[data-read]"), ("press", "End"), ("ask", SAID), ("ask", last)
    )
    assert said == ": ".join(row)
    drawn = next(p for p in pages if 'id="drawn"' in (site / p).read_text(encoding="utf-8"))
    _, _, _, said, name = seen(
        site, ("go", drawn), ("focus", "svg[data-read]"), ("press", "End"), ("ask", SAID),
        ("ask", "document.querySelector('#differences th').textContent"),
    )  # fmt: skip
    assert re.fullmatch(rf"{re.escape(name)}: -?\d+\.\d{{3}}", said)


def test_a_phone_shows_the_first_row_at_once_and_folds_the_filters(site: Path) -> None:
    board = page_types(site)["boards"][0]
    at = "document.querySelector('#table tbody th.model').getBoundingClientRect().bottom"
    folded = "document.querySelector('.filters').open"
    _, bottom, shut = seen(site, ("go", board), ("ask", at), ("ask", folded), size=PHONE)
    assert (bottom < PHONE[1], shut) == (True, False)
    assert seen(site, ("go", board), ("ask", folded))[1] is True, "a wide screen has room"
