"""Several processes train as one: equal weights, the gradient of the whole batch, a run that goes on bit by bit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vidsal
from vidsal.baselines.training.feeds.base import Work
from vidsal.baselines.training.processes import Processes
from vidsal.loaders.clips.plan import Clip
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import WrongUse
from vidsal.training import load_recipe

SCRIPT = Path(__file__).with_name("two_processes.py")
GAZE, READOUT = "fpn-rim-gaze-1", "deepgaze-mr-readout-1"


def torchrun(*arguments: object) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(vidsal.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*command, *(str(a) for a in arguments)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    generate(folder / "source", videos=5, frames=24, width=64, height=48, observers=3, val=1)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return folder / "release"


@pytest.mark.parametrize("size", [2, 3, 4])
def test_shares_make_up_the_batch(size: int) -> None:
    work = Work(tuple(Clip(str(i), (0,)) for i in range(7)))
    recipe = load_recipe(GAZE)
    everyone = [Processes(rank, size) for rank in range(size)]
    shares = [one.share(work, recipe).clips for one in everyone]
    assert {clip for share in shares for clip in share} == set(work.clips)
    values = [float(clip.stimulus) for clip in work.clips]
    parts = [sum(float(c.stimulus) for c in share) / len(share) for share in shares]
    mean = sum(one.weight(work) * part for one, part in zip(everyone, parts, strict=True)) / size
    assert mean == pytest.approx(sum(values) / len(values))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(WrongUse, match="a batch of 1 .* cannot be shared by 2 processes"):
        Processes(0, 2).share(Work((Clip("a", (0, 1)),)), load_recipe("salema-dhf1k-1"))


@pytest.mark.slow  # a process of gloo aborted once as it ended, after all held; the shares are tested above
def test_two_processes_have_the_gradient_of_the_whole_batch() -> None:
    torchrun(SCRIPT, "law")


@pytest.mark.slow
def test_two_processes_train_as_one(release: Path, tmp_path: Path) -> None:
    torchrun(SCRIPT, "train", READOUT, release, tmp_path / "two", 1, -1)
    vidsal.train(load_recipe(READOUT, smoke=True, batch=4), release, tmp_path / "one", seed=3, threads=1, epochs=1)
    one, two = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        if name == "readout.conv3.bias":  # no density depends on it: its gradient is rounding, which Adam makes a step
            continue
        torch.testing.assert_close(value, two[name], rtol=1e-4, atol=1e-5, msg=name)
    steps = [(tmp_path / name / "history.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert len(steps[0]) == len(steps[1])
    assert json.loads((tmp_path / "two" / "training.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_two_processes_go_on_bit_by_bit(release: Path, tmp_path: Path) -> None:
    torchrun(SCRIPT, "train", GAZE, release, tmp_path / "whole", 2, -1)
    torchrun(SCRIPT, "train", GAZE, release, tmp_path / "cut", 2, 2)
    assert len((tmp_path / "cut" / "history.jsonl").read_text().splitlines()) == 2
    torchrun(SCRIPT, "train", GAZE, release, tmp_path / "cut", 2, -1)
    for name in ("weights.pt", "best.pt", "history.jsonl", "epochs.jsonl"):
        digests = [hashlib.sha256((tmp_path / run / name).read_bytes()).hexdigest() for run in ("whole", "cut")]
        assert digests[0] == digests[1], name


@pytest.mark.slow
def test_torchrun_starts_the_command_line(release: Path, tmp_path: Path) -> None:
    words = ("train", GAZE, "--smoke", "--data", release, "--epochs", 1, "-o", tmp_path / "run", "--device", "cpu")
    torchrun("-m", "vidsal", *words)
    assert (tmp_path / "run" / "weights.pt").is_file()
