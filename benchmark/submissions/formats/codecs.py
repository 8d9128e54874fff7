"""Whether a compressed video has lost detail, as its stream shows; no codec is believed by its name alone.

H.264 is lossless where its parameters bypass the transform and every block is at quantizer 0 (ITU-T H.264, 7.4.2.1.1).
HEVC may bypass it block by block, which only decoding of our own could follow: it counts as lossless where its
parameters allow the bypass (ITU-T H.265, 7.4.3.3.1) and the encoder's record in the stream says that all blocks take
it.
"""

from __future__ import annotations

import struct
from typing import Any

LOSSLESS = frozenset({"ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo"})
"""Codecs that cannot lose anything."""


class Bits:
    """Reads the bits of a parameter set, whose emulation prevention bytes are taken out."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data.replace(b"\0\0\3", b"\0\0"))
        self._at = 0

    def take(self, n: int) -> int:
        """Return the next n bits as a number; zeros after the end."""
        piece = self._bits[self._at : self._at + n]
        self._at += n
        return int(piece.ljust(n, "0") or "0", 2)

    def golomb(self) -> int:
        """Return the next unsigned Exp-Golomb code."""
        zeros = 0
        while zeros < 32 and self.take(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)


def _sets(extradata: bytes, header: int) -> list[bytes]:
    """The parameter sets of a stream, in a container or with start codes; each with its header."""
    if extradata[:3] == b"\0\0\1" or extradata[:4] == b"\0\0\0\1":
        return [part.rstrip(b"\0") for part in extradata.split(b"\0\0\1")[1:]]
    if header == 1:  # avcC: five bytes, then lists of sets with their lengths
        counts, at, found = (5, 0x1F), 5, []
        for mask in (counts[1], 0xFF):
            number = extradata[at] & mask if at < len(extradata) else 0
            at += 1
            for _ in range(number):
                length = int.from_bytes(extradata[at : at + 2], "big")
                found.append(extradata[at + 2 : at + 2 + length])
                at += 2 + length
        return found
    at, found = 23, []  # hvcC: lists by type
    for _ in range(extradata[22] if len(extradata) > 22 else 0):
        number = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(number):
            length = int.from_bytes(extradata[at : at + 2], "big")
            found.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
    return found


def h264_parameters(extradata: bytes) -> tuple[bool, bool]:
    """Return whether an H.264 stream is gray, without color planes, and whether it bypasses the transform at QP 0."""
    for part in _sets(extradata, 1):
        if len(part) < 6 or part[0] & 0x1F != 7:
            continue
        profile = part[1]
        if profile not in (100, 110, 122, 244, 44, 83, 86, 118, 128):
            return False, False
        bits = Bits(part[4:])
        bits.golomb()
        chroma = bits.golomb()
        if chroma == 3:
            bits.take(1)
        bits.golomb(), bits.golomb()  # depths
        return chroma == 0, bits.take(1) == 1
    return False, False


def _hevc_may_bypass(extradata: bytes) -> bool:
    for part in _sets(extradata, 2):
        if len(part) < 4 or part[0] >> 1 & 0x3F != 34:
            continue
        bits = Bits(part[2:])
        bits.golomb(), bits.golomb()
        bits.take(1 + 1 + 3 + 1 + 1)
        bits.golomb(), bits.golomb(), bits.golomb()
        bits.take(1 + 1)
        if bits.take(1):
            bits.golomb()
        bits.golomb(), bits.golomb()
        bits.take(1 + 1 + 1)
        return bits.take(1) == 1
    return False


def loss_of(context: Any, picture: Any) -> str | None:
    """Return what was lost: the codec and its profile; None for a lossless stream.

    Args:
        context: of the stream's codec, opened with `export_side_data=venc_params`.
        picture: its first decoded frame.
    """
    name, extradata = context.codec.canonical_name, bytes(context.extradata or b"")
    if name in LOSSLESS:
        return None
    notes = {data.type.name: bytes(data) for data in picture.side_data}
    if name == "h264" and h264_parameters(extradata)[1] and _at_zero(notes.get("VIDEO_ENC_PARAMS", b"")):
        return None
    if name == "hevc" and _hevc_may_bypass(extradata) and b"lossless" in notes.get("SEI_UNREGISTERED", b"").split():
        return None
    return f"{name} ({context.profile or 'no profile'})"


def _at_zero(parameters: bytes) -> bool:
    """Whether every block of an H.264 picture has quantizer 0; the layout is FFmpeg's AVVideoEncParams."""
    head = struct.Struct("=I4xQQIi")
    block = struct.Struct("=iiiii")
    if len(parameters) < head.size:
        return False
    number, begin, size, _, base = head.unpack_from(parameters)
    if size < block.size or begin + number * size > len(parameters):
        return False
    return all(base + block.unpack_from(parameters, begin + n * size)[4] == 0 for n in range(number))
