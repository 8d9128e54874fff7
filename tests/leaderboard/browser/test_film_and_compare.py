"""The film strip by keys and by mouse, and any two models compared: what the scripts say is what the tables hold."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vidsal
from vidsal.leaderboard.pages.preview import film_page

from ...benchmark.runs import Brightness, small_release
from .browser import PHONE, SCREEN, Scenario, drive, page_types

SLIDER = ".film-slide input"
FRAME = f"+document.querySelector('{SLIDER}').value"
SPOKEN = f"document.querySelector('{SLIDER}').getAttribute('aria-valuetext')"
SETTLED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
CURSOR = "document.querySelector('.film-cursor').style.left"


def seen(site: Path, *steps: object, size: tuple[int, int] = SCREEN) -> list[object]:
    """Play one scenario; a step is a pair, or the name of one that takes nothing."""
    (visit,) = drive(site, [Scenario([s if isinstance(s, tuple) else (str(s), None) for s in steps], size)])
    assert (visit.error, visit.messages, visit.requests) == (None, [], [])
    return visit.answers


@pytest.fixture(scope="module")
def stimulus(site: Path) -> str:
    """A page with the film strip of a stimulus of several frames."""
    pages = page_types(site)["stimuli"]
    return next(p for p in pages if 'type="range"' in (site / p).read_text(encoding="utf-8"))


def test_keys_move_the_strip_and_say_where_it_is(site: Path, stimulus: str) -> None:
    keys = ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End")
    steps: list[object] = [("go", stimulus), ("focus", SLIDER)]
    for key in keys:
        steps += [("press", key), ("ask", SETTLED), ("ask", f"[{FRAME}, {SPOKEN}, {CURSOR}]")]
    found = seen(site, *steps)[4::3]
    first, one, two, back, last = (int(where[0]) for where in found)  # type: ignore[index]
    assert (one - first, two - first, back - first) == (1, 2, 1)
    assert last > two
    for frame, (_, text, _) in zip((first, one, two, back, last), found, strict=True):  # type: ignore[misc]
        assert text.startswith(f"frame {frame} of {last}"), "a screen reader is told"
    assert (found[0][2], found[4][2]) == ("0%", "100%")  # type: ignore[index]


def test_the_metric_and_the_models_are_chosen(site: Path, stimulus: str) -> None:
    lines = "document.querySelectorAll('.film-line').length"
    options = "Array.from(document.querySelectorAll('.film-metric option'), (o) => o.textContent)"
    box = ".film-models li:first-child input"
    _, before, names, _, _, spoken, _, _, after = seen(
        site, ("go", stimulus), ("ask", lines), ("ask", options),
        ("select", (".film-metric select", "1")), ("ask", SETTLED), ("ask", SPOKEN),
        ("click", box), ("ask", SETTLED), ("ask", lines),
    )  # fmt: skip
    other = re.sub(r" [\u2191\u2193]$", "", str(names[1]))  # type: ignore[index]
    assert f" {other} " in str(spoken)
    assert after == int(str(before)) - 1, "its line is gone"


def test_the_pointer_moves_it(site: Path, stimulus: str) -> None:
    """A click in the middle of the plot shows the middle of the video."""
    _, _, _, _, ends = seen(
        site, ("go", stimulus), ("click", ".film-plot"), ("ask", SETTLED), ("ask", "1"),
        ("ask", f"(() => {{ const s = document.querySelector('{SLIDER}'); return [+s.min, +s.max, +s.value]; }})()"),
    )  # fmt: skip
    low, high, at = (int(v) for v in ends)  # type: ignore[attr-defined]
    assert abs(at - (low + high) / 2) <= 1


MOVE = """(() => {
 const plot = document.querySelector(".film-plot"), box = plot.getBoundingClientRect();
 plot.setPointerCapture = () => {};
 window.point = (type, share, off = 0) => plot.dispatchEvent(new PointerEvent(type, {
  clientX: box.left + share * box.width + off, clientY: box.top + 50, pointerType: "mouse", bubbles: true }));
})()"""


def test_the_pointer_is_followed_until_a_press_holds_the_frame(site: Path, tmp_path: Path) -> None:
    """What was chosen stays where the mouse goes on to the pictures; a press beside a mark is meant for it."""
    ds = vidsal.load(small_release(tmp_path, frames=40))
    (tmp_path / "mine.html").write_text(film_page(vidsal.evaluate(Brightness(), ds)), encoding="utf-8")
    mark = "document.querySelector('.film-mark').style.left"
    at = f"[{FRAME}, {SPOKEN}, {CURSOR}]"
    moved = [("ask", SETTLED), ("ask", at)]
    answers = seen(
        tmp_path, ("go", "mine.html"), ("ask", MOVE),
        ("ask", "point('pointermove', 0)"), *moved, ("ask", "point('pointermove', 1)"), *moved,
        ("ask", f"point('pointerdown', parseFloat({mark}) / 100, 7)"), *moved, ("ask", "point('pointermove', 0)"), *moved,
        ("ask", mark), size=PHONE,
    )  # fmt: skip
    left, right, pressed, after = (where[2] for where in answers[4::3][:4])  # type: ignore[index]
    assert (left, right) == ("0%", "100%")
    assert after == pressed == answers[-1]


def test_any_two_models_are_compared(site: Path) -> None:
    """The mean that the script says is that of the table that can be taken along, and a link shows the same again."""
    page = page_types(site)["compare"]
    boards = [p for p in page if p.count("/") == 1 and not p.endswith("index.html")]
    models = {p: len(re.findall(r"<option", (site / p).read_text(encoding="utf-8"))) for p in boards}
    board = max(boards, key=lambda p: models[p])
    told = "document.getElementById('told').textContent"
    names = (
        "['a', 'b'].map((n) => { const s = document.forms.pair.elements[n]; return s.options[s.selectedIndex].text; })"
    )
    _, _, _, said, chosen, fragment = seen(
        site, ("go", board), ("select", ("select[name=a]", "3")), ("select", ("select[name=metric]", "CC")),
        ("ask", told), ("ask", names), "hash",
    )  # fmt: skip
    again = seen(site, ("go", f"{board}{fragment}"), ("ask", told), ("ask", names))
    assert again[1:] == [said, chosen]
    heading = "document.getElementById('result').textContent"
    _, pair, _, alone = seen(
        site, ("go", f"{board}{fragment}"), ("ask", heading), ("select", ("select[name=b]", "3")), ("ask", told)
    )
    assert pair == " minus ".join(chosen)  # type: ignore[arg-type]
    assert alone == "Choose two models."
    table = pd.read_csv(site / "downloads" / f"{Path(board).stem}-stimuli.csv")
    one, other = (table[table["model"] == name].set_index("stimulus_id")["CC"] for name in chosen)  # type: ignore[attr-defined]
    difference = (one - other).dropna()
    wanted = re.search(r"CC: mean difference (-?[\d.]+) over (\d+) stimuli \((\d+) above zero\)", str(said))
    assert wanted is not None, said
    assert float(wanted[1]) == pytest.approx(difference.mean(), abs=2e-3)
    assert (int(wanted[2]), int(wanted[3])) == (len(difference), int((difference > 0).sum()))
    assert not np.isnan(difference).any()


def test_two_protocols_side_by_side_stand_in_the_link(site: Path) -> None:
    """Only what differs; whoever is sent the address sees the same, and one that makes no sense shows all."""
    page = "protocols/index.html"
    shown = "[...document.getElementById('choices').rows].filter(r => !r.hidden).map(r => [...r.cells].filter(c => !c.hidden).length)"
    _, every, _, _, _, two, fragment = seen(
        site, ("go", page), ("ask", shown), ("select", ("select[name=a]", "1")), ("select", ("select[name=b]", "2")),
        ("click", "[name=differ]"), ("ask", shown), "hash",
    )  # fmt: skip
    assert set(two) == {3}  # type: ignore[call-overload]
    assert 1 < len(two) < len(every)  # type: ignore[arg-type]
    assert seen(site, ("go", f"{page}{fragment}"), ("ask", shown))[1] == two
    assert seen(site, ("go", f"{page}#a=99&b=%3Cscript%3E"), ("ask", shown))[1] == every
