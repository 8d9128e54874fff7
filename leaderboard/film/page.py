"""Film strips of one run as a single HTML file, pictures and all: to send to somebody."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vidsal._version import __version__
from vidsal.benchmark.evaluation.previews.record import PreviewsRecord
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.loaders.errors import MissingData

from ..boards import columns
from ..sanitize import visible
from .film import Film, FilmRun, film_of

_HERE = Path(__file__).parents[1]
_TYPES = {"png": "image/png", "jpg": "image/jpeg"}


def run_films(run: Run) -> list[Film]:
    """Make the film strips of a run that was just scored, one a stimulus, the pictures inside of them.

    Raises:
        MissingData: no frame of it is scored.
    """
    scored = run.frames[run.frames["status"] == "scored"]
    if scored.empty:
        raise MissingData("no frame is scored, so there is nothing to show")
    record, among = run.typed, columns(run.typed)
    previews = {} if run.previews is None else PreviewsRecord.model_validate_json(run.previews.text).stimuli
    files = {} if run.previews is None else run.previews.files
    films = []
    for name, rows in scored.groupby("stimulus_id", sort=False):
        preview = previews.get(str(name))
        named = [sprite.file for group in preview.groups for sprite in group.sprites] if preview else []
        ordered = rows.sort_values("frame", kind="stable")
        shown = FilmRun(
            record.model.name,
            "",
            ordered["frame"].to_numpy(np.int64),
            {c.name: ordered[c.name].to_numpy(np.float64) for c in among},
            among,
            preview,
            {file: _data_uri(file, files[file]) for file in named},
        )
        films.append(film_of(str(name), [shown], title=str(name)))
    return films


def film_page(run: Run, films: Sequence[Film]) -> str:
    """Return a page of film strips that needs nothing but itself."""
    record = run.typed
    means = {c.label: record.metrics[c.name].mean_stimuli for c in columns(record)}
    return _environment().get_template("film_page.html").render(r=record, films=films, means=means)


def _data_uri(file: str, content: bytes) -> str:
    return f"data:{_TYPES[file.rpartition('.')[2]]};base64,{b64encode(content).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
        newline_sequence="\n",
    )
    style = _asset("film_page.css") + _asset("film.css")
    script = _asset("film.js")
    environment.globals.update(version=__version__, style=style, script=script, policy=_policy(style, script))
    return environment


def _asset(name: str) -> Markup:
    """Return one of our own files, to stand inside its element."""
    return Markup((_HERE / "assets" / name).read_text(encoding="utf-8"))  # noqa: S704 - our own text


def _policy(style: str, script: str) -> str:
    """Allow exactly this style, this script and pictures that stand in the page, and nothing else."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
