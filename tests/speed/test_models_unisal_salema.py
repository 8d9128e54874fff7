"""How much faster the frozen forms are than the networks themselves: the same numbers, one run, one thread.

`pytest tests/speed --benchmark-enable` times both and prints seconds a frame and their ratio, which are also in
`extra_info`; asserted is only that the numbers agree. Sizes are the networks' own: 224 x 384 to 360 x 640 for UNISAL,
192 x 256 for SalEMA and SalCLSTM; weights and frames of the networks compared with are laid out as published.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from vidsal.baselines import build_module
from vidsal.baselines.salema.inference import FastSalCLSTM, FastSalEMA
from vidsal.baselines.salema.network import SalEMA
from vidsal.baselines.unisal.inference import FoldedUNISAL
from vidsal.baselines.unisal.network import UNISAL

pytestmark = pytest.mark.slow
Work = Callable[[], Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


def seconds(work: Work, times: int) -> float:
    """Least processor time of some calls after one to warm up: what other work on the machine disturbs least."""
    work()
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def compare(benchmark: Any, capsys: pytest.CaptureFixture[str], plain: Work, frozen: Work, frames: int) -> None:
    torch.testing.assert_close(frozen(), plain(), rtol=0, atol=1e-3)
    if not benchmark.enabled:
        return
    benchmark.pedantic(frozen, rounds=5, warmup_rounds=1)
    # in turns, so that a busy spell of the machine meets both
    pairs = [(seconds(plain, 2) / frames, seconds(frozen, 2) / frames) for _ in range(4)]
    slow, fast = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    benchmark.extra_info.update(plain_s_per_frame=slow, frozen_s_per_frame=fast, ratio=slow / fast)
    with capsys.disabled():
        sys.stdout.write(f"\n{benchmark.name}: {slow:.4f} s a frame, frozen {fast:.4f}, {slow / fast:.2f} times\n")


def test_unisal(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    network = build_module("unisal").eval()
    assert isinstance(network, UNISAL)
    frozen = FoldedUNISAL(network, "DHF1K")
    x = torch.randn(5, 3, 224, 384)
    clips = [x[None, index : index + 1] for index in range(5)]
    state = frozen.first_state(x, 5)
    size = (360, 640)
    compare(
        benchmark,
        capsys,
        lambda: torch.cat([network(clip, target_size=size, static=False)[0] for clip in clips]),
        lambda: frozen(x, state, size)[0],
        5,
    )


@pytest.mark.parametrize("name", ["salema", "salclstm"])
def test_salema(name: str, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    network: Any = build_module(name).eval().to(memory_format=torch.contiguous_format)
    frozen: Any = FastSalEMA(network) if isinstance(network, SalEMA) else FastSalCLSTM(network)
    frame = torch.randn(1, 3, 192, 256) * 50
    _, state = network(frame)
    compare(benchmark, capsys, lambda: network(frame, state)[0], lambda: frozen(frame, state)[0], 1)
