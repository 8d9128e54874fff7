"""The shuffled prior: where people looked in the other stimuli of the split, whatever is in this one.

A density of the stimulus's size for every frame: float32, shape (height, width), sum 1 within 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.scoring.resize import bilinear_half_pixel
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Float32Array, Float64Array, Frame
from vidsal.loaders.release.average import mean_density
from vidsal.loaders.release.release import Release, Stimulus

from ..base import LICENCE, without_weights
from ..densities import normalized, same_for_all


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
        return same_for_all(frames, self._without(stimulus, self._release))

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
        return normalized(mean)


def _mean(stimulus: Stimulus, release: Release) -> Float64Array | None:
    # One BLAS thread: sums must not depend on how many there are.
    with threadpool_limits(1, user_api="blas"):
        return mean_density(stimulus, release.truth())


MODELS = without_weights(ShuffledPrior)
