"""The stored predictions of one stimulus: what every form of them offers, and what is seen before decoding."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from vidsal.loaders.errors import BadData

from ...metrics.maps import Map

Read = tuple[int, Map | None]
"""A frame's number in the files and its values: a map, or the x and y of a gaze point; None where only checked."""

Numbered = Literal["names", "list", "order"]
"""Where numbers of frames stand: in the names of files and arrays, in an array `frames`, or nowhere: 0, 1, 2 ..."""

MOST_FRAMES = 10_000_000


@dataclass(frozen=True)
class Limits:
    """What the predictions of a stimulus may be.

    Attributes:
        width, height: of the stimulus.
    """

    width: int
    height: int

    @property
    def most_pixels(self) -> int:
        """Largest map that is read: four times the stimulus, and a million pixels in any case."""
        return max(4 * self.width * self.height, 1 << 20)

    def check(self, width: int, height: int, where: str) -> None:
        """Refuse a map that is too large.

        Raises:
            BadData: the message holds both sizes.
        """
        if width * height > self.most_pixels:
            raise BadData(
                f"{where}: a map of {width} x {height}, at most {self.most_pixels} pixels are read for a stimulus of "
                f"{self.width} x {self.height}; store the size that the model gives"
            )


@dataclass
class Inspection:
    """What names and headers show of stored predictions, without decoding them.

    Attributes:
        frames: numbers of the predicted frames, ascending, as the files name them.
        numbered: how they name them.
        sizes: (width, height) of the maps, each with the first file or frame that has it.
        numbers: of what type: `png8`, `png16`, `float16`, `uint8`, `points` ..., each with its first file or frame.
        lossy: what lost detail in storing, each with its first file.
        faults: what is wrong, one sentence each.
        readable: False if the file could not be opened, so that nothing is known of its frames.
    """

    frames: list[int] = field(default_factory=list)
    numbered: Numbered = "names"
    sizes: dict[tuple[int, int], str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    lossy: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    readable: bool = True


class Stored(Protocol):
    """The stored predictions of one stimulus."""

    def inspect(self) -> Inspection:
        """Look at names and headers, not at pixels."""
        ...

    def numbers(self) -> tuple[list[int], Numbered]:
        """Return the numbers of the frames, ascending, and where they stand; see `frame_numbers.py`."""
        ...

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Read the wanted numbers in order, some ahead of their reader; others may come too, without values."""
        ...

    def digest(self) -> str:
        """Digest of the files, as the manifest holds it; what `read` has kept of them is not read again."""
        ...


def check_gaze(frame: int, xy: Map, where: str) -> tuple[float, float]:
    """Return x and y of a stored gaze point.

    Raises:
        BadData: not two finite numbers.
    """
    if xy.shape != (2,) or not np.isfinite(xy).all():
        raise BadData(f"{where}, frame {frame}: a gaze point is two finite numbers, found {xy.tolist()}")
    return float(xy[0]), float(xy[1])
