"""Simulated frames, and the published algorithms written out, for the page on why scores differ.

A simulated frame has a true density (a centre bias and a few spots), a prediction that finds the spots roughly and
invents one, fixations drawn from the density, and fixations of "other frames". Everything follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Map = npt.NDArray[np.float64]
BoolMap = npt.NDArray[np.bool_]

SHAPE = (90, 160)
OTHERS = 200


@dataclass(frozen=True)
class SimulatedFrame:
    """One frame; all maps have the same shape (H, W).

    Attributes:
        prediction: positive, no two pixels alike, highest value 1.
        density: what the fixations were drawn from, sum 1.
        fixated: which pixels were looked at.
        negatives: how many fixations of other frames fell on each pixel.
    """

    prediction: Float64Map
    density: Float64Map
    fixated: BoolMap
    negatives: npt.NDArray[np.int64]


def gaussian(shape: tuple[int, int], center: tuple[float, float], sd: tuple[float, float]) -> Float64Map:
    """Return a Gaussian of sum 1; centre and standard deviation are (x, y) in pixels."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    values: Float64Map = np.exp(-(((x + 0.5 - center[0]) / sd[0]) ** 2 + ((y + 0.5 - center[1]) / sd[1]) ** 2) / 2)
    values /= values.sum()
    return values


def center_bias(shape: tuple[int, int]) -> Float64Map:
    """Return where people look in any frame: a Gaussian at the centre with a uniform floor, sum 1."""
    height, width = shape
    bias = gaussian(shape, (width / 2, height / 2), (0.15 * width, 0.194 * height))
    return 0.9 * bias + 0.1 / bias.size


def simulate(seed: tuple[int, ...], n_fixations: int, shape: tuple[int, int] = SHAPE) -> SimulatedFrame:
    """Return the frame that belongs to a seed.

    Args:
        seed: any non-negative numbers.
        n_fixations: how many distinct pixels are fixated.
        shape: (H, W).
    """
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    height, width = shape
    density = 0.4 * center_bias(shape)
    prediction = 0.4 * center_bias(shape)
    for weight in random.dirichlet((2.0, 2.0, 2.0)):
        center = (random.uniform(0.15, 0.85) * width, random.uniform(0.15, 0.85) * height)
        size = random.uniform(0.03, 0.07) * width
        miss = random.normal(0.0, 0.04 * width, 2)
        density += 0.6 * weight * gaussian(shape, center, (size, size))
        found = (center[0] + miss[0], center[1] + miss[1])
        prediction += random.uniform(0.1, 0.3) * gaussian(shape, found, (1.4 * size, 1.4 * size))
    invented = (random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height)
    prediction += 0.15 * gaussian(shape, invented, (0.08 * width, 0.08 * width))
    # A trace of noise, so that no two pixels tie.
    prediction *= 1 + 1e-4 * random.random(shape)
    density /= density.sum()
    chosen = random.choice(density.size, n_fixations, replace=False, p=density.ravel())
    fixated = np.zeros(shape, bool)
    fixated.flat[chosen] = True
    elsewhere = random.choice(density.size, OTHERS, p=center_bias(shape).ravel())
    negatives = np.bincount(elsewhere, minlength=density.size).reshape(shape)
    return SimulatedFrame(prediction / prediction.max(), density, fixated, negatives)


def drawn_judd_area(saliency: npt.NDArray[Any], fixated: BoolMap, random: np.random.Generator) -> float:
    """Return AUC-J as the MIT and DHF1K code computes it, its jitter drawn: one ROC point at each fixated value.

    Args:
        saliency: (H, W), finite.
        fixated: (H, W).
        random: where the jitter comes from.
    """
    s = np.asarray(saliency, np.float64) + 1e-7 * random.random(saliency.shape)
    s = (s - s.min()) / (s.max() - s.min())
    thresholds = np.sort(s[fixated])[::-1]
    n = len(thresholds)
    hits, false_alarms = [0.0], [0.0]
    for rank, threshold in enumerate(thresholds, 1):
        at_or_above = int((s >= threshold).sum())
        hits.append(rank / n)
        false_alarms.append((at_or_above - rank) / (s.size - n))
    return _area([*false_alarms, 1.0], [*hits, 1.0])


def step_area(saliency: npt.NDArray[Any], fixated: BoolMap, negatives: npt.NDArray[Any], steps: int) -> float:
    """Return the area of a shuffled AUC that looks at `steps` + 1 thresholds 0, 1/steps, ..., 1 of the stretched map.

    Args:
        saliency: (H, W), not constant.
        fixated: (H, W).
        negatives: weight of each pixel, (H, W).
        steps: 10 is the step of 0.1 that published code uses.
    """
    s = np.asarray(saliency, np.float64)
    s = (s - s.min()) / (s.max() - s.min())
    # As in published code the thresholds are multiples of the step, rounded: 6 * 0.1 lies above 0.6.
    thresholds = np.arange(steps, -1, -1) * (1 / steps)
    hits = [float((s[fixated] >= t).mean()) for t in thresholds]
    weights = negatives[negatives > 0]
    values = s[negatives > 0]
    false_alarms = [float(weights[values >= t].sum() / weights.sum()) for t in thresholds]
    return _area([0.0, *false_alarms, 1.0], [0.0, *hits, 1.0])


def _area(x: list[float], y: list[float]) -> float:
    """Return the area under the straight lines through the points."""
    return sum((right - left) * (one + other) / 2 for left, right, one, other in zip(x, x[1:], y, y[1:], strict=False))
