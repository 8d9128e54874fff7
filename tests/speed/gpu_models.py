"""The published models on a GPU: frames a second, batch, memory, agreement with the CPU, and how well a run feeds it.

    python tests/speed/gpu_models.py --device cuda [--models unisal tinyhd_s] [--frames 240] [--batch 32]

Weights are random (speed does not depend on them), frames are noise at 640 x 360, float32 with every exactness switch
of a run. Printed for each model, as a table:

* `loop`: the network's own forward pass, a frame (or a window) at a time with the frames in memory: what a loop over
  the published code does;
* `predict`: our predictor on the same frames, preprocessing included;
* `run`: the predictor with decoding of a real file and scoring beside it, as `vidsal run` does, and what share of its
  time `predict` alone would take: the share in which the device is kept busy;
* the largest difference of the predictions from those on the CPU, relative to their range, and the peak of memory.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from vidsal.baselines import build_module
from vidsal.baselines.networks import NetworkLoader
from vidsal.baselines.registry import baseline, names
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.evaluation.stimulus import FrameScorer, info_of, score_stimulus
from vidsal.benchmark.predictor import StimulusInfo
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release, load

HEIGHT, WIDTH = 360, 640


def noise(n: int) -> list[Frame]:
    """Frames whose content changes smoothly enough for no model to fail on them."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, HEIGHT // 20, WIDTH // 20, 3)).astype(np.uint8)
    return [Frame(i, 40.0 * i, np.repeat(np.repeat(rgb, 20, 0), 20, 1)) for i, rgb in enumerate(small)]


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Wall time of a call until the device has done all of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values, np.float64)


def input_of(name: str, device: torch.device) -> tuple[Any, ...]:
    """What the module's own forward pass takes for one step, and how many frames come of it."""
    shapes = {
        "deepgaze_mr": (16, 3, HEIGHT, WIDTH),
        "fpn_rim": (1, 3, 1, 224, 224),
        "salema": (1, 3, 192, 256),
        "salclstm": (1, 3, 192, 256),
        "unisal": (1, 1, 3, 224, 384),
        "tinyhd_s": (1, 3, 16, 192, 256),
        "tinyhd_m": (1, 3, 16, 192, 256),
        "hd2s": (1, 3, 16, 128, 192),
        "tased_net": (1, 3, 32, 224, 384),
        "vinet": (1, 3, 32, 224, 384),
    }
    x = torch.rand(shapes[name], device=device)
    return (x, torch.zeros(HEIGHT, WIDTH, device=device)) if name == "deepgaze_mr" else (x,)


def predictor(name: str, module: torch.nn.Module, device: str, **options: Any) -> Any:
    """The registered predictor around a network of ours."""
    load = baseline(name).load
    assert isinstance(load, NetworkLoader)
    return load.predictor(module, device, **options)


def release(folder: Path, frames: int) -> Release:
    """One synthetic video of that many frames, converted."""
    generate(folder / "src", videos=2, frames=frames, width=WIDTH, height=HEIGHT, observers=8, val=0)
    convert("synthetic", folder / "src", folder / "rel", workers=1)
    return load(folder / "rel")


def looped(name: str, module: torch.nn.Module, device: torch.device) -> float:
    """Seconds a frame of the network's own forward pass, a frame or a window at a time."""
    x = input_of(name, device)
    with torch.inference_mode():
        module(*x)
        return min(seconds(lambda: module(*x), device) for _ in range(3)) / (16 if name == "tinyhd_m" else 1)


def measure(name: str, device: torch.device, frames: list[Frame], batch: int | None, data: Release) -> dict[str, float]:
    """Measure one model; see the head of this file."""
    torch.manual_seed(0)
    module = build_module(name).eval()
    info = StimulusInfo("noise", WIDTH, HEIGHT, 25.0, "video", len(frames))
    options = {} if batch is None or "batch" not in baseline(name).options else {"batch": batch}
    few = frames[: min(len(frames), 17)]
    short = StimulusInfo("noise", WIDTH, HEIGHT, 25.0, "video", len(few))
    expected = list(predictor(name, module, "cpu").predict(iter(few), short))
    model = predictor(name, module, str(device), **options)

    def predict() -> None:
        for prediction in model.predict(iter(frames), info):
            del prediction

    found = list(model.predict(iter(few), short))
    difference = 0.0
    for mine, theirs in zip(found, expected, strict=True):
        a, b = (np.array(p.xy) if p.xy is not None else array(p.values) for p in (mine, theirs))
        difference = max(difference, float(np.abs(a - b).max() / max(float(np.ptp(b)), 1e-12)))
    loop = looped(name, module.to(device), device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    predict()
    predicting = seconds(predict, device) / len(frames)
    memory = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else float("nan")
    stimulus = data[data.ids[0]]
    protocol = protocols.protocol("exact-1")
    judge = FrameScorer(protocol, None, split_negatives(list(data), (HEIGHT, WIDTH), protocol))
    decoded = list(stimulus.frames())
    alone = seconds(lambda: list(model.predict(iter(decoded), info_of(stimulus))), device)
    whole = seconds(lambda: score_stimulus(model, stimulus, judge), device)
    return {
        "loop_fps": 1 / loop,
        "predict_fps": 1 / predicting,
        "times_loop": loop / predicting,
        "run_fps": len(decoded) / whole,
        "busy": alone / whole,
        "difference": difference,
        "memory_mib": memory,
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """Measure and print; return the figures by model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", default=names("network"))
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--batch", type=int)
    asked = parser.parse_args(arguments)
    device = torch.device(asked.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    sys.stdout.write(f"{name}, torch {torch.__version__}, {asked.frames} frames of {WIDTH} x {HEIGHT}\n")
    sys.stdout.write(
        f"{'model':<12}{'loop':>9}{'predict':>9}{'ratio':>7}{'run':>9}{'busy':>6}{'differs':>10}{'MiB':>8}\n"
    )
    found = {}
    frames = noise(asked.frames)
    with TemporaryDirectory() as folder:
        data = release(Path(folder), asked.frames)
        for model in asked.models:
            f = found[model] = measure(model, device, frames, asked.batch, data)
            sys.stdout.write(
                f"{model:<12}{f['loop_fps']:9.1f}{f['predict_fps']:9.1f}{f['times_loop']:7.1f}{f['run_fps']:9.1f}"
                f"{f['busy']:6.0%}{f['difference']:10.1e}{f['memory_mib']:8.0f}\n"
            )
    return found


if __name__ == "__main__":
    main()
