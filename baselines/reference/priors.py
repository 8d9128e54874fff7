"""Predictors that know nothing of the video: every pixel alike, or a Gaussian of fixed or fitted size.

    uniform               every pixel alike
    center_prior          a Gaussian at the center, of fixed size
    center_prior_fitted   the same with mean and size of the gaze in the split `train`

They predict densities of the stimulus's size: float32, shape (height, width), sum 1 within 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.scoring.center_prior import center_prior_density, gaussian
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release, load

from ..base import LICENCE, without_weights
from ..densities import normalized, same_for_all


class Uniform:
    """Every pixel alike: the floor of every metric."""

    info = ModelInfo(name="uniform", output="density", licence=LICENCE, needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the uniform density for each frame."""
        return same_for_all(frames, normalized(np.ones((stimulus.height, stimulus.width))))


class CenterPrior:
    """A Gaussian at the centre of the frame; nothing is fitted."""

    info = ModelInfo(name="center_prior", output="density", licence=LICENCE, needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the same Gaussian for each frame."""
        return same_for_all(frames, center_prior_density(stimulus.height, stimulus.width))


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
        return same_for_all(frames, normalized(gaussian(stimulus.height, stimulus.width, self.mean, self.sd)))


MODELS = without_weights(Uniform, CenterPrior, CenterPriorFitted)
