from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ..trees import write_timed_video

ROOT = Path(__file__).resolve().parents[3]
LEFT_BEHIND = """
import gc, os, sys; sys.path.insert(0, "src")
import av
from vidsal.loaders.clips.processes import data_loader

def leave_a_decoder():
    container = av.open(sys.argv[1])
    container.streams.video[0].thread_type = "AUTO"
    pictures = container.decode(video=0)
    left = [container, pictures, next(pictures)]
    left.append(left)

class Batches:
    def __len__(self):
        return 4
    def __getitem__(self, number):
        gc.collect()
        return number

gc.disable()
for _ in range(3):
    leave_a_decoder()
print(list(data_loader(Batches(), 2)), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_workers_that_inherit_garbage_decoders_do_not_wait_for_ever(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pictures = np.random.default_rng(0).integers(0, 255, (30, 240, 320, 3), np.uint8)
    write_timed_video(tmp_path / "a.mkv", pictures, range(30), codec="libx264")
    command = [sys.executable, "-c", LEFT_BEHIND, str(tmp_path / "a.mkv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[0, 1, 2, 3]\n", done.stderr
