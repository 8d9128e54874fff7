"""Frames of videos, images and folders of numbered images: sequential, by presentation time, bounded memory."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

import numpy as np

from ..errors import BadData, MissingData
from ..io.files import sha256
from ..records import Frame

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".m2t", ".m2ts", ".ts", ".mpg", ".mpeg", ".mkv", ".mov", ".webm", ".m4v"})
MAX_IMAGE_PIXELS = 1 << 28
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
    """

    n_frames: int
    width: int
    height: int
    fps: Fraction | None
    sha256: str
    notes: tuple[str, ...] = ()


def numbered_images(folder: Path) -> list[tuple[int, Path]]:
    """Return (number, path) of the images in a folder; the number is the last run of digits of the name."""
    found = []
    for path in folder.iterdir():
        if path.suffix.lower() in IMAGE_SUFFIXES:
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


def probe(path: Path, first_number: int | None = None) -> FrameSource:
    """Decode a stimulus once, without keeping its pixels, and count.

    Args:
        path: a video file, an image, or a folder of numbered images.
        first_number: number of frame 0 in a folder; a folder that begins with another is noted. None = unknown.

    Raises:
        MissingData: nothing is there.
        BadData: not one frame can be decoded.
    """
    if path.is_dir():
        return _probe_folder(path, first_number)
    if not path.is_file():
        raise MissingData(f"no frames at {path}")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        height, width = _image(path).shape[:2]
        return FrameSource(1, width, height, None, sha256(path))
    return _probe_video(path)


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
        return iter([Frame(0, 0.0, _image(path))])
    return _prefetch(lambda: _read_video(path))


def _image(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise BadData(
                    f"{path}: {image.width} x {image.height} pixels is more than is read ({MAX_IMAGE_PIXELS})"
                )
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, SyntaxError, ValueError, EOFError, OSError) as error:
        if isinstance(error, BadData) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise BadData(f"{path}: not a readable image ({error}); fetch the file again") from error


def _probe_folder(path: Path, first_number: int | None) -> FrameSource:
    images = numbered_images(path)
    if not images:
        raise MissingData(f"no numbered images in {path}")
    digest = hashlib.sha256()
    sizes: Counter[tuple[int, int]] = Counter()
    for _, file in images:
        digest.update(f"{file.name} {sha256(file)}\n".encode())
        height, width = _image(file).shape[:2]
        sizes[(width, height)] += 1
    (width, height), _count = sizes.most_common(1)[0]
    notes = []
    if len(sizes) > 1:
        notes.append(f"images of several sizes: {dict(sizes)}; taken as {width}x{height}")
    first, last = images[0][0], images[-1][0]
    if first_number not in (None, first):
        notes.append(f"the images begin with number {first}, frame 0 should be number {first_number}")
    if last - first + 1 != len(images):
        notes.append(f"numbers run from {first} to {last} but there are {len(images)} images")
    return FrameSource(len(images), width, height, None, digest.hexdigest(), tuple(notes))


def _read_folder(path: Path, first_number: int | None, fps: Fraction | None) -> Iterator[Frame]:
    images = numbered_images(path)
    if not images:
        raise MissingData(f"no numbered images in {path}")
    first = images[0][0] if first_number is None else first_number
    for number, file in images:
        if number < first:
            raise BadData(f"{file}: frame 0 is number {first}, this is number {number}; are the images numbered anew?")
        index = number - first
        yield Frame(index, float(index * 1000 / fps) if fps else 0.0, _image(file))


def _open(path: Path) -> Any:
    import av

    try:
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise BadData(f"{path}: not a readable video ({error.strerror}); fetch the file again") from error
    if not container.streams.video:
        container.close()
        raise BadData(f"{path}: holds no video stream")
    container.streams.video[0].thread_type = "AUTO"
    return container


def _has_constant_rate(container: Any) -> bool:
    """AVI has one frame rate and holds no presentation times: those of reordered frames are made up."""
    return bool(container.format.name == "avi")


def _probe_video(path: Path) -> FrameSource:
    import av

    count = 0
    steps: Counter[int] = Counter()
    previous: int | None = None
    notes = []
    size: tuple[int, int] | None = None
    with _open(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        constant = _has_constant_rate(container)
        try:
            for frame in container.decode(stream):
                count += 1
                if size is None:
                    size = (frame.width, frame.height)
                if frame.pts is not None and previous is not None:
                    steps[frame.pts - previous] += 1
                previous = frame.pts
        except av.error.FFmpegError as error:
            notes.append(f"the decoder stopped after {count} frames ({error.strerror})")
        promised = stream.frames
    if size is None:
        raise BadData(f"{path}: not one frame can be decoded; fetch the file again")
    if promised and promised != count:
        notes.append(f"the header promises {promised} frames, {count} were decoded")
    usual = steps.most_common(1)[0][0] if steps else 0
    strange = sum(n for step, n in steps.items() if abs(step - usual) > 1)
    if strange and not constant:
        notes.append(f"variable frame rate: {strange} of {count - 1} steps differ from the usual {usual} ticks")
    fps = Fraction(rate).limit_denominator(100_000) if rate else None
    return FrameSource(count, size[0], size[1], fps, sha256(path), tuple(notes))


def _read_video(path: Path) -> Iterator[Frame]:
    import av

    index = 0
    start: int | None = None
    with _open(path) as container:
        stream = container.streams.video[0]
        step = 1 / Fraction(stream.average_rate or 25)
        constant = _has_constant_rate(container)
        try:
            for picture in container.decode(stream):
                start = picture.pts if start is None else start
                if constant or picture.pts is None or start is None:
                    time_s = index * step
                else:
                    time_s = (picture.pts - start) * stream.time_base
                yield Frame(index, float(time_s * 1000), picture.to_ndarray(format="rgb24"))
                index += 1
        except av.error.FFmpegError as error:
            raise BadData(f"{path}: the decoder stopped after {index} frames ({error.strerror})") from error


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
