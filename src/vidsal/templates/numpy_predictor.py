"""A predictor to copy: rename the class, replace the three marked places, and run it without installing anything.

    vidsal model check numpy_predictor.py:MyModel
    vidsal run numpy_predictor.py:MyModel --data RELEASE --split val --protocol exact-1 -o results
    vidsal run numpy_predictor.py:MyModel --option smooth=0.05 ...       # options arrive as text

or, from Python, `vidsal.evaluate(MyModel(), vidsal.load(RELEASE, split="val"))`.

As it stands it is a small model that works: contrast of luminance, smoothed in space and over time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.records import Frame


class MyModel:
    """Local contrast with a memory; there is no base class, only `info` and `predict`."""

    # 1. What a table must know. Claims are checked: a causal model must not change its mind about a frame when
    #    later frames change.
    info = ModelInfo(
        name="my_model",
        version="1",  # raise it when the same input gives other predictions
        causal=True,  # False if the prediction of frame t needs frames after t ...
        lookahead=0,  # ... and then how many, at most
        output="saliency",  # or "density" (sums to 1), "log_density" (natural logarithm of one), "point"
        trained_on=(),  # whose gaze your weights have seen, by id: ("dhf1k", "other:my_lab"); pre-training counts
        licence="Apache-2.0",  # of the weights
        paper="",
    )

    def __init__(self, smooth: float | str = 0.03, memory: float | str = 0.7) -> None:
        """Load your weights here, once; use `torch.load(path, weights_only=True)`.

        Args:
            smooth: standard deviation of the blur in frame widths.
            memory: share of the last prediction that is kept, 0 to 1.
        """
        self.smooth = float(smooth)
        self.memory = float(memory)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield one prediction for each frame, in order.

        Called once for each video. State starts anew here, so keep it in local variables, not in `self`. Take frames
        one by one and keep only the few that you need: a video does not fit into memory.

        Args:
            frames: `index` (0-based), `pts_ms`, and `rgb`, uint8 of shape (height, width, 3).
            stimulus: id, width, height, fps, kind, n_frames; never where people looked.
        """
        kept: npt.NDArray[np.float64] | None = None
        for frame in frames:
            # 2. Your pre-processing and your network.
            light = frame.rgb.mean(axis=2)
            sd = self.smooth * stimulus.width
            contrast = gaussian_filter(np.abs(light - gaussian_filter(light, sd)), sd)
            kept = contrast if kept is None else self.memory * kept + (1.0 - self.memory) * contrast
            # 3. What comes out: shape (h, w) at any size of the frame's aspect, NumPy or torch, on any device.
            #    Do not quantize and do not resize: that is the protocol's business.
            yield Prediction(frame.index, kept, kind="saliency")
