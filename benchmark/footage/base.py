"""What a model is shown that belongs to no release: its size, its frames, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

from vidsal.loaders.errors import BadData
from vidsal.loaders.formats import frames as frame_files
from vidsal.loaders.records import Frame


@dataclass(frozen=True)
class Footage:
    """A video, an image, a folder of frames, or arrays; see `Shown`.

    Attributes:
        id: names its maps.
        where: where it comes from, for messages.
        width, height, n_frames: of what was decoded.
        fps: frames a second; None for an image, or where nothing says it.
        kind: `video` or `image`.
        digest: SHA-256 of the file, of a folder's files, or of the arrays.
        path: the file or folder; None for arrays.
        arrays: gives the frames of arrays, each time anew.
        damage: what says that frames are lost, or are not what was stored; None = nothing does.
    """

    id: str
    where: str
    width: int
    height: int
    n_frames: int
    fps: Fraction | None
    kind: Literal["video", "image"]
    digest: str
    path: Path | None = None
    arrays: Callable[[], Iterator[Frame]] | None = None
    damage: str | None = None

    def frames_path(self) -> Path | None:
        """The file or folder; None for arrays."""
        return self.path

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in presentation order, in bounded memory.

        Raises:
            BadData: one cannot be decoded or has another size, or there are fewer than there were.
        """
        count = 0
        for frame in islice(self._read(), self.n_frames if self.damage else None):
            height, width = frame.rgb.shape[:2]
            if (width, height) != (self.width, self.height):
                raise BadData(
                    f"{self.where}: frame {frame.index} is {width} x {height}, those before it {self.width} x "
                    f"{self.height}; a video has one size"
                )
            yield frame
            count += 1
        if count != self.n_frames:
            raise BadData(f"{self.where}: {count} frames now, {self.n_frames} before; did the file change meanwhile?")

    def check_frames(self) -> None:
        """Nothing more is to be compared than `frames` does."""

    def _read(self) -> Iterator[Frame]:
        if self.arrays is not None:
            return self.arrays()
        assert self.path is not None
        return frame_files.read(self.path, None, self.fps)
