"""Predictions in one gray video a stimulus; its n-th frame is frame n. A null chunk of an AVI repeats the frame before,
and so does a gap in the presentation times of other containers, as in the videos that people were shown.

The luma of the stream is the map. Gray streams and streams of full range are taken byte by byte; the luma of others
runs from 16 to 235 (of 8 bits), and is brought to 0 to 255. Whatever the decoder complains of is an error: it would
conceal the damage.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from vidsal.loaders.errors import BadData
from vidsal.loaders.formats.avi_chunks import null_chunks_at_end
from vidsal.loaders.formats.display_matrix import turn_of
from vidsal.loaders.formats.video import Clock, Grid, channel_mean, grid_of, rgb_of
from vidsal.loaders.formats.video_times import frames_at
from vidsal.loaders.io.files import rule_out_machine

from ...metrics.maps import Map
from ...prefetch import prefetch_items
from ..safe_files import file_digest, open_regular
from .codecs import h264_parameters, loss_of
from .gray import ROUNDING, gray_of
from .stored import MOST_FRAMES, Inspection, Limits, Numbered, Read

CONTAINERS = {".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".mp4": "mov", ".m4v": "mov", ".mov": "mov"}
"""Container by suffix. The decoder is given its name, so that the content of a file cannot choose another demuxer."""

_FULL_RANGE = 2
_RGB = ("gbrp", "bgr0", "rgb24", "bgr24", "rgb0", "0rgb", "0bgr")
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode", "export_side_data": "venc_params"}


class VideoFile:
    """A video of maps; with `as_pictures` each is the mean of its picture's channels, colors or not, as shown."""

    def __init__(self, path: Path, limits: Limits, *, as_pictures: bool = False) -> None:
        self.path = path
        self._as_pictures = as_pictures
        self._limits = limits

    def inspect(self) -> Inspection:
        """Count the packets, and decode the first frame."""
        import av

        found = Inspection(numbered="order")
        try:
            with self._open() as container:
                stream = container.streams.video[0]
                self._check(stream, found)
                packets = [(packet.dts, packet.pts) for packet in container.demux(stream) if packet.size]
                places = [dts for dts, _ in packets if dts is not None]
                count = len(packets)
                if self._is_avi and count and len(places) == count:
                    count = max(places) - min(places) + 1 + null_chunks_at_end(self.path, stream.index)
                elif rate := self._grid().rate:
                    times = sorted(pts for _, pts in packets if pts is not None)
                    count = int(frames_at(np.array(times) * float(stream.time_base), rate)[-1]) + 1
            if count > MOST_FRAMES:
                raise BadData(f"{count} frames, more than a stimulus has")
            found.frames = list(range(count))
            with self._open() as container:
                for picture in container.decode(video=0):
                    self._check_upright(picture)
                    lossy = loss_of(container.streams.video[0].codec_context, picture)
                    if lossy:
                        found.lossy[lossy] = self.path.name
                    break
        except (BadData, av.error.FFmpegError) as fault:
            rule_out_machine(self.path)
            found.faults.append(str(fault).removeprefix(f"{self.path}: "))
            found.readable = False
        return found

    def _grid(self) -> Grid:
        """Which pictures are the frames."""
        if self._is_avi:
            return Grid(True)
        with self._open() as container:
            return grid_of(container, self.path)

    @property
    def _is_avi(self) -> bool:
        return CONTAINERS[self.path.suffix.lower()] == "avi"

    def _check(self, stream: Any, found: Inspection) -> None:
        context = stream.codec_context
        if context.format is None or context.width == 0:
            raise BadData(f"{self.path}: a video of an unknown pixel format; write it again")
        form = context.format
        planes = form.name.startswith(("gray", "yuv")) and not form.name.startswith("yuva") and form.is_planar
        if not (planes or form.name.startswith("gray") or form.name in _RGB) or form.is_big_endian:
            raise BadData(f"{self.path}: pixels are {form.name}; store one gray channel, for example -pix_fmt gray")
        self._limits.check(context.width, context.height, str(self.path))
        found.sizes[(context.width, context.height)] = self.path.name
        found.numbers["video8" if form.components[0].bits == 8 else "video16"] = self.path.name

    def _check_upright(self, picture: Any) -> None:
        if turn_of(picture).remark:
            raise BadData(f"{self.path}: its display matrix turns the maps; write them upright, without it")

    def _open(self) -> Any:
        import av

        os.close(open_regular(self.path))
        try:
            container = av.open(
                str(self.path), format=CONTAINERS[self.path.suffix.lower()], options={"protocol_whitelist": "file"}
            )
        except (av.error.FFmpegError, ValueError) as error:
            rule_out_machine(self.path)
            raise BadData(f"{self.path}: not a readable video ({error})") from error
        if not container.streams.video:
            container.close()
            raise BadData(f"{self.path}: holds no video stream")
        context = container.streams.video[0].codec_context
        context.options = _STRICT
        context.thread_count = 1  # what the decoder logs is caught in this thread
        return container

    def numbers(self) -> tuple[list[int], Numbered]:
        """A video has none."""
        return [], "order"

    def read(self, wanted: Collection[int], threads: int) -> Iterator[Read]:
        """Decode one frame after another, in a thread."""
        return prefetch_items(self._iterate(frozenset(wanted)))

    def _iterate(self, wanted: frozenset[int]) -> Generator[Read]:
        last = max(wanted, default=-1)
        index = -1
        for index, values in enumerate(self._decode(wanted)):
            yield index, values
            if index >= last:
                return
        if index < last:
            raise BadData(f"{self.path}: the decoder stopped after {index + 1} frames; write the video again")

    def _decode(self, wanted: frozenset[int]) -> Iterator[Map | None]:
        with self._open() as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            found = Inspection()
            self._check(stream, found)
            size, own = next(iter(found.sizes)), context.pix_fmt
            extradata = bytes(context.extradata or b"")
            gray = context.codec.canonical_name == "h264" and h264_parameters(extradata)[0]
            lossy = False

            def map_at(index: int, picture: Any) -> Map | None:
                if self._as_pictures:
                    return channel_mean(picture) if index in wanted else None
                where = f"{self.path}, frame {index}"
                return _map_of(picture, where, gray=gray, lossy=lossy) if index in wanted else None

            clock = Clock(self._grid(), stream)
            index, last = -1, None
            for picture in self._pictures(container):
                if (picture.width, picture.height) != size or picture.format.name != own:
                    raise BadData(f"{self.path}: a frame has another size or other pixels than the first")
                if last is None:
                    lossy = loss_of(context, picture) is not None
                    self._check_upright(picture)
                shown = clock.frame(picture)
                for repeated in range(index + 1, shown):
                    yield map_at(repeated, last)
                index, last = shown, picture
                yield map_at(index, picture)
            if self._is_avi and last is not None:
                for repeated in range(index + 1, index + 1 + null_chunks_at_end(self.path, stream.index)):
                    yield map_at(repeated, last)

    def _pictures(self, container: Any) -> Iterator[Any]:
        """Decode; what the decoder complains of is an error."""
        import av

        index = -1
        pictures = container.decode(video=0)
        with _errors_are_logged():
            try:
                while True:
                    with av.logging.Capture(local=True) as said:
                        picture = next(pictures, None)
                    damage = [text.strip() for _, _, text in said]
                    if damage or (picture is not None and picture.is_corrupt):
                        what = damage[0] if damage else "it is marked as corrupt"
                        raise BadData(f"{self.path}: damaged near frame {index + 1} ({what}); fetch or write it again")
                    if picture is None:
                        return
                    index += 1
                    yield picture
            except av.error.FFmpegError as error:
                rule_out_machine(self.path)
                raise BadData(
                    f"{self.path}: damaged near frame {index + 1} ({error}); fetch or write it again"
                ) from error

    def digest(self) -> str:
        """Digest of the file."""
        return file_digest(self.path)


_log_lock = Lock()
_log_users = 0


@contextmanager
def _errors_are_logged() -> Iterator[None]:
    """Let FFmpeg's errors through, every one, as long as some video of this process is read."""
    import av

    global _log_users  # noqa: PLW0603
    with _log_lock:
        if _log_users == 0:
            av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)
        _log_users += 1
    try:
        yield
    finally:
        with _log_lock:
            _log_users -= 1
            if _log_users == 0:
                av.logging.set_level(None)
                av.logging.set_skip_repeated(True)


def _map_of(picture: Any, where: str, *, gray: bool, lossy: bool) -> Map:
    """Return the map in a picture: uint8 or uint16, or float32 where its luma has a limited range."""
    form = picture.format
    tolerance = ROUNDING if lossy else 0
    if form.name in _RGB:
        return gray_of(rgb_of(picture), where, tolerance=tolerance)
    bits = form.components[0].bits
    luma = _plane(picture, 0, bits)
    if gray or form.name.startswith("gray"):
        return luma
    middle, unit = 1 << bits - 1, 1 << bits - 8
    for n in (1, 2):
        if np.abs(_plane(picture, n, bits).astype(np.int32) - middle).max() > max(tolerance, 1) * unit:
            raise BadData(f"{where}: the picture has colors, a rendering of the map; store the map itself in gray")
    if picture.color_range == _FULL_RANGE or form.name.startswith("yuvj"):
        return luma
    # Black is 16 of 8 bits and white 235 (ITU-R BT.601); what a codec left below black is black.
    expanded: Map = np.maximum(luma.astype(np.float32) / np.float32(unit) - np.float32(16), 0) * np.float32(255 / 219)
    return expanded


def _plane(picture: Any, n: int, bits: int) -> npt.NDArray[Any]:
    """Copy a plane byte by byte: a conversion might stretch its range."""
    kind = np.dtype(np.uint8) if bits == 8 else np.dtype("<u2")
    plane = picture.planes[n]
    lines: npt.NDArray[Any] = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    pixels = np.ascontiguousarray(lines[: plane.height, : plane.width * kind.itemsize]).view(kind)
    return pixels.astype(kind.newbyteorder("="), copy=False)
