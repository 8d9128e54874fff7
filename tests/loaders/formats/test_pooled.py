"""Pooled maps: points by scipy and Pillow agree, every kind of damage is named, folders are paired by number."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.io import loadmat, savemat

from vidsal.loaders.errors import BadData
from vidsal.loaders.formats.pooled import numbered_files, points_of_map, read_maps, size_of_png
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.records import Report

MASK = np.zeros((20, 30), np.uint8)
MASK[[0, 0, 7, 19], [0, 29, 11, 29]] = 1
FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def png_bytes(mask, level=255):
    out = io.BytesIO()
    Image.fromarray((mask * level).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def mat_bytes(mask, name="I", compressed=True):
    out = io.BytesIO()
    savemat(out, {name: mask}, do_compression=compressed)
    return out.getvalue()


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def expected(mask):
    rows, columns = np.nonzero(mask)
    return np.column_stack([columns + 0.5, rows + 0.5])


def kinds(report):
    return [(a.kind, a.where, a.count) for a in report]


# --- one map


@pytest.mark.parametrize("level", [1, 255])
def test_png(tmp_path, level):
    x, y, size = points_of_map(write(tmp_path / "a.png", png_bytes(MASK, level)))
    assert size == (20, 30)
    assert (x.dtype, y.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(np.column_stack([x, y]), expected(MASK))


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float64, np.int16])
def test_mat(tmp_path, dtype, compressed):
    x, y, size = points_of_map(write(tmp_path / "a.mat", mat_bytes(MASK.astype(dtype), "fixation_map", compressed)))
    assert size == (20, 30)
    np.testing.assert_array_equal(np.column_stack([x, y]), expected(MASK))


COATS = {
    "grey": lambda grey: grey,
    "1-bit": lambda grey: grey.convert("1"),
    "palette": lambda grey: grey.convert("P"),
    "two colours": lambda grey: grey.convert("1").convert("P"),
    "RGB": lambda grey: grey.convert("RGB"),
    "opaque alpha": lambda grey: grey.convert("RGBA"),
    "16-bit": lambda grey: Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
    "shifted 16-bit": lambda grey: Image.fromarray(np.asarray(grey).astype(np.uint16) << 8),
}


@pytest.mark.parametrize("coat", COATS)
def test_pixels_not_encodings(tmp_path, coat):
    COATS[coat](Image.fromarray(MASK * 255)).save(tmp_path / "a.png")
    x, y, size = points_of_map(tmp_path / "a.png")
    assert size == MASK.shape
    np.testing.assert_array_equal(np.column_stack([x, y]), expected(MASK))


def test_mat_of_a_few_bytes(tmp_path):
    """Up to four bytes MATLAB stores in the tag itself."""
    x, y, size = points_of_map(
        write(tmp_path / "a.mat", mat_bytes(np.array([[0, 1], [1, 0]], np.uint8), compressed=False))
    )
    assert (x.tolist(), y.tolist(), size) == ([1.5, 0.5], [0.5, 1.5], (2, 2))


def big_endian_mat(mask):
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    body = element(6, struct.pack(">II", 9, 0)) + element(5, struct.pack(">ii", *mask.shape))
    body += element(1, b"I") + element(2, mask.tobytes("F"))
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    return head + element(14, body)


def test_mat_of_a_big_endian_machine(tmp_path):
    data = big_endian_mat(MASK)
    np.testing.assert_array_equal(loadmat(io.BytesIO(data))["I"], MASK)
    x, y, _ = points_of_map(write(tmp_path / "a.mat", data))
    np.testing.assert_array_equal(np.column_stack([x, y]), expected(MASK))


def test_blank_map_has_no_points(tmp_path):
    blank = np.zeros((5, 7), np.uint8)
    for name, data in (("a.png", png_bytes(blank)), ("a.mat", mat_bytes(blank))):
        x, y, size = points_of_map(write(tmp_path / name, data))
        assert (len(x), len(y), size) == (0, 0, (5, 7))


@FUZZ
@given(mask=arrays(np.uint8, st.tuples(st.integers(1, 19), st.integers(1, 23)), elements=st.integers(0, 1)))
def test_any_map_both_forms(tmp_path, mask):
    for name, data in (("a.png", png_bytes(mask)), ("a.mat", mat_bytes(mask))):
        x, y, size = points_of_map(write(tmp_path / name, data))
        assert size == mask.shape
        np.testing.assert_array_equal(np.column_stack([x, y]), expected(mask))


def test_wide_map_of_several_memory_blocks(tmp_path):
    """Pillow lends only pictures that lie in one block."""
    mask = np.zeros((4000, 6000), np.uint8)
    mask[[3, 3999], [5999, 17]] = 1
    x, y, _ = points_of_map(write(tmp_path / "a.png", png_bytes(mask)))
    np.testing.assert_array_equal(np.column_stack([x, y]), expected(mask))


def picture(array, mode=None, suffix="PNG"):
    out = io.BytesIO()
    Image.fromarray(array, mode).save(out, suffix)
    return out.getvalue()


GRAY = (MASK * 255).astype(np.uint8)
BROKEN_MAPS = {
    "empty.png": (b"", "empty"),
    "text.png": (b"404 not found", "not a PNG"),
    "jpeg.png": (picture(GRAY, suffix="JPEG"), "not a PNG"),
    "colour.png": (picture(np.dstack([GRAY, GRAY, 0 * GRAY])), "is coloured"),
    "alpha.png": (picture(np.dstack([GRAY, GRAY, GRAY, GRAY])), "partly transparent"),
    "sixteen.png": (picture(MASK.astype(np.uint16) * 4000), "holds the values 4000 beside 0"),
    "density.png": (picture(np.arange(200, dtype=np.uint8).reshape(10, 20)), "density map"),
    "resized.png": (picture(np.asarray(Image.fromarray(GRAY).resize((21, 14), Image.Resampling.BICUBIC))), "resized"),
    "cut.png": (png_bytes(MASK)[:-20], "cut off|damaged"),
    "no-end.png": (png_bytes(MASK)[:-12], "cut off"),
    "crlf.png": (png_bytes(MASK).replace(b"\r\n", b"\n"), "not a PNG"),
    "empty.mat": (b"", "not a readable MATLAB file"),
    "text.mat": (b"x = 1;\n" * 30, "not a readable MATLAB file"),
    "short.mat": (mat_bytes(MASK)[:130], "not a readable MATLAB file"),
    "cut.mat": (mat_bytes(MASK)[:-5], "not a readable MATLAB file"),
    "cut-plain.mat": (mat_bytes(MASK, compressed=False)[:-5], "not a readable MATLAB file"),
    "v73.mat": (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", "not a readable MATLAB file"),
    "density.mat": (mat_bytes(np.linspace(0, 1, 12).reshape(3, 4)), "density map"),
    "nan.mat": (mat_bytes(np.array([[np.nan, 0.0]])), "density map"),
    "complex.mat": (mat_bytes(np.array([[1j, 0]])), "expected a matrix of 0 and 1"),
    "cell.mat": (mat_bytes(np.array([[1, "a"]], object)), "expected a matrix of 0 and 1"),
    "struct.mat": (mat_bytes({"a": 1}), "expected a matrix of 0 and 1"),
    "cube.mat": (mat_bytes(np.zeros((2, 2, 2), np.uint8)), "expected a matrix"),
    "nothing.mat": (mat_bytes(np.zeros((0, 5), np.uint8)), "expected a matrix"),
}


@pytest.mark.parametrize("name", BROKEN_MAPS)
def test_broken_map(tmp_path, name):
    data, message = BROKEN_MAPS[name]
    with pytest.raises(BadData, match=message) as caught:
        points_of_map(write(tmp_path / name, data))
    assert name in str(caught.value)


def test_a_packed_variable_without_its_checksum(tmp_path):
    """All pixels can be unpacked, but nothing vouches for them."""
    good = mat_bytes(MASK)
    length = struct.unpack("<I", good[132:136])[0] - 3
    cut = good[:132] + struct.pack("<I", length) + good[136 : 136 + length]
    with pytest.raises(BadData, match="not a readable MATLAB file"):
        points_of_map(write(tmp_path / "a.mat", cut))


def test_two_variables(tmp_path):
    savemat(tmp_path / "a.mat", {"I": MASK, "J": MASK})
    with pytest.raises(BadData, match="expected exactly one variable"):
        points_of_map(tmp_path / "a.mat")


def test_no_file(tmp_path):
    for name in ("a.png", "a.mat"):
        with pytest.raises(BadData, match="cannot be read"):
            points_of_map(tmp_path / name)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_huge_claims_are_refused_before_unpacking(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(BadData, match="60000x60000"):
        points_of_map(write(tmp_path / "a.png", bomb))
    plain = bytearray(mat_bytes(MASK, compressed=False))
    at = plain.index(struct.pack("<ii", 20, 30))
    plain[at : at + 8] = struct.pack("<ii", 1 << 20, 1 << 20)
    with pytest.raises(BadData, match="not a readable MATLAB file"):
        points_of_map(write(tmp_path / "a.mat", bytes(plain)))


GOOD = {".png": png_bytes(MASK), ".mat": mat_bytes(MASK)}


@pytest.mark.parametrize("suffix", [".png", ".mat"])
@FUZZ
@given(data=st.data())
def test_damage_never_gives_other_points(tmp_path, suffix, data):
    """One flipped bit, a cut, or foreign bytes: an error, or (in what means nothing) the true points."""
    good = GOOD[suffix]
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "replace"]))
    at = data.draw(st.integers(0, len(good) - 1))
    if kind == "flip":
        bad = bytearray(good)
        bad[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        bad = good[:at]
    else:
        piece = data.draw(st.binary(min_size=1, max_size=12))
        bad = good[:at] + piece + good[at + (len(piece) if kind == "replace" else 0) :]
    path = write(tmp_path / f"a{suffix}", bytes(bad))
    with suppress(BadData):
        x, y, size = points_of_map(path)
        assert size == MASK.shape
        np.testing.assert_array_equal(np.column_stack([x, y]), expected(MASK))


# --- a folder of maps


def tree(folder, numbers, prefix="", digits=4, shape=(6, 8)):
    """Maps whose single point sits at the place of the frame's number."""
    for number in numbers:
        mask = np.zeros(shape, np.uint8)
        mask.flat[number % mask.size] = 1
        write(folder / f"{prefix}{number:0{digits}d}.png", png_bytes(mask))
        write(folder / "maps" / f"{prefix}{number:0{digits}d}.mat", mat_bytes(mask))


def test_folder(tmp_path):
    report = Report()
    tree(tmp_path / "v" / "fixation", range(1, 13))
    (tmp_path / "v" / "0012.png").write_bytes(png_bytes(MASK))
    maps = read_maps(tmp_path / "v" / "fixation", tmp_path, report, first_number=1, size=(6, 8))
    assert report == []
    assert maps.frame.tolist() == list(range(12))
    assert (maps.y * 8 - 4 + maps.x - 0.5).tolist() == list(range(1, 13))
    assert maps.annotated == tuple(range(12))
    assert maps.source_files == tuple(f"v/fixation/{n:04d}.png" for n in range(1, 13))
    gaze = maps.gaze()
    assert gaze.annotated_frames == (0, 11)
    assert gaze.last_annotated == 11
    assert gaze.n_observers is None
    assert "observer_id" not in gaze.fixations


def test_mat_stands_in_for_a_missing_or_damaged_png(tmp_path):
    report = Report()
    folder = tmp_path / "fixation"
    tree(folder, range(3, 8), prefix="clip_", digits=5)
    (folder / "clip_00004.png").unlink()
    write(folder / "clip_00005.png", b"oops")
    (folder / "maps" / "clip_00006.mat").unlink()
    maps = read_maps(folder, tmp_path, report, first_number=3, prefix="clip_")
    assert maps.annotated == (0, 1, 2, 3, 4)
    assert maps.source_files[1:3] == ("fixation/maps/clip_00004.mat", "fixation/maps/clip_00005.mat")
    assert kinds(report) == [
        ("missing", "fixation", 1),
        ("missing", "fixation", 1),
        ("unreadable", "fixation/clip_00005.png", 1),
    ]
    assert "not a PNG" in report[2].message


@pytest.mark.parametrize("form", ["png", "mat"])
def test_one_form_alone_is_no_anomaly(tmp_path, form):
    report = Report()
    folder = tmp_path / "fixation"
    tree(folder, range(1, 4))
    for path in folder.glob("maps/*.mat" if form == "png" else "*.png"):
        path.unlink()
    assert read_maps(folder, tmp_path, report, first_number=1).annotated == (0, 1, 2)
    assert report == []


def test_gaps_early_numbers_strange_names_and_sizes(tmp_path):
    report = Report()
    folder = tmp_path / "fixation"
    tree(folder, [0, 1, 2, 5, 6])
    tree(folder, [7], shape=(8, 6))
    tree(folder, [8], prefix="other_")
    write(folder / "00002.png", png_bytes(MASK))
    for name in (".DS_Store", "Thumbs.db", "._0003.png"):
        write(folder / name, b"")
    maps = read_maps(folder, tmp_path, report, first_number=1)
    assert maps.annotated == (0, 1, 4, 5)
    assert maps.size == (6, 8)
    assert maps.gaze().annotated_frames == (0, 1, 4, 5)
    assert {(a.kind, a.count, a.message) for a in report} >= {
        ("surplus", 1, "left out other_0008.png; expected names are <number>.png"),
        ("surplus", 1, "left out second files of a number: 00002.png"),
        ("out-of-range", 1, "left out 0; the first frame is number 1"),
        ("wrong-size", 1, "6x8, expected 8x6; left out"),
        ("missing", 2, "no readable map of 3, 4"),
    }


def test_the_register_s_size_decides(tmp_path):
    report = Report()
    tree(tmp_path / "fixation", [1, 2])
    with pytest.raises(BadData, match=r"none of the 2 .* used: fixation/0001.png: 8x6, expected 16x12"):
        read_maps(tmp_path / "fixation", tmp_path, report, first_number=1, size=(12, 16))
    assert [a.kind for a in report] == ["wrong-size", "wrong-size"]


def test_blank_maps_are_annotated_frames(tmp_path):
    for number in (1, 2):
        write(tmp_path / "fixation" / f"{number:04d}.png", png_bytes(np.zeros((3, 3), np.uint8)))
    maps = read_maps(tmp_path / "fixation", tmp_path, Report(), first_number=1)
    assert (maps.annotated, len(maps.frame)) == ((0, 1), 0)


def test_empty_folder(tmp_path):
    with pytest.raises(BadData, match="no fixation map"):
        read_maps(tmp_path / "fixation", tmp_path, Report(), first_number=1)


def test_numbers_need_no_zeros_and_sort_as_numbers(tmp_path):
    for name in ("10.png", "9.png", "0011.PNG"):
        write(tmp_path / name, png_bytes(MASK))
    assert list(numbered_files(tmp_path, ".png")) == [9, 10, 11]
    assert numbered_files(tmp_path / "absent", ".png") == {}


def test_size_of_png(tmp_path):
    assert size_of_png(write(tmp_path / "a.png", png_bytes(MASK))) == (20, 30)
    assert size_of_png(write(tmp_path / "b.png", b"oops")) is None
    assert size_of_png(tmp_path / "c.png") is None
    assert shortlist(range(7)) == "0, 1, 2, 3, 4 and 2 more"


@pytest.mark.data
@pytest.mark.parametrize(
    "folder", ["dhf1k/annotation/0601", "ucf_sports/testing/Diving-Side-001", "ucf_sports/test/Diving-Side_001"]
)
def test_real_maps_equal_scipy_and_pillow(samples, folder):
    folder = samples / folder / "fixation"
    pictures = sorted(folder.glob("*.png"))
    matrices = sorted((folder / "maps").glob("*.mat"))
    assert len(pictures) == len(matrices) >= 20
    for picture_file, matrix_file in zip(pictures, matrices, strict=True):
        mask = np.asarray(Image.open(picture_file))
        np.testing.assert_array_equal(mask > 0, loadmat(matrix_file)["I"] > 0)
        for path in (picture_file, matrix_file):
            x, y, size = points_of_map(path)
            assert size == mask.shape
            np.testing.assert_array_equal(np.column_stack([x, y]), expected(mask))
