"""The pixels of a clip: decoded as far as needed and resized; with a cache, every frame of a stimulus once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadData
from ..io.files import atomic_write, file_to_fill
from ..release.release import Stimulus
from .geometry import Placement, Resize, image


def decode(stimulus: Stimulus, numbers: Sequence[int], at: Placement, resize: Resize) -> npt.NDArray[Any]:
    """Return frames (T, h, w, 3) of a stimulus, resized; frames that are not wanted are decoded and passed over.

    Raises:
        BadData: the frames end before.
    """
    wanted, found = set(numbers), {}
    frames = stimulus.frames()
    try:
        for frame in frames:
            if frame.index in wanted:
                found[frame.index] = image(frame.rgb, at, resize)
            if len(found) == len(wanted):
                break
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
    if len(found) < len(wanted):
        raise BadData(f"{stimulus.id}: frames end before frame {max(wanted)}, the release says {stimulus.n_frames}")
    return np.stack([found[number] for number in numbers])


class FrameCache:
    """All frames of each stimulus at the network's size, one file a stimulus, made when first asked for.

    A file is written whole or not at all, so several processes may share a folder.

    Args:
        folder: of the files; made where it is missing.
        resize: how frames are resized; its name is part of a file's name.
    """

    def __init__(self, folder: Path, resize: Resize) -> None:
        self.folder, self._resize = Path(folder), resize

    def read(self, stimulus: Stimulus, numbers: Sequence[int], at: Placement) -> npt.NDArray[Any]:
        """Return frames (T, h, w, 3)."""
        path = self._path(stimulus, at)
        if not path.is_file():
            frames = decode(stimulus, range(stimulus.n_frames), at, self._resize)
            with atomic_write(path) as temporary, file_to_fill(temporary) as file:
                np.save(file, frames)
        try:
            return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[list(numbers)])
        except (ValueError, OSError, IndexError) as error:
            raise BadData(f"{path}: a damaged file of the cache ({error}); delete it, it is made anew") from error

    def _path(self, stimulus: Stimulus, at: Placement) -> Path:
        how = f"{stimulus.row['source_sha256']} {stimulus.frames_path()} {at} {self._resize.__qualname__}"
        digest = hashlib.sha256(how.encode()).hexdigest()[:16]
        return self.folder / f"{stimulus.id.replace('/', '_')}.{digest}.npy"
