"""The whole command on one video against the loop that a published repository runs: decode, resize, network, PNG.

Both are processes of their own, measured by their processor time, imports and weights included, on one thread. The
frames of a smooth moving pattern, 640 x 360; set VIDSAL_SPEED_VIDEO to a file for another, VIDSAL_SPEED_CHECKPOINT
for published weights of UNISAL. Asserted is only that the maps are the same to two levels.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import vidsal

pytestmark = pytest.mark.slow

LOOP = Path(__file__).with_name("published_loop.py")
FRAMES = int(os.environ.get("VIDSAL_SPEED_FRAMES", "240"))


def make_video(path: Path) -> Path:
    y, x = np.mgrid[:360, :640].astype(np.float32)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for t in range(FRAMES):
            waves = [127 + 120 * np.sin(x / (9 + k) + y / (23 - k) + t / (7 + k)) for k in range(3)]
            frame = av.VideoFrame.from_ndarray(np.stack(waves, axis=-1).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_checkpoint(path: Path) -> Path:
    """Weights as PyTorch starts them."""
    import torch

    from vidsal.baselines import build_module

    torch.manual_seed(0)
    torch.save(build_module("unisal").state_dict(), path)
    return path


def cpu_seconds(words: list[str]) -> float:
    """Processor time of a process on one thread."""
    source = str(Path(vidsal.__file__).resolve().parents[1])
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}  # as users have it
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], env={**environment, "PYTHONPATH": source}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_one_video(tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    video = Path(os.environ.get("VIDSAL_SPEED_VIDEO") or make_video(tmp_path / "clip.mp4"))
    weights = os.environ.get("VIDSAL_SPEED_CHECKPOINT") or str(make_checkpoint(tmp_path / "weights.pth"))
    plain = cpu_seconds([str(LOOP), weights, str(video), str(tmp_path / "plain")])
    words = ["-m", "vidsal", "predict", "unisal", "--checkpoint", weights, str(video), "-o", str(tmp_path / "ours")]
    ours = cpu_seconds([*words, "--threads", "1", "--as-published", "--quiet"])
    made = sorted((tmp_path / "ours" / video.stem).iterdir())
    worst = max(
        int(np.abs(_gray(path) - _gray(tmp_path / "plain" / path.name)).max())
        for path in made[:: max(1, len(made) // 40)]
    )
    assert worst <= 2
    benchmark.extra_info.update(plain_s=plain, command_s=ours, ratio=plain / ours, frames=len(made))
    benchmark.pedantic(lambda: None)
    with capsys.disabled():
        sys.stdout.write(
            f"\nunisal, {len(made)} frames: published loop {plain:.1f} s, command {ours:.1f} s of processor time, "
            f"{plain / ours:.2f} times\n"
        )


def _gray(path: Path) -> Any:
    return np.asarray(Image.open(path)).astype(int)
