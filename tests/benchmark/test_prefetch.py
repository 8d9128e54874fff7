from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vidsal

THREADS = """
import os, torch
from vidsal.benchmark.prefetch import prefetch_items

torch.set_num_threads(1)
weight, x = torch.randn(64, 64, 3, 3), torch.randn(1, 64, 60, 60)

def items():
    before = len(os.listdir("/proc/self/task"))
    torch.nn.functional.conv2d(x, weight, padding=1)
    yield len(os.listdir("/proc/self/task")) - before, torch.get_num_threads()

print(*prefetch_items(items()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_a_network_in_a_thread_of_ours_has_the_threads_that_were_set() -> None:
    pytest.importorskip("torch")
    source = str(Path(vidsal.__file__).resolve().parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 1)"
