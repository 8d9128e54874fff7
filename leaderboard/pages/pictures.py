"""What the pages show of previews: a film strip of a stimulus, a frame on a card, best and worst moments."""

from __future__ import annotations

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


def film(content: Content, board: Board, name: str) -> Markup:
    """Return the film strip of a stimulus with every run of a board; empty where no frame is scored."""
    address = links.stimulus_page(board, name)
    runs = [made for e in board.shown if (made := film_run(content, e, name, address)) is not None]
    if not any(len(run.frames) for run in runs):
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
    runs = [made for e in rivals if (made := film_run(content, e, name, address)) is not None]
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
    run = content.runs[entry.page]
    column = board.columns.index(board.sort_column)
    kept = [k for k, name in enumerate(run.stimuli.ids) if name in run.previews]
    kept = [k for k in kept if np.isfinite(run.stimuli.means[k, column])]
    order = sorted(
        kept, key=lambda k: (run.stimuli.means[k, column], k), reverse=board.sort_column.metric.higher_is_better
    )
    shown = []
    for title, place in zip(("Best", "Worst"), (order[:1], order[-1:]), strict=True):
        for name in (run.stimuli.ids[k] for k in place):
            made = film_run(content, entry, name, address)
            found = None if made is None else moments(name, made)
            if found is not None:
                few = found[0].best if title == "Best" else found[0].worst
                shown.append((title, name, links.stimulus_page(board, name), few, found[1]))
    if not any(few for _, _, _, few, _ in shown):
        return Markup("")
    return part("moments.html", address, shown=shown, key=f"{entry.record.digest[:8]}")


def film_run(content: Content, entry: Entry, name: str, address: str) -> FilmRun | None:
    """Return a run on one stimulus for a page at an address; None where it scored none of its frames."""
    run = content.runs[entry.page]
    place = run.stimuli.place(name)
    if place is None:
        return None
    frame, values = run.rows.of(place)
    if not len(frame):
        return None
    root = links.root_of(address)
    preview = run.previews.get(name)
    label, model = content.faces[entry.page]
    sprites = {s.file: root + links.sprite(s) for group in preview.groups for s in group.sprites} if preview else None
    return FilmRun(label, root + model, frame, values, run.columns, preview, sprites)
