"""What the pages show of previews: a film strip of a stimulus, a frame on a card, best and worst moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from .. import links
from ..boards import Board, Entry
from ..content import Content
from ..film.film import FilmRun, film_of
from ..film.stills import gallery, moments
from .environment import part

CARD = 3
"""Models beside the truth on a card."""


def film(content: Content, entries: Sequence[Entry], name: str, address: str) -> Markup:
    """Return the film strip of a stimulus with some runs, for a page at an address; empty where no frame is scored."""
    runs = film_runs(content, entries, name, address)
    if not runs:
        return Markup("")
    return part("film_part.html", address, film=film_of(name, runs, title=name))


def still(content: Content, board: Board, address: str, most: int = 5) -> Markup:
    """Return one frame of a board's middling stimulus with the maps of its best models; empty without previews."""
    name = shown_stimulus(content, board)
    if name is None:
        return Markup("")
    rivals = [e for e in board.models if e.record.model.kind != "reference"] + [
        e for e in board.models if e.record.model.kind == "reference"
    ]
    runs = film_runs(content, rivals, name, address)
    found = gallery(name, runs, most)
    if found is None:
        return Markup("")
    return part("still.html", address, still=found, to=links.stimulus_page(board, name), key=board.id[-8:])


def shown_stimulus(content: Content, board: Board) -> str | None:
    """Return the stimulus with previews on which the best model's score is the middle one."""
    if not board.models:
        return None
    run = content.runs[board.models[0].page]
    column = board.columns.index(board.sort_column)
    kept = [k for k, name in enumerate(run.stimuli.ids) if name in run.previews]
    order = sorted(kept, key=lambda k: (np.nan_to_num(run.stimuli.means[k, column]), k))
    return run.stimuli.ids[order[len(order) // 2]] if order else None


def best_and_worst(content: Content, board: Board, entry: Entry, address: str) -> Markup:
    """Return the best frames of a run's best stimulus and the worst of its worst one; empty without previews."""
    shown = []
    for title, name in zip(("Best", "Worst"), best_and_worst_stimuli(content, board, entry), strict=False):
        made = film_runs(content, [entry], name, address)
        found = moments(name, made[0]) if made else None
        if found is not None:
            few = found[0].best if title == "Best" else found[0].worst
            shown.append((title, name, links.stimulus_page(board, name), few, found[1]))
    if not any(few for _, _, _, few, _ in shown):
        return Markup("")
    return part("moments.html", address, shown=shown, key=f"{entry.record.digest[:8]}")


def best_and_worst_stimuli(content: Content, board: Board, entry: Entry) -> tuple[str, ...]:
    """Return those stimuli with previews on which a run has its best and its worst mean; none without previews."""
    run, by = content.runs[entry.page], board.sort_column
    means = run.stimuli.means[:, board.columns.index(by)]
    kept = [k for k, name in enumerate(run.stimuli.ids) if name in run.previews and np.isfinite(means[k])]
    order = sorted(kept, key=lambda k: (means[k], k), reverse=by.metric.higher_is_better)
    return tuple(run.stimuli.ids[k] for k in (*order[:1], *order[-1:]))


def film_runs(content: Content, entries: Sequence[Entry], name: str, address: str) -> list[FilmRun]:
    """Return those of some runs that scored a frame of a stimulus, for a page at an address."""
    root, found = links.root_of(address), list[FilmRun]()
    for entry in entries:
        run = content.runs[entry.page]
        place = run.stimuli.place(name)
        if place is None:
            continue
        frame, values = run.rows.of(place)
        if not len(frame):
            continue
        label, model = content.faces[entry.page]
        preview = run.previews.get(name)
        sprites = {s.file: root + links.sprite(s) for group in preview.groups for s in group.sprites} if preview else {}
        found.append(FilmRun(label, root + model, frame, values, run.columns, preview, sprites))
    return found
