"""What a gate found, as a build server reads it: JUnit XML, and Markdown for its summary. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from xml.etree import ElementTree as xml

from vidsal.loaders.io.names import visible

from .gate import Moved, Verdict

_MOST_ROWS = 40


def number(value: float, digits: int = 12) -> str:
    """Return a value as text, a dash where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.{digits}g}"


def heading(verdict: Verdict) -> str:
    """Say what was compared."""
    r = verdict.candidate.record
    return (
        f"{r['model']['name']} on {r['release']['id']}, split {r['split']}, protocol {r['protocol']['name']}, "
        f"{len(r['coverage']['scored'])} stimuli"
    )


def result(verdict: Verdict) -> str:
    """Say in a sentence how it ended."""
    better = f", {len(verdict.improved)} moved to the better, which is allowed" if verdict.improved else ""
    if verdict.passed:
        what = "nothing moved to the worse" if verdict.improved else "nothing moved"
        return f"{what}: {verdict.compared} values compared{better}"
    counts = {word: sum(m.change == word for m in verdict.moved) for word in ("better", "worse")}
    said = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
    return f"{len(verdict.moved)} of {verdict.compared} values moved{f' ({said})' if said else ''}{better}"


def line(moved: Moved) -> str:
    """Return one move as a sentence."""
    return (
        f"{moved.where}: {moved.what} was {number(moved.baseline)}, is {number(moved.candidate)} "
        f"({number(moved.difference, 3)}, allowed {number(moved.allowed, 3)})"
        + (f": {moved.change}" if moved.change else "")
    )


def junit(verdict: Verdict) -> str:
    """Return JUnit XML: a test for the run's means, and one for each stimulus."""
    r = verdict.candidate.record
    of = f"{r['release']['id']}.{r['split']}.{r['protocol']['name']}.{r['model']['name']}"
    places = list(dict.fromkeys(["run", *r["coverage"]["scored"], *(m.where for m in verdict.moved)]))
    failed = {where: [line(m) for m in verdict.moved if m.where == where] for where in places}
    counts = {"tests": str(len(places)), "failures": str(sum(map(bool, failed.values()))), "errors": "0"}
    suite = xml.Element("testsuite", {"name": "vidsal gate", **counts})
    for where, lines in failed.items():
        case = xml.SubElement(suite, "testcase", {"classname": visible(of), "name": visible(where)})
        if lines:
            fault = xml.SubElement(case, "failure", {"message": f"{len(lines)} values moved"})
            fault.text = visible("\n".join(lines))
    xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suite, encoding="unicode") + "\n"


def markdown(verdict: Verdict) -> str:
    """Return Markdown: the result, and a table of what moved."""
    out = [
        f"### {_cell(heading(verdict))}",
        "",
        f"**{'Passed' if verdict.passed else 'Failed'}**: {result(verdict)}.",
        "",
    ]
    for title, moved in (("Moved", verdict.moved), ("Better, and allowed to be", verdict.improved)):
        if moved:
            out += [f"#### {title}", "", *_table(moved[:_MOST_ROWS]), ""]
            out += [f"and {len(moved) - _MOST_ROWS} more", ""] if len(moved) > _MOST_ROWS else []
    out += [f"- {_cell(note)}" for note in verdict.notes]
    return "\n".join(out).rstrip("\n") + "\n"


def _table(moved: Iterable[Moved]) -> list[str]:
    rows = ["| where | what | baseline | candidate | difference | allowed | |", "|---|---|--:|--:|--:|--:|---|"]
    for m in moved:
        numbers = (number(m.baseline), number(m.candidate), number(m.difference, 3), number(m.allowed, 3))
        rows.append("| " + " | ".join((_cell(m.where), _cell(m.what), *numbers, m.change)) + " |")
    return rows


def _cell(text: str) -> str:
    """Text of others in Markdown: no markup, no second cell, one line."""
    plain = escape(visible(text).replace("\n", " "), quote=False)
    return "".join(f"\\{c}" if c in "|`*_[]\\#~" else c for c in plain)
