"""From the rows and previews of some runs to the record that the template and the script of the film strip read."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from vidsal.benchmark.evaluation.previews.choose import STRETCHES
from vidsal.benchmark.evaluation.previews.record import Group, Sprite, StimulusPreview
from vidsal.benchmark.evaluation.previews.sprites import COLUMNS, rows_of

from ..boards import Column, sort_column
from ..charts.timeline import Axis, axis
from ..sanitize import script_safe, visible

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_CHOSEN, MOST_LINES = 4, 8
"""Runs that are chosen at first; the most that are drawn without a band of all."""

UNITS = 160
"""Width of a frame in the units of the dots."""

MOMENTS = 3
"""Best and worst frames that are shown of each chosen run: neighbors look alike, so apart where there are such."""

MOST_BYTES = 96_000
"""Values are given frame by frame, to 1/65534 of their scale, where that takes at most so many bytes."""

MOST_STEPS, LEAST_STEPS, MOST_BYTES_OF_STEPS = 240, 40, 72_000
"""Else they are means of at most so many steps, fewer where they would take more bytes, to 1/254 of their scale."""

TABLE_ROWS = 24


class FilmRun(NamedTuple):
    """A run on one stimulus.

    Attributes:
        label: its model's name.
        page: address of its page, relative to the page that shows the film; empty for none.
        frames: numbers of its scored frames, ascending, int (n,).
        scores: float (n, columns); what is not finite is drawn as a gap.
        columns: its metrics, in the order of `scores`.
        preview: what it kept of this stimulus to look at; None for nothing.
        addresses: of each file that the preview names, relative to the page; or `#` and the id of an `<image>` in it.
    """

    label: str
    page: str
    frames: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    columns: tuple[Column, ...]
    preview: StimulusPreview | None = None
    addresses: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Picture:
    """One cell of a sprite, for `<svg viewBox><image>`.

    Attributes:
        href: address of the sprite, or `#` and the id of an `<image>`.
        view: the cell in it, `x y width height`.
        width, height: of the sprite in pixels.
        text: what it shows.
    """

    href: str
    view: str
    width: int
    height: int
    text: str


@dataclass(frozen=True)
class Moment:
    """A frame worth a look.

    Attributes:
        frame: its number.
        value: its score, with the metric's name.
        text: the same in words.
        map, truth: what the model and what people saw.
        dots: path of the fixations, in the units of a frame of `shape`.
        picture: the frame of the video itself; None where it was not kept.
    """

    frame: int
    value: str
    text: str
    map: Picture
    truth: Picture
    dots: str
    picture: Picture | None


@dataclass(frozen=True)
class Moments:
    """The best and the worst frames of a run, best first and worst first."""

    label: str
    best: tuple[Moment, ...]
    worst: tuple[Moment, ...]


@dataclass(frozen=True)
class Table:
    """Values of the plot in a table: a header, and a line for some frames."""

    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Film:
    """A film strip.

    Attributes:
        id: begins every id of its elements.
        title: the stimulus, as a heading names it.
        shape: width and height of dots' units: the frame's aspect, `UNITS` wide.
        first, last: first and last scored frame.
        metric: label of the metric that is shown at first.
        summary: what the plot shows, in words.
        moments: the best and worst frames of the runs that are chosen at first.
        table: the values of `metric`.
        data: JSON for the script, safe inside of its element.
        pictures: whether there is anything to see beside the plot.
    """

    id: str
    title: str
    shape: tuple[int, int]
    first: int
    last: int
    metric: str
    summary: str
    moments: tuple[Moments, ...]
    table: Table
    data: Markup
    pictures: bool


def film_of(stimulus_id: str, runs: Sequence[FilmRun], *, title: str) -> Film:
    """Make the film strip of a stimulus.

    Args:
        stimulus_id: which one; text of strangers, like the labels.
        runs: at least one, the best first; the first ones are chosen at first.
        title: how a heading names it.

    Raises:
        ValueError: there is no run, or no scored frame.
    """
    at = _all_frames(runs)
    if not len(at):
        raise ValueError(f"{stimulus_id}: no frame is scored")
    columns = {c.name: c for among in {id(run.columns): run.columns for run in runs}.values() for c in among}
    values = _values(runs, tuple(columns), at)
    some = np.asarray(np.isfinite(values).any(axis=(1, 2)))
    if some.any() and not some.all():  # a metric that is undefined throughout has no plot
        columns = {name: c for (name, c), here in zip(columns.items(), some, strict=True) if here}
        values = values[some]
    shown = sort_column(tuple(columns.values()))
    first_metric = list(columns).index(shown.name)
    lines = values[first_metric]
    scales = [axis(v, c.metric.range, 4) for v, c in zip(values, columns.values(), strict=True)]
    where, coded = _coded(at, values, scales)
    shape = next((shape_of(run.preview) for run in runs if run.preview), (UNITS, 90))
    chosen = list(range(min(MOST_CHOSEN, len(runs))))
    named = f"f{sha256(_identity(stimulus_id, runs).encode()).hexdigest()[:8]}"
    first, last = int(at[0]), int(at[-1])
    data = {
        "title": visible(title),
        "frames": [first, last],
        "at": _arithmetic(where),
        "exact": len(where) == len(at),
        "metric": first_metric,
        "metrics": [_metric(c, scale) for c, scale in zip(columns.values(), scales, strict=True)],
        "values": coded,
        "chosen": chosen,
        "most": MOST_LINES,
        "shape": shape,
        "dots": _dots(runs, shape),
    }
    return Film(
        id=named,
        title=title,
        shape=shape,
        first=first,
        last=last,
        metric=shown.label,
        summary=_summary(runs, shown, at, lines),
        moments=tuple(m for k in chosen if (m := _moments(runs[k], shown, shape)) is not None),
        table=_table(runs, shown, at, lines),
        data=script_safe(data, runs=_runs(runs)),
        pictures=any(run.preview for run in runs),
    )


def _runs(runs: Sequence[FilmRun]) -> Markup:
    """Return what the script needs of each run, as JSON."""
    if any(run.preview for run in runs):
        return script_safe([{"label": visible(run.label), "page": run.page, **_preview(run)} for run in runs])
    return _named(tuple((run.label, run.page) for run in runs))


@lru_cache(maxsize=8)
def _named(runs: tuple[tuple[str, str], ...]) -> Markup:
    """Return the same of runs without previews: those of a board have the same names on each of its stimuli."""
    return script_safe([{"label": visible(label), "page": page} for label, page in runs])


def _identity(stimulus_id: str, runs: Sequence[FilmRun]) -> str:
    """What makes a film unlike another one on the same page."""
    return json.dumps([stimulus_id, [run.page for run in runs]])


def _all_frames(runs: Sequence[FilmRun]) -> Ints:
    """Return the frames that any run scored, ascending."""
    different = {id(run.frames): run.frames for run in runs}  # mostly few: models are scored on the same frames
    return np.unique(np.concatenate([np.asarray(frames, np.int64) for frames in different.values()]))


def _values(runs: Sequence[FilmRun], names: tuple[str, ...], at: Ints) -> Floats:
    """Return the scores of all runs at some frames, (metrics, runs, frames); NaN where there is no finite one."""
    different = {id(run.columns): run.columns for run in runs}
    of = {key: tuple(c.name for c in columns) for key, columns in different.items()}
    if all(of[id(run.columns)] == names and len(run.frames) == len(at) for run in runs):
        found = np.array([run.scores for run in runs]).transpose(2, 0, 1).astype(np.float64, order="C")
    else:
        found = np.full((len(names), len(runs), len(at)), np.nan)
        for k, run in enumerate(runs):
            where = np.searchsorted(at, run.frames)
            for place, name in enumerate(of[id(run.columns)]):
                found[names.index(name), k, where] = run.scores[:, place]
    undefined = ~np.isfinite(found)
    if undefined.any():
        found[undefined] = np.nan
    return found


def _coded(at: Ints, values: Floats, scales: Sequence[Axis]) -> tuple[Ints, str]:
    """Give all values in base64, run after run, within a run metric after metric: of each frame in two bytes, or
    means of several frames in one byte.

    Args:
        at: the frames.
        values: (metrics, runs, frames).
        scales: of each metric.
    """
    n_metrics, n_runs, _ = values.shape
    if 8 * values.size // 3 <= MOST_BYTES:
        return at, _packed(values, scales, 65535)
    most = max(LEAST_STEPS, min(MOST_STEPS, 3 * MOST_BYTES_OF_STEPS // (4 * n_runs * n_metrics)))
    width = ceil(len(at) / most)
    middles = at[np.minimum(np.arange(0, len(at), width) + width // 2, len(at) - 1)]
    defined = np.isfinite(values)
    every = bool(defined.all())
    known, counted = (values, np.ones(len(at))) if every else (np.where(defined, values, 0.0), defined)
    total, n = (np.zeros((*of.shape[:-1], len(middles))) for of in (known, counted))
    for k in range(width):
        part, ones = known[..., k::width], counted[..., k::width]
        total[..., : part.shape[-1]] += part
        n[..., : part.shape[-1]] += ones
    with np.errstate(invalid="ignore"):
        return middles, _packed(total / n, scales, 255)


def _packed(values: Floats, scales: Sequence[Axis], top: int) -> str:
    """Levels 1 to `top` between the ends of the scale, 0 for no value, little-endian."""
    low, high = (np.array(ends)[:, None, None] for ends in zip(*((s.low, s.high) for s in scales), strict=True))
    levels = 1 + np.rint((values - low) * ((top - 1) / (high - low)))
    levels[np.isnan(levels)] = 0
    return b64encode(levels.swapaxes(0, 1).astype("<u2" if top > 255 else "u1").tobytes()).decode("ascii")


def _metric(column: Column, scale: Axis) -> dict[str, Any]:
    chance = column.metric.chance
    inside = isinstance(chance, float | int) and scale.low <= chance <= scale.high
    return {
        "label": column.label,
        "higher": column.metric.higher_is_better,
        "ticks": list(scale.ticks),
        "chance": float(chance) if inside and isinstance(chance, float | int) else None,
    }


def _arithmetic(at: Ints) -> list[int] | dict[str, int]:
    """Frames as a list, or as the first, the step and how many, where they are evenly spaced."""
    steps = np.diff(at)
    if len(at) > 1 and (steps == steps[0]).all():
        return {"first": int(at[0]), "step": int(steps[0]), "n": len(at)}
    found: list[int] = at.tolist()
    return found


def _preview(run: FilmRun) -> dict[str, Any]:
    preview = run.preview
    if preview is None:
        return {}
    groups = [
        {
            "frames": list(group.frames),
            "cells": {kind: [sprite.width, sprite.height] for kind, sprite in _kinds(group).items()},
            **{kind: _address(run, sprite) for kind, sprite in _kinds(group).items()},
        }
        for group in preview.groups
    ]
    return {"groups": groups, "best": _apart(preview.best, run), "worst": _apart(preview.worst, run)}


def _kinds(group: Group) -> dict[str, Sprite]:
    pictures = {"frame": group.pictures} if group.pictures else {}
    return {"maps": group.maps, "truth": group.truth, **pictures}


def _apart(frames: Sequence[int], run: FilmRun) -> list[int]:
    """Return the first few frames that lie far apart, two of the stretches in which they were chosen; where there are
    too few of them, the first of the others."""
    found: list[int] = []
    for frame in frames:
        if all(abs(frame - other) >= 2 * len(run.frames) // STRETCHES for other in found):
            found.append(frame)
    return [*found, *(frame for frame in frames if frame not in found)][:MOMENTS]


def _address(run: FilmRun, sprite: Sprite) -> str:
    return (run.addresses or {})[sprite.file]


def shape_of(preview: StimulusPreview) -> tuple[int, int]:
    """Return the units of dots: the frame's aspect, `UNITS` wide."""
    return UNITS, max(16, round(UNITS * preview.height / preview.width))


def _dots(runs: Sequence[FilmRun], shape: tuple[int, int]) -> dict[str, str]:
    """Paths of the fixations by frame: of the even frames, and of the best and worst ones of the first runs."""
    found: dict[str, str] = {}
    for place, run in enumerate(runs):
        for group in run.preview.groups if run.preview else ():
            if place < MOST_LINES or (run.preview and group is run.preview.even):
                for frame, text in zip(group.frames, group.fixations, strict=True):
                    if str(frame) not in found:
                        found[str(frame)] = dots(text, shape)
    return found


def dots(fixations: str, shape: tuple[int, int]) -> str:
    """Return a path of one point a fixation, for a round line cap.

    >>> dots("0,0 5000,9999", (160, 90))
    'M0 0zM80 90z'
    """
    pairs = [pair.split(",") for pair in fixations.split()]
    return "".join(f"M{int(x) * shape[0] / 10000:.3g} {int(y) * shape[1] / 10000:.3g}z" for x, y in pairs)


def _moments(run: FilmRun, column: Column, shape: tuple[int, int]) -> Moments | None:
    if run.preview is None:
        return None
    made = [
        tuple(m for f in _apart(frames, run) if (m := _moment(run, column, f, which, shape)) is not None)
        for which, frames in (("best", run.preview.best), ("worst", run.preview.worst))
    ]
    if not made[1]:  # an image has neither; no frame is worse than others that are all alike
        first = _moment(run, column, run.preview.even.frames[0], "only", shape)
        made = [() if first is None else (first,), ()]
    return Moments(visible(run.label), made[0], made[1])


def _moment(run: FilmRun, column: Column, frame: int, which: str, shape: tuple[int, int]) -> Moment | None:
    place = np.flatnonzero(np.asarray(run.frames) == frame)
    if not len(place) or run.preview is None:
        return None  # the previews speak of a frame that is not scored
    group = next(g for g in run.preview.groups if frame in g.frames)
    index = group.frames.index(frame)
    value = f"{column.label} {_number(float(run.scores[place[0], run.columns.index(column)]))}"
    who = visible(run.label)
    n = len(group.fixations[index].split())
    return Moment(
        frame,
        value,
        f"Frame {frame}, {value}",
        picture_of(run, group, group.maps, index, f"Map of {who} at frame {frame}, one of its {which} frames, {value}"),
        picture_of(run, group, group.truth, index, f"Where people looked at frame {frame}, {n} fixations"),
        dots(group.fixations[index], shape),
        picture_of(run, group, group.pictures, index, f"Frame {frame} of the video") if group.pictures else None,
    )


def picture_of(run: FilmRun, group: Group, sprite: Sprite, index: int, text: str) -> Picture:
    """Return a cell of a sprite of a run, under a text that says what it shows."""
    x, y = index % COLUMNS * sprite.width, index // COLUMNS * sprite.height
    size = COLUMNS * sprite.width, rows_of(len(group.frames)) * sprite.height
    return Picture(_address(run, sprite), f"{x} {y} {sprite.width} {sprite.height}", *size, text)


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < float("inf") else "infinite" if value == value else "undefined"


def _summary(runs: Sequence[FilmRun], column: Column, at: Ints, values: Floats) -> str:
    """Say what the plot shows."""
    lines = []
    for run, line in list(zip(runs, values, strict=True))[:MOST_CHOSEN]:
        defined = np.flatnonzero(np.isfinite(line))
        if not len(defined):
            lines.append(f"{visible(run.label)} has no finite value")
            continue
        low, high = defined[line[defined].argmin()], defined[line[defined].argmax()]
        lines.append(
            f"{visible(run.label)} from {_number(line[low])} (frame {at[low]}) to {_number(line[high])} "
            f"(frame {at[high]}), mean {_number(float(line[defined].mean()))}"
        )
    more = f"; and {len(runs) - len(lines)} more" if len(runs) > len(lines) else ""
    frames = f"{len(at)} scored frames" if len(at) > 1 else "one scored frame"
    return f"{column.label} over {frames}: {'; '.join(lines)}{more}."


def _table(runs: Sequence[FilmRun], column: Column, at: Ints, values: Floats) -> Table:
    """Values of some evenly spaced frames: of each run, or of the quantiles of many."""
    chosen = np.unique(np.linspace(0, len(at) - 1, min(TABLE_ROWS, len(at))).astype(np.int64))
    if len(runs) <= MOST_LINES:
        header = [visible(run.label) for run in runs]
        cells = values[:, chosen]
    else:
        header = ["lowest tenth", "median", "highest tenth"]
        cells = _quantiles(values[:, chosen])
    texts = [tuple(_number(v) if v == v else "-" for v in row) for row in cells.T]
    lines = tuple((str(at[k]), *text) for k, text in zip(chosen, texts, strict=True))
    return Table((f"Frame, {column.label}", *header), lines)


def _quantiles(values: Floats) -> Floats:
    """Return the lowest tenth, the median and the highest tenth of each column, (3, columns); NaN without a value."""
    shares = (0.1, 0.5, 0.9)
    if np.isfinite(values).all():
        return np.asarray(np.quantile(values, shares, axis=0))
    some = [column[np.isfinite(column)] for column in values.T]
    return np.array([np.quantile(v, shares) if len(v) else np.full(3, np.nan) for v in some]).T
