"""The page of a run: its scores, some videos over time, where its numbers come from, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from vidsal.benchmark.evaluation.results.schema import RunRecord

from .. import links
from ..charts.timeline import videos
from ..collect import Loaded
from ..content import Content
from ..format import title_of
from .environment import cells, page
from .pictures import best_and_worst_stimuli, film
from .reference import info_of

EVERY_STIMULUS = 120
"""Most stimuli that a run's page lists; of more it lists the best and the worst."""


def run_page(content: Content, address: str) -> str:
    """Return the page of a run."""
    run, board = content.runs[address], content.board_of[address]
    history = board.runs_of(run.entry)
    drawn = chosen(run, board.columns.index(board.sort_column))
    order = _order(run, board.columns.index(board.sort_column), board.sort_column.metric.higher_is_better)
    listed = order if len(order) <= EVERY_STIMULUS else [*order[: EVERY_STIMULUS // 2], *order[-EVERY_STIMULUS // 2 :]]
    return page(
        "run.html",
        address,
        content.config,
        entry=run.entry,
        r=run.entry.record,
        board=board,
        columns=run.columns,
        shown=history[0],
        others=[other for other in history if other.page != address],
        placeholders=placeholders(run.entry.record),
        rows=_lines(run, sorted(order) if listed is order else listed),
        total=len(order),
        videos=videos({run.stimuli.ids[k]: run.rows.of(k) for k in drawn}, run.columns),
        titles={run.stimuli.ids[k]: title for k, title in drawn.items()},
        films={
            name: (links.stimulus_page(board, name), film(content, [run.entry], name, address))
            for name in (best_and_worst_stimuli(content, board, run.entry) if address in content.labels else ())
        },
        pages={run.stimuli.ids[k]: links.stimulus_page(board, run.stimuli.ids[k]) for k in drawn}
        | {run.stimuli.ids[k]: links.stimulus_page(board, run.stimuli.ids[k]) for k in listed},
    )


@dataclass(frozen=True)
class Placeholder:
    """A word of a run's command that names something of whoever ran it.

    Attributes:
        word: as the command has it.
        after: the option that it follows; empty where it stands by itself.
        said: what it stands for.
        digest: of that; empty where none is known.
        made_by: the command that makes it; empty where there is none.
    """

    word: str
    after: str
    said: str
    digest: str = ""
    made_by: str = ""


def placeholders(record: RunRecord) -> list[Placeholder]:
    """Return which words of a run's command name folders and files, in their order, and what is to be in these."""
    given: list[str] = []
    with suppress(ValueError):  # quotes that do not close: it is no command of ours
        given = shlex.split(record.command or "")
    found = []
    if given[:2] == ["vidsal", "score"] and len(given) > 2:
        digest = (record.model.submission or {}).get("digest")
        said = "the stored predictions, a folder or an archive"
        found.append(Placeholder(shlex.quote(given[2]), "", said, digest if isinstance(digest, str) else ""))
    elif given[:2] == ["vidsal", "run"] and len(given) > 2 and ".py:" in given[2]:
        digest = record.model.options.get("file_sha256")
        said = "the file of the model's class, and the class"
        found.append(Placeholder(shlex.quote(given[2]), "", said, digest if isinstance(digest, str) else ""))
    for option, word in zip(given, given[1:], strict=False):
        if option == "--data":
            found.append(_data(record, word))
        elif option in (files := _files(record)):
            found.append(Placeholder(shlex.quote(word), option, *files[option]))
    return found


def _data(record: RunRecord, word: str) -> Placeholder:
    release = record.release
    said = f"your folder of the release {release.id} ({title_of(release)}) with this content"
    variant = f" --variant {shlex.quote(release.variant)}" if release.variant else ""
    make = f"vidsal data convert {release.dataset}{variant} --src SOURCE -o {shlex.quote(word or release.id)}"
    return Placeholder(shlex.quote(word), "--data", said, release.digest, make if info_of(release) else "")


def _files(record: RunRecord) -> dict[str, tuple[str, str]]:
    """Return what the word after an option stands for, and the digest of that."""
    return {
        "-o": ("any folder, to which results are added", ""),
        "--checkpoint": ("the file with the weights", record.model.checkpoint_sha256 or ""),
        "--frames-of": ("a run of these frames, or a list of them", record.coverage.frames_of or ""),
        "--model": ("a file of what the submission leaves unsaid of its model; this page has it", ""),
        "--submit": ("any new folder, for the predictions", ""),
    }


def _lines(run: Loaded, places: Sequence[int]) -> list[tuple[str, int, int, Markup]]:
    s = run.stimuli
    lines = [Markup(line) for line in cells(s.means[places])]  # noqa: S704 - of numbers
    return [(s.ids[k], s.frames[k], s.scored[k], line) for k, line in zip(places, lines, strict=True)]


def _order(run: Loaded, column: int, higher: bool) -> list[int]:
    """Return the stimuli from the best to the worst, those without a value last."""
    values = run.stimuli.means[:, column]
    key = np.where(np.isnan(values), np.inf, -values if higher else values)
    found: list[int] = np.argsort(key, kind="stable").tolist()
    return found


def chosen(run: Loaded, column: int) -> dict[int, str]:
    """Return the stimuli whose course is drawn: those with the highest, the middle and the lowest mean, of several
    frames."""
    values = run.stimuli.means[:, column]
    moving = np.flatnonzero((np.diff(run.rows.offsets) > 1) & np.isfinite(values))
    order: list[int] = moving[np.argsort(-values[moving], kind="stable")].tolist()
    found: dict[int, str] = {}
    for k, title in zip(_spread(order), ("highest", "middle", "lowest"), strict=False):
        found.setdefault(k, title)
    return found


def _spread(order: Sequence[int]) -> list[int]:
    return [order[0], order[len(order) // 2], order[-1]] if len(order) > 2 else list(order)
