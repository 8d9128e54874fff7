"""How many frames a second the device engine scores where the predictions already are.

`python tests/speed/gpu_scoring.py --device cuda` prints, for exact-1 and dhf1k-1 and for several batch sizes: frames
a second without waiting for the device (`score_columns`, read once at the end) and with every frame's reasons
(`score_batch`), the bytes that its operations read and write for a frame, and their share of the memory bandwidth
that a large copy reaches in the same run. Before that some frames are held against the definitions. Then whole runs
over a synthetic release, truth precomputed: frames a second scored on the host and on the device (`--score-on`), and
the largest difference between their rows. It runs on a CPU too, where only the agreement says anything.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

import vidsal
from vidsal.benchmark import Frame, ModelInfo, Negatives, Prediction, StimulusInfo, prepare_truth, protocol as find
from vidsal.benchmark.scoring import truth_cache
from vidsal.benchmark.scoring.device.batch import score_batch, score_columns
from vidsal.benchmark.scoring.device.truths import TruthBatch, upload
from vidsal.benchmark.scoring.frame import score
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.release.release import Release

PROTOCOLS = ("exact-1", "dhf1k-1")
TOLERANCE = 1e-6
CHECKED = 4


@dataclass(frozen=True)
class Row:
    """What was measured of one protocol and batch size.

    Attributes:
        protocol, batch: which.
        columns_per_s, explained_per_s: frames a second by `score_columns` and by `score_batch`.
        bytes_per_frame: read and written by its operations, as if nothing stayed in a cache.
        share: of the bandwidth of a copy, by `score_columns`.
        worst: largest difference from the definitions.
    """

    protocol: str
    batch: int
    columns_per_s: float
    explained_per_s: float
    bytes_per_frame: float
    share: float
    worst: float


@dataclass(frozen=True)
class Runs:
    """What was measured of whole runs under a protocol.

    Attributes:
        protocol: which.
        host_per_s, device_per_s: frames a second, scored on the host and on the device.
        worst: largest difference between their scores.
    """

    protocol: str
    host_per_s: float
    device_per_s: float
    worst: float


class Ready:
    """A predictor whose maps lie on the device, made before."""

    info = ModelInfo("ready", needs_frames=False)
    fresh_maps = True

    def __init__(self, maps: torch.Tensor) -> None:
        self.maps = maps

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield the maps one after the other, again from the first after the last."""
        for frame in frames:
            yield Prediction(frame.index, self.maps[frame.index % len(self.maps)])


class Traffic(TorchDispatchMode):
    """Counts the bytes of all tensors that operations take and give; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [t for t in tree_flatten((args, kwargs, out))[0] if isinstance(t, torch.Tensor)]
            self.bytes += sum(min(t.numel() * t.element_size(), t.untyped_storage().nbytes()) for t in tensors)
        return out


def seconds(work: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Time of one call: the least of three rounds of repeats, after one to warm up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    work()
    best = math.inf
    for _ in range(3):
        wait()
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        wait()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second that a large copy reads and writes."""
    source = torch.ones((1 << 31 if device.type == "cuda" else 1 << 26) // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / seconds(lambda: target.copy_(source), device, 5)


def predictions(frames: int, size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Smooth maps with some noise, (frames, H, W) float32, made on the device."""
    generator = torch.Generator(device).manual_seed(0)
    coarse = torch.rand(frames, 1, 9, 16, device=device, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)[:, 0]
    return smooth.clamp_(min=0) + 1e-3 * torch.rand(smooth.shape, device=device, generator=generator)


def truths(frames: int, size: tuple[int, int], fixations: int, protocol: str) -> list[Any]:
    """Truths with the negatives of a whole release, as a run has them."""
    rng = np.random.default_rng(1)
    height, width = size
    counts = rng.poisson(0.7, size) if protocol == "exact-1" else rng.random(size)
    shared = Negatives(counts)
    y, x = np.ogrid[:height, :width]
    made = []
    for _ in range(frames):
        xy = rng.normal((width / 2, height / 2), (width / 6, height / 6), (fixations, 2)).clip(
            0, (width - 1, height - 1)
        )
        density = np.zeros(size)
        for cx, cy in xy[:5]:
            density += np.exp(-((x - cx) ** 2) / (width / 10) ** 2) * np.exp(-((y - cy) ** 2) / (height / 10) ** 2)
        made.append(prepare_truth(xy, size, density.astype(np.float32), shared, protocol, encode=True))
    return made


def explained(p: torch.Tensor, batch: TruthBatch, protocol: str) -> list[Any]:
    """Score a batch with every frame's reasons."""
    return list(score_batch(p, batch, find(protocol), "saliency", [str(i) for i in range(len(p))]))


def worst_difference(p: torch.Tensor, prepared: list[Any], protocol: str) -> float:
    """Largest difference between the device engine and the definitions over some frames."""
    found = explained(p, upload(prepared, p.device), protocol)
    worst = 0.0
    for values, truth, scores in zip(p.cpu(), prepared, found, strict=True):
        expected = score(values, "saliency", truth, protocol, encode=True, fast=False)
        if scores.reasons != expected.reasons:
            raise SystemExit(f"{protocol}: reasons differ: {scores.reasons}, {expected.reasons}")
        worst = max(worst, *(abs(scores[name] - expected[name]) for name in expected))
    return worst


def measure(protocol: str, p: torch.Tensor, batch: TruthBatch, bandwidth: float, repeats: int, worst: float) -> Row:
    """Time one protocol on one batch."""
    n, device, rules = len(p), p.device, find(protocol)
    with Traffic() as traffic:
        score_columns(p, batch, rules, "saliency")
    columns = seconds(lambda: score_columns(p, batch, rules, "saliency"), device, repeats)
    with_reasons = seconds(lambda: explained(p, batch, protocol), device, repeats)
    moved = traffic.bytes / n
    return Row(protocol, n, n / columns, n / with_reasons, moved, moved * n / columns / bandwidth, worst)


def release(folder: Path, frames: int, size: tuple[int, int]) -> Release:
    """A synthetic release of two videos."""
    generate(
        folder / "src", videos=2, frames=max(2, frames // 2), width=size[1], height=size[0], observers=8, seed=1, val=0,
        write_video=False,
    )  # fmt: skip
    convert("synthetic", folder / "src", folder / "out", workers=1)
    return vidsal.load(folder / "out")


def whole_runs(protocol: str, model: Ready, data: Release) -> Runs:
    """Run a model over a release, scored on the host and on the device."""
    truth_cache.build(data, find(protocol))
    rates, tables = [], []
    for where in ("host", "device"):
        vidsal.evaluate(model, data, protocol, limit=1, score_on=where)  # compile, warm up
        start = time.perf_counter()
        made = vidsal.evaluate(model, data, protocol, score_on=where)
        rates.append(len(made.frames) / (time.perf_counter() - start))
        tables.append(made.frames)
    labels = list(made.metrics)
    others = [table.drop(columns=labels) for table in tables]
    if not others[0].equals(others[1]):
        raise SystemExit(f"{protocol}: the two runs differ in more than their scores")
    apart = np.abs(tables[0][labels].to_numpy() - tables[1][labels].to_numpy())
    return Runs(protocol, rates[0], rates[1], float(np.nanmax(apart)))


def main(arguments: Sequence[str] | None = None) -> tuple[list[Row], list[Runs]]:
    """Measure and write the tables to the standard output.

    Raises:
        SystemExit: a score lies further than 1e-6 from its definition, or a run's from that of the host.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--frames", type=int, default=4096, help="frames of one timed round")
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--size", type=int, nargs=2, default=[360, 640], metavar=("H", "W"))
    parser.add_argument("--fixations", type=int, default=20)
    parser.add_argument("--run-frames", type=int, default=1024, help="frames of a whole run")
    options = parser.parse_args(arguments)
    device, size = torch.device(options.device), (options.size[0], options.size[1])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    bandwidth = copy_bandwidth(device)
    write = sys.stdout.write
    write(f"{name}: a copy moves {bandwidth / 1e9:.0f} GB/s; {size[0]} x {size[1]}, {options.fixations} fixations\n")
    write("protocol   batch  frames/s  with reasons  MB/frame  share of the copy  largest difference\n")
    rows = []
    for protocol in PROTOCOLS:
        prepared = truths(max(options.batch), size, options.fixations, protocol)
        p = predictions(max(options.batch), size, device)
        worst = worst_difference(p[:CHECKED], prepared[:CHECKED], protocol)
        if not worst <= TOLERANCE:
            raise SystemExit(f"{protocol}: a score lies {worst} from its definition")
        for n in options.batch:
            batch = upload(prepared[:n], device)
            row = measure(protocol, p[:n], batch, bandwidth, max(1, options.frames // n), worst)
            rows.append(row)
            write(
                f"{protocol:<10}{n:>6}{row.columns_per_s:>10.0f}{row.explained_per_s:>14.0f}"
                f"{row.bytes_per_frame / 1e6:>10.1f}{row.share:>19.0%}{row.worst:>20.1e}\n"
            )
    write("protocol   run, host: frames/s  run, device: frames/s  largest difference\n")
    runs = []
    with TemporaryDirectory() as folder:
        data = release(Path(folder), options.run_frames, size)
        model = Ready(predictions(max(options.batch), size, device))
        for protocol in PROTOCOLS:
            found = whole_runs(protocol, model, data)
            if not found.worst <= TOLERANCE:
                raise SystemExit(f"{protocol}: a score of a run lies {found.worst} from that of the host")
            runs.append(found)
            write(f"{protocol:<10}{found.host_per_s:>20.0f}{found.device_per_s:>23.0f}{found.worst:>20.1e}\n")
    return rows, runs


if __name__ == "__main__":
    main()
