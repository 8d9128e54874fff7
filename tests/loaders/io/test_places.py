"""Mirrors of places: what comes, what comes again, what never lands here; deliveries that count from their marker on."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vidsal.loaders.errors import BadData, MachineFault, MissingData, WrongUse
from vidsal.loaders.io.places import Place, deliver, fetch, named, try_place

memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty store of this process, and an empty cache."""
    monkeypatch.setenv("VIDSAL_CACHE", str(tmp_path / "cache"))
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    yield memory()
    memory.store.clear()


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def fetched(place: Place) -> list[str]:
    """What came for a place now."""
    came: list[str] = []
    fetch(place, lambda done, total, name: came.append(name))
    return sorted(came)


def test_a_mirror_is_equal_and_only_what_changed_comes_again(store: Any) -> None:
    place = Place("memory://a/data/")
    for name in ("x", "deep/er/y", "deep/z"):
        store.pipe_file(f"/a/data/{name}", name.encode())
    store.pipe_file("/a/data/.DS_Store", b"left behind")
    assert fetched(place) == ["data/deep/er/y", "data/deep/z", "data/x"]
    assert content(place.mirror) == {"x": b"x", "deep/er/y": b"deep/er/y", "deep/z": b"deep/z"}
    assert place.mirror.name == "data"
    assert fetched(place) == []
    store.pipe_file("/a/data/x", b"X")  # as long as before
    store.rm("/a/data/deep/er", recursive=True)
    assert fetched(place) == ["data/x"]
    assert content(place.mirror) == {"x": b"X", "deep/z": b"deep/z"}
    assert not (place.mirror / "deep" / "er").exists()


def test_a_mirror_that_was_touched_is_mended_and_hidden_files_of_ours_stay(store: Any) -> None:
    place = Place("memory://data")
    store.pipe_file("/data/x", b"right")
    fetch(place)
    (place.mirror / "x").write_bytes(b"wrong")
    (place.mirror / "foreign").write_bytes(b"")
    (place.mirror / ".cache").mkdir()
    (place.mirror / ".cache" / "truth").write_bytes(b"ours")
    assert fetched(place) == ["data/x"]
    assert content(place.mirror) == {".cache/truth": b"ours", "x": b"right"}


def test_a_store_that_says_no_more_than_sizes_is_read_each_time(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find = memory.find
    bare = ("name", "size", "type")
    monkeypatch.setattr(memory, "find", lambda *a, **k: {p: {n: i[n] for n in bare} for p, i in find(*a, **k).items()})
    store.pipe_file("/data/x", b"1")
    assert fetched(Place("memory://data")) == fetched(Place("memory://data")) == ["data/x"]


def test_a_file_that_comes_cut_off_leaves_the_one_before(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("memory://data")
    store.pipe_file("/data/x", b"before")
    fetch(place)
    store.pipe_file("/data/x", b"afterwards")
    with monkeypatch.context() as patch:
        patch.setattr(memory, "get_file", lambda self, path, local: Path(local).write_bytes(b"after"))
        with pytest.raises(BadData, match="memory://data: data/x came cut off"):
            fetch(place)
    assert content(place.mirror) == {"x": b"before"}
    assert fetched(place) == ["data/x"]
    assert content(place.mirror) == {"x": b"afterwards"}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "a//b", "./a", "a\\..\\b", "a\0b"])
def test_names_that_lead_elsewhere(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    found = {f"/data/{n}": {"name": f"/data/{n}", "size": 0, "type": "file"} for n in ("good", name)}
    monkeypatch.setattr(memory, "find", lambda *_, **__: found)
    with pytest.raises(BadData, match="leads elsewhere; nothing was fetched"):
        fetch(Place("memory://data"))
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {".lock"}


def test_an_archive_whose_names_lead_elsewhere(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../../../out", b"")
    with pytest.raises(BadData, match="leads elsewhere"):
        fetch(Place(f"zip://::{tmp_path}/evil.zip"))
    assert not list(tmp_path.rglob("out"))


def test_a_name_of_a_file_and_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("a", b"")
        archive.writestr("a/b", b"")
    with pytest.raises(BadData, match="is a file and a folder"):
        fetch(Place(f"zip://::{tmp_path}/both.zip"))


def test_a_folder_in_an_archive_and_a_single_file(store: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("sub/a", b"1")
        archive.writestr("other/b", b"2")
    store.pipe_file("/bucket/all.zip", (tmp_path / "all.zip").read_bytes())
    folder = fetch(Place("zip://sub::memory://bucket/all.zip"))
    assert (folder.name, content(folder)) == ("sub", {"a": b"1"})
    whole = fetch(Place("zip://::memory://bucket/all.zip"))
    assert (whole.name, sorted(content(whole))) == ("all", ["other/b", "sub/a"])
    file = fetch(Place("memory://bucket/all.zip"))
    assert (file.name, file.read_bytes()) == ("all.zip", (tmp_path / "all.zip").read_bytes())


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("memory://none", MissingData, "nothing is there"),
        ("nix://a", WrongUse, "fsspec knows no addresses that begin with nix://"),
        ("memory://", WrongUse, "names no folder"),
        ("file:///tmp/x", WrongUse, "name the path itself"),
        ("zip://a", MissingData, "cannot be reached"),
        ("zip://::memory://none.zip", MissingData, "nothing is there"),
    ],
)
def test_places_that_cannot_be_read(address: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        fetch(Place(address))


@pytest.mark.parametrize("address", ["zip://::memory://a.zip", "hf://datasets/x/y", "https://example.org/x"])
def test_places_that_can_only_be_read(address: str) -> None:
    with pytest.raises(WrongUse, match="can only be read"):
        try_place(Place(address))


def test_a_file_system_that_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(memory, "pipe_file", lacking)
    with pytest.raises(WrongUse, match="cannot write to such an address"):
        try_place(Place("memory://out"))


def test_trying_a_place_leaves_nothing(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    try_place(Place("memory://out"))
    assert not memory.store

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(memory, "pipe_file", refused)
    with pytest.raises(WrongUse, match="memory://out: no permission"):
        try_place(Place("memory://out"))


def test_the_marker_is_written_last_and_a_cut_delivery_goes_on(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place, put = Place("memory://out"), memory.put_file
    for name in ("a/run.json", "a/z", "b/run.json", "b/deep/y", "c/unfinished", ".partial/d/run.json"):
        (place.work / name).parent.mkdir(parents=True, exist_ok=True)
        (place.work / name).write_text(name)
    order: list[str] = []

    def cut(self: Any, local: str, path: str, **options: Any) -> None:
        if path.endswith("b/run.json"):
            raise KeyboardInterrupt
        order.append(path)
        put(self, local, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", cut)
        with pytest.raises(KeyboardInterrupt):
            deliver(place, "run.json")
    assert order == ["/out/a/z", "/out/a/run.json", "/out/b/deep/y"]
    assert sorted(memory.store) == ["/out/a/run.json", "/out/a/z", "/out/b/deep/y"]
    assert deliver(place, "run.json") == 1
    assert sorted(memory.store) == ["/out/a/run.json", "/out/a/z", "/out/b/deep/y", "/out/b/run.json"]
    assert sorted(content(place.work)) == [".partial/d/run.json", "c/unfinished"]
    assert deliver(place, "run.json") == 0


def test_a_folder_delivered_again_does_not_count_meanwhile(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place, put, seen = Place("memory://out"), memory.put_file, []
    monkeypatch.setattr(
        memory, "put_file", lambda *a, **k: (seen.append("/out/release.json" in memory.store), put(*a, **k))
    )
    for _ in range(2):
        place.work.mkdir(parents=True, exist_ok=True)
        for name in ("release.json", "stimuli.parquet"):
            (place.work / name).write_text("")
        deliver(place, "release.json")
    assert seen == [False] * 4


def test_what_does_not_fit_is_not_begun(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    info = {"name": "/data/x", "size": 1 << 60, "type": "file"}
    monkeypatch.setattr(memory, "find", lambda *_, **__: {"/data/x": info})
    with pytest.raises(MachineFault, match="1,152,921,504,606,846,976 bytes do not fit"):
        fetch(Place("memory://data"))
    assert not Place("memory://data").mirror.exists()


def test_texts_name_the_address_without_its_password(store: Any) -> None:
    store.pipe_file("/data/x", b"")
    mirror = fetch(Place("memory://data"))
    assert named(f"{mirror / 'x'}: bad") == "memory://data/x: bad"
    assert Place("ftp://me:secret@host/a").shown == "ftp://***@host/a"
