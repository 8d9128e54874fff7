"""MATLAB files of both versions become the same values; damaged ones become one error that names the file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from scipy.io import savemat

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.formats import matlab, matlab5

HERE = Path("file.mat")


class Hdf5:
    """Writes version 7.3 as MATLAB does: transposed, text as codes, cells and struct arrays behind references."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self):
        self.file = h5py.File(self.path, "w", userblock_size=512)
        self.refs = self.file.create_group("#refs#")
        return self

    def __exit__(self, *_):
        self.file.close()

    def put(self, value, group=None, name=None):
        group = self.refs if group is None else group
        name = f"r{len(self.refs)}" if name is None else name
        if isinstance(value, str):
            node = group.create_dataset(name, data=np.array([[c] for c in value.encode("utf-16-le")[::2]], np.uint16))
            kind = "char"
        elif isinstance(value, dict):
            node, kind = group.create_group(name), "struct"
            for key, field in value.items():
                self.put(field, node, key)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            node, kind = group.create_group(name), "struct"
            for key in value[0]:
                field = node.create_dataset(key, (1, len(value)), dtype=h5py.ref_dtype)
                for i, element in enumerate(value):
                    field[0, i] = self.put(element[key]).ref
        elif isinstance(value, list):
            node, kind = group.create_dataset(name, (len(value), 1), dtype=h5py.ref_dtype), "cell"
            for i, element in enumerate(value):
                node[i, 0] = self.put(element).ref
        elif value.size == 0:
            node, kind = group.create_dataset(name, data=np.array(value.shape, np.uint64)), "double"
            node.attrs["MATLAB_empty"] = np.uint8(1)
        else:
            kind = "logical" if value.dtype == bool else "double"
            node = group.create_dataset(name, data=(value.astype(np.uint8) if value.dtype == bool else value).T)
        node.attrs["MATLAB_class"] = np.bytes_(kind)
        return node


VALUES = {
    "numbers": np.arange(6.0).reshape(2, 3),
    "small": np.array([[1, 2]], dtype=np.uint16),
    "flag": np.array([[True, False]]),
    "empty": np.zeros((0, 3)),
    "word": "Kimono",
    "cells": ["one", np.array([[2.0]]), "three"],
    "thing": {"name": "a", "size": np.array([[3.0, 4.0]]), "inner": {"deep": np.array([[5.0]])}},
    "things": [{"x": np.array([[1.0]]), "y": "p"}, {"x": np.zeros((0, 0)), "y": "q"}],
}


def write_5(path, values=VALUES):
    def old(value):
        if isinstance(value, dict):
            return {k: old(v) for k, v in value.items()}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            out = np.zeros((len(value), 1), dtype=[(k, "O") for k in value[0]])
            for i, element in enumerate(value):
                out[i, 0] = tuple(element.values())
            return out
        if isinstance(value, list):
            out = np.empty((1, len(value)), dtype=object)
            out[0] = value
            return out
        return value

    savemat(path, {k: old(v) for k, v in values.items()})
    return path


def write_73(path, values=VALUES):
    with Hdf5(path) as hdf5:
        for name, value in values.items():
            hdf5.put(value, hdf5.file, name)
    return path


@pytest.mark.parametrize("write", [write_5, write_73])
def test_both_versions_give_the_same_values(tmp_path, write):
    found = matlab.read(write(tmp_path / "x.mat"))
    assert set(found) == set(VALUES)
    assert np.array_equal(found["numbers"], VALUES["numbers"])
    assert found["small"].tolist() == [[1, 2]]
    assert found["flag"].astype(bool).tolist() == [[True, False]]
    assert found["empty"].shape == (0, 3)
    assert found["word"] == "Kimono"
    assert found["cells"].shape == (1, 3)
    assert found["cells"][0, 0] == "one"
    assert found["cells"][0, 1].tolist() == [[2.0]]
    assert found["thing"] == [{"name": "a", "size": found["thing"][0]["size"], "inner": found["thing"][0]["inner"]}]
    assert found["thing"][0]["size"].tolist() == [[3.0, 4.0]]
    assert found["thing"][0]["inner"][0]["deep"].tolist() == [[5.0]]
    assert [t["y"] for t in found["things"]] == ["p", "q"]
    assert found["things"][0]["x"].tolist() == [[1.0]]
    assert found["things"][1]["x"].shape == (0, 0)


@pytest.mark.data
def test_real_files_of_both_versions(samples):
    info = matlab.read(samples / "ledov/VideoInfo.mat")["VideoInfo"]
    assert info.shape == (538, 4)
    assert info[0, 0] == "animal_alpaca01"
    assert matlab.number(info[0, 2], HERE, "frames") == 360
    database = matlab.struct(matlab.read(samples / "xu_hevc/video_database.mat")["video_database"], HERE, "db")
    assert matlab.matrix(database["fixdata"], 6, HERE, "fixdata").shape == (26_914, 6)
    assert database["subj_info"].shape == (33, 5)
    name, table = matlab.only_variable(samples / "mit1003/ICCV_subset/hash.mat")
    assert name == "hash"
    assert len(table[0]) == 999
    _, points = matlab.only_variable(samples / "mit300/demo/FIXATIONLOCS/i210.mat")
    assert points.shape == (675, 1024)
    assert points.sum() == 259


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(MissingData, match="no such file"):
        matlab.read(tmp_path / "x.mat")
    for content in (
        b"",
        b"MATLAB 5.0",
        b"\x00" * 200,
        b"PK\x03\x04" + b"x" * 600,
        b"\x89HDF\r\n\x1a\n" + b"\x00" * 600,
    ):
        (tmp_path / "x.mat").write_bytes(content)
        with pytest.raises(BadData, match="not a readable MATLAB file") as caught:
            matlab.read(tmp_path / "x.mat")
        assert str(tmp_path / "x.mat") in str(caught.value)


def test_the_only_variable(tmp_path):
    savemat(tmp_path / "x.mat", {"whatever": 5})
    assert matlab.only_variable(tmp_path / "x.mat")[0] == "whatever"
    savemat(tmp_path / "x.mat", {})
    with pytest.raises(BadData, match="found 0"):
        matlab.only_variable(tmp_path / "x.mat")
    savemat(tmp_path / "x.mat", {"a": 5, "b": 6})
    with pytest.raises(BadData, match=r"found 2 \(a, b\)"):
        matlab.only_variable(tmp_path / "x.mat")


def test_a_reference_to_itself_ends(tmp_path):
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        node = file.create_dataset("loop", (1, 2), dtype=h5py.ref_dtype)
        node.attrs["MATLAB_class"] = np.bytes_("cell")
        node[0, 0] = node[0, 1] = node.ref
    with pytest.raises(BadData, match="nested too deeply"):
        matlab.read(tmp_path / "x.mat")


def test_a_claim_of_size_is_not_believed(tmp_path):
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        file.create_dataset("huge", (1 << 20, 1 << 20), dtype="f8", chunks=(1 << 10, 1 << 10))
    with pytest.raises(BadData, match="unfolds to too much"):
        matlab.read(tmp_path / "x.mat")


def test_nothing_is_unpickled_or_evaluated(tmp_path):
    """An HDF5 opaque or text type is refused; a name that is code is only a name."""
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        file.create_dataset("x", data="text as h5py writes it")
    with pytest.raises(BadData, match="holds values of type"):
        matlab.read(tmp_path / "x.mat")
    write_73(tmp_path / "y.mat", {"__import__('os').abort()": np.ones((1, 1))})
    assert list(matlab.read(tmp_path / "y.mat")) == ["__import__('os').abort()"]


def test_access_by_kind_says_what_was_found():
    ones = np.ones((2, 3))
    with pytest.raises(BadData, match=r"file.mat: a should have 2 columns, its shape is 2 x 3"):
        matlab.matrix(ones, 2, HERE, "a")
    with pytest.raises(BadData, match="a should be a matrix of numbers, found text"):
        matlab.matrix("x", 2, HERE, "a")
    with pytest.raises(BadData, match="found a struct"):
        matlab.matrix([{}], 2, HERE, "a")
    with pytest.raises(BadData, match=r"one number, found numbers \(float64\) of shape 2 x 3"):
        matlab.number(ones, HERE, "a")
    with pytest.raises(BadData, match="text, found numbers"):
        matlab.text(ones, HERE, "a")
    with pytest.raises(BadData, match="cell array of text, found text"):
        matlab.texts("x", HERE, "a")
    with pytest.raises(BadData, match="one struct, found an array of 2"):
        matlab.struct([{}, {}], HERE, "a")
    with pytest.raises(BadData, match="no variable or field 'b'; it holds a, c"):
        matlab.variable({"c": 1, "a": 2}, "b", HERE)
    assert matlab.matrix(np.zeros((0, 0)), 4, HERE, "a").shape == (0, 4)
    assert matlab.matrix(np.ones((1, 2), dtype=np.int8), 2, HERE, "a").dtype == np.float64
    assert matlab.structs(np.zeros((0, 0)), HERE, "a") == []
    for codes in (np.array([[72, 105]], np.uint16), np.array([[72], [105]], np.uint8), np.array([72, 105], np.uint32)):
        assert matlab.text(codes, HERE, "a") == "Hi"
    assert matlab.text("", HERE, "a") == ""


def test_plausible_and_whole_numbers():
    values = np.array([0.0, -3, 1.5, np.nan, np.inf, -np.inf, 1e300, 999_999_999])
    assert matlab.whole(values).tolist() == [True, True, False, False, False, False, False, True]
    assert matlab.plausible(values).tolist() == [True, True, True, False, False, False, False, True]
    assert matlab.plausible(np.array([[1, 2], [1, np.nan]])).tolist() == [True, False]


_DTYPES = st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?", "c16"])


@given(st.lists(st.tuples(_DTYPES, st.lists(st.integers(0, 4), min_size=2, max_size=3)), max_size=4), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_version_5_as_scipy_writes_it(tmp_path, arrays, compressed):
    """Every numeric class, any shape: what an independent writer puts in comes out, with its type."""
    rng = np.random.default_rng(len(arrays))
    values = {}
    for i, (dtype, shape) in enumerate(arrays):
        numbers = rng.integers(0, 100, shape)
        values[f"v{i}"] = (numbers % 2 if dtype == "?" else numbers).astype(dtype)
    savemat(tmp_path / "x.mat", values, do_compression=compressed)
    found = matlab.read(tmp_path / "x.mat")
    assert set(found) == set(values)
    for name, value in values.items():
        assert found[name].shape == value.shape
        assert np.array_equal(found[name], value)
        assert found[name].dtype.kind in (value.dtype.kind, "u" if value.dtype == bool else value.dtype.kind)


def test_text_of_version_5(tmp_path):
    values = {
        "plain": "abc",
        "umlaut": "Kümmerer",
        "none": "",
        "rows": np.array(["one", "two"]),
        "astral": "a\U0001f600b",
    }
    savemat(tmp_path / "x.mat", values)
    found = matlab.read(tmp_path / "x.mat")
    assert found["plain"] == "abc"
    assert found["umlaut"] == "Kümmerer"
    assert found["none"] == ""
    assert found["rows"] == ["one", "two"]
    assert found["astral"] == "a\U0001f600b"


def test_big_endian_by_hand(tmp_path):
    """One variable `x`, uint8 class, 1 x 2, its numbers a small element, byte by byte."""
    word = lambda *numbers: b"".join(n.to_bytes(4, "big") for n in numbers)  # noqa: E731
    body = (
        word(6, 8, 9, 0)  # flags: class 9, uint8
        + word(5, 8, 1, 2)  # dimensions 1 x 2
        + word(1 << 16 | 1)
        + b"x\0\0\0"  # name, small
        + word(2 << 16 | 2)
        + bytes([7, 8, 0, 0])  # numbers, small
    )
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "x.mat").write_bytes(header + word(14, len(body)) + body)
    assert matlab.read(tmp_path / "x.mat")["x"].tolist() == [[7, 8]]


def test_a_damaged_compressed_part_is_noticed(tmp_path):
    savemat(tmp_path / "x.mat", {"x": np.arange(1000.0)}, do_compression=True)
    content = bytearray((tmp_path / "x.mat").read_bytes())
    content[-3] ^= 1  # in the checksum
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(BadData, match="not a readable MATLAB file"):
        matlab.read(tmp_path / "x.mat")


def test_a_compressed_part_that_is_cut_or_a_bomb_is_refused(tmp_path):
    savemat(tmp_path / "x.mat", {"x": np.zeros(100_000)}, do_compression=True)
    content = (tmp_path / "x.mat").read_bytes()
    size = int.from_bytes(content[132:136], "little")
    cut = content[:132] + (size - 4).to_bytes(4, "little") + content[136 : 136 + size - 4]
    (tmp_path / "cut.mat").write_bytes(cut)
    with pytest.raises(BadData, match="is cut or unfolds to too much"):
        matlab.read(tmp_path / "cut.mat")
    reader = matlab5._Reader("<", left_bytes=10_000)
    with pytest.raises(ValueError, match="unfolds to too much"):
        reader.inflate(memoryview(content)[136 : 136 + size])


def test_an_element_longer_than_its_file_is_refused(tmp_path):
    savemat(tmp_path / "x.mat", {"x": np.ones(4)}, do_compression=False)
    content = (tmp_path / "x.mat").read_bytes()
    (tmp_path / "y.mat").write_bytes(content[:132] + (1 << 31).to_bytes(4, "little") + content[136:])
    with pytest.raises(BadData, match="an element of 2147483648 bytes, but only"):
        matlab.read(tmp_path / "y.mat")


def test_what_no_data_set_holds_is_refused(tmp_path):
    from scipy.sparse import csc_array

    savemat(tmp_path / "x.mat", {"x": csc_array(np.eye(3))})
    with pytest.raises(BadData, match="a sparse matrix"):
        matlab.read(tmp_path / "x.mat")


@pytest.mark.parametrize("write", [write_5, write_73])
@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_values_or_bad_data(tmp_path, write, data):
    path = tmp_path / "x.mat"
    if not (tmp_path / "whole").is_file():
        (tmp_path / "whole").write_bytes(write(path).read_bytes())
    content = bytearray((tmp_path / "whole").read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        found = matlab.read(path)
    except BadData as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(name, str) for name in found)
