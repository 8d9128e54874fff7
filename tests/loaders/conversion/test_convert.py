from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidsal.loaders import schema
from vidsal.loaders.conversion import convert as module, job as conversion_job
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.inspect.verify import verify
from vidsal.loaders.io import parquet
from vidsal.loaders.io.files import sha256
from vidsal.loaders.release.release import load

from ..trees import dhf1k_raw, noise_video, repeat, write_map, write_video


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "source"
    generate(folder, videos=3, frames=20, width=64, height=48, observers=3, seed=4)
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {p.name: sha256(p) for p in sorted(folder.glob("*.*")) if p.is_file() and p.name != "local.json"}


def test_converting_twice_and_with_workers_gives_equal_bytes(source: Path, tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 1), ("c", 2)):
        convert("synthetic", source, tmp_path / name, workers=workers)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b") == _digests(tmp_path / "c")
    assert not (tmp_path / "a" / ".partial").exists()


def test_the_tables_follow_the_schema(source: Path, tmp_path: Path) -> None:
    convert("synthetic", source, tmp_path / "out", workers=1)
    for name, expected in (("stimuli", schema.STIMULI), ("fixations", schema.FIXATIONS), ("gaze", schema.GAZE)):
        found = pq.read_schema(tmp_path / "out" / f"{name}.parquet")
        assert found.remove_metadata() == expected.remove_metadata()
        assert found.metadata[b"vidsal.schema_version"] == b"1"
        assert b"vidsal.conventions" in found.metadata
    assert all(f.ok for f in verify(tmp_path / "out"))


def test_row_groups_are_aligned_to_stimuli(tmp_path: Path) -> None:
    def table(stimulus: str, rows: int) -> pa.Table:
        columns = {"event": "point", "frame": [0] * rows, "x_px": [1.0] * rows, "y_px": [1.0] * rows}
        return schema.fixations_table(columns, dataset="d", stimulus_id=stimulus, split="all", width=9, height=9)

    sizes = [60_000, 60_000, 60_000, 140_000, 5]
    tables = [table(f"s{i}", n) for i, n in enumerate(sizes)]
    parquet.write(tmp_path / "x.parquet", schema.FIXATIONS, iter(tables))
    meta = pq.read_metadata(tmp_path / "x.parquet")
    groups = [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]
    assert groups == [120_000, 60_000, 131_072, 8_928, 5]
    assert pq.read_table(tmp_path / "x.parquet").num_rows == sum(sizes)


def test_a_killed_conversion_goes_on_and_ends_equal(source: Path, tmp_path: Path) -> None:
    convert("synthetic", source, tmp_path / "whole", workers=1)
    code = (
        "import os, signal, sys; from vidsal.loaders.conversion.convert import convert\n"
        "def stop(done, total, name):\n"
        "    if done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "convert('synthetic', sys.argv[1], sys.argv[2], workers=1, progress=stop)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    done = subprocess.run([sys.executable, "-c", code, str(source), str(tmp_path / "cut")], env=env)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / "release.json").exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut" / ".partial").rglob("*.json")}
    assert len(kept) == 2
    seen = []
    real = module.convert_one
    try:
        module.convert_one = lambda job: (seen.append(job.row.stimulus_id), real(job))[1]  # type: ignore[assignment]
        convert("synthetic", source, tmp_path / "cut", workers=1)
    finally:
        module.convert_one = real
    assert len(seen) == 1
    assert _digests(tmp_path / "cut") == _digests(tmp_path / "whole")


def test_a_changed_source_is_read_again_after_a_kill(tmp_path: Path) -> None:
    source = dhf1k_raw(tmp_path / "src", observers=2)
    with pytest.raises(KeyboardInterrupt):
        convert("dhf1k", source, tmp_path / "out", variant="raw", workers=1, progress=_interrupt)
    dhf1k_raw(tmp_path / "src", observers=2, frames=5)
    convert("dhf1k", source, tmp_path / "out", variant="raw", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert stimulus.gaze_points.frame.max() == 4


def _damage(path: Path) -> Callable[[], object]:
    """Cut a file off; return what mends it."""
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    return lambda: path.write_bytes(whole)


def _raw_with_a_cut_recording(source: Path) -> Callable[[], object]:
    dhf1k_raw(source, observers=3)
    return _damage(source / "exportdata_train" / "P02" / "P02_Trail002.txt")


def _raw_without_its_video(source: Path) -> Callable[[], object]:
    dhf1k_raw(source, observers=17, with_video=True)
    expected = source / "video" / "002.AVI"
    (source / "video" / "002.avi").rename(source / "aside.bin")
    return lambda: (source / "aside.bin").rename(expected)


def _raw_with_a_later_observer(source: Path) -> Callable[[], object]:
    dhf1k_raw(source, observers=18)
    (source / "exportdata_train" / "P18").rename(source / "aside")
    return lambda: (source / "aside").rename(source / "exportdata_train" / "P18")


def _maps_with_a_later_one(source: Path) -> Callable[[], object]:
    folder = source / "annotation" / "0002" / "fixation"
    write_map(folder / "0001.png", [(1, 2)])
    write_map(folder / "0002.png", [])
    repeat(folder / "0002.png", range(3, 784))
    return lambda: write_map(folder / "0784.png", [(5, 6)])


def _frames_of_which_one_changes_in_place(source: Path) -> Callable[[], object]:
    """All frames of a short video, so that nothing is odd before; then they are smaller."""
    from PIL import Image

    dhf1k_raw(source, video="343", observers=17, frames=187)
    folder = source / "frames" / "343"
    folder.mkdir(parents=True)
    Image.new("RGB", (640, 360)).save(folder / "0001.png")
    repeat(folder / "0001.png", range(2, 187))
    return lambda: Image.new("RGB", (320, 180)).save(folder / "0001.png")


def _withheld_maps_that_come_later(source: Path) -> Callable[[], object]:
    write_video(source / "video" / "871.avi", np.zeros((186, 360, 640, 3), np.uint8), codec="mpeg4")
    folder = source / "annotation" / "0871" / "fixation"
    (source / "annotation" / "0002" / "fixation").mkdir(parents=True)

    def add() -> None:
        write_map(folder / "0001.png", [(1, 2)])
        repeat(folder / "0001.png", range(2, 187))

    return add


@pytest.mark.parametrize(
    ("variant", "make"),
    [
        ("raw", _raw_with_a_cut_recording),
        ("raw", _raw_without_its_video),
        ("raw", _raw_with_a_later_observer),
        ("released", _maps_with_a_later_one),
        ("raw", _frames_of_which_one_changes_in_place),
        ("released", _withheld_maps_that_come_later),
    ],
)
def test_what_is_mended_or_added_before_going_on_counts(
    variant: str, make: Callable[[Path], Callable[[], object]], tmp_path: Path
) -> None:
    source = tmp_path / "src"
    mend = make(source)

    def all_done(done: int, total: int, name: str) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert("dhf1k", source, tmp_path / "out", variant=variant, workers=1, progress=all_done)
    mend()
    convert("dhf1k", source, tmp_path / "out", variant=variant, workers=1)
    convert("dhf1k", source, tmp_path / "fresh", variant=variant, workers=1)
    assert _digests(tmp_path / "out") == _digests(tmp_path / "fresh")


def test_a_mended_image_counts_after_nothing_could_be_used(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "src" / "BenchmarkIMAGES" / "i112.jpg"
    path.parent.mkdir(parents=True)
    Image.fromarray(noise_video(1)[0]).save(path)
    mend = _damage(path)
    with pytest.raises(MissingData, match=r"i112\.jpg"):
        convert("mit300", tmp_path / "src", tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "release.json").exists()
    mend()
    assert convert("mit300", tmp_path / "src", tmp_path / "out", workers=1).release["counts"]["with_frames"] == 1


GARBAGE = {
    "dhf1k raw": "exportdata_train/P01/P01_Trail002.txt",
    "dhf1k released": "annotation/0601/fixation/0001.png",
    "ledov": "animal_alpaca01/Data.mat",
    "mit1003 mat": "DATA/ajs/i05june05_static_street_boston_p1010764.mat",
    "ucf-sports 2018": "test/Diving-Side_001/fixation/0001.png",
    "salicon 2017": "train/COCO_train2014_000000000009.mat",
    "salicon 2015-json": "fixations_train2014.json",
    "xu-hevc": "video_database.mat",
}


@pytest.mark.parametrize(("form", "file"), GARBAGE.items())
def test_where_nothing_can_be_used_the_first_bad_file_is_named(form: str, file: str, tmp_path: Path) -> None:
    name, _, variant = form.partition(" ")
    path = tmp_path / "src" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"garbage")
    with pytest.raises(MissingData) as caught:
        convert(name, tmp_path / "src", tmp_path / "out", variant=variant or None, workers=1)
    assert path.name in str(caught.value)
    assert not (tmp_path / "out" / "release.json").exists()


def test_an_empty_folder_of_maps_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "src" / "annotation" / "0601" / "fixation").mkdir(parents=True)
    with pytest.raises(MissingData, match="annotation/0601/fixation: no fixation map is there"):
        convert("dhf1k", tmp_path / "src", tmp_path / "out", variant="released", workers=1)


def _interrupt(done: int, total: int, name: str) -> None:
    raise KeyboardInterrupt


def test_a_full_disk_leaves_what_was_there_whole(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert("synthetic", source, tmp_path / "out", workers=1)
    before = _digests(tmp_path / "out")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(conversion_job.parts, "write", full)
    with pytest.raises(OSError, match="No space left"):
        convert("synthetic", source, tmp_path / "out", workers=1)
    assert _digests(tmp_path / "out") == before
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_releases_are_never_mixed(source: Path, tmp_path: Path) -> None:
    convert("synthetic", source, tmp_path / "out", workers=1)
    dhf1k_raw(tmp_path / "src")
    with pytest.raises(WrongUse, match="already holds synthetic"):
        convert("dhf1k", tmp_path / "src", tmp_path / "out", variant="raw")


def test_unknown_names_suggest_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'dhf1k'"):
        convert("dhf1", tmp_path, tmp_path / "out")
    with pytest.raises(UnknownName, match="unknown variant"):
        convert("dhf1k", tmp_path, tmp_path / "out", variant="cooked")


def test_annotation_past_the_last_decoded_frame_is_left_out(tmp_path: Path) -> None:
    write_video(tmp_path / "video" / "002.avi", noise_video(3, 360, 640), codec="mpeg4")
    for number in range(1, 6):
        write_map(tmp_path / "annotation" / "0002" / "fixation" / f"{number:04d}.png", [(number, number)])
    result = convert("dhf1k", tmp_path, tmp_path / "out", variant="released", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert stimulus.n_frames == 3
    assert stimulus.gaze_points.frame.tolist() == [0, 1, 2]
    assert stimulus.annotated_indices().tolist() == [0, 1, 2]
    kinds = {a.kind: a for a in result.anomalies}
    assert kinds["surplus"].count == 2
    assert "2 annotated frames lie past the last of 3; they and their 2 rows" in kinds["surplus"].message
    assert "3 frames decoded, the register says 783" in kinds["mismatch"].message


@pytest.mark.parametrize("damage", ["bytes", "counts", "missing"])
def test_verify_finds_damage(source: Path, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "out"
    convert("synthetic", source, out, workers=1)
    path = out / "fixations.parquet"
    if damage == "bytes":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    elif damage == "missing":
        path.unlink()
    else:
        record = json.loads((out / "release.json").read_text())
        record["counts"]["fixations"] += 1
        (out / "release.json").write_text(json.dumps(record))
    assert [f for f in verify(out) if not f.ok]


def test_a_gaze_column_of_wrong_content_is_refused() -> None:
    good = {"event": "point", "frame": [0], "x_px": [1.0], "y_px": [1.0]}
    place = {"dataset": "d", "stimulus_id": "s", "split": "all", "width": 9, "height": 9}
    assert schema.fixations_table(good, **place).num_rows == 1  # type: ignore[arg-type]
    for wrong, message in (
        ({"event": "glance"}, "none of fixation"),
        ({"frame": [0, 1]}, "unequal length"),
        ({"x_px": [float("nan")]}, "not finite"),
        ({"x_px": np.array([np.inf])}, "not finite"),
        ({"frame": [None]}, "nulls"),
        ({"colour": [1]}, "does not know"),
    ):
        with pytest.raises(BadData, match=message):
            schema.fixations_table({**good, **wrong}, **place)  # type: ignore[arg-type]


def test_memory_is_bounded_by_one_stimulus(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from vidsal.loaders.conversion.convert import convert\n"
        "convert('synthetic', sys.argv[1], sys.argv[2], workers=1)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    peak = {}
    for videos in (5, 50):
        source = tmp_path / f"s{videos}"
        generate(source, videos=videos, frames=60, width=64, height=48, observers=4, write_video=False)
        command = [sys.executable, "-c", code, str(source), str(tmp_path / f"o{videos}")]
        peak[videos] = int(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert peak[50] < 1.15 * peak[5], peak


def test_conversion_is_resumed_not_repeated_when_interrupted_by_ctrl_c(source: Path, tmp_path: Path) -> None:
    code = (
        "import signal, sys; from vidsal.loaders.conversion.convert import convert\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have turned off\n"
        "def slow(done, total, name):\n"
        "    print(done, flush=True); sys.stdin.read()\n"
        "convert('synthetic', sys.argv[1], sys.argv[2], workers=1, progress=slow)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    words = [sys.executable, "-c", code, str(source), str(tmp_path / "out")]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() != 0
    assert len(list((tmp_path / "out" / ".partial").rglob("*.json"))) == 1


def test_a_clip_of_which_nothing_can_be_read_is_left_out_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "gaze" / "natural_movies_gaze"
    folder.mkdir(parents=True)
    head = "gaze 1280 720\ngeometry distance 0.45 width 0.4 height 0.225\n"
    (folder / "AAF_beach.coord").write_text("oops\n")
    (folder / "AAF_doves.coord").write_text(head + "".join(f"{t} 640.0 360.0 1\n" for t in range(0, 20_000_000, 4000)))
    result = convert("gazecom", tmp_path / "src", tmp_path / "out", variant="samples", workers=1)
    (stimulus,) = load(tmp_path / "out")
    assert (stimulus.id, stimulus.n_frames) == ("doves", 600)
    (unusable,) = [a for a in result.anomalies if a.kind == "unusable"]
    assert unusable.where == "beach"
    assert "number of frames; left out" in unusable.message
    assert unusable.fatal


def test_the_place_of_the_source_is_no_part_of_a_release(tmp_path: Path) -> None:
    digests = set()
    for place in ("here", "there"):
        folder = tmp_path / place / "animal_alpaca01"
        folder.mkdir(parents=True)
        (folder / "Data.mat").write_text("oops")
        write_video(folder / "animal_alpaca01.mp4", noise_video(2), codec="mpeg4")
        convert("ledov", tmp_path / place, tmp_path / f"out_{place}", workers=1)
        record = json.loads((tmp_path / f"out_{place}" / "release.json").read_text())
        assert str(tmp_path) not in json.dumps(record)
        digests.add(record["digest"])
    assert len(digests) == 1


@pytest.fixture(scope="module")
def long_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many stimuli that a conversion can be ended in their midst."""
    folder = tmp_path_factory.mktemp("long") / "source"
    generate(folder, videos=30, frames=60, width=64, height=48, observers=6, write_video=False)
    return folder


@pytest.fixture(scope="module")
def long_digests(long_source: Path) -> dict[str, str]:
    """Digests of its unbroken conversion."""
    convert("synthetic", long_source, long_source.parent / "whole", workers=1)
    return _digests(long_source.parent / "whole")


@pytest.mark.parametrize(("kind", "workers"), [("SIGTERM", "1"), ("SIGTERM", "2"), ("SIGKILL", "2")])
def test_an_ended_conversion_takes_its_workers_along_and_goes_on(
    long_source: Path, long_digests: dict[str, str], tmp_path: Path, kind: str, workers: str
) -> None:
    """Terminated it says a line and leaves nothing half; that the pipe ends shows that no worker lives on."""
    command = [sys.executable, "-m", "vidsal", "data", "convert", "synthetic", "--src", str(long_source)]
    command += ["--workers", workers, "--out"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    out = tmp_path / "cut"
    process = subprocess.Popen([*command, str(out)], env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not list(out.glob(".partial/*/*.json")):
        time.sleep(0.01)
    process.send_signal(getattr(signal, kind))
    _, error = process.communicate()
    if kind == "SIGTERM":
        assert process.returncode == 130
        assert error.strip() == "vidsal: interrupted; what was finished is kept, the same command goes on from there"
        assert not list(out.rglob("*.tmp"))
    assert list(out.glob(".partial/*/*.json"))
    assert not (out / "release.json").exists()
    convert("synthetic", long_source, out, workers=1)
    assert _digests(out) == long_digests


FAILS = Path("/proc/self/mem")
"""A regular file whose beginning cannot be read: Input/output error."""


@pytest.mark.skipif(not FAILS.exists(), reason="needs a file that cannot be read, which Linux has")
def test_a_disk_that_fails_is_no_damaged_source(tmp_path: Path) -> None:
    """There is no release that lacks frames or gaze; once the disk is mended, only what is missing is done."""
    generate(tmp_path / "source", videos=3, frames=3, width=64, height=48, observers=2)
    convert("synthetic", tmp_path / "source", tmp_path / "expected", workers=1)
    for pattern in ("*/video/scene_002.avi", "*/gaze/scene_002/*"):
        victim = sorted((tmp_path / "source").glob(pattern))[0]
        victim.rename(tmp_path / "kept")
        victim.symlink_to(FAILS)
        with pytest.raises(OSError, match="Input/output error") as caught:
            convert("synthetic", tmp_path / "source", tmp_path / "out", workers=1)
        assert caught.value.errno == errno.EIO
        assert not (tmp_path / "out" / "release.json").exists()
        victim.unlink()
        (tmp_path / "kept").rename(victim)
        convert("synthetic", tmp_path / "source", tmp_path / "out", workers=1)
        assert (tmp_path / "out" / "release.json").read_bytes() == (tmp_path / "expected" / "release.json").read_bytes()
        shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize("suffix", ["json", "fixations", "gaze"])
def test_a_kept_stimulus_that_is_damaged_is_done_again(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path / "source", videos=2, frames=2, width=64, height=48, observers=2, write_video=False)
    convert("synthetic", tmp_path / "source", tmp_path / "expected", workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            convert("synthetic", tmp_path / "source", tmp_path / "out", workers=1)
    victim = sorted((tmp_path / "out").rglob(f"*.{suffix}"))[0]
    content = victim.read_bytes()
    victim.write_bytes(content.replace(b'"n_observers": 2', b'"n_observers": 3') if suffix == "json" else flip(content))
    assert victim.read_bytes() != content
    convert("synthetic", tmp_path / "source", tmp_path / "out", workers=1)
    for name in ("release.json", "stimuli.parquet", "fixations.parquet", "gaze.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


def flip(content: bytes) -> bytes:
    """Flip a bit in the middle."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
