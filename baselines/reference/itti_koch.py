"""Itti, Koch and Niebur's model: what differs from its surround in intensity, colour or orientation.

Source: Itti, Koch & Niebur, A model of saliency-based visual attention for rapid scene analysis, IEEE TPAMI 20
(1998). Written from the paper's equations. Static: each frame for itself. The frame is brought to 512 pixels along
its longer side first, so that the nine levels of the pyramid mean the same part of the frame at any resolution.
Departures: centre and surround are compared with the same sign of the colour opponency (with the paper's opposite
signs a plain coloured area is salient, and red among green is not); Gabor filters of one scale on every level of the
intensity pyramid; a local maximum counts above a tenth of the global one; the map is a density, uniform where a frame
has no structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.ndimage import convolve, correlate1d, maximum_filter

from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.scoring.resize import bilinear_half_pixel
from vidsal.loaders.records import Float64Array, Frame, UInt8Image

from ..base import LICENCE, without_weights
from ..densities import normalized

LONGEST = 512
LEVELS = 9
CENTERS = (2, 3, 4)
STEPS = (3, 4)  # the surround is so many levels coarser than the centre
ANGLES = (0.0, 45.0, 90.0, 135.0)
MAP_LEVEL = 4  # of the conspicuity maps

Pyramid = list[Float64Array]


class IttiKoch:
    """The static saliency map of each frame."""

    info = ModelInfo(
        name="itti_koch",
        output="density",
        licence=LICENCE,
        paper="Itti, Koch & Niebur, IEEE TPAMI 20 (1998) 1254-1259",
    )

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield one density a frame."""
        for frame in frames:
            values = bilinear_half_pixel(saliency(frame.rgb), frame.rgb.shape[:2])
            yield Prediction(frame.index, normalized(values), "density")


def saliency(rgb: UInt8Image) -> Float64Array:
    """Return the saliency map of one image, non-negative, at a sixteenth of the working size.

    Args:
        rgb: uint8, shape (height, width, 3).
    """
    image = _working_size(rgb)
    intensity = image.mean(axis=2)
    light = pyramid(intensity)
    red, green, blue, yellow = (pyramid(plane) for plane in broad_colors(image, intensity))
    shape = light[MAP_LEVEL].shape

    by_intensity = _gather([across(light, light, c, c + d) for c, d in _pairs()], shape)
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    blue_yellow = [b - y for b, y in zip(blue, yellow, strict=True)]
    by_color = _gather(
        [across(opponent, opponent, c, c + d) for opponent in (red_green, blue_yellow) for c, d in _pairs()], shape
    )
    by_orientation = np.zeros(shape)
    for angle in ANGLES:
        edges = light[: CENTERS[0]] + [oriented(plane, angle) for plane in light[CENTERS[0] :]]  # the finest are unused
        by_orientation += promote(_gather([across(edges, edges, c, c + d) for c, d in _pairs()], shape))
    return (promote(by_intensity) + promote(by_color) + promote(by_orientation)) / 3.0


def _pairs() -> list[tuple[int, int]]:
    return [(c, d) for c in CENTERS for d in STEPS]


def _working_size(rgb: UInt8Image) -> Float64Array:
    """Bring the longer side to 512, halving first so that nothing is skipped; values 0 to 1."""
    image = rgb.astype(np.float64) / 255.0
    while max(image.shape[:2]) >= 2 * LONGEST:
        image = np.stack([_halve(image[..., k]) for k in range(3)], axis=2)
    scale = LONGEST / max(image.shape[:2])
    shape = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    if image.shape[:2] == shape:
        return image
    return np.stack([bilinear_half_pixel(image[..., k], shape) for k in range(3)], axis=2)


def _halve(plane: Float64Array) -> Float64Array:
    """Smooth with a binomial of five taps, keep every second pixel."""
    taps = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    rows = correlate1d(plane, taps, axis=0, mode="nearest")[::2]
    return np.asarray(correlate1d(rows, taps, axis=1, mode="nearest")[:, ::2])


def pyramid(plane: Float64Array) -> Pyramid:
    """Return the nine levels of a plane, each half the size of the one before."""
    levels = [plane]
    while len(levels) < LEVELS:
        levels.append(_halve(levels[-1]))
    return levels


def broad_colors(
    image: Float64Array, intensity: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """Return red, green, blue and yellow, each non-negative and zero for grey; hue counts only where there is light.

    Args:
        image: RGB, shape (height, width, 3).
        intensity: its mean over the colours.
    """
    lit = intensity > 0.1 * intensity.max()
    r, g, b = np.moveaxis(np.where(lit[..., None], image / np.where(lit, intensity, 1.0)[..., None], 0.0), 2, 0)
    return (
        np.maximum(r - (g + b) / 2, 0.0),
        np.maximum(g - (r + b) / 2, 0.0),
        np.maximum(b - (r + g) / 2, 0.0),
        np.maximum((r + g) / 2 - np.abs(r - g) / 2 - b, 0.0),
    )


def oriented(plane: Float64Array, angle_deg: float) -> Float64Array:
    """Return how strongly a plane varies along a direction: the energy of a quadrature pair of Gabor filters.

    Args:
        plane: shape (height, width).
        angle_deg: 0 = it varies along x (upright stripes), 90 = along y.
    """
    even, odd = _gabor_pair(angle_deg)
    return np.asarray(np.hypot(convolve(plane, even, mode="nearest"), convolve(plane, odd, mode="nearest")))


@cache
def _gabor_pair(angle_deg: float) -> tuple[Float64Array, Float64Array]:
    """Wavelength 5 pixels, 7 x 7 taps."""
    angle = np.deg2rad(angle_deg)
    y, x = np.mgrid[-3:4, -3:4].astype(np.float64)
    along = x * np.cos(angle) + y * np.sin(angle)
    window = np.exp(-(x**2 + y**2) / (2 * 1.7**2))
    even = window * np.cos(2 * np.pi * along / 5.0)
    even -= window * even.sum() / window.sum()  # no answer to plain light
    return even, window * np.sin(2 * np.pi * along / 5.0)


def across(center: Pyramid, surround: Pyramid, c: int, s: int) -> Float64Array:
    """Return the difference between a fine level and a coarse one, at the fine one's size."""
    return np.abs(center[c] - bilinear_half_pixel(surround[s], center[c].shape))


def promote(plane: Float64Array) -> Float64Array:
    """Strengthen a map with one strong peak, suppress one with many: the paper's N(.).

    Scaled to a maximum of 1, then multiplied by (1 - mean of the other local maxima)^2.
    """
    peak = plane.max()
    if not peak > 1e-9:
        return np.zeros_like(plane)
    scaled = plane / peak
    top = (scaled == maximum_filter(scaled, 3, mode="nearest")) & (scaled > 0.1)
    others = np.sort(scaled[top])[:-1]
    mean = float(others.mean()) if len(others) else 0.0
    return np.asarray(scaled * (1.0 - mean) ** 2)


def _gather(maps: list[Float64Array], shape: tuple[int, int]) -> Float64Array:
    """Add promoted maps at the size of the conspicuity maps."""
    total = np.zeros(shape)
    for one in maps:
        total += _to_shape(promote(one), shape)
    return total


def _to_shape(plane: Float64Array, shape: tuple[int, int]) -> Float64Array:
    while plane.shape[0] > shape[0] or plane.shape[1] > shape[1]:
        plane = _halve(plane)
    return plane if plane.shape == shape else bilinear_half_pixel(plane, shape)


MODELS = without_weights(IttiKoch)
