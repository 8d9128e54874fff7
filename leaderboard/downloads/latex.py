r"""A board as a LaTeX table (booktabs), and what to cite as BibTeX: text of others is text, never a command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vidsal._version import __version__
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.loaders.errors import UnknownName
from vidsal.loaders.registry import form

from .. import format as words
from ..boards import OTHER_TRUTH, Board, Column, Entry
from ..sanitize import slug, visible

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "\ufffd": "?",
    "[": "{[}", "]": "{]}", "*": "{*}",  # which a line break before them would take for its own
}  # fmt: skip
_TO_ESCAPE = re.compile("[" + re.escape("".join(_SPECIAL)) + "]")


def escaped(text: str) -> str:
    r"""Return a text as LaTeX prints it, on one line.

    >>> escaped("a_b \\input{x}")
    'a\\_b \\textbackslash{}input\\{x\\}'
    """
    plain = " ".join(visible(text).split())
    return _TO_ESCAPE.sub(lambda found: _SPECIAL[found[0]], plain)


def latex(board: Board) -> str:
    """Return a board as a table: models and reference predictors, then human references, three decimals.

    The best printed value of the ranked models is bold; equal ones all are. An arrow tells which way is better.
    """
    heads = [rf"{escaped(c.label)} $\{'up' if c.metric.higher_is_better else 'down'}arrow$" for c in board.columns]
    best = {c.name: _best(board, c) for c in board.columns}
    protocol, release = board.protocol, board.release
    lines = [
        f"% {_comment(board.title)}",
        f"% release {_comment(release.id)}, digest {release.digest}; protocol {_comment(protocol.name)}, digest "
        f"{protocol.digest}",
        r"% dagger: the truth is a single observer, so this value is not to be compared with those of the models",
        r"% needs \usepackage{booktabs}, and XeLaTeX, LuaLaTeX or \usepackage[T1]{fontenc}",
        rf"\begin{{tabular}}{{l{'r' * len(board.columns)}}}",
        r"\toprule",
        " & ".join(["Model", *heads]) + r" \\",
        *(line for group in (board.models, board.humans) if group for line in _group(board, group, best)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """A text on one line, so that nothing of it leaves a comment."""
    return " ".join(visible(text).split())


def _group(board: Board, entries: Iterable[Entry], best: dict[str, str | None]) -> Iterator[str]:
    yield r"\midrule"
    for entry in entries:
        cells = [escaped(entry.record.model.name)]
        for column in board.columns:
            printed = _printed(entry, column)
            bold = not entry.record.human and printed is not None and printed == best[column.name]
            mark = (
                r"$^\dagger$" if column.name in OTHER_TRUTH and entry.record.truth.points == "single-observer" else ""
            )
            value = rf"\textbf{{{printed}}}" if bold else (printed or "").replace("-", "$-$")
            cells.append("--" if printed is None else value + mark)
        yield " & ".join(cells) + r" \\"


def _printed(entry: Entry, column: Column) -> str | None:
    mean = entry.record.metrics[column.name].mean
    return None if mean is None else words.decimals(mean)


def _best(board: Board, column: Column) -> str | None:
    """The best value of the models as it is printed; one over fewer frames than others is not ranked."""
    ranked = [
        e for e in board.models if e.record.metrics[column.name].mean is not None and not board.partial(e, column)
    ]
    values = [float(m) for e in ranked if (m := e.record.metrics[column.name].mean) is not None]
    if not values:
        return None
    return words.decimals(max(values) if column.metric.higher_is_better else min(values))


def bibtex(board: Board) -> str:
    """Return what to cite beside a number of a board: the data, the models, the protocol and its metrics, the software.

    References stand as their authors state them, in the field `note`; who needs single fields takes them from there.
    """
    found: dict[str, list[tuple[str, str]]] = {}

    def add(key: str, *fields: tuple[str, str]) -> None:
        kept = [(name, text) for name, text in fields if text.strip()]
        while key in found and found[key] != kept:
            key += "-x"
        found[key] = kept

    release, protocol = board.release, board.protocol
    add(
        f"data:{slug(release.id)}",
        ("title", release.title or release.id),
        ("note", f"{_citation(release.dataset, release.variant)}Release {release.id}, digest {release.digest[:16]}."),
    )
    for entry in board.shown:
        model = entry.record.model
        if model.paper:
            add(f"model:{slug(model.name)}", ("title", f"{model.name} {model.version or ''}"), ("note", model.paper))
    known = protocol.name in PROTOCOLS
    origin = PROTOCOLS[protocol.name].origin if known else protocol.origin
    add(f"protocol:{slug(protocol.name)}", ("title", f"Protocol {protocol.name}: {protocol.summary}"), ("note", origin))
    for column in board.columns:
        add(f"metric:{slug(column.metric.id, 60)}", ("title", column.metric.id), ("note", column.metric.source))
    add(
        "software:vidsal",
        ("title", "vidsal: data sets, baselines, scores and leaderboards for video saliency and gaze prediction"),
        ("author", "{The vidsal founders}"),
        ("version", __version__),
    )
    return "\n".join(_entry(key, fields) for key, fields in found.items())


def _citation(dataset: str, variant: str | None) -> str:
    """What its authors ask to cite for a data set, as sentences; nothing where this version does not know it."""
    try:
        return form(dataset, variant).INFO.citation.rstrip(". ") + ". "
    except UnknownName:
        return ""


def _entry(key: str, fields: list[tuple[str, str]]) -> str:
    texts = [(name, text if name == "author" else escaped(text)) for name, text in fields]
    return "".join([f"@misc{{{key}", *(f",\n  {name} = {{{text}}}" for name, text in texts), "\n}\n"])
