"""What somebody else wrote wrongly, or with intent: every command names it, none calls it a fault of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidsal.benchmark.submissions.predict import predict
from vidsal.loaders.io.files import parse_json, sha256
from vidsal.loaders.release.digests import release_digest
from vidsal.loaders.release.release import load

from ..benchmark.stored import Maps, gaze_only
from .commands import Say


@dataclass(frozen=True)
class Data:
    """A release and a submission for it."""

    release: Path
    submission: Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("hostile")
    root = gaze_only(folder, videos=1)
    predict(Maps(), load(root), folder / "sub")
    for name in ("SHA256SUMS", "submission.json"):
        (folder / "sub" / name).unlink()
    return Data(root, folder / "sub")


def damaged(data: Data, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the release whose release.json says something else, under a digest that fits where one can."""
    shutil.copytree(data.release, folder / "release")
    path = folder / "release" / "release.json"
    record = json.loads(path.read_text())
    change(record)
    with suppress(ValueError, TypeError, AttributeError, KeyError):
        record["digest"] = release_digest(record)
    path.write_text(json.dumps(record))
    return folder / "release"


_VALUES: tuple[Any, ...] = (float("nan"), 10**400, "\ud800", 3, [1], {"x": []}, None)


_KEYS: tuple[tuple[str, ...], ...] = (
    *((key,) for key in ("release", "dataset", "files", "counts", "truth", "screen", "title")),
    ("truth", "default"),
    ("truth", "recipes"),
    *(("truth", "recipes", "synthetic", key) for key in ("kernel", "sigma_px", "orders")),
    ("screen", "px_per_degree"),
    ("counts", "frames"),
)
_MAY_BE = {("truth", "recipes", "synthetic", "sigma_px"): 3, ("screen", "px_per_degree"): 3, ("counts", "frames"): 3}
_MAY_BE_NONE = {("truth", "recipes", "synthetic", "orders"), ("screen", "px_per_degree"), ("counts", "frames")}


@pytest.mark.parametrize("keys", _KEYS, ids=".".join)
def test_release_json_with_a_value_of_another_type(data: Data, tmp_path: Path, say: Say, keys: tuple[str, ...]) -> None:
    for number, value in enumerate(_VALUES):
        if value == _MAY_BE.get(keys, "none") or (value is None and keys in _MAY_BE_NONE):
            continue

        def change(record: dict[str, Any], value: Any = value) -> None:
            for key in keys[:-1]:
                record = record[key]
            record[keys[-1]] = value

        release = damaged(data, tmp_path / str(number), change)
        code, text = say("run", "uniform", "--data", release, "-o", tmp_path / "r")
        assert code == 1, (value, text)
        assert "release.json: damaged (" in text
        assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{", b"[" * 100_000, b"\xff\xfe{}", b'{"schema_version": NaN}'])
def test_release_json_that_is_no_object_of_json(data: Data, tmp_path: Path, say: Say, text: bytes) -> None:
    release = damaged(data, tmp_path, dict)
    (release / "release.json").write_bytes(text)
    for command in (("run", "uniform", "-o", tmp_path / "r", "--data"), ("data", "stats"), ("data", "verify")):
        code, said = say(*command, release)
        assert (code, "release.json: damaged (" in said) == (1, True), said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": {"b": [{"c": 1, "c": 1}]}}', "'c' stands twice"),
        ("[1e999]", "too large"),
        ("[-1e999]", "too large"),
        ("[" + "9" * 400 + "]", "too large"),
        ("[Infinity]", "Infinity is no JSON number"),
        (r'{"\ud800": 1}', r"half a character \(\\ud800"),
        (r'["\udfff"]', r"half a character \(\\udfff"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        (b"\xff", "utf-8"),
    ],
)
def test_strict_json(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_strict_json_reads_what_is_right() -> None:
    assert parse_json(r'{"a": ["\ud83d\ude00", 1e308, 12345678901234567890, null]}') == {
        "a": ["\U0001f600", 1e308, 12345678901234567890, None]
    }


def test_all_json_is_read_strictly() -> None:
    """One function reads JSON; whoever adds `json.load` elsewhere takes keys that stand twice."""
    root = Path(__file__).parents[2]
    rooms = ("loaders", "benchmark", "baselines", "leaderboard", "src/vidsal/cli")
    readers = [
        path.relative_to(root).as_posix()
        for room in rooms
        for path in (root / room).rglob("*.py")
        if re.search(r"json\.loads?\(|JSONDecoder", path.read_text(encoding="utf-8"))
    ]
    assert readers == ["loaders/io/files.py"]


def not_utf8(path: Path, column: str) -> None:
    """Put bytes that are no UTF-8 before every text of a column."""
    table = pq.read_table(path)
    bad = pa.array([b"\xff\xfe" + (text or "").encode() for text in table[column].to_pylist()], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(bad), bad.buffers())
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, pa.field(column, pa.string()), texts), path)


@pytest.mark.parametrize(
    ("file", "column"),
    [("fixations", "observer_id"), ("fixations", "event"), ("stimuli", "stimulus_id"), ("stimuli", "source_file")],
)
def test_texts_of_a_table_that_are_no_utf8(data: Data, tmp_path: Path, say: Say, file: str, column: str) -> None:
    release = damaged(data, tmp_path, dict)
    path = release / f"{file}.parquet"
    not_utf8(path, column)
    record = json.loads((release / "release.json").read_text())
    record["files"][path.name] = sha256(path)
    record["digest"] = release_digest(record)
    (release / "release.json").write_text(json.dumps(record))
    for command in (
        ("score", data.submission, "--kind", "saliency", "-o", tmp_path / "r", "--data"),
        ("data", "stats"),
    ):
        code, text = say(*command, release)
        assert (code, f"{path.name}: damaged" in text) == (1, True), text


def test_gaze_of_ones_own_that_is_no_utf8(tmp_path: Path, say: Say) -> None:
    (tmp_path / "src").mkdir()
    assert say("data", "template", "-o", tmp_path / "map.toml")[0] == 0
    (tmp_path / "src" / "gaze.csv").write_bytes(b"participant,stimulus,time,x,y\nanna,\xff\xfeclip,1,2,3\n")
    code, text = say("data", "convert", "table", "--src", tmp_path / "src", "--columns", tmp_path / "map.toml",
                     "--out", tmp_path / "out")  # fmt: skip
    assert code in (1, 3), text


_HEADERS = {
    "an open bracket": "{'descr': '<f4', 'fortran_order': False, 'shape': (4, (48, 64), }",
    "only brackets": "(" * 2000,
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "a negative size": "{'descr': '<f4', 'fortran_order': False, 'shape': (4, -48, 64)}",
    "a size beyond all": "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 100000000, 64000000)}",
    "a zero byte": "{'descr': '\0', 'fortran_order': False, 'shape': (1, 2, 3)}",
    "texts": "{'descr': '<f4', 'fortran_order': 3, 'shape': 'x'}",
}


@pytest.mark.parametrize("header", _HEADERS.values(), ids=_HEADERS)
def test_headers_of_arrays(data: Data, tmp_path: Path, say: Say, header: str) -> None:
    line = header.encode("latin-1")
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line) + 1) + line + b"\n" + b"\0" * 100
    shutil.copytree(data.submission, tmp_path / "sub")
    (path,) = (tmp_path / "sub").rglob("*.npz")
    with zipfile.ZipFile(path) as old:
        names = old.namelist()
    with zipfile.ZipFile(path, "w") as new:
        for name in names:
            new.writestr(name, array)
    common = (tmp_path / "sub", "--kind", "saliency", "--data", data.release)
    code, text = say("score", *common, "-o", tmp_path / "r")
    assert (code, "scene_001: array 000000.npy" in text) == (1, True), text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", [1, [float("-inf")]], 10**400])
def test_options_of_a_manifest(data: Data, tmp_path: Path, say: Say, value: Any) -> None:
    shutil.copytree(data.submission, tmp_path / "sub")
    manifest = {"prediction": {"kind": "saliency"}, "model": {"name": "x", "options": {"a": value}}}
    (tmp_path / "sub" / "submission.json").write_text(json.dumps(manifest))
    for command in (("score", "-o", tmp_path / "r"), ("submit", "check"), ("submit", "import", "-o", tmp_path / "i")):
        code, text = say(*command, tmp_path / "sub", "--data", data.release)
        assert code == 1, (command, text)
        assert "submission.json" in text or "manifest" in text


_ADDRESSES = ("s3://bucket/x", "gs://bucket/x", "memory://x", "file:///tmp/x", "zip://a.zip", "hf://datasets/x/y")


@pytest.mark.parametrize("address", _ADDRESSES)
def test_addresses_are_no_folders(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    release, submission = ("--data", data.release), data.submission
    for command in (
        ("run", "uniform", *release, "-o", "r", "--submit", address),
        ("run", "unisal", *release, "-o", "r", "--checkpoint", address),
        ("predict", "uniform", *release, "-o", address),
        ("score", submission, *release, "-o", "r", "--truth-cache", address),
        ("data", "export", data.release, "--to", "csv", "-o", address),
        ("submit", "import", submission, *release, "-o", address),
        ("submit", "pack", submission, "-o", address),
        ("results", "verify", address),
        ("results", "merge", "r", "-o", address),
        ("site", "build", "r", "-o", address),
        ("demo", "-o", address),
        ("train", "unisal-joint-1", "--data", address, "-o", "t"),
    ):
        code, text = say(*command)
        assert (code, "address" in text) == (2, True), (command, text)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "place", ["r", "r/synthetic", "r/synthetic/all", "r/synthetic/all/exact-1", "r/synthetic/all/exact-1/uniform"]
)
@pytest.mark.parametrize("verb", ["run", "score", "run --submit"])
def test_a_file_where_a_result_belongs_is_found_before_the_work(
    data: Data, tmp_path: Path, say: Say, place: str, verb: str
) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("mine")
    before = sorted(p for p in tmp_path.rglob("*"))
    common = ("--data", data.release, "-o", tmp_path / "r")
    code, text = say(
        *{
            "run": ("run", "uniform", *common),
            "score": ("score", data.submission, "--kind", "saliency", "--name", "uniform", *common),
            "run --submit": ("run", "uniform", *common, "--submit", tmp_path / "sub"),
        }[verb]
    )
    assert code == 2, text
    assert sorted(p for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("out", ["x" * 300 + ".zip", "a\udc80b.zip"])
def test_names_that_no_file_can_have(data: Data, tmp_path: Path, say: Say, out: str) -> None:
    shutil.copytree(data.submission, tmp_path / "sub")
    (tmp_path / "sub" / "submission.json").write_text('{"prediction": {"kind": "saliency"}}')
    release = ("--data", data.release)
    for command in (
        ("run", "uniform", *release, "-o"),
        ("predict", "uniform", *release, "-o"),
        ("score", tmp_path / "sub", *release, "-o"),
        ("data", "export", data.release, "--to", "csv", "-o"),
        ("submit", "pack", tmp_path / "sub", "-o"),
        ("submit", "check", tmp_path / "sub", *release, "--junit"),
    ):
        code, text = say(*command, f"{tmp_path}/{out}")
        assert code == 2, (command, text)


def test_work_is_kept_until_its_result_is_saved(
    data: Data, tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the last step: the rows are there, and the same command only saves."""
    from vidsal.benchmark.evaluation.results import store

    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    command = ("run", "uniform", "--data", data.release, "-o", tmp_path / "r")
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_json", full)
        assert say(*command)[0] == 4
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "r" / ".partial").glob("*/*.parquet.sha256")}
    assert len(kept) == 1

    def again(*_: object) -> None:
        raise AssertionError("the work is done again")

    with monkeypatch.context() as patch:
        patch.setattr("vidsal.benchmark.evaluation.run._Job.do", again)
        assert say(*command)[0] == 0
    assert not (tmp_path / "r" / ".partial").exists()


def test_a_name_that_is_half_a_character(data: Data, tmp_path: Path, say: Say) -> None:
    for command in (("submit", "init", tmp_path / "x"), ("score", data.submission, "-o", tmp_path / "x")):
        code, text = say(*command, "--data", data.release, "--kind", "saliency", "--name", "a\udcff")
        assert (code, r"'a\udcff' is no UTF-8" in text) == (2, True)
    assert not (tmp_path / "x").exists()
