"""From the size of a stimulus to the size that a network sees: squeezed, or scaled until it covers and cropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import WrongUse
from ..records import Float32Array, Mask, UInt8Image

Fit = Literal["squeeze", "cover", "height"]
Size = tuple[int, int]
"""Height and width."""
Resize = Callable[[UInt8Image, Size], npt.NDArray[Any]]
"""Resizes an image (h, w, 3) to a height and a width."""


@dataclass(frozen=True)
class Placement:
    """How a picture comes to its size.

    Attributes:
        scaled: height and width before the crop.
        top, left: of the crop; negative where it is larger than the picture.
        size: height and width after it.
    """

    scaled: Size
    top: int
    left: int
    size: Size

    def crop(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Cut the crop out of a picture (h, w, ...) that was scaled; 0, black, where there is no picture."""
        top, left = max(self.top, 0), max(self.left, 0)
        cut = picture[top : self.top + self.size[0], left : self.left + self.size[1]]
        if cut.shape[:2] == self.size:
            return cut
        whole = np.zeros((*self.size, *picture.shape[2:]), picture.dtype)
        whole[top - self.top :, left - self.left :][: cut.shape[0], : cut.shape[1]] = cut
        return whole


def place(size: Size, wanted: Size, fit: Fit) -> Placement:
    """Say how pictures of a size come to another one.

    Args:
        size: height and width of the stimulus.
        wanted: of what the network sees.
        fit: `squeeze`: each axis by itself; `cover`: both by one factor, the other side cut off to whole pixels, then
            the middle of it; `height`: both by the factor of the heights, then the middle, black beside what is narrow.

    >>> place((540, 960), (224, 416), "cover")
    Placement(scaled=(234, 416), top=5, left=0, size=(224, 416))
    >>> place((480, 640), (224, 416), "height")
    Placement(scaled=(224, 298), top=0, left=-59, size=(224, 416))
    """
    if fit not in get_args(Fit):
        raise WrongUse(f"fit={fit!r}; one of {', '.join(get_args(Fit))} was expected")
    if min(*size, *wanted) < 1:
        raise WrongUse(f"sizes are height and width, at least 1; found {size} and {wanted}")
    if fit == "squeeze":
        return Placement(wanted, 0, 0, wanted)
    (height, width), (rows, columns) = size, wanted
    if fit == "height":
        scaled = (rows, max(1, rows * width // height))
    elif rows * width >= columns * height:
        scaled = (rows, max(columns, rows * width // height))
    else:
        scaled = (max(rows, columns * height // width), columns)
    top, left = (round((have - want) / 2) for have, want in zip(scaled, wanted, strict=True))
    return Placement(scaled, top, left, wanted)


def lanczos(rgb: UInt8Image, size: Size) -> UInt8Image:
    """Resize by Pillow's LANCZOS on uint8."""
    from PIL import Image

    resized = Image.fromarray(np.ascontiguousarray(rgb)).resize(size[::-1], Image.Resampling.LANCZOS)
    return np.asarray(resized)


def image(rgb: UInt8Image, at: Placement, resize: Resize = lanczos) -> npt.NDArray[Any]:
    """Return an image (h, w, 3) at its place."""
    return at.crop(rgb if rgb.shape[:2] == at.scaled else resize(rgb, at.scaled))


def density(values: Float32Array, at: Placement) -> Float32Array:
    """Return a density (h, w) at its place, sum 1 again; all zero where nothing is left of it.

    Bilinear, antialiased where it shrinks, so that nothing becomes negative.
    """
    from PIL import Image

    picture = values
    if values.shape != at.scaled:
        resized = Image.fromarray(np.ascontiguousarray(values)).resize(at.scaled[::-1], Image.Resampling.BILINEAR)
        picture = np.asarray(resized)
    cut = at.crop(picture).astype(np.float64)
    total = cut.sum()
    scaled: Float32Array = (cut / total if total > 0 else cut).astype(np.float32)
    return scaled


def fixated(points: Float32Array, size: Size, at: Placement) -> Mask:
    """Return which pixels were looked at, by nearest neighbour: where a picture shrinks, some pixels are passed over.

    Args:
        points: (n, 2), x and y in pixels of the stimulus.
        size: height and width of the stimulus.
        at: where to.
    """
    hit = np.zeros(size, np.bool_)
    if len(points):
        x, y = np.floor(points).astype(np.int64).T
        hit[np.clip(y, 0, size[0] - 1), np.clip(x, 0, size[1] - 1)] = True
    rows, columns = (
        np.minimum((np.arange(out) + 0.5) * have / out, have - 1).astype(np.intp)
        for have, out in zip(size, at.scaled, strict=True)
    )
    chosen: Mask = at.crop(hit[np.ix_(rows, columns)])
    return chosen


def counts(points: Float32Array, size: Size, at: Placement) -> npt.NDArray[np.int32]:
    """Return how often each pixel was looked at; every point that is not cropped away counts."""
    found = np.zeros(at.size, np.int32)
    if len(points):
        scale = np.array([at.scaled[1] / size[1], at.scaled[0] / size[0]])
        x, y = np.floor(points.astype(np.float64) * scale).astype(np.int64).T
        x, y = x - at.left, y - at.top
        inside = (x >= 0) & (y >= 0) & (x < at.size[1]) & (y < at.size[0])
        np.add.at(found, (y[inside], x[inside]), 1)
    return found
