"""A release as a torch Dataset of clips, for training and for anything that wants tensors."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import BadData, MissingData, WrongUse
from ..records import Frame, UInt8Image

if TYPE_CHECKING:
    from .release import Release


class Clips(Dataset[dict[str, Any]]):
    """Clips of consecutive frames with their truth; works in a DataLoader with workers, deterministic.

    An item is a dict: `stimulus_id` str; `frames` int64 (T,), the frames' numbers; `rgb` uint8 (T, 3, H, W); `density`
    float32 (T, H, W), sum 1 or all zero; `points` a list of T float32 arrays (n, 2), x and y in pixels; `valid` bool
    (T,). A stimulus shorter than the clip repeats its last frame, those are not valid; nor are frames that are not
    annotated.

    Clips begin at the frames 0, stride, 2 stride ... of a stimulus as long as they fit: it gives
    `max(n_frames - clip, 0) // stride + 1` of them, and frames at its end that no whole clip reaches are in none. With
    `tail=True` one more clip begins where the next one would, if it still begins inside the stimulus and the last frame
    is in no clip before it; it is filled up like a short stimulus.

    In a DataLoader use `batch_size=None`, or `collate` of this module as `collate_fn` for stimuli of one size.

    Args:
        release: an open release; its stimuli that are annotated and have frames here are used.
        clip: T, frames in a clip.
        stride: frames from the start of one clip to the start of the next.
        recipe: truth recipe; None = the release's default.
        tail: whether the frames after the last whole clip make a clip too.

    Raises:
        WrongUse: clip or stride is below 1.
        MissingData: no annotated stimulus has frames here.
    """

    def __init__(
        self, release: Release, *, clip: int, stride: int, recipe: str | None = None, tail: bool = False
    ) -> None:
        if clip < 1 or stride < 1:
            raise WrongUse(f"clip={clip}, stride={stride}: both are at least 1")
        release.truth(recipe)
        annotated = [s for s in release if s.annotated]
        self._stimuli = [s for s in annotated if s.frames_path() is not None]
        if not self._stimuli:
            raise MissingData(release.frames_hint([s.id for s in annotated]))
        self._clip, self._recipe = clip, recipe
        self._starts = [(i, t) for i, s in enumerate(self._stimuli) for t in _starts(s.n_frames, clip, stride, tail)]
        self._reader: _Reader | None = None

    def __len__(self) -> int:
        return len(self._starts)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{len(self)} clips; asked for number {index}")
        which, start = self._starts[index]
        stimulus = self._stimuli[which]
        numbers = np.arange(start, start + self._clip)
        inside = np.minimum(numbers, stimulus.n_frames - 1)
        rgb = self._read(which, start, int(inside[-1]) + 1)
        pictures = np.stack([rgb[n - start] for n in inside]).transpose(0, 3, 1, 2)
        annotated = np.isin(inside, stimulus.annotated_indices())
        return {
            "stimulus_id": stimulus.id,
            "frames": torch.from_numpy(inside.astype(np.int64)),
            "rgb": torch.from_numpy(np.ascontiguousarray(pictures)),
            "density": torch.from_numpy(np.stack([stimulus.density(int(n), self._recipe) for n in inside])),
            "points": [torch.from_numpy(stimulus.points(int(n))) for n in inside],
            "valid": torch.from_numpy((numbers < stimulus.n_frames) & annotated),
        }

    def _read(self, which: int, start: int, stop: int) -> list[UInt8Image]:
        """Decode frames start to stop; the decoder goes on where the last clip ended, if it can."""
        reader = self._reader
        # A forked worker inherits the reader, but not the thread that decodes for it.
        if reader is None or reader.process != os.getpid() or reader.which != which or reader.first > start:
            reader = _Reader(which, self._stimuli[which].frames(), deque(maxlen=self._clip))
        self._reader = None  # a reader that fails is not used again
        while reader.position < stop:
            frame = next(reader.frames, None)
            if frame is None:
                name, expected = self._stimuli[which].id, self._stimuli[which].n_frames
                raise BadData(f"{name}: frames end at {reader.position}, expected {expected}")
            reader.recent.append(frame.rgb)
            reader.position += 1
        self._reader = reader
        return [reader.recent[n - reader.first] for n in range(start, stop)]


@dataclass
class _Reader:
    """A decoder at work and the frames it gave last."""

    which: int
    frames: Iterator[Frame]
    recent: deque[UInt8Image]
    position: int = 0
    process: int = field(default_factory=os.getpid)

    @property
    def first(self) -> int:
        """Number of the oldest frame that is still here."""
        return self.position - len(self.recent)


def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Join items of equal size for a DataLoader: tensors are stacked, ids and points stay lists."""
    kept = ("stimulus_id", "points")
    return {k: [i[k] for i in items] if k in kept else torch.stack([i[k] for i in items]) for k in items[0]}


def _starts(n_frames: int, clip: int, stride: int, tail: bool) -> range:
    """First frames of the clips that fit; a short stimulus gives one. With a tail, of one more that goes past the end.

    >>> list(_starts(20, 8, 8, False)), list(_starts(20, 8, 8, True)), list(_starts(16, 8, 4, True))
    ([0, 8], [0, 8, 16], [0, 4, 8])
    """
    starts = range(0, max(n_frames - clip, 0) + 1, stride)
    beyond = starts[-1] + stride
    return range(0, beyond + 1, stride) if tail and starts[-1] + clip < n_frames and beyond < n_frames else starts
