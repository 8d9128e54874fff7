"""DeepGaze MR and FPN+RIM as predictors against the plain computation of the same numbers, one thread.

Prints seconds a frame and their ratio; asserts only that the numbers agree.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vidsal.baselines import build_module
from vidsal.baselines.deepgaze_mr.predictor import DeepGazeMRPredictor
from vidsal.baselines.fpn_rim.predictor import FpnRimPredictor
from vidsal.benchmark.predictor import StimulusInfo
from vidsal.loaders.records import Frame

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    """Least processor time of some calls, after one to warm up."""
    work()
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def noise(seed: int, count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def report(name: str, plain: float, ours: float) -> None:
    sys.stdout.write(f"\n{name}: plain {plain:.4f} s, predictor {ours:.4f} s a frame, ratio {plain / ours:.2f}\n")


def test_deepgaze_mr() -> None:
    """Steady state: one more frame in a full window. Plain: mean over the stored maps, blur of the whole frame."""
    torch.manual_seed(0)
    module = build_module("deepgaze_mr").eval()
    height, width = 224, 384
    frames = [Frame(i, 0.0, rgb) for i, rgb in enumerate(noise(1, 18, height, width))]
    density = torch.full((height, width), 1 / (height * width))
    layers = module.features.vgg.features.to(memory_format=torch.contiguous_format)
    taps = module.finalizer.gauss_x.taps()

    def plain(buffer: torch.Tensor, rgb: Any, slot: int) -> torch.Tensor:
        image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
        buffer[slot] = layers((image - module.features.mean) / module.features.std)[0]
        priority = module.readout(buffer.mean(dim=0, keepdim=True))
        out = F.interpolate(priority, size=(height, width), mode="nearest")
        out = F.conv2d(F.pad(out, (48, 48, 0, 0), "replicate"), taps.view(1, 1, 1, -1))
        out = F.conv2d(F.pad(out, (0, 0, 48, 48), "replicate"), taps.view(1, 1, -1, 1))
        out = (out + module.finalizer.center_bias_weight * density.log()).squeeze()
        return out - out.logsumexp(dim=(0, 1))

    predictor = DeepGazeMRPredictor(module, center_bias=density)
    stream = predictor.predict(iter(frames * 4), StimulusInfo("s", width, height, 30.0, "video", 72))
    first = next(stream)
    buffer = torch.zeros(16, 512, height // 16, width // 16)
    for slot in range(16):
        reference = plain(buffer, frames[slot].rgb, slot)
    torch.testing.assert_close(first.values, reference, rtol=1e-5, atol=2e-5)
    report(
        f"deepgaze_mr {height}x{width}",
        seconds(lambda: plain(buffer, frames[16].rgb, 0)),
        seconds(lambda: next(stream)),
    )


def test_fpn_rim() -> None:
    """A clip of 16 frames. Plain: image network on the whole clip, then everything else frame by frame."""
    torch.manual_seed(0)
    module = build_module("fpn_rim").eval()
    for weight in module.rim.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    frames = [Frame(i, 0.0, rgb) for i, rgb in enumerate(noise(2, 16, 224, 224))]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def plain() -> np.ndarray:
        rgb = torch.from_numpy(np.stack([f.rgb for f in frames])).float() / 255
        tokens = module.tokens(((rgb - mean) / std).permute(0, 3, 1, 2).contiguous())
        carry, gaze = None, []
        for token in tokens.split(1):
            trace = module.follow(token[None], None, carry)
            carry = trace.carry
            gaze.append(trace.gaze[0, 0])
        return torch.stack(gaze).numpy()

    predictor = FpnRimPredictor(module)
    info = StimulusInfo("s", 224, 224, 30.0, "video", 16)

    def ours() -> list[tuple[float, float] | None]:
        return [p.xy for p in predictor.predict(iter(frames), info)]

    np.testing.assert_allclose(ours(), (plain() + 1) * 112, atol=0.05)
    report("fpn_rim 224x224", seconds(plain) / 16, seconds(ours) / 16)
