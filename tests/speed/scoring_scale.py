"""What a frame costs, stage by stage, and a scoring job of DHF1K's size that checks it. Run by hand; prints figures.

    python tests/speed/scoring_scale.py stages FOLDER
    python tests/speed/scoring_scale.py job FOLDER [--share 0.1] [--workers N]

`stages`: milliseconds and bytes a frame at several sizes, of decoding, of looking at a stored map and reading it, of its
truth, of its scores, and of all that in one stimulus. `job`: 700 videos of 581 frames, 64 x 36: converted, predicted,
scored by the command line, each with its wall and processor time, its peak memory and the bytes that it leaves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.evaluation.stimulus import FrameScorer, predictions, score_stimulus
from vidsal.benchmark.protocols import Protocol
from vidsal.benchmark.scoring import truth_cache
from vidsal.benchmark.scoring.frame import score
from vidsal.benchmark.submissions.opened import open_submission
from vidsal.benchmark.submissions.said import Said
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.release.release import Release, Stimulus, load

VIDEOS, FRAMES = 700, 581
SIZES = ((64, 36), (640, 360), (1920, 1080))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["stages", "job"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.what == "job":
        job(arguments.folder, round(VIDEOS * arguments.share), arguments.workers)
        return
    for size in SIZES:
        stages(arguments.folder / "x".join(map(str, size)), size)


def job(folder: Path, videos: int, workers: int) -> None:
    """Run the three commands; print what each took and left."""
    generate(folder / "source", videos=videos, frames=FRAMES, width=64, height=36, observers=10, write_video=False)
    release, stored, results = (folder / name for name in ("release", "stored", "results"))
    say(f"{videos} videos, {videos * FRAMES:,} frames of 64 x 36, {workers} workers")
    common = ["--workers", str(workers), "-q"]
    measured(["data", "convert", "synthetic", "--src", folder / "source", "-o", release, *common], release)
    measured(["predict", "center_prior", "--data", release, "-o", stored, *common], stored)
    measured(["score", stored, "--data", release, "-o", results, "--no-previews", *common], results)
    measured(["run", "center_prior", "--data", release, "-o", folder / "run", "--no-previews", *common], folder / "run")


def measured(command: list[str | Path], left: Path) -> None:
    """Run a command; print its times, its memory and the bytes of what it leaves."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "vidsal", *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    assert status == 0, command
    files = [p for p in left.rglob("*") if p.is_file()]
    say(
        f"{command[0]:<8} wall {wall:7.1f} s, processors {usage.ru_utime + usage.ru_stime:7.1f} s, peak "
        f"{usage.ru_maxrss / 1024:5.0f} MiB, leaves {sum(p.stat().st_size for p in files) / 1e6:8.1f} MB in "
        f"{len(files)} files"
    )


def stages(folder: Path, size: tuple[int, int], frames: int = 60) -> None:
    """Print what each stage takes at a size."""
    width, height = size
    generate(folder / "source", videos=2, frames=frames, width=width, height=height, observers=15)
    release, stored = folder / "release", folder / "stored"
    quiet = ["-q", "--workers", "1"]
    for command in (
        ["data", "convert", "synthetic", "--src", folder / "source", "-o", release],
        ["predict", "center_prior", "--data", release, "-o", stored],
    ):
        subprocess.run([sys.executable, "-m", "vidsal", *map(str, command), *quiet], check=True, capture_output=True)
    data = load(release)
    stimulus = data[data.ids[0]]
    say(f"{width} x {height}: stored {_size(stored) / 2 / frames / 1024:.1f} KiB a frame")
    say(f"  decode {timed(lambda: [0 for _ in stimulus.frames()]) / frames:.3f} ms")
    reader = open_submission(stored, data, said=Said(), threads=1).reader
    looking = timed(lambda: open_submission(stored, data, said=Said(), threads=1)) / 2
    say(f"  look at its names and headers {looking / frames:.3f} ms")
    say(f"  read a stored map {timed(lambda: list(predictions(reader, stimulus))) / frames:.3f} ms")
    maps = [p.values for p in predictions(reader, stimulus)]
    for name in ("exact-1", "dhf1k-1"):
        rules = protocols.protocol(name)
        making, both = truth_and_scores(data, stimulus, maps, rules)
        scorer = FrameScorer(rules, None, split_negatives(list(data), (stimulus.height, stimulus.width), rules))
        whole = timed(partial(score_stimulus, reader, stimulus, scorer))
        cache = truth_cache.build(data, rules, None, folder / "cache" / name)
        say(
            f"  {name}: truth {making / frames:.3f} ms, scores {(both - making) / frames:.3f} ms, with reading and rows "
            f"{whole / frames:.3f} ms; cached {_size(cache.folder) / 2 / frames / 1024:.1f} KiB"
        )


def truth_and_scores(data: Release, stimulus: Stimulus, maps: list[Any], rules: Protocol) -> tuple[float, float]:
    """Milliseconds that the truths of all frames take, and those with their scores."""
    split = split_negatives(list(data), (stimulus.height, stimulus.width), rules)
    scorer, negatives = FrameScorer(rules, None, split), split.of(stimulus)
    index = stimulus.annotated_indices().tolist()

    def scored() -> None:
        for frame in index:
            truth = scorer.truth(stimulus, frame, negatives)
            if truth.n_fixated:
                score(maps[frame], "density", truth, rules, encode=True)

    return timed(lambda: [scorer.truth(stimulus, frame, negatives) for frame in index]), timed(scored)


def timed(call: Callable[[], object]) -> float:
    """Least processor time of three calls, in ms."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
    return best * 1000


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
