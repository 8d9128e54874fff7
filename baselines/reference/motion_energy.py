"""Motion energy: where luminance changes from frame to frame. Causal; it never looks ahead.

A density of the stimulus's size for every frame: float32, shape (height, width), sum 1 within 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.scoring.resize import bilinear_half_pixel
from vidsal.loaders.records import Float64Array, Frame, UInt8Image

from ..base import LICENCE, without_weights
from ..densities import normalized


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
                yield Prediction(frame.index, normalized(np.ones(frame.rgb.shape[:2])), "density")
                continue
            values = bilinear_half_pixel(moving, frame.rgb.shape[:2])
            values = (1.0 - self.floor) * values / values.sum() + self.floor / values.size
            yield Prediction(frame.index, normalized(values), "density")


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


MODELS = without_weights(MotionEnergy)
