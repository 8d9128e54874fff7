from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from vidsal.benchmark.submissions.formats import png as submission_png
from vidsal.loaders.errors import BadData

from ..stored import chunk, png, smooth


def pixels(seed: int, shape: tuple[int, int], bits: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(3)
    if kind == 0:
        values = rng.integers(0, 1 << bits, shape)
    elif kind == 1:
        values = rng.choice([0, 1, (1 << bits) - 1], shape)
    else:
        values = np.rint(smooth(seed, shape) * ((1 << bits) - 1))
    return values.astype(np.uint8 if bits == 8 else np.uint16)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([8, 16]),
    st.integers(1, 4),
)
def test_every_filter_is_undone(seed: int, shape: tuple[int, int], bits: int, parts: int) -> None:
    values = pixels(seed, shape, bits)
    filters = np.random.default_rng(seed).integers(0, 5, shape[0]).tolist()
    decoded = submission_png.decode(png(values, filters, parts=parts), "here")
    assert decoded.dtype == values.dtype
    assert (decoded == values).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(360, 640), (17, 16), (16, 15), (33, 100), (1, 1)])
def test_what_pillow_writes(shape: tuple[int, int], bits: int) -> None:
    for seed in range(4):
        values = pixels(seed, shape, bits)
        for options in ({}, {"optimize": True}, {"compress_level": 0}):
            file = io.BytesIO()
            Image.fromarray(values).save(file, "PNG", **options)
            assert (submission_png.decode(file.getvalue(), "here") == values).all()


def header(width: int, height: int, bits: int = 8, interlaced: int = 0) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, interlaced)
    return submission_png.SIGNATURE + chunk(b"IHDR", fields)


def body(raw: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def interlaced(values: np.ndarray[Any, Any]) -> bytes:
    """The seven passes of Adam7, by the specification."""
    raw = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in values[y::dy, x::dx]:
            raw += b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() if row.size else b""
    return raw


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2), (9, 13), (20, 30)])
def test_interlaced_files_are_read(shape: tuple[int, int], bits: int) -> None:
    values = pixels(7, shape, bits)
    raw = interlaced(values)
    start = header(shape[1], shape[0], bits, interlaced=1)
    assert (submission_png.decode(start + body(raw), "here") == values).all()
    for wrong, message in ((raw[:-1], "fewer pixels"), (raw + b"\0", "more pixels")):
        with pytest.raises(BadData, match=message):
            submission_png.decode(start + body(wrong), "here")


def test_a_map_may_be_written_to() -> None:
    # Compiled code takes an array that cannot be written to for another type.
    assert submission_png.decode(GOOD, "here").flags.writeable


def test_pillow_sees_no_other_chunk() -> None:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
    strange = chunk(b"acTL", bytes(8)) + chunk(b"gAMA", bytes(4)) + chunk(b"tRNS", b"\0\5") + bomb
    expected = submission_png.decode(GOOD, "here")
    assert (submission_png.decode(GOOD[:33] + strange + GOOD[33:], "here") == expected).all()
    assert (submission_png.decode(GOOD + b"behind the end", "here") == expected).all()
    with pytest.raises(BadData, match="a chunk b'PLTE'"):
        submission_png.decode(GOOD[:33] + chunk(b"PLTE", bytes(3)) + GOOD[33:], "here")


def changed(data: bytes, at: int, to: int) -> bytes:
    return data[:at] + bytes([to]) + data[at + 1 :]


GOOD = png(pixels(5, (20, 30), 8), [4] * 20)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a PNG file"),
        (GOOD[:20], "not a PNG file"),
        (b"GIF89a" + GOOD, "not a PNG file"),
        (changed(GOOD, 20, 9), "damaged PNG header"),
        (GOOD[:50], "cut short"),
        (GOOD[:-12], "cut short"),
        (changed(GOOD, 60, GOOD[60] ^ 1), "checksum"),
        (png(pixels(5, (20, 30), 8), size=(30, 21)), "fewer pixels"),
        (png(pixels(5, (20, 30), 8), size=(30, 19)), "more pixels"),
        (png(pixels(5, (20, 30), 8), size=(0, 19)), "0 x 19 pixels"),
        (header(2, 1) + body(b"\x05ab"), "filter that does not exist"),
        (header(2, 1) + chunk(b"IDAT", b"not deflate") + chunk(b"IEND", b""), "cannot be inflated"),
        (header(2, 1) + chunk(b"IEND", b""), "fewer pixels"),
    ],
)
def test_damage_is_reported(data: bytes, message: str) -> None:
    with pytest.raises(BadData, match=message):
        submission_png.decode(data, "some.png")


@pytest.mark.parametrize("coat", ["1", "P", "RGB", "RGBA", "LA", "L2", "L4"])
def test_the_same_map_in_another_coat(coat: str) -> None:
    expected = pixels(7, (9, 13), 8)
    if coat == "1":
        expected = np.where(expected > 100, 255, 0).astype(np.uint8)
    if coat[1:] in ("2", "4"):
        bits = int(coat[1:])
        few = expected >> 8 - bits
        rows = b"".join(b"\0" + _packed(row, bits) for row in few)
        data = png(np.zeros((1, 1), np.uint8))
        head = struct.pack(">IIBBBBB", 13, 9, bits, 0, 0, 0, 0)
        data = data[:8] + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        expected = few * (255 // ((1 << bits) - 1))
    else:
        file = io.BytesIO()
        Image.fromarray(expected).convert(coat).save(file, "PNG")
        data = file.getvalue()
    found = submission_png.decode(data, "some.png")
    assert found.dtype == np.uint8
    assert (found == expected).all()
    assert found.flags.writeable


def _packed(row: np.ndarray[Any, Any], bits: int) -> bytes:
    text = "".join(f"{value:0{bits}b}" for value in row)
    text = text.ljust(-(-len(text) // 8) * 8, "0")
    return int(text, 2).to_bytes(len(text) // 8, "big")


@pytest.mark.parametrize(
    ("mode", "color", "message"),
    [
        ("RGB", (1, 2, 3), "has colors"),
        ("RGBA", (5, 5, 5, 254), "transparent somewhere"),
        ("LA", (5, 0), "transparent somewhere"),
        ("P", 1, "has colors"),
    ],
)
def test_colors_and_holes_are_no_map(mode: str, color: Any, message: str) -> None:
    file = io.BytesIO()
    image = Image.new(mode, (4, 4), color)
    if mode == "P":
        image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(file, "PNG")
    with pytest.raises(BadData, match=message):
        submission_png.decode(file.getvalue(), "some.png")


def test_damage_under_a_coat_is_reported() -> None:
    file = io.BytesIO()
    Image.fromarray(np.repeat(pixels(1, (9, 9), 8)[..., None], 3, 2)).save(file, "PNG")
    data = file.getvalue()
    for wrong, message in ((data[:-20], "cut short"), (changed(data, 60, data[60] ^ 1), "checksum")):
        with pytest.raises(BadData, match=message):
            submission_png.decode(wrong, "some.png")


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(300_000_000), 9)
    data = header(10, 10) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(BadData, match="more pixels"):
        submission_png.decode(data, "bomb.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
def test_nothing_but_bad_data_is_raised(noise: bytes, at: int) -> None:
    try:
        submission_png.decode(GOOD[:at] + noise + GOOD[at + len(noise) :], "fuzz.png")
    except BadData:
        return


def coated(values: np.ndarray[Any, Any], color: int, **changes: int) -> np.ndarray[Any, Any]:
    """A gray map of 16 bits as RGB (2), gray with alpha (4) or RGBA (6): shape (h, w, channels)."""
    alpha = np.full_like(values, changes.get("alpha", 65535))
    return np.stack({2: [values] * 3, 4: [values, alpha], 6: [values] * 3 + [alpha]}[color], axis=2)


def filtered(channels: np.ndarray[Any, Any], filters: list[int]) -> bytes:
    """The rows of an image of 16 bits a channel behind their filters, byte by byte as the specification has it."""
    height, width, count = channels.shape
    rows = channels.astype(">u2").tobytes()
    step, length = 2 * count, 2 * count * width
    raw = bytearray()
    for y in range(height):
        row, above = rows[y * length : (y + 1) * length], rows[(y - 1) * length : y * length] if y else bytes(length)
        raw.append(filters[y])
        for i, x in enumerate(row):
            a = row[i - step] if i >= step else 0
            b, c = above[i], above[i - step] if i >= step else 0
            near = min((a, b, c), key=lambda v: abs(a + b - c - v))
            raw.append((x - (0, a, b, (a + b) // 2, near)[filters[y]]) % 256)
    return bytes(raw)


def coat(channels: np.ndarray[Any, Any], raw: bytes, color: int, *, passes: int = 0, before: bytes = b"") -> bytes:
    fields = struct.pack(">IIBBBBB", channels.shape[1], channels.shape[0], 16, color, 0, 0, passes)
    return submission_png.SIGNATURE + chunk(b"IHDR", fields) + before + body(raw)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**31), st.tuples(st.integers(1, 12), st.integers(1, 12)), st.sampled_from([2, 4, 6]), st.booleans()
)
def test_sixteen_bits_in_another_coat_are_the_same_map(
    seed: int, shape: tuple[int, int], color: int, adam: bool
) -> None:
    values = pixels(seed, shape, 16)
    channels = coated(values, color)
    filters = np.random.default_rng(seed).integers(0, 5, shape[0]).tolist()
    raw = interlaced(channels) if adam else filtered(channels, filters)
    decoded = submission_png.decode(coat(channels, raw, color, passes=int(adam)), "here")
    assert decoded.dtype == np.uint16
    assert (decoded == values).all()


def test_what_ffmpeg_writes_in_sixteen_bits() -> None:
    import av

    values = pixels(3, (33, 50), 16)
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 50, 33, "rgb48be", Fraction(1)
    frame = av.VideoFrame.from_ndarray(coated(values, 2).astype(np.uint16), format="rgb48be")
    (packet,) = [p for p in (*context.encode(frame), *context.encode(None)) if p.size]
    assert bytes(packet)[24:26] == b"\x10\x02"
    assert (submission_png.decode(bytes(packet), "here") == values).all()


def test_sixteen_bits_with_colors_or_transparency_are_refused() -> None:
    values = pixels(5, (6, 7), 16)
    colors = coated(values, 2)
    colors[2, 3, 1] ^= 1  # the lowest bit of one channel of one pixel
    plain = [0] * 6
    with pytest.raises(BadData, match="the picture has colors"):
        submission_png.decode(coat(colors, filtered(colors, plain), 2), "here")
    for color in (4, 6):
        clear = coated(values, color, alpha=65534)
        with pytest.raises(BadData, match="transparent somewhere"):
            submission_png.decode(coat(clear, filtered(clear, plain), color), "here")
    gray = coated(values, 2)
    raw = filtered(gray, plain)
    absent = next(v for v in range(65536) if v not in values)
    for transparent, message in ((int(values[0, 0]), "transparent somewhere"), (absent, "")):
        marked = coat(gray, raw, 2, before=chunk(b"tRNS", struct.pack(">HHH", *[transparent] * 3)))
        if message:
            with pytest.raises(BadData, match=message):
                submission_png.decode(marked, "here")
        else:
            assert (submission_png.decode(marked, "here") == values).all()
    with pytest.raises(BadData, match="the transparent color of the PNG is none"):
        submission_png.decode(coat(gray, raw, 2, before=chunk(b"tRNS", b"\0")), "here")
    with pytest.raises(BadData, match="a filter that does not exist"):
        submission_png.decode(coat(gray, b"\x09" + raw[1:], 2), "here")
    with pytest.raises(BadData, match="fewer pixels"):
        submission_png.decode(coat(gray, raw[:-1], 2), "here")
