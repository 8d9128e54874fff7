"""Submissions whose authors mean harm, or did not look."""

from __future__ import annotations

import errno
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import vidsal
from vidsal.benchmark.submissions.formats.matrices import Hdf5File
from vidsal.benchmark.submissions.formats.npz import NpzFile
from vidsal.benchmark.submissions.formats.stored import Limits
from vidsal.benchmark.submissions.layout import scan
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.errors import BadData
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, Maps, gaze_only, levels, png, write_classic

LIMITS = Limits(64, 48)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def ds(root: Path) -> Release:
    return vidsal.load(root)


@pytest.fixture
def classic(tmp_path: Path, ds: Release) -> Path:
    return write_classic(tmp_path / "m", ds)


def refused(folder: Path, ds: Release, message: str) -> str:
    with pytest.raises(BadData, match=message) as caught:
        score(folder, ds, kind="saliency")
    return str(caught.value)


def test_links_are_not_followed(tmp_path: Path, classic: Path, ds: Release) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(levels("x", 0)))
    file = classic / ds.ids[0] / "0002.png"
    file.unlink()
    file.symlink_to(secret)
    refused(classic, ds, "0002.png is a link")
    file.unlink()
    os.rename(classic / ds.ids[0], tmp_path / "elsewhere")
    (classic / ds.ids[0]).symlink_to(tmp_path / "elsewhere")
    refused(classic, ds, f"{ds.ids[0]} is a link")


def test_the_folder_of_predictions_and_the_manifest_are_no_links(tmp_path: Path, classic: Path, ds: Release) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "predictions").symlink_to(classic)
    refused(tmp_path / "sub", ds, "a link or a file")
    (tmp_path / "manifest.json").write_text('{"prediction": {"kind": "saliency"}}')
    (classic / "submission.json").symlink_to(tmp_path / "manifest.json")
    refused(classic, ds, "a link or no regular file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_does_not_hold_us_up(classic: Path, ds: Release) -> None:
    (classic / ds.ids[0] / "0002.png").unlink()
    os.mkfifo(classic / ds.ids[0] / "0002.png")
    refused(classic, ds, "0002.png is a link or a folder")
    (classic / "submission.json").unlink(missing_ok=True)
    os.mkfifo(classic / "submission.json")
    refused(classic, ds, "no regular file")


def test_huge_images_are_refused_by_their_header(classic: Path, ds: Release) -> None:
    small = np.zeros((2, 2), np.uint8)
    (classic / ds.ids[0] / "0003.png").write_bytes(png(small, size=(60_000, 60_000)))
    text = refused(classic, ds, "a map of 60000 x 60000")
    assert "0003.png" in text


def test_the_name_of_a_model_is_not_a_path(classic: Path, ds: Release) -> None:
    for name in ("../../x", "/etc", "a/b", "", ".hidden", "a\x00b", "x" * 200):
        manifest = {"prediction": {"kind": "saliency"}, "model": {"name": name}}
        (classic / "submission.json").write_text(json.dumps(manifest))
        refused(classic, ds, r"model\.name")


def test_ids_of_a_manifest_open_nothing(tmp_path: Path, ds: Release) -> None:
    predict(Maps(), ds, tmp_path / "sub")
    path = tmp_path / "sub" / "submission.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["stimulus"] = "../../../etc/passwd"
    path.write_text(json.dumps(manifest))
    refused(tmp_path / "sub", ds, "etc/passwd: is listed in submission.json but not there")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"prediction": ' * 5000,
        "null",
        '"x"',
        '{"prediction": {"kind": "saliency", "encoding": {"scale": NaN}}}',
        '{"prediction": {"kind": "saliency", "encoding": {"scale": 0}}}',
        '{"prediction": {"kind": "saliency", "size": [0, 5]}}',
        '{"prediction": {"kind": "saliency"}, "files": [{"stimulus": "a", "frames": [3, 1], "sha256": "'
        + "0" * 64
        + '"}]}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_manifests_that_are_none(classic: Path, ds: Release, text: str) -> None:
    (classic / "submission.json").write_text(text, encoding="latin-1")
    refused(classic, ds, "no manifest of format 1")


def test_a_manifest_of_gigabytes_is_not_read(classic: Path, ds: Release) -> None:
    with (classic / "submission.json").open("wb") as file:
        file.truncate(1 << 32)
    refused(classic, ds, "at most 67108864 are read")


# ---------------------------------------------------------------------------------------------------------------------
# Archives of arrays


def npy(array: np.ndarray[Any, Any]) -> bytes:
    from io import BytesIO

    file = BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def faults(path: Path) -> str:
    found = NpzFile(path, LIMITS).inspect()
    assert not found.readable
    return "; ".join(found.faults)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"000000.npy": npy(np.array([{}], object))}, "pickled objects"),
        ({"../../evil.npy": npy(np.zeros((2, 2)))}, "only plain arrays"),
        ({"/etc/evil.npy": npy(np.zeros((2, 2)))}, "only plain arrays"),
        ({"a\\b.npy": npy(np.zeros((2, 2)))}, "only plain arrays"),
        ({"readme.txt": b"hello"}, "only plain arrays"),
        ({"0.npy": npy(np.zeros((2, 2))), "00.npy": npy(np.zeros((2, 2)))}, "an array for each frame"),
        ({"first.npy": npy(np.zeros((2, 2))), "second.npy": npy(np.zeros((2, 2)))}, "an array for each frame"),
        ({"0.npy": npy(np.zeros((2, 2), complex))}, "of type complex128"),
        ({"0.npy": npy(np.zeros((2, 2), "U3"))}, "of type"),
        ({"0.npy": npy(np.asfortranarray(np.zeros((2, 3))))[:-3]}, "its header says otherwise"),
        ({"0.npy": npy(np.zeros((2, 2)))[:-3]}, "its header says otherwise"),
        ({"0.npy": b"\x93NUMPY\x01\x00v\x00{'shape': (__import__('os'),)}" + b" " * 90}, "cannot be read"),
        ({"0.npy": b"\x93NUMPY\x09\x00" + bytes(90)}, "npy version"),
        ({"0.npy": npy(np.zeros((2, 2, 2, 2)))}, "has shape"),
        ({"0.npy": npy(np.zeros((1, 3, 2, 2, 1, 2)))}, "has shape"),
        ({"0.npy": npy(np.zeros((0, 2)))}, "has shape"),
        ({"0.npy": npy(np.zeros((2000, 2000), np.uint8))}, "a map of 2000 x 2000"),
        ({"m.npy": npy(np.zeros((3, 2, 2))), "frames.npy": npy(np.array([0, 0, 1]))}, "must ascend"),
        (
            {"m.npy": npy(np.zeros((3, 2, 2))), "frames.npy": npy(np.array([0, 1]))},
            "expected one integer for each of 3",
        ),
        (
            {"m.npy": npy(np.zeros((3, 2, 2))), "frames.npy": npy(np.array([0.5, 1, 2]))},
            "expected one integer for each of 3",
        ),
        ({"xy.npy": npy(np.zeros((3, 3))), "frames.npy": npy(np.arange(3))}, "gaze points are arrays"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    assert message in faults(archive(tmp_path / "a.npz", members))


def test_a_pickle_is_never_opened(tmp_path: Path, ds: Release) -> None:
    (tmp_path / "m").mkdir()
    for stimulus in ds:
        np.savez(tmp_path / "m" / f"{stimulus.id}.npz", np.array([None] * FRAMES, object))
    refused(tmp_path / "m", ds, "pickled objects, which are never read")
    (tmp_path / "m" / f"{ds.ids[0]}.npz").write_bytes(pickle.dumps([1, 2, 3]))
    refused(tmp_path / "m", ds, "no npz file")


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    header = npy(np.zeros((1, 1), np.uint8))[:-1]
    path = archive(tmp_path / "a.npz", {"0.npy": header + bytes(200_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    assert "its header says otherwise" in faults(path)
    # A directory that claims more than deflate can do.
    path = archive(tmp_path / "b.npz", {"0.npy": npy(np.zeros((40, 40), np.uint8))}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 1 << 31)
    path.write_bytes(bytes(data))
    assert "claims to grow" in faults(path)


def test_encrypted_and_strange_compressions(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", {"0.npy": npy(np.zeros((4, 4)))}, zipfile.ZIP_BZIP2)
    assert "encrypted, or compressed in a way" in faults(path)
    path = archive(tmp_path / "b.npz", {"0.npy": npy(np.zeros((4, 4)))})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    assert "encrypted" in faults(path)


def test_damage_inside_an_array_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", {"0.npy": npy(np.ones((40, 40)))})
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(bytes(data))
    assert NpzFile(path, LIMITS).inspect().faults == []
    with pytest.raises(BadData, match="cannot be read"):
        list(NpzFile(path, LIMITS).read({0}, 1))


def test_a_cut_archive(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.npz", {f"{i}.npy": npy(np.ones((20, 20))) for i in range(4)}).read_bytes()
    for size in (0, 10, 500, len(whole) - 30, len(whole) - 1):
        (tmp_path / "b.npz").write_bytes(whole[:size])
        assert "b.npz" not in faults(tmp_path / "b.npz")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_nothing_but_bad_data_comes_out_of_an_archive(tmp_path: Path, data: st.DataObject) -> None:
    members = {"0.npy": npy(np.ones((3, 4), np.float32)), "1.npy": npy(np.ones((3, 4), np.float32))}
    content = bytearray(archive(tmp_path / "a.npz", members).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "b.npz").write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    file = NpzFile(tmp_path / "b.npz", LIMITS)
    found = file.inspect()
    if not found.faults:
        try:
            assert all(values is not None for _, values in file.read(found.frames, 1))
        except BadData:
            return


def test_points_beyond_numbers(tmp_path: Path, ds: Release) -> None:
    (tmp_path / "m").mkdir()
    for stimulus in ds:
        xy = np.full((FRAMES, 2), 5.0)
        xy[3, 1] = np.nan
        np.savez(tmp_path / "m" / f"{stimulus.id}.npz", frames=np.arange(FRAMES), xy=xy)
    with pytest.raises(BadData, match="frame 3: a gaze point is two finite numbers"):
        score(tmp_path / "m", ds, kind="point")


# ---------------------------------------------------------------------------------------------------------------------
# Videos that are something else


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile /etc/passwd\n",
        "",
    ],
)
@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_a_play_list_is_not_a_video(tmp_path: Path, ds: Release, text: str, suffix: str) -> None:
    (tmp_path / "m").mkdir()
    for stimulus in ds:
        (tmp_path / "m" / f"{stimulus.id}{suffix}").write_text(text)
    refused(tmp_path / "m", ds, "not a readable video|Invalid data")


def test_hidden_names_are_ignored_and_strangers_named(tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    for name in (".DS_Store", "a.npz", "b.exe", "c.tar"):
        (tmp_path / "predictions" / name).write_bytes(b"")
    layout = scan(tmp_path, ["a"])
    assert list(layout.entries) == ["a"]
    assert [f.where for f in layout.faults] == ["predictions/b.exe", "predictions/c.tar"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read, which Linux has")
def test_a_disk_that_fails_is_no_damaged_submission() -> None:
    """zipfile and HDF5 take it for a file of another kind."""
    pytest.importorskip("h5py")
    path = Path("/proc/self/mem")
    for file in (NpzFile(path, Limits(64, 48)), Hdf5File(path, Limits(64, 48))):
        with pytest.raises(OSError, match="Input/output error") as caught:
            file.inspect()
        assert caught.value.errno == errno.EIO
