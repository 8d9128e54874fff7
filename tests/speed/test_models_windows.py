"""TASED-Net, ViNet and HD2S over a video against a plain sliding window: the published module on each window anew.

`pytest tests/speed --benchmark-enable` prints seconds a frame, one thread, and their ratio; asserted is only that the maps
agree (by quantiles for TASED-Net, whose unpooling makes it discontinuous). The published scripts slide like the plain side.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from vidsal.baselines import build_module
from vidsal.baselines.hd2s.inference import FastHD2S
from vidsal.baselines.tased_net.inference import FastTASEDNet
from vidsal.baselines.vinet.inference import FastViNet
from vidsal.baselines.windows.walk import PlainStream, Stream

pytestmark = pytest.mark.slow
FRAMES = 6


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


def seconds(stream: Stream, video: torch.Tensor, window: int) -> tuple[float, list[torch.Tensor]]:
    """Processor time of the last frames of a video, a frame, and their maps."""
    maps, spent = [], 0.0
    for number, image in enumerate(video):
        start = time.process_time()
        stream.push(image)
        if number >= window - 1:
            maps.append(stream.map())
        if number >= len(video) - FRAMES:
            spent += time.process_time() - start
    return spent / FRAMES, maps[-FRAMES:]


@pytest.mark.parametrize(
    ("name", "window", "size", "make"),
    [
        ("tased_net", 32, (224, 384), FastTASEDNet),
        ("vinet", 32, (224, 384), FastViNet),
        ("hd2s", 16, (128, 192), lambda module: FastHD2S(module, "DHF1K")),
    ],
)
def test_windows(
    name: str,
    window: int,
    size: tuple[int, int],
    make: Callable[[Any], Any],
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = build_module(name).eval()
    video = torch.rand(window + 2 + FRAMES, 3, *size) * 2 - 1  # two windows before, so that features are shared
    slow, wanted = seconds(PlainStream(module, window), video[-window + 1 - FRAMES :], window)
    quick, found = benchmark.pedantic(lambda: seconds(make(module).stream(), video, window), rounds=1)
    difference = (torch.stack(found) - torch.stack(wanted)).abs().flatten()
    assert difference.median() < 1e-4
    assert difference.quantile(0.99) < 0.02
    benchmark.extra_info.update(plain_s_per_frame=slow, streamed_s_per_frame=quick, ratio=slow / quick)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {slow:.3f} s a frame, streamed {quick:.3f}, {slow / quick:.2f} times\n")
