"""The reference predictors without a network: what a model must beat before its score means anything.

    uniform               every pixel alike
    center_prior          a Gaussian at the centre, of fixed size
    center_prior_fitted   the same with mean and size of the gaze in the split `train`
    shuffled_prior        where people looked in the other videos of the split
    motion_energy         where luminance changes
    itti_koch             the classic static saliency model, see `itti_koch.py`

All predict densities of the stimulus's size: float32, shape (height, width), sum 1 within 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from vidsal.benchmark.evaluation.stimulus import CENTER_SD
from vidsal.benchmark.predictor import ModelInfo, Prediction, Predictor, StimulusInfo
from vidsal.benchmark.scoring.resize import bilinear_half_pixel
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Float32Array, Float64Array, Frame, UInt8Image
from vidsal.loaders.release.average import mean_density
from vidsal.loaders.release.release import Release, Stimulus, load

from ..base import Baseline

LICENCE = "Apache-2.0"


def normalised(values: npt.NDArray[Any]) -> Float32Array:
    """Return a non-negative map as a density; an empty map becomes the uniform density.

    Args:
        values: finite, non-negative, shape (height, width).
    """
    wide = np.asarray(values, np.float64)
    total = wide.sum()
    if not total > 0:
        return np.full(wide.shape, 1.0 / wide.size, np.float32)
    return np.asarray((wide / total).astype(np.float32))


def _same_for_all(frames: Iterator[Frame], values: Float32Array) -> Iterator[Prediction]:
    for frame in frames:
        yield Prediction(frame.index, values, "density")


class Uniform:
    """Every pixel alike: the floor of every metric."""

    info = ModelInfo(name="uniform", output="density", licence=LICENCE, needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the uniform density for each frame."""
        return _same_for_all(frames, normalised(np.ones((stimulus.height, stimulus.width))))


def center_gaussian(
    width: int, height: int, mean: tuple[float, float] = (0.5, 0.5), sd: tuple[float, float] = CENTER_SD
) -> Float32Array:
    """Return a Gaussian density: shape (height, width), sum 1.

    Args:
        width, height: pixels.
        mean, sd: in frame widths and frame heights, (x, y).
    """
    x = ((np.arange(width) + 0.5) / width - mean[0]) / sd[0]
    y = ((np.arange(height) + 0.5) / height - mean[1]) / sd[1]
    return normalised(np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / 2))


class CenterPrior:
    """A Gaussian at the centre of the frame; nothing is fitted."""

    info = ModelInfo(name="center_prior", output="density", licence=LICENCE, needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the same Gaussian for each frame."""
        return _same_for_all(frames, center_gaussian(stimulus.width, stimulus.height))


class CenterPriorFitted:
    """A Gaussian whose mean and size are those of all points in the split `train`, relative to the frame.

    A point counts once for each frame that it covers, times its weight.
    """

    info = ModelInfo(name="center_prior_fitted", output="density", licence=LICENCE, needs_frames=False)

    def __init__(self) -> None:
        self.mean: tuple[float, float] | None = None
        self.sd: tuple[float, float] | None = None

    def fit(self, release: Release, split: str | None = None) -> None:
        """Take mean and standard deviation (ddof 0) from the split `train` of the release.

        Args:
            release: any split of a converted data set.
            split: the one that will be predicted; it does not matter here.

        Raises:
            WrongUse: the release has no split `train`, or too few points in it.
        """
        known = sorted({str(name) for name in load(release.root).stimuli["split"]})
        if "train" not in known:
            raise WrongUse(
                f"center_prior_fitted needs the split train, and {release.id} has only {', '.join(known)}; "
                "use center_prior, which needs no fit"
            )
        weight, first, second = 0.0, np.zeros(2), np.zeros(2)
        for stimulus in load(release.root, "train"):
            points = stimulus.gaze_points
            last = np.minimum(points.frame_end, stimulus.n_frames - 1)
            times = points.weight * np.maximum(last.astype(np.int64) - points.frame + 1, 0)
            # Float64 before the division: float32 positions are exact there.
            place = np.stack([points.x, points.y]).astype(np.float64) / [[stimulus.width], [stimulus.height]]
            weight += float(times.sum())
            first += (place * times).sum(axis=1)
            second += (place**2 * times).sum(axis=1)
        variance = second / weight - (first / weight) ** 2 if weight else np.zeros(2)
        if not (variance > 1e-8).all():
            raise WrongUse(
                f"center_prior_fitted: the split train of {release.id} has too few points for a mean and a size"
            )
        self.mean = float(first[0] / weight), float(first[1] / weight)
        self.sd = float(np.sqrt(variance[0])), float(np.sqrt(variance[1]))

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the same Gaussian for each frame.

        Raises:
            WrongUse: `fit` was not called.
        """
        if self.mean is None or self.sd is None:
            raise WrongUse("center_prior_fitted must be fitted first: call fit(release)")
        return _same_for_all(frames, center_gaussian(stimulus.width, stimulus.height, self.mean, self.sd))


class ShuffledPrior:
    """Where people looked in the other stimuli of the split, whatever is in this one.

    The density of a stimulus is the mean over its frames, by the release's default recipe; the prediction is the mean
    over all other stimuli, scaled to the frame. A stimulus counts once, however long it is.
    """

    info = ModelInfo(name="shuffled_prior", output="density", licence=LICENCE, needs_frames=False)

    def __init__(self) -> None:
        self._stimuli: dict[str, Stimulus] = {}
        self._release: Release | None = None
        self._sums: dict[tuple[int, int], Float64Array] = {}  # by (height, width)
        self._counts: dict[tuple[int, int], int] = {}

    def fit(self, release: Release, split: str | None = None) -> None:
        """Add up the densities of all stimuli of the release's split.

        Args:
            release: opened for the split that will be predicted.
            split: its name; `release` itself decides.

        Raises:
            WrongUse: fewer than two stimuli have points, so there is nothing to shuffle.
        """
        self._release = release
        self._stimuli, self._sums, self._counts = {}, {}, {}
        for stimulus in release:
            values = _mean(stimulus, release) if stimulus.annotated else None
            if values is None:
                continue
            self._stimuli[stimulus.id] = stimulus
            self._sums[values.shape] = self._sums.get(values.shape, 0.0) + values
            self._counts[values.shape] = self._counts.get(values.shape, 0) + 1
        if len(self._stimuli) < 2:
            raise WrongUse(
                f"shuffled_prior needs gaze on at least two stimuli, and {release.id}, split {release.split or 'all'}, "
                f"has it on {len(self._stimuli)}; run it on a larger split, or use center_prior"
            )

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the same density for each frame.

        Raises:
            WrongUse: `fit` was not called.
        """
        if self._release is None:
            raise WrongUse("shuffled_prior must be fitted first: call fit(release)")
        return _same_for_all(frames, self._without(stimulus, self._release))

    def _without(self, stimulus: StimulusInfo, release: Release) -> Float32Array:
        sums, counts = dict(self._sums), dict(self._counts)
        own = self._stimuli.get(stimulus.id)
        if own is not None:
            values = _mean(own, release)
            assert values is not None
            sums[values.shape] = np.maximum(sums[values.shape] - values, 0.0)
            counts[values.shape] -= 1
        shape = stimulus.height, stimulus.width
        mean = np.zeros(shape)
        for (height, width), total in sums.items():
            if counts[height, width]:
                # Pixels of another size hold another share of the mass.
                mean += bilinear_half_pixel(total, shape) * (height * width) / (shape[0] * shape[1])
        return normalised(mean)


def _mean(stimulus: Stimulus, release: Release) -> Float64Array | None:
    # One BLAS thread: sums must not depend on how many there are.
    with threadpool_limits(1, user_api="blas"):
        return mean_density(stimulus, release.truth())


class MotionEnergy:
    """Where luminance changes from frame to frame, blurred; it never looks ahead.

    On a grid of about 160 cells along the longer side: energy(t) = |change(t)| + 0.3 energy(t - 1), so a repeated
    frame keeps the last motion; blurred with 5 cells, scaled to the frame. A tenth of the mass is uniform, because
    nobody looks at motion only. A frame before any change is uniform.
    """

    info = ModelInfo(name="motion_energy", output="density", licence=LICENCE)
    grid, blur, memory, floor = 160, 5.0, 0.3, 0.1

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield one density a frame, from this frame and the earlier ones."""
        from scipy.ndimage import gaussian_filter

        before: Float64Array | None = None
        energy: Float64Array | None = None
        for frame in frames:
            light = gaussian_filter(coarse_luminance(frame.rgb, self.grid), 0.7, mode="nearest")
            energy = np.zeros_like(light) if energy is None else self.memory * energy
            if before is not None:
                energy = energy + np.abs(light - before)
            before = light
            moving = gaussian_filter(energy, self.blur, mode="constant")
            if not moving.sum() > 1e-9:
                yield Prediction(frame.index, normalised(np.ones(frame.rgb.shape[:2])), "density")
                continue
            values = bilinear_half_pixel(moving, frame.rgb.shape[:2])
            values = (1.0 - self.floor) * values / values.sum() + self.floor / values.size
            yield Prediction(frame.index, normalised(values), "density")


def coarse_luminance(rgb: UInt8Image, longest: int) -> Float64Array:
    """Average the luminance (ITU-R BT.601, 0 to 255) in cells, about `longest` of them along the longer side.

    Args:
        rgb: uint8, shape (height, width, 3).
        longest: a smaller image keeps its pixels.

    Returns:
        float64, shape (rows, columns) of the cells.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, longest / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top = np.arange(rows) * height // rows
    left = np.arange(columns) * width // columns
    sums = np.add.reduceat(np.add.reduceat(rgb, top, axis=0, dtype=np.int64), left, axis=1)
    area = np.outer(np.diff([*top, height]), np.diff([*left, width]))
    return np.asarray(sums @ np.array([0.299, 0.587, 0.114]) / area)


def _baseline(make: Callable[[], Predictor], info: ModelInfo) -> Baseline:
    def load_it(checkpoint: Path | None, device: str, **options: Any) -> Predictor:
        return make()

    return Baseline(info, load_it)


def _models() -> dict[str, Baseline]:
    from .itti_koch import IttiKoch

    classes = (Uniform, CenterPrior, CenterPriorFitted, ShuffledPrior, MotionEnergy, IttiKoch)
    return {one.info.name: _baseline(one, one.info) for one in classes}


MODELS = _models()
