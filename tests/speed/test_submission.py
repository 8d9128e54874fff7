"""What scoring a stored submission costs, against only decoding its PNG files; one run, the same cores.

`pytest tests/speed/test_submission.py --benchmark-enable -s` prints the table; the same figures are in `extra_info`.
Both sides get two threads. Wall time is the least of interleaved repeats; processor time, which other programs on the
machine disturb less, beside it. The truth comes from a cache whose building is reported apart. Asserted is only that
the rows equal those without a cache.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vidsal.benchmark import protocols
from vidsal.benchmark.scoring import truth_cache
from vidsal.benchmark.submissions.formats import png
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.release.release import Release

pytestmark = pytest.mark.slow
THREADS = 2


def decode_file(path: str) -> None:
    png.decode(Path(path).read_bytes(), path)


def decode(files: list[str]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(decode_file, files):
            pass


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def test_scoring_a_submission(
    tmp_path: Path, stored: Callable[..., Release], benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    data = stored(tmp_path, videos=4, frames=300, width=640, height=360)
    files = [str(p) for p in sorted((tmp_path / "sub").rglob("*.png"))]

    def scored(protocol: str, cache: str | None = "auto", limit: int | None = None) -> Any:
        return score(tmp_path / "sub", data, protocol, kind="saliency", truth_cache=cache, limit=limit)

    building = {}
    for name in ("dhf1k-1", "exact-1"):
        plain = scored(name, None, 1)
        building[name] = timed(lambda name=name: truth_cache.build(data, protocols.protocol(name)))
        assert plain.record["rows_digest"] == scored(name, "auto", 1).record["rows_digest"]
    works: dict[str, Callable[[], Any]] = {
        "only decoding": lambda: decode(files),
        "scored, dhf1k-1 (8-bit truth)": lambda: scored("dhf1k-1"),
        "scored, exact-1 (float32 truth)": lambda: scored("exact-1"),
    }
    best = {name: (float("inf"), float("inf")) for name in works}
    for _ in range(7):
        for name, work in works.items():
            wall, cpu = timed(work)
            best[name] = min(best[name][0], wall), min(best[name][1], cpu)
    benchmark.pedantic(works["scored, dhf1k-1 (8-bit truth)"], rounds=1)
    n = len(files) / 1e3
    base = best["only decoding"]
    lines = [f"{len(files)} maps of 640 x 360, {THREADS} threads          wall ms    ratio   processor ms    ratio"]
    for name, (wall, cpu) in best.items():
        benchmark.extra_info[name] = {"wall_ms": wall / n, "cpu_ms": cpu / n, "ratio": wall / base[0]}
        lines.append(f"{name:<40}{wall / n:12.3f}{wall / base[0]:9.2f}{cpu / n:15.3f}{cpu / base[1]:9.2f}")
    for name, (wall, _) in building.items():
        benchmark.extra_info[f"building the truth, {name}"] = {"wall_ms": wall / n}
        lines.append(f"{'building the truth once, ' + name:<40}{wall / n:12.3f}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
