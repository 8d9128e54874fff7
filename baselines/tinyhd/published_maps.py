"""The 8-bit maps from which TinyHD's published scores were computed.

Per frame: scaled to 0..255 between its own least and greatest value, truncated to whole numbers, enlarged to the size
of the video with cubic interpolation, blurred. Upstream does the last two with OpenCV on bytes; here is the same
arithmetic: `opencv_resize`, and the binomial kernel 1 4 6 4 1 for the 5 x 5 Gaussian, mirrored about the edge pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import NonFinite, WrongUse
from vidsal.loaders.records import UInt8Image

from ..opencv_resize import resize_cubic

_BINOMIAL = (1, 4, 6, 4, 1)


def eight_bit(values: npt.ArrayLike, width: int, height: int) -> UInt8Image:
    """Return the published 8-bit form of a map.

    Args:
        values: predicted map of one frame, shape (h, w), any scale.
        width, height: size of the video.

    Returns:
        uint8, shape (height, width); zeros for a constant map, which upstream divides by zero.

    Raises:
        WrongUse: no map of two axes.
        NonFinite: NaN or infinity in the map.
    """
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or not array.size:
        raise WrongUse(f"a map of shape {array.shape}; (h, w) was expected")
    if not np.isfinite(array).all():
        raise NonFinite("the map holds NaN or infinity; it has no 8-bit form")
    least, greatest = array.min(), array.max()
    if least == greatest:
        return np.zeros((height, width), np.uint8)
    scaled = (array - least) / (greatest - least) * np.float32(255)
    return blur(resize_cubic(scaled.astype(np.uint8), width, height))


def blur(image: UInt8Image) -> UInt8Image:
    """Blur bytes with the 5 x 5 Gaussian that OpenCV chooses for sigma 0.

    Args:
        image: uint8, shape (h, w).
    """
    height, width = image.shape
    wide = np.zeros((height, width), np.int32)
    for source, weight in zip(_mirrored(width), _BINOMIAL, strict=True):
        wide += weight * image[:, source].astype(np.int32)
    full = np.full((height, width), 128, np.int32)
    for source, weight in zip(_mirrored(height), _BINOMIAL, strict=True):
        full += weight * wide[source]
    return (full >> 8).astype(np.uint8)


def _mirrored(size: int) -> npt.NDArray[np.int64]:
    """Return the five source positions of each position, (5, size); beyond an edge they run back from it."""
    positions = np.arange(size) + np.arange(-2, 3)[:, None]
    if size == 1:
        return np.zeros_like(positions)
    period = 2 * (size - 1)
    folded = np.abs(positions) % period
    mirrored: npt.NDArray[np.int64] = np.minimum(folded, period - folded)
    return mirrored
