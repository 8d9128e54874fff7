"""UNISAL's batches: of one domain each, the domains mixed; images of one size to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vidsal.loaders.clips.plan import Clip
from vidsal.loaders.clips.sampler import ClipSampler, collate
from vidsal.loaders.errors import UnknownName
from vidsal.loaders.release.release import Stimulus

from ..published import alternate, nearest_cells, shuffled, unisal_validation_starts
from ..systems.base import Batch
from .base import Request, Source, Work, normalized, size_of, to_device, uniform_where_empty

_EPOCHS = 1_000_003


@dataclass(frozen=True)
class _Cells:
    """The size of an image by its aspect, times a scale."""

    cells: tuple[tuple[int, int], ...]
    scale: int = 1

    def __call__(self, stimulus: Stimulus) -> tuple[int, int]:
        height, width = nearest_cells(stimulus.height, stimulus.width, self.cells)
        return height * self.scale, width * self.scale


class _Domain:
    """The clips of one domain."""

    def __init__(self, name: str, rule: Mapping[str, Any], request: Request, stream: int) -> None:
        self.name, self.rule = name, rule
        self.source = request.source(rule["dataset"], rule)
        self.batch = int(request.recipe.options["batch"] or rule["batch"])
        self.valid_batch = min(self.batch, int(rule.get("validation_batch", self.batch)))
        division = self.source.division
        self.train = self._sampler(request, division.training_clips(), request.seed + stream)
        held_out = division.held_out_clips()
        self.valid = self._sampler(request, held_out, request.seed) if held_out["only"] else None

    def _sampler(self, request: Request, which: Mapping[str, Any], seed: int) -> ClipSampler:
        rule = self.rule
        cells = tuple((int(c[0]), int(c[1])) for c in rule.get("cells", ()))
        size: Any = _Cells(cells) if cells else size_of(rule["size"])
        loss: Any = _Cells(cells, int(rule["loss_scale"])) if cells else size_of(rule.get("loss_size", "stimulus"))
        return ClipSampler(
            self.source.release,
            frames=rule["frames"],
            step=rule["step"],
            size=size,
            fit=rule["fit"],
            target_size=loss or _own_size,
            per_stimulus=rule.get("clips_per_video", 1),
            last_start=False,
            seed=seed,
            **which,
            cache=request.cache,
        )

    def epoch(self, number: int) -> list[Work]:
        """The training batches of an epoch."""
        clips = self.train.plan(number)
        full = min(self.batch, max(1, len(clips)))
        made = self.train.batches(clips, full, number, drop_last=True)
        return [Work(tuple(one), self.name) for one in made]

    def validation(self) -> list[Work]:
        """The validation batches."""
        if self.valid is None:
            return []
        clips, step = [], self.rule["step"]
        for stimulus in self.valid.stimuli:
            n = self.rule.get("validation_clips", 1)
            own = self.valid.frames_of(stimulus)
            for start in unisal_validation_starts(len(own), self.valid.span, n):
                clips.append(Clip(stimulus.id, tuple(own[start : start + self.valid.span : step])))
        made = self.valid.batches(clips, self.valid_batch, 0, shuffle=False)
        return [Work(tuple(one), self.name) for one in made]


class UnisalFeed:
    """See the module's docstring."""

    def __init__(self, request: Request) -> None:
        self._seed = request.seed
        rules = request.data["domains"]
        wanted = request.recipe.options.get("domains")
        names = [name.strip() for name in wanted.split(",")] if wanted else list(rules)
        for name in names:
            if name not in rules:
                raise UnknownName(f"domain of {request.recipe.name}", name, rules)
        self._domains = {n: _Domain(n, rules[n], request, i) for i, n in enumerate(rules) if n in names}
        self.sources: tuple[Source, ...] = tuple(domain.source for domain in self._domains.values())
        self.inputs: Mapping[str, str] = {}

    def epoch(self, number: int) -> Sequence[Work]:
        """The domains' batches, their order shuffled."""
        own = {name: domain.epoch(number) for name, domain in self._domains.items()}
        order = shuffled(alternate({name: len(b) for name, b in own.items()}), self._seed * _EPOCHS + number)
        rest = {name: iter(b) for name, b in own.items()}
        return [next(rest[name]) for name in order]

    def validation(self) -> Sequence[Work]:
        """The domains' batches, one domain after the other."""
        return [work for domain in self._domains.values() for work in domain.validation()]

    def read(self, work: Work) -> Batch:
        """See `systems.unisal.Unisal`."""
        sampler = self._domains[work.domain].train
        arrays = collate([sampler.read(clip) for clip in work.clips])
        return {
            "frames": normalized(arrays["rgb"]),
            "density": uniform_where_empty(arrays["density"]),
            "fixated": arrays["fixated"],
            "source": work.domain,
        }

    def finish(self, module: nn.Module, batch: Batch, device: torch.device) -> Batch:
        """On the device."""
        return to_device(batch, device)


def _own_size(stimulus: Stimulus) -> tuple[int, int]:
    return stimulus.height, stimulus.width


def make_feed(request: Request) -> UnisalFeed:
    """Make the feed."""
    return UnisalFeed(request)
