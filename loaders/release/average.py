"""The mean density of a stimulus over its frames, without making the density of each frame.

Every recipe is linear in its points and separable, so the mean needs one weight for each pixel and two matrix
products, however many frames there are. Points are moved to the centres of their pixels: exact for recipes that set
pixels, within half a pixel for the others.
"""

from __future__ import annotations

import numpy as np

from ..records import Float64Array, Int64Array, Truth
from .release import Stimulus
from .truth import kernels


def mean_density(stimulus: Stimulus, truth: Truth) -> Float64Array | None:
    """Average the densities of the frames in which somebody looked.

    Args:
        stimulus: of a release.
        truth: the recipe.

    Returns:
        float64, shape (height, width), sum 1; None if nobody looked at all.
    """
    height, width = stimulus.height, stimulus.width
    frame, pixel, weight = looks(stimulus, truth)
    down = kernels(_centers(height), height, max(height, width), truth)
    across = kernels(_centers(width), width, max(height, width), truth)
    # A frame's density is divided by what its kernels leave inside the frame.
    inside = np.outer(down.sum(axis=0), across.sum(axis=0)).ravel()
    mass = np.bincount(frame, weight * inside[pixel], stimulus.n_frames)
    seen = mass[frame] > 0
    if not seen.any():
        return None
    share = weight[seen] / mass[frame[seen]]
    shares = np.bincount(pixel[seen], share, height * width).reshape(height, width)
    values = down @ shares @ across.T
    return np.asarray(values / values.sum())


def looks(stimulus: Stimulus, truth: Truth) -> tuple[Int64Array, Int64Array, Float64Array]:
    """List who looked where and when: frame, flat pixel and weight of each point in each frame it covers.

    A recipe that sets pixels counts each pixel of a frame once, with weight 1.
    """
    points = stimulus.gaze_points
    chosen = np.ones(len(points.x), bool)
    if truth.orders is not None:
        chosen = (points.order >= truth.orders[0]) & (points.order <= truth.orders[1])
    first = points.frame[chosen].astype(np.int64)
    last = np.minimum(points.frame_end[chosen].astype(np.int64), stimulus.n_frames - 1)
    spans = np.maximum(last - first + 1, 0)
    column, row = (np.floor(axis[chosen]).astype(np.int64) for axis in (points.x, points.y))
    pixel = np.repeat(row * stimulus.width + column, spans)
    weight = np.repeat(points.weight[chosen], spans)
    frame = np.repeat(first, spans) + np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    if truth.per == "pixel":
        size = stimulus.width * stimulus.height
        frame, pixel = np.divmod(np.unique(frame * size + pixel), size)
        weight = np.ones(len(pixel))
    return frame, pixel, weight


def _centers(size: int) -> Float64Array:
    return np.arange(size, dtype=np.float64) + 0.5
