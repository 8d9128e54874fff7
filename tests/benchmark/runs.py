"""Small releases and predictors for the tests of runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.records import Frame


def small_release(folder: Path, *, videos: int = 3, frames: int = 12, observers: int = 3, seed: int = 4) -> Path:
    """Generate and convert a synthetic data set of 64 x 48."""
    generate(
        folder / "source", videos=videos, frames=frames, width=64, height=48, observers=observers, seed=seed, val=0
    )
    convert("synthetic", folder / "source", folder / "out", workers=1)
    return folder / "out"


class Brightness:
    """A causal predictor that looks at the pixels: the green channel."""

    def __init__(self, **changes: Any) -> None:
        self.info = ModelInfo(**{"name": "brightness", "output": "saliency", "licence": "Apache-2.0", **changes})

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction(frame.index, frame.rgb[..., 1].astype(np.float32))


class Scripted(Brightness):
    """Yields the frames of a list, each a fixed ramp."""

    def __init__(self, numbers: list[int], **changes: Any) -> None:
        super().__init__(name="scripted", needs_frames=False, **changes)
        self.numbers = numbers

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        ramp = np.arange(stimulus.width * stimulus.height, dtype=np.float32).reshape(stimulus.height, stimulus.width)
        for number in self.numbers:
            yield Prediction(number, ramp)
