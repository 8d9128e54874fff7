"""A board by mouse and keyboard: sorted, filtered, sent to somebody as a link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .browser import Scenario, Visit, drive, page_types

TABLE = "table.sortable"
HEAD = f"{TABLE} thead th:has(button:text-is('{{}}')) button"
NAMES = f"""Array.from(document.querySelectorAll("{TABLE}")[0].tBodies[0].rows)
 .filter((row) => row.querySelector("th[scope=row]") && row.offsetParent !== null)
 .map((row) => row.querySelector("th[scope=row] a").textContent.trim())"""
SORTED = f"""Array.from(document.querySelectorAll("{TABLE}")[0].tHead.querySelectorAll("th[aria-sort]"))
 .filter((th) => th.getAttribute("aria-sort") !== "none")
 .map((th) => [th.querySelector("button").textContent.trim(), th.getAttribute("aria-sort")])"""
SAID = "document.querySelector('[role=status]').textContent"


@pytest.fixture(scope="module")
def board(site: Path) -> str:
    """The largest page with a board."""
    types = page_types(site)
    return types.get("boards", types["index"])[0]


def visit(site: Path, *steps: tuple[str, Any]) -> Visit:
    (found,) = drive(site, [Scenario([s if isinstance(s, tuple) else (s, None) for s in steps])])
    assert (found.error, found.messages, found.requests) == (None, [], [])
    return found


def test_sorting_by_mouse(site: Path, board: str) -> None:
    click = ("click", HEAD.format("CC"))
    first, *_, down, by, said, _, up, again = visit(
        site, ("go", board), click, ("ask", NAMES), ("ask", SORTED), ("ask", SAID), click, ("ask", NAMES), ("ask", SORTED)
    ).answers  # fmt: skip
    assert first is None
    assert by == [["CC", "descending"]]
    assert again == [["CC", "ascending"]]
    assert up == down[::-1]
    assert len(set(down)) == 5
    assert "CC" in said, "and a screen reader is told"


LONG = f"""(() => {{
 const body = document.querySelector("{TABLE}").tBodies[0], row = body.querySelector("tr:has(a)");
 const at = [...document.querySelector("{TABLE}").tHead.rows[0].cells].findIndex(c => c.textContent.startsWith("CC"));
 body.replaceChildren(...Array.from({{ length: 350 }}, (_, k) => {{
  const copy = row.cloneNode(true);
  copy.cells[at].dataset.v = k * 37 % 350;
  return copy;
 }}));
 window.values = () => [...body.rows].map(r => +r.cells[at].dataset.v);
 window.head = document.querySelector("{TABLE}").tHead.rows[0].cells[at].querySelector("button");
}})()"""


def test_a_long_table_shows_its_first_screen_at_once_and_ends_sorted(site: Path, board: str) -> None:
    click, first = "head.click()", "values().slice(0, 100)"
    later = "(async () => { for (let k = 0; k < 30; k++) { await new Promise(requestAnimationFrame); } return values(); })()"
    _, _, down, all_down, up, all_up = visit(
        site, ("go", board), ("ask", LONG), ("ask", f"({click}, {first})"), ("ask", later),
        ("ask", f"({click}, {click}, {click}, {first})"), ("ask", later),
    ).answers  # fmt: skip
    assert down == list(range(349, 249, -1)), "the best first, before the next frame"
    assert all_down == list(range(349, -1, -1))
    assert up == list(range(100))
    assert all_up == list(range(350)), "what a click left undone is given up by the next one"


def test_sorting_by_keyboard_keeps_the_focus(site: Path, board: str) -> None:
    focus = "document.activeElement.textContent.trim()"
    steps = [("go", board), ("focus", HEAD.format("KLD"))]
    for key in ("Enter", "Space"):
        steps += [("press", key), ("ask", SORTED), ("ask", focus)]
    answers = visit(site, *steps).answers
    assert [answers[3], answers[6]] == [[["KLD", "ascending"]], [["KLD", "descending"]]], "lowest is best"
    assert (answers[4], answers[7]) == ("KLD", "KLD")


def test_what_has_no_value_stays_last(site: Path, board: str) -> None:
    click = ("click", HEAD.format("s-AUC"))
    one, two = visit(site, ("go", board), click, ("ask", NAMES), click, ("ask", NAMES)).answers[2::2]
    assert one == two, "undefined for all: the order stays"


def test_the_order_stays_over_reload_and_back_and_in_a_link(site: Path, board: str) -> None:
    answers = visit(
        site, ("go", board), ("click", HEAD.format("CC")), ("click", HEAD.format("CC")), ("hash", None), ("ask", NAMES),
        ("reload", None), ("ask", NAMES), ("ask", SORTED),
        ("click", f"{TABLE} tr:not([hidden]) th[scope=row] a"), ("back", None), ("ask", NAMES),
    ).answers  # fmt: skip
    fragment, order = answers[3], answers[4]
    assert "sort=CC" in fragment
    assert "dir=ascending" in fragment
    assert answers[6] == order
    assert answers[7] == [["CC", "ascending"]]
    assert answers[10] == order
    sent = visit(site, ("go", f"{board}{fragment}"), ("ask", NAMES), ("ask", SORTED)).answers
    assert sent[1:] == [order, [["CC", "ascending"]]], "who gets the link sees the same"


def test_a_filter_is_in_the_link_and_hides_rows(site: Path, board: str) -> None:
    answers = visit(site, ("go", board), ("fill", ("input[type=search]", "gam")), ("wait", f"{NAMES.strip()}.length === 1"), ("ask", NAMES), ("hash", None)).answers  # fmt: skip
    assert answers[3] == ["gamma"]
    assert "q=gam" in answers[4]
    assert visit(site, ("go", f"{board}#sort=CC&dir=descending&q=gam"), ("ask", NAMES)).answers[1] == ["gamma"]


def test_only_open_code_and_only_newer_runs(site: Path, board: str) -> None:
    (_, every, _, newer, fragment, _, both, _, all_again) = visit(
        site, ("go", board), ("ask", NAMES), ("fill", ("[name=since]", "2026-05-06")), ("ask", NAMES), ("hash", None),
        ("click", "[name=open]"), ("ask", NAMES), ("fill", ("[name=since]", "")), ("ask", NAMES),
    ).answers  # fmt: skip
    assert (newer, both, fragment) == (["gamma"], ["gamma"], "#since=2026-05-06")
    assert len(every) > 1
    assert all_again == ["gamma"], "its authors say where the code is"
    hidden = visit(site, ("go", f"{board}#since=2026-05-07"), ("ask", NAMES)).answers[1]
    assert hidden == []


def test_escape_closes_the_menu_of_columns_and_gives_the_focus_back(site: Path, board: str) -> None:
    at = "[document.querySelector('.choose').open, document.activeElement.textContent]"
    answers = visit(
        site, ("go", board), ("click", ".choose summary"), ("focus", ".choose input"), ("press", "Escape"), ("ask", at)
    ).answers  # fmt: skip
    assert answers[-1] == [False, "Columns"]


def test_a_row_is_kept_on_top_by_keyboard_and_in_the_link(site: Path, board: str) -> None:
    names = "Array.from(document.querySelectorAll('#table tbody tr:not(.group) th a'), (a) => a.textContent)"
    focus = "document.activeElement.ariaLabel"
    _, before, _, _, kept, fragment, at = visit(
        site, ("go", board), ("ask", names), ("focus", "[aria-label='Keep gamma on top']"), ("press", "Space"),
        ("ask", names), ("hash", None), ("ask", focus),
    ).answers  # fmt: skip
    assert kept[0] == "gamma"
    assert sorted(kept) == sorted(before)
    assert at == "Keep gamma on top", "the row moves, the focus stays"
    assert visit(site, ("go", f"{board}{fragment}"), ("ask", names)).answers[1] == kept


def test_variants_of_a_model_are_folded_until_they_are_asked_for(site: Path, board: str) -> None:
    count = f"{NAMES.strip()}.filter((name) => name === 'beta').length"
    _, folded, _, shown, fragment = visit(
        site, ("go", board), ("ask", count), ("click", "[name=variants]"), ("ask", count), ("hash", None)
    ).answers  # fmt: skip
    assert (folded, shown, fragment) == (1, 2, "#variants=1")


def test_one_variant_is_kept_on_top_and_found_by_what_distinguishes_it(site: Path, board: str) -> None:
    pin = "[aria-label^='Keep beta'][aria-label*='channels = 8']"
    pinned = "Array.from(document.querySelectorAll('tr.pinned'), (row) => row.textContent.includes('channels = 8'))"
    _, _, _, kept, _, rows = visit(
        site, ("go", board), ("click", "[name=variants]"), ("click", pin), ("ask", pinned),
        ("fill", ("[name=q]", "channels = 8")), ("ask", NAMES),
    ).answers  # fmt: skip
    assert kept == [True], "and not its sibling"
    assert rows == ["beta"]


def test_brackets_stand_only_beside_whole_boards_in_their_order(site: Path, board: str) -> None:
    """A bracket joins neighbors: where rows between are hidden or moved it would join others."""
    hidden = "document.getElementById('table').classList.contains('reordered')"
    _, folded, _, whole, _, filtered, _, _, _, pinned = visit(
        site, ("go", board), ("ask", hidden), ("click", "[name=variants]"), ("ask", hidden),
        ("fill", ("[name=q]", "gamma")), ("ask", hidden), ("fill", ("[name=q]", "")),
        ("focus", "[aria-label='Keep gamma on top']"), ("press", "Space"), ("ask", hidden),
    ).answers  # fmt: skip
    assert (folded, whole, filtered, pinned) == (True, False, True, True)


def test_a_link_that_makes_no_sense_shows_the_board(site: Path, board: str) -> None:
    """And it shows it as it stands without scripts: what is read from an address is hostile."""
    wrong = ("sort=%3Cscript%3E&dir=up", "sort=__proto__&dir=descending", "q=%E0%A4%A", "columns=&pin=%00", "=&=&&")
    look: list[Any] = [("ask", NAMES), ("ask", SORTED)]
    first, *others, last = drive(
        site, [Scenario([("go", f"{board}#{at}"), *look]) for at in ("", *wrong, "sort=CC&dir=descending")]
    )
    for fragment, other in zip(wrong, others, strict=True):
        assert (other.error, other.messages, other.answers) == (None, [], first.answers), fragment
    assert last.answers[2] == [["CC", "descending"]]
