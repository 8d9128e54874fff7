"""What every picture of a stimulus needs: its frames in order, texts that fit, and a video file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WrongUse
from ..io.files import atomic_write
from ..records import Frame, UInt8Image
from ..release.release import Stimulus
from .marks import font

VIDEO_CODECS = {".mp4": ("libx264", "h264", "mpeg4"), ".avi": ("mpeg4",), ".mkv": ("libx264", "h264", "mpeg4")}
_CONTAINERS = {".mp4": "mp4", ".avi": "avi", ".mkv": "matroska"}

Picture = Any
"""A PIL image."""


def check_video_name(path: Path) -> None:
    """Refuse a name that is none of a video.

    Raises:
        WrongUse: it ends in something else.
    """
    if path.suffix.lower() not in VIDEO_CODECS:
        raise WrongUse(f"{path}: a video is written as {', '.join(VIDEO_CODECS)}; name it so")


def rate_of(stimulus: Stimulus) -> Fraction:
    """Return the frames a second of a stimulus, as a video file takes them; 25 for an image."""
    return (stimulus.fps or Fraction(25)).limit_denominator(60_000)


def write_video(path: Path, pictures: Iterable[Picture], size: tuple[int, int], rate: Fraction) -> None:
    """Write pictures as a video, whole or not at all.

    Args:
        path: `.mp4`, `.avi` or `.mkv`.
        pictures: PIL images of `size`.
        size: width and height, both even.
        rate: frames a second.

    Raises:
        WrongUse: another suffix.
    """
    import av

    check_video_name(path)
    suffix = path.suffix.lower()
    codec = next((c for c in VIDEO_CODECS[suffix] if c in av.codecs_available), "mpeg4")
    with atomic_write(path) as temporary, av.open(str(temporary), "w", format=_CONTAINERS[suffix]) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 4_000_000
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def several(count: int, word: str) -> str:
    """Return a number with its noun.

    >>> several(1, "frame"), several(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{count} {word}" + ("" if count == 1 else "s")


def decoded(stimulus: Stimulus, chosen: list[int]) -> Iterator[tuple[int, UInt8Image | None]]:
    """Yield the chosen frames, ascending, with their pixels or None; a number may come again."""
    if stimulus.frames_path() is None:
        yield from ((index, None) for index in chosen)
        return
    waiting = iter(chosen)
    index = next(waiting, None)
    source: Iterator[Frame] = stimulus.frames()
    for frame in source:
        while index is not None and frame.index == index:
            yield index, frame.rgb
            index = next(waiting, None)
        if index is None:
            return


def wrapped(text: str, width: int, size: int) -> list[str]:
    """Break a text at its blanks into lines that fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def fitted(text: str, width: int, size: int) -> str:
    """Cut a text that is too wide."""
    while text and font(size).getlength(text) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text
