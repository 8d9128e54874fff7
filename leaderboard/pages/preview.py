"""Film strips of one run as a single HTML file, pictures and all: to send to somebody."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from vidsal.benchmark.evaluation.previews.record import PreviewsRecord, StimulusPreview
from vidsal.benchmark.evaluation.previews.sprites import COLUMNS, rows_of
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.loaders.errors import MissingData

from ..boards import columns
from ..film.film import Film, FilmRun, film_of
from .environment import asset, filled, own_policy

_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg"}


@dataclass(frozen=True)
class Sheet:
    """A sprite that stands in the page, once; every cell of it is a view of this `<image>`."""

    id: str
    href: str
    width: int
    height: int


def run_films(run: Run) -> list[Film]:
    """Make the film strips of a run that was just scored, one a stimulus; their pictures are those of `sheets`.

    Raises:
        MissingData: no frame of it is scored.
    """
    scored = run.frames[run.frames["status"] == "scored"]
    if scored.empty:
        raise MissingData("no frame is scored, so there is nothing to show")
    record, among, previews = run.typed, columns(run.typed), _previews(run)
    films = []
    for name, rows in scored.groupby("stimulus_id", sort=False):
        preview = previews.get(str(name))
        named = [sprite.file for group in preview.groups for sprite in group.sprites] if preview else []
        ordered = rows.sort_values("frame", kind="stable")
        shown = FilmRun(
            record.model.name,
            "",
            ordered["frame"].to_numpy(np.int64),
            ordered[[c.name for c in among]].to_numpy(np.float64),
            among,
            preview,
            {file: f"#{_id(file)}" for file in named},
        )
        films.append(film_of(str(name), [shown], title=str(name)))
    return films


def sheets(run: Run) -> list[Sheet]:
    """Return the sprites of a run that was just scored."""
    found = []
    for preview in _previews(run).values():
        for group in preview.groups:
            for sprite in group.sprites:
                content = b64encode(run.previews.files[sprite.file]).decode("ascii") if run.previews else ""
                href = f"data:{_TYPES[sprite.form]};base64,{content}"
                rows = rows_of(len(group.frames))
                found.append(Sheet(_id(sprite.file), href, COLUMNS * sprite.width, rows * sprite.height))
    return found


def film_page(run: Run) -> str:
    """Return a page of the film strips of a run that was just scored, which needs nothing but itself.

    Raises:
        MissingData: no frame of it is scored.
    """
    record, among, films = run.typed, columns(run.typed), run_films(run)
    means = {c.label: record.metrics[c.name].mean_stimuli for c in among}
    of = dict(zip(run.stimuli["stimulus_id"], run.stimuli[[c.name for c in among]].to_numpy().tolist(), strict=True))
    lines = [(film, of[film.title]) for film in films]
    style, script = asset("film_page.css") + asset("film.css"), asset("film.js")
    shown = {"style": Markup(style), "script": Markup(script), "policy": own_policy(style, script)}  # noqa: S704 - our own
    return filled("film_page.html", r=record, lines=lines, sheets=sheets(run), means=means, **shown)


def _previews(run: Run) -> dict[str, StimulusPreview]:
    return {} if run.previews is None else PreviewsRecord.model_validate_json(run.previews.text).stimuli


def _id(file: str) -> str:
    return f"s{file.partition('.')[0]}"
