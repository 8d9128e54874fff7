"""Pictures of single frames for cards and pages: where people looked, and what models predict there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vidsal.benchmark.evaluation.previews.record import StimulusPreview

from .film import FilmRun, Moments, Picture, dots, film_of, picture_of, shape_of

MOST = 5
"""Models beside the truth in a gallery."""


@dataclass(frozen=True)
class Still:
    """A model's map of one frame, or the truth, under a name."""

    label: str
    page: str
    picture: Picture


@dataclass(frozen=True)
class Gallery:
    """One frame: what people saw, and the maps of some models.

    Attributes:
        stimulus, frame: which frame.
        shape: width and height of the units of `dots`.
        dots: path of the fixations.
        truth: what people saw, or the frame itself where it was kept.
        models: the maps, in the order of the board.
    """

    stimulus: str
    frame: int
    shape: tuple[int, int]
    dots: str
    truth: Picture
    models: tuple[Still, ...]


def gallery(stimulus_id: str, runs: Sequence[FilmRun], most: int = MOST) -> Gallery | None:
    """Show the middle one of the frames that the first model kept, as it and the next models see it.

    Args:
        stimulus_id: of the frame.
        runs: in the order of the board; those without a map of the frame are passed over.
        most: models that are shown.

    Returns:
        None where no run kept a picture.
    """
    kept = [(run, run.preview) for run in runs if run.preview]
    if not kept:
        return None
    first, preview = kept[0]
    group = preview.even
    index = len(group.frames) // 2
    frame = group.frames[index]
    shape = shape_of(preview)
    n = len(group.fixations[index].split())
    seen = f"Where people looked in {stimulus_id} at frame {frame}, {n} fixations"
    truth = picture_of(first, group, group.pictures or group.truth, index, seen)
    models = [
        Still(
            run.label,
            run.page,
            picture_of(run, found.even, found.even.maps, found.even.frames.index(frame), _said(run, frame)),
        )
        for run, found in kept
        if frame in found.even.frames and _alike(found, preview)
    ]
    return Gallery(stimulus_id, frame, shape, dots(group.fixations[index], shape), truth, tuple(models[:most]))


def _said(run: FilmRun, frame: int) -> str:
    return f"Map of {run.label} at frame {frame}"


def _alike(one: StimulusPreview, other: StimulusPreview) -> bool:
    return (one.width, one.height) == (other.width, other.height)


def moments(stimulus_id: str, run: FilmRun) -> tuple[Moments, tuple[int, int]] | None:
    """Return the best and worst frames of a run in a stimulus, and the units of their dots."""
    if run.preview is None or not len(run.frames):
        return None
    film = film_of(stimulus_id, [run], title=stimulus_id)
    return (film.moments[0], film.shape) if film.moments else None
