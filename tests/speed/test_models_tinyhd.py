"""TinyHD's fast copy against the module itself: the same numbers, one thread, in turns.

`pytest tests/speed --benchmark-enable` times both and prints seconds a frame and their ratio, which are also in
`extra_info`; asserted is only that the numbers agree. A frame of S is a window, one of M a sixteenth of it.
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
from vidsal.baselines.tinyhd.inference import FastTinyHD
from vidsal.baselines.tinyhd.network import TinyHD

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


def seconds(network: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Processor time of one call: what other work on the machine disturbs least."""
    start = time.process_time()
    network(x)
    return time.process_time() - start


@pytest.mark.parametrize("divisor", [1, 2, 4])
@pytest.mark.parametrize("name", ["tinyhd_s", "tinyhd_m"])
def test_tinyhd(name: str, divisor: int, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    module = build_module(name, reduced_channels=divisor).eval()
    assert isinstance(module, TinyHD)
    fast = FastTinyHD(module)
    x = torch.randn(1, 3, 16, 192, 256)
    torch.testing.assert_close(fast(x), module(x), rtol=0, atol=1e-4)
    if not benchmark.enabled:
        return
    benchmark.pedantic(fast, (x,), rounds=5)
    pairs = [(seconds(module, x), seconds(fast, x)) for _ in range(6)]
    frames = 16 if module.multiple else 1
    slow, quick = (min(times) / frames for times in zip(*pairs, strict=True))
    benchmark.extra_info.update(module_s_per_frame=slow, fast_s_per_frame=quick, ratio=slow / quick)
    with capsys.disabled():
        sys.stdout.write(f"\n{benchmark.name}: {slow:.4f} s a frame, fast {quick:.4f}, {slow / quick:.2f} times\n")
