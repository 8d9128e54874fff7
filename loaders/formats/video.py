"""The frames of a video file: upright, by presentation time, a picture repeated where the file holds no new one."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadData
from ..io.compiled import compiled
from ..io.files import rule_out_machine
from ..io.progress import tick
from ..records import Frame, UInt8Image
from .avi_chunks import null_chunks_at_end
from .container import is_cut_off, open_container
from .display_matrix import UPRIGHT, turn_of
from .video_times import even_within_a_tick, frame_rate_of, frames_at, rate_against

if hasattr(os, "register_at_fork"):
    # What a decoder left as garbage waits for threads and locks that a fork does not bring along, so a forked process
    # (a worker of a DataLoader on Linux) never collects what it inherited.
    os.register_at_fork(after_in_child=gc.freeze)


@dataclass(frozen=True)
class VideoFacts:
    """What decoding a video once tells.

    Attributes:
        n_frames: pictures, and those that are repeated.
        width, height: of the upright picture.
        fps: frames a second; None where the file does not say.
        notes: what is odd.
        remarks: what was done to the pictures so that they are what a viewer sees.
        damage: what says that frames are lost, or are not what was stored: the decoder stopped, the file is cut, or the
            decoder concealed what it could not read.
    """

    n_frames: int
    width: int
    height: int
    fps: Fraction | None
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    damage: str | None


def probe(path: Path, *, strict: bool = False) -> VideoFacts:
    """Decode a video once, without keeping its pixels, and count.

    Args:
        path: the video.
        strict: also take what the decoder conceals for damage; a video that has such is decoded twice.

    Raises:
        BadData: not one frame can be decoded.
    """
    found = _probe(path, strict=strict)
    if strict and (found is None or found.damage):
        loose = _probe(path, strict=False)
        found = loose and replace(loose, damage=loose.damage or (found.damage if found else _made_up(0)))
    if found is None:
        raise BadData(f"{path}: not one frame can be decoded; fetch the file again")
    return found


def _made_up(frame: int) -> str:
    return f"the decoder makes up what it cannot read of frame {frame}, or of one near it"


def _probe(path: Path, *, strict: bool) -> VideoFacts | None:
    """As `probe`, once; None where not one frame can be decoded. Strictly, the decoder stops at damage."""
    import av

    grid = _grid(path)
    pictures = frames = packets = 0
    stopped = cut = False
    concealed: int | None = None
    steps: Counter[int] = Counter()
    previous: int | None = None
    notes: list[str] = []
    size: tuple[int, int] | None = None
    turn = UPRIGHT
    with _open(path) as container:
        stream = container.streams.video[0]
        rate = grid.rate or stream.average_rate or stream.guessed_rate or stream.base_rate
        clock = Clock(grid, stream)
        if strict:
            stream.codec_context.options = {"err_detect": "explode"}
        try:
            for packet in container.demux(stream):
                packets += packet.size > 0
                cut = cut or packet.is_corrupt  # the file ends within
                for picture in packet.decode():
                    tick()
                    pictures += 1
                    frames = clock.frame(picture) + 1
                    if picture.is_corrupt and concealed is None:
                        concealed = frames - 1
                    if size is None:
                        turn = turn_of(picture)
                        size = turn.size(picture.width, picture.height)
                    if picture.pts is not None and previous is not None:
                        steps[picture.pts - previous] += 1
                    previous = picture.pts
        except av.error.FFmpegError as error:
            rule_out_machine(path)
            stopped = True
            concealed = frames if concealed is None else concealed
            notes.append(f"the decoder stopped after {pictures} frames ({error.strerror})")
        else:
            frames += grid.repeats_at_end
        promised = stream.frames
    if size is None:
        return None
    if promised and promised not in (pictures, frames):
        notes.append(f"the header promises {promised} frames, {pictures} were decoded")
        # Of a video that was trimmed without decoding all packets are there, though not all pictures are shown. What
        # the header of an AVI promises is often one off.
        cut = cut or max(packets, frames) < promised - int(grid.is_avi)
    damage = notes[0] if notes and (stopped or cut) else None
    if strict and concealed is not None:
        damage = _made_up(concealed)
    elif damage is None and (cut or is_cut_off(path)):
        damage = "the file is cut off"
    if frames != pictures:
        why = "null chunks" if grid.is_avi else "gaps in the presentation times"
        notes.append(
            f"{pictures} pictures for {frames} frames: {why}; the picture on the screen is repeated "
            f"{frames - pictures} times"
        )
    elif (strange := _strange(steps)) and not grid.is_avi and not grid.even:
        usual = steps.most_common(1)[0][0]
        notes.append(f"variable frame rate: {strange} of {pictures - 1} steps differ from the usual {usual} ticks")
    if rate and grid.against:
        notes.append(
            f"the header says {float(rate):.6g} frames a second, the presentation times {float(grid.against):.6g}; "
            "taken by the times"
        )
        rate = grid.against
    fps = Fraction(rate).limit_denominator(100_000) if rate else None
    return VideoFacts(frames, *size, fps, tuple(notes), (turn.remark,) if turn.remark else (), damage)


@dataclass(frozen=True)
class Header:
    """What a video says of itself before its pictures are decoded.

    Attributes:
        width, height: as stored.
        times: presentation times of its pictures, ascending, in units of the stream; None where it states none.
        n_pictures: how many pictures it holds.
    """

    width: int
    height: int
    times: tuple[int, ...] | None
    n_pictures: int


def header(path: Path) -> Header:
    """Read size and packets of a video, which takes a hundredth of the time to decode it.

    Raises:
        BadData: it is no readable video.
    """
    import av

    with _open(path) as container:
        stream = container.streams.video[0]
        try:
            times = [packet.pts for packet in container.demux(stream) if packet.size]
        except av.error.FFmpegError as error:
            rule_out_machine(path)
            raise BadData(f"{path}: not a readable video ({error.strerror}); fetch the file again") from error
        width, height = stream.codec_context.width, stream.codec_context.height
    known = None if None in times else tuple(sorted(time for time in times if time is not None))
    return Header(width, height, known, len(times))


def channel_mean(picture: Any) -> npt.NDArray[Any]:
    """Return the mean of the channels of a decoded picture, as stored.

    Colors are those of a PNG that FFmpeg writes of it: 0 to 255 for 8 bits, 0 to 65535 for more; a gray stream has its
    own one channel. Threads: as `rgb_of`.

    Returns:
        float64, shape (height, width); uint8 where every pixel of an 8-bit picture is a whole level.
    """
    deep = picture.format.components[0].bits > 8
    if picture.format.name.startswith("gray"):
        gray = picture.to_ndarray(format="gray16le" if deep else "gray", threads=1)
        return np.asarray(gray, np.float64 if deep else np.uint8)
    rgb = picture.to_ndarray(format="rgb48le" if deep else "rgb24", threads=1)
    mean = np.empty(rgb.shape[:2], np.float64)
    whole = compiled(_mean)(np.ascontiguousarray(rgb).ravel(), mean.ravel())
    return mean if deep or not whole else mean.astype(np.uint8)


def _mean(channels: npt.NDArray[Any], out: npt.NDArray[np.float64]) -> bool:
    """Fill in the mean of every three values; return whether each is whole."""
    whole = True
    for at in range(len(out)):
        total = np.int64(channels[3 * at]) + np.int64(channels[3 * at + 1]) + np.int64(channels[3 * at + 2])
        whole = whole and total % 3 == 0
        out[at] = total / 3
    return whole


def pictures(path: Path, start: int | None = None) -> Iterator[Any]:
    """Yield the decoded pictures of PyAV in presentation order.

    Args:
        path: the video.
        start: presentation time, in units of the stream, to begin at or before; None = at the first picture.

    Raises:
        BadData: a picture cannot be decoded.
    """
    import av

    with _open(path) as container:
        stream = container.streams.video[0]
        try:
            if start is not None:
                container.seek(start, stream=stream)
            yield from container.decode(stream)
        except av.error.FFmpegError as error:
            rule_out_machine(path)
            raise BadData(f"{path}: the decoder stopped ({error.strerror}); fetch the file again") from error


def rgb_of(picture: Any) -> UInt8Image:
    """Return the pixels of a decoded picture of PyAV: uint8, shape (height, width, 3), as stored.

    On one thread: a picture that is left over may be freed in a forked process, as a DataLoader's worker is, and
    freeing a pool of threads that did not come along with the fork waits for ever.
    """
    rgb: UInt8Image = picture.to_ndarray(format="rgb24", threads=1)
    return rgb


def read(path: Path) -> Iterator[Frame]:
    """Yield the frames in presentation order.

    Raises:
        BadData: a frame cannot be decoded.
    """
    import av

    grid = _grid(path)
    last: Frame | None = None
    start: int | None = None
    with _open(path) as container:
        stream = container.streams.video[0]
        step = 1 / Fraction(grid.rate or stream.average_rate or 25)
        clock = Clock(grid, stream)
        try:
            for picture in container.decode(stream):
                start = picture.pts if start is None else start
                index = clock.frame(picture)
                if last is not None:
                    yield from _repeated(last, index, step)
                if grid.is_avi or grid.rate or picture.pts is None or start is None:
                    time_s = index * step
                else:
                    time_s = (picture.pts - start) * stream.time_base
                last = Frame(index, float(time_s * 1000), turn_of(picture).apply(rgb_of(picture)))
                yield last
        except av.error.FFmpegError as error:
            rule_out_machine(path)
            done = 0 if last is None else last.index + 1
            raise BadData(f"{path}: the decoder stopped after {done} frames ({error.strerror})") from error
        if last is not None:
            yield from _repeated(last, last.index + 1 + grid.repeats_at_end, step)


@dataclass(frozen=True)
class Grid:
    """How pictures become frames.

    Attributes:
        is_avi: the container has one rate and no presentation times: a picture's place among the chunks is its frame.
        rate: of the frames, where presentation times leave some without a picture; None = each picture is the next
            frame.
        repeats_at_end: null chunks after the last picture.
        even: every picture comes at its time by one rate, as the file's clock rounds it.
        against: rate of the presentation times, where the header contradicts them.
    """

    is_avi: bool
    rate: Fraction | None = None
    repeats_at_end: int = 0
    even: bool = False
    against: Fraction | None = None


def _grid(path: Path) -> Grid:
    with _open(path) as container:
        return grid_of(container, path)


def grid_of(container: Any, path: Path) -> Grid:
    """Read the times of all packets of an open video, which takes a hundredth of the time to decode them."""
    import av

    stream = container.streams.video[0]
    if container.format.name == "avi":
        return Grid(True, repeats_at_end=null_chunks_at_end(path, stream.index))
    try:
        every = [packet.pts for packet in container.demux(stream) if packet.size]
    except av.error.FFmpegError:
        return Grid(False)  # decoding meets the same fault, and tells it
    times = sorted(time for time in every if time is not None)
    stated = [Fraction(r) for r in (stream.average_rate, stream.guessed_rate) if r]
    times_s = np.array(times, np.float64) * float(stream.time_base or 0)
    rate = frame_rate_of(times_s, stated)
    whole = len(times) == len(every) and rate is None
    against = rate_against(times_s, stated[0]) if whole and stated else None
    return Grid(False, rate, even=even_within_a_tick(times), against=against)


class Clock:
    """Tells the frame of each picture as it is decoded."""

    def __init__(self, grid: Grid, stream: Any) -> None:
        self._grid, self._time_base = grid, stream.time_base
        self._start: int | None = None
        self._last = -1

    def frame(self, picture: Any) -> int:
        """Return the frame that a picture begins, later than the one before."""
        # In an AVI the chunk that lets a picture out stands in its place: times of reordered pictures are made up.
        stamp = picture.dts if self._grid.is_avi else picture.pts
        self._start = stamp if self._start is None else self._start
        at = self._last + 1
        if stamp is not None and self._start is not None:
            if self._grid.is_avi:
                at = max(at, stamp - self._start)
            elif self._grid.rate:
                time_s = float((stamp - self._start) * self._time_base)
                at = max(at, int(frames_at(np.array([0.0, time_s]), self._grid.rate)[1]) if time_s > 0 else 0)
        self._last = at
        return at


def _repeated(last: Frame, until: int, step: Fraction) -> Iterator[Frame]:
    for index in range(last.index + 1, until):
        yield Frame(index, float(index * step * 1000), last.rgb)


def _strange(steps: Counter[int]) -> int:
    usual = steps.most_common(1)[0][0] if steps else 0
    return sum(n for step, n in steps.items() if abs(step - usual) > 1)


def _open(path: Path) -> Any:
    container = open_container(path)
    if not container.streams.video:
        container.close()
        raise BadData(f"{path}: holds no video stream")
    container.streams.video[0].thread_type = "AUTO"
    return container
