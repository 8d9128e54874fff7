"""Predictions in one lossless gray video a stimulus: FFV1 or lossless H.264."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vidsal.loaders.errors import BadData

from ...metrics.maps import Map
from ...prefetch import prefetch_items
from ..safe_files import file_digest, open_regular
from .stored import Inspection, Limits, Numbered, Read

CONTAINERS = {".mkv": "matroska", ".avi": "avi", ".mp4": "mov", ".mov": "mov"}
"""Container by suffix. The decoder is given its name, so that the content of a file cannot choose another demuxer."""

_PIXELS = ("gray", "gray16le")
_LOSSLESS_H264 = ("High 4:4:4 Predictive", "High 4:4:4 Intra")


class VideoFile:
    """A video of maps; its n-th frame is frame n."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._limits = limits

    def inspect(self) -> Inspection:
        """Count the packets and read the header, without decoding."""
        import av

        found = Inspection(numbered="order")
        try:
            with self._open() as container:
                stream = container.streams.video[0]
                self._check(stream, found)
                count = sum(1 for packet in container.demux(stream) if packet.size)
            found.frames = list(range(count))
        except (BadData, av.error.FFmpegError) as fault:
            found.faults.append(str(fault).removeprefix(f"{self.path}: "))
            found.readable = False
        return found

    def _check(self, stream: Any, found: Inspection) -> None:
        context = stream.codec_context
        name, pixels = context.name, context.pix_fmt
        if name == "h264" and pixels == "yuv420p" and _is_gray(context.extradata or b""):
            pixels = "gray"  # how the decoder returns a stream without color planes
        if name not in ("ffv1", "h264") or (name == "h264" and context.profile not in _LOSSLESS_H264):
            raise BadData(
                f"{self.path}: {name} ({context.profile or 'no profile'}) loses detail; store FFV1, or H.264 with -qp 0"
            )
        if pixels not in _PIXELS:
            raise BadData(
                f"{self.path}: pixels are {pixels}; expected one gray channel, -pix_fmt {' or '.join(_PIXELS)}"
            )
        self._limits.check(context.width, context.height, str(self.path))
        found.sizes[(context.width, context.height)] = self.path.name
        found.numbers["video8" if pixels == "gray" else "video16"] = self.path.name

    def _open(self) -> Any:
        import av

        os.close(open_regular(self.path))
        try:
            container = av.open(
                str(self.path), format=CONTAINERS[self.path.suffix.lower()], options={"protocol_whitelist": "file"}
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise BadData(f"{self.path}: not a readable video ({error})") from error
        if not container.streams.video:
            container.close()
            raise BadData(f"{self.path}: holds no video stream")
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
        for index, values in enumerate(self._decode()):
            yield index, values if index in wanted else None
            if index >= last:
                return
        if index < last:
            raise BadData(f"{self.path}: the decoder stopped after {index + 1} frames; write the video again")

    def _decode(self) -> Iterator[Map]:
        import av

        with self._open() as container:
            stream = container.streams.video[0]
            found = Inspection()
            self._check(stream, found)
            kind = np.dtype(np.uint8) if "video8" in found.numbers else np.dtype("<u2")
            size, own = next(iter(found.sizes)), stream.codec_context.pix_fmt
            try:
                for picture in container.decode(stream):
                    if (picture.width, picture.height) != size or picture.format.name != own:
                        raise BadData(f"{self.path}: a frame has another size or other pixels than the first")
                    yield _luma(picture, kind)
            except av.error.FFmpegError as error:
                raise BadData(f"{self.path}: a frame cannot be decoded ({error}); write the video again") from error

    def digest(self) -> str:
        """Digest of the file."""
        return file_digest(self.path)


def _luma(picture: Any, kind: np.dtype[Any]) -> Map:
    """Copy the first plane byte by byte: a conversion might stretch its range."""
    plane = picture.planes[0]
    lines: Map = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    pixels: Map = np.ascontiguousarray(lines[: picture.height, : picture.width * kind.itemsize]).view(kind)
    return pixels.astype(kind.newbyteorder("="), copy=False)


def _is_gray(extradata: bytes) -> bool:
    """Return whether the parameters of an H.264 stream (ITU-T H.264, 7.3.2.1.1) say that it has no color planes."""
    if extradata[:1] == b"\x01":  # in a container: version, profile, ..., number of sets, length, the set
        parameters = extradata[8:]
    else:
        parameters = extradata.partition(b"\0\0\1")[2]
    if len(parameters) < 6 or parameters[0] & 0x1F != 7 or parameters[1] not in (100, 110, 122, 244, 44):
        return False
    bits = "".join(f"{byte:08b}" for byte in parameters[4:16])
    for _ in range(2):  # the number of the set, then chroma_format_idc, as Exp-Golomb codes
        zeros = len(bits) - len(bits.lstrip("0"))
        value, bits = int(bits[: 2 * zeros + 1] or "1", 2) - 1, bits[2 * zeros + 1 :]
    return value == 0
