"""What a site costs: reading and checking runs against only decoding their rows, and checking pages against parsing them.

`pytest tests/speed/test_site.py --benchmark-enable -s` prints the table; the same figures are in `extra_info`. Processor
time, the least of interleaved repeats. Asserted is only that all is read and that no page has a fault. The full size is
`site_scale.py`'s.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from vidsal.benchmark.evaluation.results.store import find_runs, load_run
from vidsal.leaderboard.check.site import check
from vidsal.leaderboard.site import build

from .site_scale import Size, bytes_of, make_results

pytestmark = pytest.mark.slow


def least(works: dict[str, Callable[[], Any]], repeats: int = 3) -> dict[str, float]:
    """Least processor time of each, interleaved."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            start = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - start)
    return best


def report(title: str, times: dict[str, float], benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (name, whole), (other, part) = times.items()
    benchmark.extra_info.update(times, ratio=whole / part)
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        sys.stdout.write(f"\n{title}: {name} {whole:.2f} s, {other} {part:.2f} s, ratio {whole / part:.1f}\n")


def test_reading_runs(tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    size = Size(models=6, boards=1, stimuli=1000, frames=100)
    make_results(size, tmp_path)
    folders = find_runs(tmp_path)
    assert len(folders) == size.models
    works = {
        "checked": lambda: [load_run(folder) for folder in folders],
        "decoded": lambda: [pq.ParquetFile(folder / "frames.parquet").read(use_threads=False) for folder in folders],
    }
    report("6 runs of 1,000 stimuli x 100 frames", least(works), benchmark, capsys)


def test_building_and_checking_a_site(tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_results(Size(models=12, boards=2, stimuli=40, frames=30), tmp_path / "results")
    build(tmp_path / "results", tmp_path / "site")
    pages = [p.read_text(encoding="utf-8") for p in (tmp_path / "site").rglob("*.html")]

    def parsed() -> None:
        for page in pages:
            parser = HTMLParser()
            parser.feed(page)
            parser.close()

    works = {"checked": lambda: check(tmp_path / "site"), "parsed": parsed}
    times = least(works)
    found = check(tmp_path / "site")
    assert found.faults == ()
    title = f"{found.pages} pages, {bytes_of(tmp_path / 'site')[1] / 1e6:.1f} MB"
    report(f"{title}, {found.pages / times['checked']:.0f} pages a second", times, benchmark, capsys)
