from __future__ import annotations

import io
import struct
import zlib
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


@pytest.mark.parametrize("bits", [8, 16])
def test_without_numba_pillow_reads_the_same(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    values = pixels(3, (20, 30), bits)
    monkeypatch.setattr(submission_png, "_undo", lambda: None)
    decoded = submission_png.decode(png(values), "here")
    assert decoded.dtype == values.dtype
    assert (decoded == values).all()
    with pytest.raises(BadData, match="not a readable PNG"):
        submission_png.decode(png(values)[:60], "here")


def test_interlaced_files_are_read() -> None:
    # One pixel: all passes but the first are empty, so the data are those of a plain file.
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1)
    data = submission_png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\x7b"))
    assert submission_png.decode(data + chunk(b"IEND", b""), "here").tolist() == [[123]]


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
        (
            submission_png.SIGNATURE
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\x05ab"))
            + chunk(b"IEND", b""),
            "filter that does not exist",
        ),
        (
            submission_png.SIGNATURE
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", b"not deflate")
            + chunk(b"IEND", b""),
            "can not be inflated",
        ),
    ],
)
def test_damage_is_told(data: bytes, message: str) -> None:
    with pytest.raises(BadData, match=message):
        submission_png.decode(data, "some.png")


@pytest.mark.parametrize(
    ("mode", "found"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("P", "palette"), ("LA", "alpha"), ("1", "1 bits")]
)
def test_only_one_grey_channel(mode: str, found: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (4, 4)).save(file, "PNG")
    with pytest.raises(BadData, match=found):
        submission_png.decode(file.getvalue(), "some.png")


def test_a_bomb_is_not_inflated() -> None:
    header = struct.pack(">IIBBBBB", 10, 10, 8, 0, 0, 0, 0)
    bomb = zlib.compress(bytes(300_000_000), 9)
    data = submission_png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
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
