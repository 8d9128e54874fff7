"""Frames of videos, images and folders of numbered images: sequential, by presentation time, bounded memory."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from queue import Empty, Full, Queue

from ..errors import BadData, MissingData
from ..io.files import sha256
from ..io.names import is_left_behind, shortlist
from ..records import Frame
from . import video
from .images import count_pictures, read_rgb

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".m2t", ".m2ts", ".ts", ".mpg", ".mpeg", ".mkv", ".mov", ".webm", ".m4v"})
_PREFETCH = 4


@dataclass(frozen=True)
class FrameSource:
    """What is known after decoding a stimulus once.

    Attributes:
        n_frames: decoded frames, or images.
        width, height: pixels.
        fps: average frames a second; None for images.
        sha256: digest of the file, or of the digests of a folder's files with their names.
        notes: anomalies, each with both numbers.
        remarks: what was done so that the frames are what a viewer sees; nothing is wrong.
        damage: what says that frames are lost, or are not what was stored; None = nothing does.
    """

    n_frames: int
    width: int
    height: int
    fps: Fraction | None
    sha256: str
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    damage: str | None = None


def numbered_images(folder: Path) -> list[tuple[int, Path]]:
    """Return (number, path) of the images in a folder; the number is the last run of digits of the name."""
    found = []
    for path in folder.iterdir():
        if path.suffix.lower() in IMAGE_SUFFIXES and not is_left_behind(path.name):
            digits = re.findall(r"\d+", path.stem)
            if digits:
                found.append((int(digits[-1]), path))
    return sorted(found)


def find_video(folder: Path, stem: str) -> Path | None:
    """Return the video file of a name in a folder, whatever its container; AVI first. None if there is none."""
    if not folder.is_dir():
        return None
    for suffix in (".avi", *sorted(VIDEO_SUFFIXES - {".avi"})):
        for spelling in (suffix, suffix.upper()):
            if (path := folder / f"{stem}{spelling}").is_file():
                return path
    return None


def exists(path: Path) -> bool:
    """Return whether frames lie at `path`: a file, or a folder with at least one numbered image."""
    return path.is_file() or (path.is_dir() and bool(numbered_images(path)))


def probe(path: Path, first_number: int | None = None, *, strict: bool = False) -> FrameSource:
    """Decode a stimulus once, without keeping its pixels, and count.

    Args:
        path: a video file, an image, or a folder of numbered images.
        first_number: number of frame 0 in a folder; a folder that begins with another is noted. None = unknown.
        strict: also take for damage what the decoder of a video conceals.

    Raises:
        MissingData: nothing is there.
        BadData: not one frame can be decoded.
    """
    if path.is_dir():
        return _probe_folder(path, first_number)
    if not path.is_file():
        raise MissingData(f"no frames at {path}")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        rgb, remarks = read_rgb(path)
        count = count_pictures(path)
        notes = (f"holds {count} pictures, of which only the first is read",) if count > 1 else ()
        return FrameSource(1, rgb.shape[1], rgb.shape[0], None, sha256(path), notes, remarks)
    found = video.probe(path, strict=strict)
    known = (found.n_frames, found.width, found.height, found.fps)
    return FrameSource(*known, sha256(path), found.notes, found.remarks, found.damage)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the digests of a folder's images with their names."""
    if not path.is_dir():
        return sha256(path)
    folder = hashlib.sha256()
    for _, file in numbered_images(path):
        folder.update(f"{file.name} {sha256(file)}\n".encode())
    return folder.hexdigest()


def read(path: Path, first_number: int | None = None, fps: Fraction | None = None) -> Iterator[Frame]:
    """Yield the frames in presentation order; a few are decoded ahead in a thread.

    Args:
        path: a video file, an image, or a folder of numbered images.
        first_number: number of frame 0 in a folder; None = the lowest number there.
        fps: rate of a folder's images, which have no times; None = unknown, their time is then 0.

    Raises:
        MissingData: nothing is there.
        BadData: a frame cannot be decoded, or an image is numbered below frame 0; the message says which.
    """
    if path.is_dir():
        return _prefetch(lambda: _read_folder(path, first_number, fps))
    if not path.is_file():
        raise MissingData(f"no frames at {path}")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return iter([Frame(0, 0.0, read_rgb(path)[0])])
    return _prefetch(lambda: video.read(path))


def _one_a_number(path: Path) -> list[tuple[int, Path]]:
    """Return the images of a folder.

    Raises:
        MissingData: there is none. BadData: two have one number.
    """
    images = numbered_images(path)
    if not images:
        raise MissingData(f"no numbered images in {path}")
    for (number, one), (other, two) in pairwise(images):
        if number == other:
            raise BadData(f"{path}: {one.name} and {two.name} are both image {number}; leave one of them")
    return images


def _probe_folder(path: Path, first_number: int | None) -> FrameSource:
    images = _one_a_number(path)
    sizes: Counter[tuple[int, int]] = Counter()
    done: Counter[str] = Counter()
    several = []
    for _, file in images:
        rgb, phrases = read_rgb(file)
        height, width = rgb.shape[:2]
        sizes[(width, height)] += 1
        done.update(phrases)
        if count_pictures(file) > 1:
            several.append(file.name)
    (width, height), _count = sizes.most_common(1)[0]
    notes = []
    if several:
        notes.append(f"images that hold several pictures, of which only the first is read: {shortlist(several)}")
    if len(sizes) > 1:
        notes.append(f"images of several sizes: {dict(sizes)}; taken as {width}x{height}")
    first, last = images[0][0], images[-1][0]
    if first_number not in (None, first):
        notes.append(f"the images begin with number {first}, frame 0 should be number {first_number}")
    if last - first + 1 != len(images):
        notes.append(f"numbers run from {first} to {last} but there are {len(images)} images")
    remarks = tuple(f"{count} of {len(images)} images: {phrase}" for phrase, count in done.items())
    return FrameSource(len(images), width, height, None, digest(path), tuple(notes), remarks)


def _read_folder(path: Path, first_number: int | None, fps: Fraction | None) -> Iterator[Frame]:
    images = _one_a_number(path)
    first = images[0][0] if first_number is None else first_number
    for number, file in images:
        if number < first:
            raise BadData(f"{file}: frame 0 is number {first}, this is number {number}; are the images numbered anew?")
        index = number - first
        yield Frame(index, float(index * 1000 / fps) if fps else 0.0, read_rgb(file)[0])


def _prefetch(make: Callable[[], Iterator[Frame]]) -> Iterator[Frame]:
    """Run an iterator in a thread, at most a few items ahead; errors come out where they happened."""
    queue: Queue[Frame | BaseException | None] = Queue(_PREFETCH)
    stop = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                queue.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for frame in make():
                if not put(frame):
                    return
            put(None)
        except BaseException as error:  # handed to the reader, who raises it
            put(error)

    thread = threading.Thread(target=work, name="vidsal-frames", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = queue.get(timeout=1.0)
            except Empty:
                if not thread.is_alive() and queue.empty():
                    raise BadData(
                        "the thread that decodes frames is gone; open the frames in the process that reads them"
                    ) from None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
