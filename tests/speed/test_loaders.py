"""Speed of the loaders, as ratios measured side by side in one run; printed, never asserted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def best(function: Callable[[], object], repeats: int = 5) -> float:
    """Processor seconds of the fastest of several calls."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        function()
        times.append(time.process_time() - begun)
    return min(times)


@pytest.mark.data
def test_gazecom_text_against_loadtxt(samples: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from vidsal.loaders.datasets.gazecom.coord import parse

    files = sorted((samples / "gazecom" / "gaze" / "natural_movies_gaze").glob("*.coord"))[:20]
    size = sum(f.stat().st_size for f in files) / 2**20

    def plain() -> None:
        for file in files:
            lines = file.read_text().splitlines()
            skip = next(i for i, line in enumerate(lines) if line.startswith("geometry")) + 1
            np.loadtxt(file, skiprows=skip)

    def ours() -> None:
        for file in files:
            parse(file)

    ours()
    slow, fast = best(plain, 2), best(ours)
    benchmark(ours)
    with capsys.disabled():
        sys.stdout.write(f"\nGazeCom text: {size / fast:.0f} MB/s, {slow / fast:.1f} times numpy.loadtxt\n")


@pytest.mark.data
def test_pooled_maps_against_decoding_alone(samples: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image
    from scipy.io import loadmat

    from vidsal.loaders.formats.pooled import points_of_map

    folder = samples / "dhf1k" / "annotation" / "0601" / "fixation"
    lines = []
    for kind, files, decode in (
        ("PNG", sorted(folder.glob("*.png")), lambda f: np.asarray(Image.open(f))),
        ("MAT", sorted((folder / "maps").glob("*.mat")), loadmat),
    ):
        alone = best(lambda files=files, decode=decode: [decode(f) for f in files])  # type: ignore[misc]
        whole = best(lambda files=files: [points_of_map(f) for f in files])  # type: ignore[misc]
        lines.append(f"pooled {kind}: {alone / whole:.2f} of the speed of decoding alone")
    benchmark(lambda: points_of_map(folder / "0001.png"))
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def test_importing_the_loaders(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def seconds(code: str) -> float:
        times = []
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, "-c", f"import time; import sys; {code}; sys.stdout.write(str(time.process_time()))"],
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                capture_output=True,
                text=True,
                check=True,
            )
            times.append(float(done.stdout))
        return min(times)

    base = "import pandas, pyarrow.parquet"
    added = seconds(f"{base}; import vidsal.loaders, vidsal.loaders.release.release") - seconds(base)
    benchmark(lambda: None)
    with capsys.disabled():
        sys.stdout.write(f"\nvidsal.loaders adds {1000 * added:.0f} ms to pandas and pyarrow.parquet\n")


def test_one_stimulus_of_a_large_release(tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet as pq

    from vidsal.loaders import schema
    from vidsal.loaders.io import parquet
    from vidsal.loaders.release.points import POINT_COLUMNS
    from vidsal.loaders.release.release import Release

    random = np.random.default_rng(0)
    stimuli, rows = 100, 50_000

    def table(number: int) -> Any:
        columns = {
            "event": "point",
            "frame": np.sort(random.integers(0, 600, rows)).astype(np.int32),
            "x_px": random.uniform(0, 640, rows),
            "y_px": random.uniform(0, 360, rows),
        }
        place = {"dataset": "d", "stimulus_id": f"{number:03d}", "split": "all", "width": 640, "height": 360}
        return schema.fixations_table(columns, **place)  # type: ignore[arg-type]

    parquet.write(tmp_path / "fixations.parquet", schema.FIXATIONS, (table(i) for i in range(stimuli)))
    release = Release.__new__(Release)
    release.root, release.split = tmp_path, None
    release._stimuli = {f"{i:03d}": None for i in range(stimuli)}  # type: ignore[misc]

    def one() -> None:
        release.table("fixations", "017", POINT_COLUMNS)

    single, whole = best(one), best(lambda: pq.read_table(tmp_path / "fixations.parquet", use_threads=False), 2)
    benchmark(one)
    with capsys.disabled():
        sys.stdout.write(
            f"\none of {stimuli} stimuli of {rows:,} rows: {1000 * single:.0f} ms, 1/{whole / single:.0f} of the whole\n"
        )


@pytest.mark.data
def test_clips_for_training(samples: Path, tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames a second of processor time that the clip loader alone gives, decoding and from its cache."""
    import vidsal
    from vidsal.loaders.clips import ClipSampler
    from vidsal.loaders.conversion.convert import convert

    convert("dhf1k", samples / "dhf1k", tmp_path / "release", variant="raw", workers=1)
    release = vidsal.load(tmp_path / "release")
    lines = []
    for what, frames, step, size, targets in (
        (
            "UNISAL's, 12 frames of every 5th, 224 x 384, density and fixations",
            12,
            5,
            (224, 384),
            ("density", "fixated"),
        ),
        ("TinyHD's, 32 frames, 192 x 256, density and fixations", 32, 1, (192, 256), ("density", "fixated")),
        ("32 frames, 192 x 256, no targets", 32, 1, (192, 256), ()),
    ):
        for cache in (None, tmp_path / "cache"):
            clips = ClipSampler(
                release, frames=frames, step=step, size=size, targets=targets, only=["002"], per_stimulus=3, cache=cache
            )
            planned = clips.plan(0)
            clips.read(planned[0])  # fills the cache, compiles what is compiled
            begun = time.process_time()
            for clip in planned:
                clips.read(clip)
            rate = len(planned) * frames / (time.process_time() - begun)
            lines.append(f"{rate:7.0f} frames/s {'from the cache' if cache else 'decoding'}: {what}")
    benchmark(lambda: clips.read(planned[0]))
    with capsys.disabled():
        sys.stdout.write("\nclips of DHF1K 002, one process:\n" + "\n".join(lines) + "\n")
