"""What a model, or the observers, say of the frames of one stimulus, at the size of a panel."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import MissingData
from vidsal.loaders.io.progress import Progress, silent
from vidsal.loaders.records import Float32Array
from vidsal.loaders.release.release import Stimulus

from ..evaluation.stimulus import info_of, predictions
from ..geometry import on_frame
from ..metrics.gaze_path import Path as GazePath
from ..predictor import Kind, Predictor
from ..protocols import Protocol
from ..scoring.frame import score_frame
from ..scoring.inputs import as_map, rescale_extremes, value_range

Roots = npt.NDArray[np.float16]
"""Square roots of how often more than evenly spread a place is looked at: they keep their digits in half precision."""


@dataclass(frozen=True)
class Track:
    """What is drawn in the panels of one column.

    Attributes:
        name: its heading.
        maps: by frame.
        path: (frames, 2) in pixels of the stimulus, NaN without prediction; None of a model of maps.
        scores: by frame and label.
    """

    name: str
    maps: Mapping[int, Roots] = field(default_factory=dict)
    path: GazePath | None = None
    scores: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def high(self) -> float:
        """The largest value of all its maps: one scale for the whole column."""
        return max((float(m.max()) ** 2 for m in self.maps.values()), default=0.0)

    def only(self, frames: Collection[int]) -> Track:
        """Return the track with the maps and scores of these frames alone."""
        maps = {f: m for f, m in self.maps.items() if f in frames}
        return replace(self, maps=maps, scores={f: s for f, s in self.scores.items() if f in frames})

    def without_scores(self) -> Track:
        """Return the track without scores."""
        return replace(self, scores={})

    def layer(self, frame: int) -> Float32Array | None:
        """Return the map of a frame, in times of the even share; None without one."""
        found = self.maps.get(frame)
        return None if found is None else np.square(found.astype(np.float32))

    def says(self, frame: int) -> bool:
        """Whether there is anything of a frame."""
        return frame in self.maps or (self.path is not None and not np.isnan(self.path[frame]).any())


def roots(values: object, kind: Kind, size: tuple[int, int], where: str) -> Roots:
    """Return a map at the size of a panel.

    A density, also one given by its logarithm, has its zero at 0; a saliency map, whose zero means nothing, has its
    smallest value there. A map of one value is even: 1 everywhere.

    Args:
        values: (h, w), numpy or torch.
        kind: what it is.
        size: width and height of the panel.
        where: named in errors.

    Raises:
        NonFinite: it holds NaN or infinite values.
    """
    from PIL import Image

    array = as_map(values, where)
    low, high = value_range(array, where, log=kind == "log_density")
    if kind == "log_density":
        linear = np.exp((array - array.dtype.type(high)).astype(np.float32))
    else:
        linear = np.asarray(rescale_extremes(array, low, high), np.float32)
        linear = linear - linear.min() if kind == "saliency" and high > low else linear
    picture = Image.fromarray(np.ascontiguousarray(linear, np.float32)).resize(size, Image.Resampling.BILINEAR)
    shown = np.maximum(np.asarray(picture), 0)
    mean = float(shown.mean(dtype=np.float64))
    return np.asarray(np.sqrt(shown / mean) if mean > 0 else np.zeros_like(shown), np.float16)


def truth_track(stimulus: Stimulus, frames: Collection[int], size: tuple[int, int], recipe: str | None = None) -> Track:
    """Return the densities of the observers' gaze in those frames that are annotated.

    Args:
        stimulus: which one.
        frames: which of them.
        size: width and height of a panel.
        recipe: truth recipe; None = the release's default.
    """
    known = set(stimulus.annotated_indices().tolist())
    here = {f: stimulus.density(f, recipe) for f in frames if f in known}
    return Track("observers", {f: roots(d, "density", size, "density") for f, d in here.items() if d.any()})


def read_track(
    name: str,
    predictor: Predictor,
    stimulus: Stimulus,
    frames: Collection[int],
    size: tuple[int, int],
    *,
    protocol: Protocol | None = None,
    labels: Collection[str] = (),
    recipe: str | None = None,
    progress: Progress = silent,
) -> Track:
    """Run a predictor from the first frame to the last one wanted; every frame is shown to it, as a video.

    Args:
        name: heading.
        predictor: a model, or the reader of stored predictions.
        stimulus: which one.
        frames: whose predictions are kept; of a model of points those before them are kept too, for its trail.
        size: width and height of a panel.
        protocol, labels: the scores of each annotated frame that are kept; none without.
        recipe: truth recipe of the scores.
        progress: called after each prediction.

    Raises:
        MissingData: it predicts none of these frames.
        BadData, NonFinite: what it predicts is wrong.
    """
    wanted, last, seen = set(frames), max(frames), info_of(stimulus)
    known = set(stimulus.annotated_indices().tolist())
    maps: dict[int, Roots] = {}
    scores: dict[int, dict[str, float]] = {}
    path: GazePath | None = None
    for prediction in predictions(predictor, stimulus):
        frame = int(prediction.frame)
        if prediction.xy is not None:
            if path is None:
                path = np.full((stimulus.n_frames, 2), np.nan)
            if 0 <= frame < len(path):
                path[frame] = prediction.xy
        elif frame in wanted:
            given = on_frame(prediction, seen, predictor.info.fit)
            maps[frame] = roots(given.values, given.kind, size, f"{name}, {stimulus.id}, frame {frame}")
            if protocol is not None and frame in known:
                density = stimulus.density(frame, recipe)
                found = score_frame(
                    given.values, stimulus.points(frame), density if density.any() else None,
                    protocol=protocol, kind=given.kind, shape=density.shape,
                )  # fmt: skip
                scores[frame] = {label: found[label] for label in labels}
        progress(min(frame, last) + 1, last + 1, f"frame {frame}")
        if frame >= last:
            break
    track = Track(name, maps, path, scores)
    if not any(track.says(frame) for frame in wanted):
        raise MissingData(f"{name} predicts none of the frames of {stimulus.id} that are to be shown")
    return track
