"""Truth kept on the way: what the first run over a release makes of it lies ready for the runs after it.

What is dear and small is kept: 8-bit maps, packed, and of every other map what was measured of it (its range, its
moments, its entropy), which takes about as long as making the map. Maps of four bytes a pixel are not: to write and
read one takes as long as to make it.

A run keeps what it has at hand and nothing else, and nothing where little would be saved, where the folder cannot be
written, or beyond a share of the disk.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import atomic_write, try_folder
from vidsal.loaders.io.names import size
from vidsal.loaders.io.progress import Note
from vidsal.loaders.release.release import Release, Stimulus

from .truth import FrameTruth
from .truth_cache import TruthCache
from .truth_file import TruthWriter

SHARE = 0.05
"""Of what is free on the disk, counting what the folder of caches has: how much that may become."""

_LEAST_FRAME = 200_000
"""Pixels of a frame: of smaller ones little is saved, or packing them takes a tenth of the time of scoring them."""
_LEAST = 2_000_000
"""Pixels of all frames of a stimulus: of fewer, a file takes as long as it saves."""
_MOST_BYTES = 1 << 27
"""Of a stimulus; they wait in memory until all are there."""


@dataclass(frozen=True)
class Room:
    """What each stimulus may take.

    Attributes:
        cache: where truth is kept.
        bytes_of: most bytes of a stimulus, by its id; those that are not in it are not kept.
    """

    cache: TruthCache
    bytes_of: dict[str, int]

    def say(self, note: Note | None, release: Release) -> None:
        """Say where truth was kept, and how much; nothing if none was."""
        paths = [self.cache.find(release[stimulus_id]) for stimulus_id in self.bytes_of]
        sizes = [path.stat().st_size for path in paths if path is not None]
        if note and sizes:
            note(
                f"kept the truth of {len(sizes)} {'stimuli' if len(sizes) > 1 else 'stimulus'} for later runs in "
                f"{self.cache.folder}, {size(sum(sizes))}; `vidsal cache clear {release.root}` removes it"
            )


def room(cache: TruthCache, stimuli: Iterable[Stimulus]) -> Room:
    """Share out the room on the disk among stimuli whose truth is worth keeping, and is not there.

    What is out of date is removed.
    """
    root = cache.folder.parent
    try:
        try_folder(cache.folder)
        cache.remove_stale()
        free = shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.is_dir())).free
        taken = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    except (OSError, WrongUse):  # a folder that cannot be written, or a disk that fails: only time would be saved
        return Room(cache, {})
    large = [s for s in stimuli if s.annotated and s.width * s.height >= _LEAST_FRAME and not cache.find(s)]
    pixels = {s.id: s.width * s.height * len(s.annotated_indices()) for s in large}
    chosen = {stimulus_id: count for stimulus_id, count in pixels.items() if count >= _LEAST}
    most, whole = max(0.0, SHARE * (free + taken) - taken), sum(chosen.values())
    return Room(cache, {i: min(_MOST_BYTES, int(most * count / whole)) for i, count in chosen.items()})


class Keeper:
    """Takes the truths of one stimulus as they are scored, and leaves their file if all came."""

    def __init__(self, cache: TruthCache, stimulus: Stimulus, most_bytes: int) -> None:
        self._cache = cache
        self._stimulus = stimulus
        self._most = most_bytes
        self._content: io.BytesIO | None = io.BytesIO()
        self._writer = TruthWriter(self._content, floats=False)

    def add(self, frame: int, truth: FrameTruth) -> None:
        """Take the truth of a frame after it was scored, with what was measured of it."""
        if self._content is None:
            return
        self._writer.add(frame, truth)
        if self._content.tell() > self._most:
            self._content = None

    def finish(self) -> None:
        """Write the file, unless frames are missing, it would be too large, or nothing of it saves work."""
        writer = self._writer
        if self._content is None or not writer.worth or writer.frames < len(self._stimulus.annotated_indices()):
            return
        writer.end()
        if self._content.tell() > self._most:
            return
        with suppress(OSError):  # the disk is full, or the folder was removed: only time would be saved
            self._cache.begin()
            path = self._cache.path(self._stimulus, small=not writer.whole)
            with atomic_write(path) as temporary:
                temporary.write_bytes(self._content.getbuffer())
