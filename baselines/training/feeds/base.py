"""What a feed offers to the trainer, and the pieces that several feeds share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vidsal.loaders.clips.plan import Clip
from vidsal.loaders.clips.sampler import ClipSampler
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.release.release import Release, load

from ...preprocess import IMAGENET_MEAN, IMAGENET_STD
from ..division import Division, divide
from ..recipe import Recipe
from ..systems.base import Batch


@dataclass(frozen=True)
class Work:
    """One batch to be read.

    Attributes:
        clips: its clips.
        domain: of the recipe's domains; empty where it has none.
        continues: whether it goes on where the batch before it ended.
    """

    clips: tuple[Clip, ...]
    domain: str = ""
    continues: bool = False

    def __str__(self) -> str:
        parts = [f"{c.stimulus} frames {c.frames[0]} to {c.frames[-1]}" for c in self.clips]
        return (f"{self.domain}: " if self.domain else "") + "; ".join(parts)


def validation_work(sampler: ClipSampler | None, batch: int) -> list[Work]:
    """Return the clips of what is held out, in order, so many a batch; nothing where there is no sampler of it."""
    if sampler is None:
        return []
    return [Work(tuple(one)) for one in sampler.batches(sampler.plan(0), batch, 0, shuffle=False)]


class Feed(Protocol):
    """The data of one training.

    Attributes:
        sources: the releases.
        inputs: what else the batches follow from: the SHA-256 of each, by the option that names it.
    """

    sources: tuple[Source, ...]
    inputs: Mapping[str, str]

    def epoch(self, number: int) -> Sequence[Work]:
        """Return the batches of an epoch; they depend on the seed and the number alone."""
        ...

    def validation(self) -> Sequence[Work]:
        """Return the batches of a validation; always the same."""
        ...

    def read(self, work: Work) -> Batch:
        """Return the tensors of a batch, on the CPU; called in loader workers."""
        ...

    def finish(self, module: nn.Module, batch: Batch, device: torch.device) -> Batch:
        """Return the batch on the device, with what a network must add (a teacher's maps)."""
        ...


@dataclass(frozen=True)
class Source:
    """A release that is trained on.

    Attributes:
        release: all of it.
        division: what trains and what is held out.
    """

    release: Release
    division: Division


@dataclass(frozen=True)
class Request:
    """What a feed is made from.

    Attributes:
        recipe: the recipe.
        folders: of the releases.
        seed: of all random choices.
        limit: most stimuli that train, and that are held out, of each release.
        cache: folder for resized frames; None = decode every time.
        frames: folder of the frames, where it is not the converted one.
        ids, held_out: stimuli that train and that are held out, of a single release; none = as the recipe divides.
    """

    recipe: Recipe
    folders: tuple[Path, ...]
    seed: int = 0
    limit: int | None = None
    cache: Path | None = None
    frames: Path | None = None
    ids: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    _opened: dict[Path, Source] = field(default_factory=dict, repr=False, compare=False)

    @property
    def data(self) -> Mapping[str, Any]:
        """The recipe's table `data`."""
        found: Mapping[str, Any] = self.recipe.settings["data"]
        return found

    def source(self, dataset: str | None, data: Mapping[str, Any] | None = None) -> Source:
        """Return the release of a data set, divided.

        Args:
            dataset: name that the recipe wants; None = any.
            data: where the rules of the division are; None = the recipe's table.

        Raises:
            MissingData: none of the given releases is of it.
            WrongUse: several are.
        """
        releases = [load(folder, frames=self.frames) for folder in self.folders]
        found = [r for r in releases if dataset is None or r.record["dataset"] == dataset]
        if not found and self.data.get("any_release"):
            found = releases
        if not found:
            given = ", ".join(sorted(r.id for r in releases))
            raise MissingData(
                f"{self.recipe.name} trains on {dataset}, and the given releases are {given}; convert {dataset} "
                f"(`vidsal data convert {dataset} --src DIR --out DIR`) and name it with --data"
            )
        if len(found) > 1:
            given = ", ".join(sorted(r.id for r in found))
            raise WrongUse(f"{self.recipe.name}: {given} could all be trained on; give one release of each data set")
        release = found[0]
        if (self.ids or self.held_out) and len(self.folders) > 1:
            raise WrongUse("stimuli are named by their ids (--ids, --held-out) where one release is given")
        rules = {**self.data, **(data or {})}
        division = divide(release, rules, self.recipe.options, ids=self.ids, held_out=self.held_out)
        return Source(release, division.limited(self.limit))


def normalized(rgb: Tensor) -> Tensor:
    """Return uint8 frames (..., h, w, 3) as float32 (..., 3, h, w): 0..1, ImageNet's mean and deviation."""
    mean, std = rgb.new_tensor(IMAGENET_MEAN, dtype=torch.float32), rgb.new_tensor(IMAGENET_STD, dtype=torch.float32)
    return ((rgb.float() / 255 - mean) / std).movedim(-1, -3).contiguous()


def uniform_where_empty(density: Tensor) -> Tensor:
    """Replace maps (..., h, w) without mass by the uniform density."""
    empty = density.sum((-2, -1), keepdim=True) <= 0
    return torch.where(empty, torch.full_like(density, 1 / (density.shape[-2] * density.shape[-1])), density)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with its tensors on a device."""
    return {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}


def stretched(maps: Tensor) -> Tensor:
    """Stretch maps (..., h, w) to 0..1 each; a constant one becomes 0."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny), 0 * maps)


def size_of(value: Any) -> tuple[int, int] | None:
    """Return a size of a recipe: height and width; None for `stimulus`."""
    return None if value in (None, "stimulus") else (int(value[0]), int(value[1]))


def generator(seed: int, epoch: int, stream: int) -> np.random.Generator:
    """Return the random numbers of one purpose in one epoch."""
    return np.random.default_rng([seed, epoch, stream])
