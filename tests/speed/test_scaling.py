"""Two processes against one: the whole conversion of a tree like GazeCom's, and the scoring of a stored submission.

`pytest tests/speed/test_scaling.py --benchmark-enable -s` prints wall times and ratios. Each command runs as a user
starts it. One worker uses more than one core where it can (files are decoded, tables are written in threads), so it is
also timed on a single core.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vidsal.benchmark import protocols
from vidsal.benchmark.scoring import truth_cache
from vidsal.loaders.release.release import Release, load

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LINUX = hasattr(os, "sched_setaffinity")


def seconds(arguments: list[str], cores: int | None, repeats: int = 3) -> float:
    """Least wall time of a command; `cores` = how many it may use."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    allowed = sorted(os.sched_getaffinity(0))
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "vidsal", *arguments],
            env=environment,
            check=True,
            capture_output=True,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, allowed[:cores]),
        )
        best = min(best, time.perf_counter() - start)
    return best


def report(title: str, times: dict[str, float], size: float, unit: str, benchmark: Any, capsys: Any) -> None:
    two, one, single = times["2 workers"], times["1 worker"], times["1 worker, 1 core"]
    benchmark.extra_info.update(times, ratio=one / two, ratio_single=single / two)
    benchmark.pedantic(lambda: None, rounds=1)
    figures = "; ".join(f"{name} {t:.2f} s, {size / t:.0f} {unit}/s" for name, t in times.items())
    with capsys.disabled():
        sys.stdout.write(
            f"\n{title}: {figures}; 2 workers {one / two:.2f} times 1, {single / two:.2f} times 1 on one core\n"
        )


@pytest.mark.data
@pytest.mark.skipif(not LINUX, reason="cores can be assigned on Linux only")
@pytest.mark.parametrize("copies", [23, 92])  # 23: as many recordings as GazeCom has; 92: four times as many
def test_converting_gazecom(
    copies: int, samples: Path, tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "src" / "natural_movies_gaze"
    folder.mkdir(parents=True)
    real = [f for who in ("AAF", "GGM") for f in sorted((samples / "gazecom").rglob(f"{who}_*.coord"))]
    for copy in range(copies):
        for file in real:
            who, clip = file.stem.split("_", 1)
            shutil.copy(file, folder / f"{who[0]}{copy:02d}_{clip}.coord")
    size = sum(f.stat().st_size for f in folder.iterdir()) / 2**20
    convert = ["data", "convert", "gazecom", "--variant", "samples", "--src", str(tmp_path / "src")]

    def timed(workers: int, cores: int | None) -> float:
        times = []
        for turn in range(3):
            out = tmp_path / f"out{workers}{cores}{turn}"
            times.append(seconds([*convert, "--out", str(out), "--workers", str(workers)], cores, 1))
        return min(times)

    times = {"1 worker, 1 core": timed(1, 1), "1 worker": timed(1, None), "2 workers": timed(2, 2)}
    report(f"GazeCom, {len(list(folder.iterdir()))} recordings, {size:.0f} MB", times, size, "MB", benchmark, capsys)


@pytest.mark.skipif(not LINUX, reason="cores can be assigned on Linux only")
@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])
def test_scoring_a_submission(
    protocol: str,
    tmp_path: Path,
    stored: Callable[..., Release],
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What each further frame costs: the time of twelve videos less that of four."""
    data = stored(tmp_path, videos=12, frames=300, width=640, height=360)
    truth_cache.build(load(tmp_path / "rel"), protocols.protocol(protocol))
    score = ["score", str(tmp_path / "sub"), "--data", str(tmp_path / "rel"), "--kind", "saliency", "--fresh"]
    score += ["--protocol", protocol, "-o", str(tmp_path / "results"), "--workers"]

    def further(workers: int, cores: int | None) -> float:
        whole, few = (seconds([*score, str(workers), "--limit", limit], cores) for limit in ("12", "4"))
        return whole - few

    times = {"1 worker, 1 core": further(1, 1), "1 worker": further(1, None), "2 workers": further(2, 2)}
    frames = sum(s.n_frames for s in list(data)[4:])
    report(f"{frames} further PNG maps of 640 x 360, {protocol}", times, frames, "frames", benchmark, capsys)
