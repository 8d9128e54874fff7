"""Submissions in zip and tar files: read as they are, and never more than that."""

from __future__ import annotations

import gzip
import io
import os
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidsal
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.submissions import archive, workspace
from vidsal.benchmark.submissions.archive import UNPACKED, opened_folder, unpack
from vidsal.benchmark.submissions.archive_names import fault_of
from vidsal.benchmark.submissions.examine import examine
from vidsal.benchmark.submissions.faults import Refused
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.rescore import rescore
from vidsal.benchmark.submissions.score import score
from vidsal.benchmark.submissions.workspace import temporary_folder
from vidsal.loaders.errors import BadData, MachineFault
from vidsal.loaders.release.release import Release

from ..stored import Maps, gaze_only, opened


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("archives"), videos=2)


@pytest.fixture
def ds(root: Path) -> Release:
    return opened(root)


@pytest.fixture(scope="module")
def sub(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    out = tmp_path_factory.mktemp("made") / "sub"
    predict(Maps(), opened(root), out, encoding="png8")
    return out


@pytest.fixture(scope="module")
def folder(root: Path, sub: Path) -> Run:
    """The submission scored as the folder that it is."""
    return score(sub, opened(root))


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, compression)
    return path


def tarred(path: Path, members: dict[str, bytes], how: str = "w") -> Path:
    with tarfile.open(path, how) as file:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


FORMS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "a.zip": zipped,
    "a.tar": tarred,
    "a.tar.gz": lambda path, members: tarred(path, members, "w:gz"),
    "a.tgz": lambda path, members: tarred(path, members, "w:gz"),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("above", ["", "./", "sub/"])
def test_scored_and_checked_as_the_folder(
    tmp_path: Path, root: Path, ds: Release, sub: Path, folder: Run, name: str, above: str
) -> None:
    members = {f"{above}{n}": data for n, data in files(sub).items()}
    members[f"__MACOSX/{above}._submission.json"] = b"left behind"
    packed = FORMS[name](tmp_path / name, members)
    run = score(packed, ds, partial_folder=tmp_path / "out" / ".partial")
    assert run.record["rows_digest"] == folder.record["rows_digest"]
    assert run.record["model"]["submission"]["digest"] == folder.record["model"]["submission"]["digest"]
    assert not (tmp_path / "out" / UNPACKED).exists()
    assert [f.rule for f in examine(packed, root).findings] == ["linear-8-bit"]


@pytest.mark.usefixtures("warm_children")
def test_workers_read_an_archive(tmp_path: Path, ds: Release, sub: Path) -> None:
    packed = zipped(tmp_path / "a.zip", files(sub))
    assert score(packed, ds, workers=2).record["rows_digest"] == score(sub, ds).record["rows_digest"]


def test_kept_archives_are_scored_again(tmp_path: Path, ds: Release, sub: Path) -> None:
    first = score(sub, ds).save(tmp_path / "results")
    zipped(tmp_path / "kept.zip", files(sub))
    for kept in (tmp_path / "kept.zip", tmp_path):
        out = tmp_path / f"again{kept.suffix}"
        (outcome,) = rescore([first], kept, lambda _: ds, "dhf1k-1", out)
        assert outcome.status == "rescored"
        assert not (out / UNPACKED).exists()


def test_a_model_is_named_after_its_archive_and_errors_name_it(tmp_path: Path, ds: Release, sub: Path) -> None:
    members = {n: data for n, data in files(sub).items() if n.startswith("predictions/")}
    packed = zipped(tmp_path / "My Net.zip", members)
    assert score(packed, ds, kind="saliency").record["model"]["name"] == "My-Net"
    del members[next(iter(members))]
    packed = zipped(tmp_path / "My Net.zip", members)
    with pytest.raises(BadData) as caught:
        score(packed, ds, kind="saliency")
    assert str(packed) in str(caught.value)
    assert UNPACKED not in str(caught.value)
    assert "unpacked" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


def rules_of(path: Path, out: Path) -> list[str]:
    out.mkdir(exist_ok=True)
    with pytest.raises(Refused) as caught:
        unpack(path, out)
    return [fault.rule for fault in caught.value.faults]


@pytest.mark.parametrize("form", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "a/../../evil.png",
        "/etc/evil.png",
        "C:/evil.png",
        "a\\..\\evil.png",
        "a/b\x1b[2J.png",
        "a/\u202egnp.png",
        "a/" * 40 + "b",
        "x" * 300,
    ],
)
def test_names_that_lead_elsewhere(tmp_path: Path, form: str, name: str) -> None:
    packed = FORMS[form](tmp_path / form, {"ok.png": b"1", name: b"2"})
    before = sorted(tmp_path.rglob("*"))
    assert rules_of(packed, tmp_path / "out") == ["archive-path"]
    assert {p.name for p in set(tmp_path.rglob("*")) - set(before)} <= {"out", "ok.png"}


@pytest.mark.parametrize("form", ["a.zip", "a.tar"])
def test_names_that_are_one_name_elsewhere(tmp_path: Path, form: str) -> None:
    for n, (a, b) in enumerate(
        [
            ("a/1.png", "a/1.PNG"),
            ("A/1.png", "a/2.png"),
            ("a", "a/b.png"),
            ("a/b.png", "a"),
            ("\u00e9.png", "e\u0301.png"),
            ("stra\u00dfe", "STRASSE"),
        ]
    ):
        assert rules_of(FORMS[form](tmp_path / form, {a: b"1", b: b"2"}), tmp_path / f"out{n}") == ["archive-double"]


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    members = {**{f"../{n}.png": b"" for n in range(50)}, "/abs": b"", "a": b"", "A": b""}
    assert rules_of(zipped(tmp_path / "a.zip", members), tmp_path / "out") == ["archive-path"] * 51 + ["archive-double"]


def test_the_same_name_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.png", b"2")
    assert rules_of(tmp_path / "a.zip", tmp_path / "out") == ["archive-double"]


def test_links_devices_and_encryption(tmp_path: Path) -> None:
    for n, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)):
        with tarfile.open(tmp_path / "a.tar", "w") as file:
            info = tarfile.TarInfo("evil.png")
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
        assert rules_of(tmp_path / "a.tar", tmp_path / f"out{n}") == ["archive-kind"]
        assert list((tmp_path / f"out{n}").iterdir()) == []
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        entry = zipfile.ZipInfo("evil.png")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    assert rules_of(tmp_path / "a.zip", tmp_path / "zip") == ["archive-kind"]
    data = bytearray(zipped(tmp_path / "b.zip", {"a.png": b"1"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(data)
    assert rules_of(tmp_path / "b.zip", tmp_path / "encrypted") == ["archive-kind"]
    zipped(tmp_path / "c.zip", {"a.png": b"1"}, zipfile.ZIP_LZMA)
    assert rules_of(tmp_path / "c.zip", tmp_path / "lzma") == ["archive-kind"]


def test_bombs_of_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    data = bytes(20 << 20)
    for form in ("a.zip", "a.tar.gz"):
        packed = FORMS[form](tmp_path / form, {"a.png": data})
        assert packed.stat().st_size < 100_000
        assert rules_of(packed, tmp_path / form[-3:]) == ["archive-size"]
    written = sum(p.stat().st_size for p in tmp_path.rglob("*.png"))
    assert written < 2 << 20
    # One that is as large as it says is none.
    (tmp_path / "tar").mkdir()
    unpack(tarred(tmp_path / "b.tar", {"a.png": bytes(3 << 20)}), tmp_path / "tar")


def test_a_directory_that_lies_about_sizes(tmp_path: Path) -> None:
    raw = bytearray(zipped(tmp_path / "a.zip", {"a.png": bytes(5000)}).read_bytes())
    at = raw.index(b"PK\x01\x02") + 24
    for n, size in enumerate((10, 6000, 1 << 31)):
        raw[at : at + 4] = struct.pack("<I", size)
        (tmp_path / "a.zip").write_bytes(raw)
        assert rules_of(tmp_path / "a.zip", tmp_path / f"out{n}") == [
            "archive-size" if size == 1 << 31 else "archive-damaged"
        ]


def test_a_disk_without_room_is_no_fault_of_the_archive(
    sub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zipped(tmp_path / "sub.zip", files(sub))
    room = sum(map(len, files(sub).values()))
    for spare, fits in ((0, True), (1, False)):
        free = type("Usage", (), {"free": room + archive._SPARE - spare})
        monkeypatch.setattr(archive.shutil, "disk_usage", lambda _, free=free: free)
        (out := tmp_path / str(spare)).mkdir()
        if fits:
            unpack(packed, out)
            assert files(out) == files(sub)
            continue
        with pytest.raises(MachineFault, match=rf"the disk is full \({out}\): .*sub.zip expands to more than"):
            unpack(packed, out)


def test_bombs_of_count_and_of_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 100)
    many = {f"{n}.png": b"" for n in range(101)}
    for form in ("a.zip", "a.tar"):
        assert rules_of(FORMS[form](tmp_path / form, many), tmp_path / form[-3:]) == ["archive-size"]
    monkeypatch.undo()
    # A header of tar that claims gigabytes of names, in few bytes.
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3 << 30
    with gzip.open(tmp_path / "b.tgz", "wb", 1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    assert rules_of(tmp_path / "b.tgz", tmp_path / "long") == ["archive-damaged"]


@pytest.mark.parametrize("form", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_cut_archive_is_damaged_wherever_it_is_cut(tmp_path: Path, form: str) -> None:
    whole = FORMS[form](tmp_path / form, {f"{n}.png": os.urandom(700) for n in range(5)}).read_bytes()
    end = len(whole) if form != "a.tar" else 5 * 1536  # only zeros follow
    for n, size in enumerate(range(0, end, 97)):
        (tmp_path / form).write_bytes(whole[:size])
        assert rules_of(tmp_path / form, tmp_path / f"out{n}") == ["archive-damaged"]


def test_what_is_no_archive_says_so(tmp_path: Path, ds: Release, root: Path) -> None:
    for name in ("a.zip", "a.tar", "a.tgz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
        with pytest.raises(Refused, match="cannot be read"):
            score(tmp_path / name, ds, kind="saliency")
        assert not examine(tmp_path / name, root).ok


# ---------------------------------------------------------------------------------------------------------------------
# The folder in which archives are unpacked


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "base") as one:
        (one / "x").write_text("1")
        with temporary_folder(tmp_path / "base") as two:
            assert one != two
            assert (one / "x").is_file()
        assert not two.exists()
        assert one.is_dir()
    assert not (tmp_path / "base").exists()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, 'src');"
        "from vidsal.benchmark.submissions.workspace import temporary_folder\n"
        "with temporary_folder(Path(sys.argv[1])) as f:\n"
        "    (f / 'data').write_text('x'); print('ready', flush=True); time.sleep(60)"
    )
    checkout = Path(vidsal.__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "base")], cwd=checkout, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    (left,) = (p for p in (tmp_path / "base").iterdir() if p.is_dir())
    with temporary_folder(tmp_path / "base"):
        assert (left / "data").is_file()  # its maker lives
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with temporary_folder(tmp_path / "base"):
        assert not left.exists()
    (tmp_path / "base" / "work-bare").mkdir(parents=True)
    (tmp_path / "base" / "work-gone.lock").touch()
    with temporary_folder(tmp_path / "base") as folder:  # neither has a maker that lives
        assert {p.name for p in folder.parent.iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert not (tmp_path / "base").exists()


def test_a_lock_that_was_swept_before_it_was_held_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between making a lock and holding it another process may take it for one that was left."""
    real, swept = workspace.fcntl.flock, []

    def late(file: Any, how: int) -> None:
        if not swept:
            swept.extend(tmp_path.glob("base/*.lock"))
            swept[0].unlink()
        real(file, how)

    monkeypatch.setattr(workspace.fcntl, "flock", late)
    with temporary_folder(tmp_path / "base") as folder:
        assert swept[0].name != f"{folder.name}.lock"
        assert (tmp_path / "base" / f"{folder.name}.lock").exists()


def test_nothing_is_left_after_a_refusal(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "a.zip", {"a.png": b"1", "../b.png": b"2"})
    with pytest.raises(Refused), opened_folder(packed, tmp_path / "out"):
        raise AssertionError("refused before")
    assert not (tmp_path / "out" / UNPACKED).exists()


def test_only_what_is_wanted_is_unpacked(tmp_path: Path) -> None:
    for form in ("a.zip", "a.tar"):
        packed = FORMS[form](tmp_path / form, {"submission.json": b"{}", "predictions/a.png": b"1"})
        with opened_folder(packed, wanted=lambda name: name == "submission.json") as folder:
            assert list(files(folder)) == ["submission.json"]


def test_faults_of_names() -> None:
    assert fault_of("predictions/a/000001.png") is None
    assert fault_of("predictions//a/./b") is None
    assert fault_of("..a/b..") is None
