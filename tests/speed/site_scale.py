"""A site at full size: makes results of many models, builds their site, says seconds, memory and bytes.

    python tests/speed/site_scale.py OUT [--models 200 --boards 5 --stimuli 1000 --frames 100] [--workers 2] [--only make|build]

Results are valid runs, as the engine leaves them but for their scores, which are drawn; they lie in OUT/results, the
site in OUT/site. What is there already is kept, so a second call builds the same results again. `--changed` adds one run
before the build. Five runs in six have drawn values alone; every sixth has frames that nobody looked at.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.intervals import with_intervals
from vidsal.benchmark.evaluation.results.schema import CoverageRecord
from vidsal.benchmark.evaluation.results.scored_frames import by_frame
from vidsal.benchmark.evaluation.results.store import Run, make_record, rows_digest, stimuli_digest
from vidsal.benchmark.evaluation.stimulus import frames_schema
from vidsal.benchmark.statistics import seed_of

LEVELS = {"AUC-J": (0.82, 0.05), "sAUC": (0.65, 0.05), "NSS": (1.6, 0.5), "CC": (0.35, 0.1), "SIM": (0.3, 0.05), "KLD": (2.0, 0.4)}  # fmt: skip
"""A mean and how far models lie apart."""

PEOPLE = "one_vs_rest"
REFERENCES = ("center_prior", "uniform")


@dataclass(frozen=True)
class Size:
    """How much to make."""

    models: int = 200
    boards: int = 5
    stimuli: int = 1000
    frames: int = 100


def stimulus_ids(size: Size) -> list[str]:
    return [f"{k + 1:0{max(3, len(str(size.stimuli)))}d}" for k in range(size.stimuli)]


def make_rows(size: Size, model: int, board: int) -> pa.Table:
    """Drawn scores of every frame: models lie apart, stimuli more so, frames of one stimulus follow each other."""
    random = np.random.default_rng([model, board])
    hard = np.random.default_rng(board).normal(size=(size.stimuli, 1))  # as hard for every model
    n = size.stimuli * size.frames
    looked = np.full((size.stimuli, size.frames), 20, np.int32)
    looked[:, :1] = 0 if board % 2 else 20  # on every other board nobody has looked at first frames
    scored = looked.ravel() > 0
    columns: list[Any] = [
        pa.array(np.repeat(np.array(stimulus_ids(size), object), size.frames), pa.string()),
        np.tile(np.arange(size.frames, dtype=np.int32), size.stimuli),
        looked.ravel(),
    ]
    for level, spread in (LEVELS[label] for label in protocols.protocol("exact-1").labels):
        apart = random.normal() + 0.02 * model
        wave = np.sin(np.arange(size.frames) / 9 + random.uniform(0, 6, (size.stimuli, 1)))
        noise = random.normal(size=(size.stimuli, size.frames))
        values = level + spread * (0.2 * apart - 0.4 * hard + 0.15 * wave + 0.05 * noise)
        values = np.clip(values, 0.01, 0.99 if level < 1 else 20).ravel()
        columns.append(np.where(scored, values, np.nan))
    columns += [np.where(scored, "scored", "no_fixation").astype(object), pa.nulls(n, pa.string())]
    schema = frames_schema(protocols.protocol("exact-1").labels)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def make_run(size: Size, model: int, board: int, day: int = 1) -> Run:
    """A whole run of one model on one board."""
    protocol, name = protocols.protocol("exact-1"), f"model_{model:03}"
    name = REFERENCES[model] if model < len(REFERENCES) else PEOPLE if model == len(REFERENCES) else name
    kind = "reference" if name in REFERENCES else "human" if name == PEOPLE else "network"
    weights = hashlib.sha256(name.encode()).hexdigest() if kind == "network" else None
    rows = make_rows(size, model, board)
    summary = summarize(rows, protocol.metrics, protocol.average)
    table = summary.stimuli.copy()
    table["group_id"] = table["stimulus_id"]
    table["attributes"] = [["indoors"] if k % 3 else ["outdoors", "crowd"] for k in range(len(table))]
    stimuli = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    coverage = by_frame(CoverageRecord(scored=tuple(stimulus_ids(size)), annotated=size.stimuli), rows, 0)
    metrics = with_intervals(summary.metrics, table, seed_of(str(coverage.frames_digest)))
    content = {
        "release": {
            "id": f"wide-{board}", "digest": hashlib.sha256(f"wide-{board}".encode()).hexdigest(), "dataset": "synthetic",
            "variant": None, "title": f"Drawn scores, set {board}",
        },
        "split": "val",
        "protocol": {**protocol.to_dict(), "digest": protocol.digest},
        "model": {
            "name": name, "version": "1", "causal": True, "lookahead": 0, "missing": "error", "output": "density",
            "trained_on": ["salicon"] if kind == "network" else [], "licence": "MIT", "needs_frames": True, "kind": kind,
            "paper": f"The authors of {name}, How {name} looks, 2026", "options": {}, "device": "cpu",
            "checkpoint": weights and f"{name}.pth", "checkpoint_sha256": weights, "audio": False,
        },
        "truth": {"recipe": "corrected", "kernel": "gaussian", "sigma_px": 12.7, "points": "all"},
        "coverage": coverage.model_dump(),
        "counts": summary.counts.model_dump(),
        "metrics": {label: metric.model_dump() for label, metric in metrics.items()},
        "input_digest": hashlib.sha256(f"{name} {board} {day}".encode()).hexdigest(),
        "rows_digest": rows_digest(rows),
        "stimuli_digest": stimuli_digest(stimuli),
        "engine": {"vidsal": "0.1.0", "engine": "1", "threads": 1, "python": "3.11.9", "numpy": "2.4.0"},
        "command": f"vidsal run {name} --data wide-{board} --split val",
        "time": f"2026-01-{day:02}T03:04:05Z",
        "duration_s": 12.5,
    }  # fmt: skip
    return Run(make_record(content), rows, stimuli)


def _make(size: Size, results: Path, model: int, board: int, day: int) -> None:
    make_run(size, model, board, day).save(results)


def make_results(size: Size, results: Path, workers: int = 1) -> int:
    """Make all runs that are not there yet, and return how many that were."""
    there = {p.parts[-4:-1] for p in results.rglob("run.json")} if results.is_dir() else set()
    wanted = [(m, b) for b in range(1, size.boards + 1) for m in range(size.models)]
    if len(there) >= len(wanted):
        return 0
    if workers < 2:
        for model, board in wanted:
            _make(size, results, model, board, 1)
        return len(wanted)
    with ProcessPoolExecutor(workers) as pool:
        for done in [pool.submit(_make, size, results, m, b, 1) for m, b in wanted]:
            done.result()
    return len(wanted)


def bytes_of(folder: Path) -> tuple[int, int]:
    """How many files, and their bytes."""
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file()]
    return len(sizes), sum(sizes)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def timed_build(results: Path, site: Path) -> int:
    """Build as a user does, in a process of its own, and say what it took."""
    start = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", "vidsal", "site", "build", str(results), "-o", str(site)]).returncode
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << 20 if sys.platform != "darwin" else 1 << 30)
    files, size = bytes_of(site)
    largest = max((p for p in site.rglob("*.html")), key=lambda p: p.stat().st_size)
    say(f"site build: exit {code}, {seconds:.1f} s, peak {peak:.2f} GiB, {files:,} files, {size / 1e6:,.0f} MB")
    say(f"largest page: {largest.relative_to(site)}, {largest.stat().st_size / 1e3:,.0f} kB")
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name in ("models", "boards", "stimuli", "frames"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Size, name))
    parser.add_argument("--workers", type=int, default=2, help="processes that make results")
    parser.add_argument("--only", choices=["make", "build"])
    parser.add_argument("--changed", action="store_true", help="add a newer run of one model before the build")
    given = parser.parse_args()
    size = Size(given.models, given.boards, given.stimuli, given.frames)
    if given.only != "build":
        start = time.perf_counter()
        made = make_results(size, given.out / "results", given.workers)
        files, total = bytes_of(given.out / "results")
        say(f"{made} runs made in {time.perf_counter() - start:.0f} s; {files:,} files, {total / 1e6:,.0f} MB")
    if given.changed:
        _make(size, given.out / "results", size.models - 1, 1, 2)
    return 0 if given.only == "make" else timed_build(given.out / "results", given.out / "site")


if __name__ == "__main__":
    raise SystemExit(main())
