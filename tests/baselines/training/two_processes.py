"""Run by torchrun in two processes: `law` checks the gradients of a shared batch, `train` trains and compares weights."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from vidsal.baselines.training.feeds.base import Work
from vidsal.baselines.training.processes import Objective, Processes, processes
from vidsal.baselines.training.recipe import Recipe
from vidsal.baselines.training.trainer import FOLDER, Order, _Training, with_epochs
from vidsal.loaders.clips.plan import Clip
from vidsal.loaders.io.files import lock_folder
from vidsal.loaders.io.progress import silent
from vidsal.training import load_recipe


class _System:
    """The mean square of two linear layers, one of which only even batches use."""

    has_idle_parts = True

    def forward(self, module: Any, batch: Any, settings: Any) -> torch.Tensor:
        part = module[0] if len(batch["x"]) else module[1]
        return cast(torch.Tensor, part(batch["x"]))

    def terms(self, output: torch.Tensor, batch: Any, settings: Any) -> dict[str, torch.Tensor]:
        return {"total": output.square().mean(1).mean(), "other": output.mean()}


class _Recipe:
    name, settings, system = "law", dict[str, Any](), _System()


def law(together: Processes) -> None:
    """Three samples in two processes: one has two of them, the gradient is that of all three."""
    torch.manual_seed(together.rank)  # unlike weights: those of the first count
    module = nn.Sequential(nn.Linear(4, 2), nn.Linear(4, 2))
    x = torch.arange(12.0).reshape(3, 4).sin()
    recipe, device = cast(Recipe, _Recipe()), torch.device("cpu")
    work = Work(tuple(Clip(str(i), (0,)) for i in range(3)))
    objective = together.wrap(Objective(module, recipe, False, device))
    own = [int(clip.stimulus) for clip in together.share(work, recipe).clips]
    terms = objective({"x": x[own]})
    (terms["total"] * together.weight(work)).backward()  # type: ignore[no-untyped-call]
    found = together.mean({n: float(v.detach()) for n, v in terms.items()}, together.weight(work), device)
    alone = nn.Linear(4, 2)
    alone.load_state_dict(module[0].state_dict())
    expected = alone(x).square().mean(1).mean()
    expected.backward()
    for mine, theirs in zip(module[0].parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)
    assert module[1].weight.grad is None
    assert abs(found["total"] - float(expected.detach())) < 1e-6
    assert together.any(together.rank == 1, device)
    assert together.of_first(together.rank) == 0
    assert together.gathered(together.rank) == [0, 1]


def train(together: Processes, name: str, release: Path, out: Path, epochs: int, stop: int) -> None:
    """Train; at the step `stop` the second process is asked to end."""
    recipe = with_epochs(load_recipe(name, smoke=True, batch=4), epochs)
    order = Order(recipe, (release,), out, seed=3, threads=1, together=together)
    with lock_folder(out / FOLDER) if together.first else lock_folder(out.with_name("second") / FOLDER):
        training = _Training(replace(order))
        try:
            training.run((lambda done, *_: stopping(done, stop)) if together.first else silent)
        except KeyboardInterrupt:
            return
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in training.module.parameters())).hexdigest()
    digests = together.gathered(digest)
    assert digests[0] == digests[1], "the two processes hold unlike weights"


def stopping(done: int, stop: int) -> None:
    """Take SIGTERM as torchrun hands it on."""
    if done == stop:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    with processes("cpu") as (both, _):
        assert both.size == 2
        if sys.argv[1] == "law":
            law(both)
        else:
            name, release, out, epochs, stop = sys.argv[2:]
            train(both, name, Path(release), Path(out), int(epochs), int(stop))
