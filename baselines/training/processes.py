"""Several processes that train one network together, started by torchrun: each takes its share of every batch.

A batch of the recipe is that of all processes together, so their number does not change the recipe. Gradients are the
mean over the processes, weighted by their shares: where a loss is a mean over samples, and no layer looks at the whole
batch as BatchNorm in training does, the step is that of one process.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from vidsal.loaders.errors import WrongUse

from .feeds.base import Work
from .recipe import Recipe
from .systems.base import Batch, Terms

_PATIENCE = timedelta(hours=24)
"""How long processes wait for one that validates."""


class Objective(nn.Module):
    """The loss of a recipe as a module, so that what averages gradients sees one forward pass.

    Args:
        module: the network.
        recipe: its recipe.
        mixed: whether the network, not the loss, runs in half precision where that is safe.
        device: where it is.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, mixed: bool, device: torch.device) -> None:
        super().__init__()
        self.module = module
        self.recipe, self._mixed, self._device = recipe, mixed, device

    def forward(self, batch: Batch) -> Terms:
        """Return the terms; only `total` has a gradient."""
        settings, system = self.recipe.settings, self.recipe.system
        with torch.autocast(self._device.type, enabled=self._mixed):
            output = system.forward(self.module, batch, settings)
        terms = system.terms(_single(output) if self._mixed else output, batch, settings)
        return {name: term if name == "total" else term.detach() for name, term in terms.items()}


@contextmanager
def careful(mixed: bool, device: torch.device) -> Iterator[None]:
    """Leave oneDNN out of half precision on a CPU: its bfloat16 gradients of small 3-D convolutions damage memory."""
    if not mixed or device.type != "cpu":
        yield
        return
    before = torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]  # `flags` sets TF32 too, and warns
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(before[0])  # type: ignore[no-untyped-call]


def _single(output: Any) -> Any:
    """Return what a network returned in single precision."""
    if isinstance(output, Tensor):
        return output.float()
    return type(output)(_single(part) for part in output) if isinstance(output, (tuple, list)) else output


@dataclass(frozen=True)
class Processes:
    """The processes of a training, and which one this is.

    Attributes:
        rank: of this one; the first writes what a run leaves.
        size: how many.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, work: Work, recipe: Recipe) -> Work:
        """Return this process's part of a batch.

        Raises:
            WrongUse: the batch has fewer clips than there are processes, or goes on where the one before it ended.
        """
        if self.size == 1:
            return work
        if len(work.clips) < self.size:
            raise WrongUse(
                f"{recipe.name}: a batch of {len(work.clips)} ({work}) cannot be shared by {self.size} processes; "
                f"start fewer of them, or give --option batch={self.size} or more where the recipe takes batches"
            )
        return replace(work, clips=work.clips[self.rank :: self.size])

    def weight(self, work: Work) -> float:
        """Return by what the loss of this process's part is multiplied, so that the mean is that of the batch."""
        own = len(work.clips[self.rank :: self.size])
        return own * self.size / len(work.clips)

    def wrap(self, objective: Objective) -> nn.Module:
        """Return the objective with gradients averaged over all; weights are made those of the first."""
        if self.size == 1:
            return objective
        idle = objective.recipe.system.has_idle_parts
        return nn.parallel.DistributedDataParallel(objective, find_unused_parameters=idle)

    def mean(self, values: Mapping[str, float], weight: float, device: torch.device) -> dict[str, float]:
        """Return the weighted means over the processes of numbers that all of them have."""
        if self.size == 1:
            return dict(values)
        sums = torch.tensor([values[name] * weight for name in sorted(values)], dtype=torch.float64, device=device)
        distributed.all_reduce(sums)
        return dict(zip(sorted(values), (sums / self.size).tolist(), strict=True))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Return whether a flag is set in any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag), device=device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags)

    def gathered(self, value: Any) -> list[Any]:
        """Return a value of every process, in order."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def of_first(self, value: Any) -> Any:
        """Return the first process's value; the others wait for it."""
        if self.size == 1:
            return value
        found = [value]
        distributed.broadcast_object_list(found, src=0)
        return found[0]


@contextmanager
def processes(device: str) -> Iterator[tuple[Processes, str]]:
    """Join the processes that torchrun started, and give this one's place and device; alone where there are no others.

    Args:
        device: `cuda` becomes the GPU of this process's number on its machine.

    Raises:
        WrongUse: one GPU is named for several processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not distributed.is_torchelastic_launched():
        yield Processes(), device
        return
    if device.startswith("cuda:"):
        raise WrongUse(f"--device {device}: one GPU for {size} processes; give --device cuda, and each takes its own")
    own = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
    if own != device:
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own != device else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size()), own
        distributed.barrier()  # nobody hangs up while another one still talks
    finally:
        gc.collect()  # what averages gradients refers to itself, and must not outlive the group
        distributed.destroy_process_group()
