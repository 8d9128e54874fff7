"""SalEMA's batches: each the next clip of a video, all clips of a video one after the other, videos in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from vidsal.loaders.clips.sampler import ClipSampler, collate
from vidsal.loaders.records import UInt8Image

from ...salema.area_resize import resize_area
from ...salema.predictor import MEAN_BGR
from ..systems.base import Batch
from .base import Request, Source, Work, size_of, stretched, to_device


class SalemaFeed:
    """See the module's docstring."""

    def __init__(self, request: Request) -> None:
        data = request.data
        source = request.source(data["dataset"])
        self.sources: tuple[Source, ...] = (source,)
        self.inputs: Mapping[str, str] = {}
        self._limit = data.get("frame_limit")
        self._train, self._valid = (
            ClipSampler(
                source.release,
                frames=data["frames"],
                size=size_of(data["size"]),
                resize=_area,
                targets=("density", "fixated"),
                start="consecutive",
                **which,
                cache=request.cache,
            )
            if which["only"]
            else None
            for which in (source.division.training_clips(), source.division.held_out_clips())
        )

    def epoch(self, number: int) -> Sequence[Work]:
        """Every video, in order; the same in every epoch."""
        return self._clips(self._train)

    def validation(self) -> Sequence[Work]:
        """Every held-out video."""
        return self._clips(self._valid)

    def _clips(self, sampler: ClipSampler | None) -> list[Work]:
        found = list[Work]()
        if sampler is None:
            return found
        for clip in sampler.plan(0):
            first = sampler.frames_of(sampler.release[clip.stimulus]).start
            frames = tuple(n for n in clip.frames if self._limit is None or n < first + self._limit)
            if frames:
                found.append(Work((replace(clip, frames=frames),), continues=frames[0] > first))
        return found

    def read(self, work: Work) -> Batch:
        """See `systems.salema.Salema`."""
        sampler = self._train or self._valid
        assert sampler is not None
        arrays = collate([sampler.read(clip) for clip in work.clips])
        bgr = arrays["rgb"][0].flip(-1).float() - torch.from_numpy(np.array(MEAN_BGR, np.float32))
        return {
            "frames": bgr.permute(0, 3, 1, 2).contiguous(),
            "target": stretched(arrays["density"][0]),
            "fixated": arrays["fixated"][0],
        }

    def finish(self, module: nn.Module, batch: Batch, device: torch.device) -> Batch:
        """On the device."""
        return to_device(batch, device)


def _area(rgb: UInt8Image, size: tuple[int, int]) -> UInt8Image:
    return resize_area(rgb, size[1], size[0])


def make_feed(request: Request) -> SalemaFeed:
    """Make the feed."""
    return SalemaFeed(request)
