"""Densities that a data set releases as videos: read in order without keeping more than one picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import numpy.typing as npt

from ..errors import BadData
from ..formats.video import channel_mean, header, pictures

_FAR = 48
"""From here on a jump ahead seeks a key frame instead of decoding what lies between."""


class ReleasedMaps:
    """The densities of one stimulus, by frame; picture n in presentation order is frame n.

    Attributes:
        path: the video.
        shape: (height, width).
        n_frames: how many it holds.
    """

    def __init__(self, path: Path) -> None:
        found = header(path)
        self.path = path
        self.shape = (found.height, found.width)
        self.n_frames = found.n_pictures
        self._times = found.times
        self._open: Iterator[Any] | None = None
        self._next = 0
        self._kept: tuple[int, npt.NDArray[Any]] | None = None
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def at(self, frame: int) -> npt.NDArray[Any]:
        """Return the density of a frame as it is stored, see `channel_mean`: shape (height, width), any positive scale.

        Raises:
            BadData: the video has no such picture, or it cannot be decoded.
        """
        if frame >= self.n_frames:
            raise BadData(f"{self.path}: holds {self.n_frames} densities, none of frame {frame}; fetch the file again")
        with self._lock:
            if self._kept is None or self._kept[0] != frame:
                self._kept = frame, channel_mean(self._picture(frame))
            return self._kept[1]

    def _picture(self, frame: int) -> Any:
        if self._open is None or frame < self._next or frame >= self._next + _FAR:
            self._begin(frame)
        assert self._open is not None
        for picture in self._open:
            index, self._next = self._next, self._next + 1
            if index == frame:
                return picture
        raise BadData(f"{self.path}: the decoder stopped before frame {frame}; fetch the file again")

    def _begin(self, frame: int) -> None:
        """Open the video so that the next picture is the frame or one before it."""
        self._next = 0
        if frame < _FAR or self._times is None:
            self._open = pictures(self.path)
            return
        opened = pictures(self.path, self._times[frame])
        first = next(opened, None)
        index = None if first is None or first.pts not in self._times else self._times.index(first.pts)
        if index is None or index > frame:
            self._open = pictures(self.path)
            return
        self._next = index
        self._open = _again(first, opened)


def _again(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
