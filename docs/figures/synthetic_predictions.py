"""The predictions of the page on why scores differ: one synthetic release, two predictors, each run once.

`blend` is smooth and positive everywhere, as a network's maps are; `motion_energy`, a shipped reference, has peaks on a
flat background, where ties and the 8-bit stage hurt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import vidsal
from vidsal.baselines import load_model
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release

VIDEOS, FRAMES, FPS, OBSERVERS = 12, 15, 3, 17
WIDTH, HEIGHT = 320, 180

Maps = dict[tuple[str, int], npt.NDArray[np.float32]]


@dataclass
class Stored:
    """A predictor that hands out maps that were made before, so that every protocol reads the same numbers.

    Attributes:
        info: of the predictor that made them.
        maps: one for each stimulus and frame.
    """

    info: ModelInfo
    maps: Maps

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the stored map of each frame."""
        for frame in frames:
            yield Prediction(frame.index, self.maps[stimulus.id, frame.index], "density")


def make_release(folder: Path) -> Release:
    """Generate the synthetic videos and gaze, convert them, and return all of them as one split."""
    source, out = folder / "source", folder / "release"
    generate(
        source, videos=VIDEOS, frames=FRAMES, width=WIDTH, height=HEIGHT, observers=OBSERVERS, seed=4, fps=FPS, val=0
    )
    convert("synthetic", source, out, workers=1)
    return vidsal.load(out)


def predict_once(release: Release) -> dict[str, Stored]:
    """Return `blend` and `motion_energy` with their maps: float32 densities at the size of the frames."""
    prior, motion = load_model("center_prior"), load_model("motion_energy")
    blends: Maps = {}
    peaks: Maps = {}
    for stimulus in release:
        info = StimulusInfo(stimulus.id, stimulus.width, stimulus.height, FPS, "video", stimulus.n_frames)
        both = zip(prior.predict(stimulus.frames(), info), motion.predict(stimulus.frames(), info), strict=True)
        for center, moving in both:
            key = stimulus.id, moving.frame
            peaks[key] = np.asarray(moving.values, np.float32)
            blend = 0.7 * np.asarray(center.values, np.float64) + 0.3 * peaks[key]
            blends[key] = (blend / blend.sum()).astype(np.float32)
    return {
        "blend": Stored(ModelInfo(name="blend", output="density"), blends),
        "motion_energy": Stored(ModelInfo(name="motion_energy", output="density"), peaks),
    }
