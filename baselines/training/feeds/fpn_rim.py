"""FPN+RIM's batches: clips of single observers' gaze, pairs of video and observer in order, as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vidsal.loaders.clips.sampler import ClipSampler, collate
from vidsal.loaders.errors import MissingData
from vidsal.loaders.records import UInt8Image

from ...fpn_rim.predictor import squeeze
from ..systems.base import Batch
from .base import Request, Source, Work, normalized, to_device, validation_work


class FpnRimFeed:
    """See the module's docstring."""

    def __init__(self, request: Request) -> None:
        data, options = request.data, request.recipe.options
        source = request.source(None)
        self.sources: tuple[Source, ...] = (source,)
        self.inputs: Mapping[str, str] = {}
        self._batch = int(options["batch"] or data["batch"])
        self._size = (int(options["input_dims"][0]), int(options["input_dims"][1]))
        common = {
            "frames": data["frames"],
            "size": self._size,
            "resize": _bicubic,
            "targets": ("labels",),
            "observers": data.get("observer_limit"),
            "cache": request.cache,
        }
        self._train = ClipSampler(
            source.release,
            **source.division.training_clips(),
            per_stimulus=data["clips_per_video"],
            seed=request.seed,
            **common,
        )
        held_out = source.division.held_out_clips()
        self._valid = (
            ClipSampler(source.release, **held_out, start="consecutive", **common) if held_out["only"] else None
        )
        if not self._train.plan(0):
            raise MissingData(f"{source.release!r}: no observer's gaze to train on")

    def epoch(self, number: int) -> Sequence[Work]:
        """One clip of every pair."""
        made = self._train.batches(self._train.plan(number), self._batch, number, shuffle=False)
        return [Work(tuple(one)) for one in made]

    def validation(self) -> Sequence[Work]:
        """All clips of every held-out pair."""
        return validation_work(self._valid, self._batch)

    def read(self, work: Work) -> Batch:
        """See `systems.fpn_rim.FpnRimSystem`."""
        release = self._train.release
        arrays = collate([self._train.read(clip) for clip in work.clips])
        sizes = np.array([(release[c.stimulus].width, release[c.stimulus].height) for c in work.clips], np.float64)
        return {
            "frames": normalized(arrays["rgb"]).transpose(1, 2).contiguous(),
            "labels": scaled_labels(arrays["xy"], torch.from_numpy(sizes), self._size).float(),
            "phase": arrays["phase"].long(),
            "clips": [(str(clip.observer), clip.frames[0]) for clip in work.clips],
        }

    def finish(self, module: nn.Module, batch: Batch, device: torch.device) -> Batch:
        """On the device."""
        return to_device(batch, device)


def scaled_labels(xy: Tensor, sizes: Tensor, wanted: tuple[int, int]) -> Tensor:
    """Return labels in -1..1: pixels of the network's frame, clamped, x by its height and y by its width, as published.

    Args:
        xy: (B, T, 2) pixels of the stimuli.
        sizes: (B, 2) width and height of the stimuli.
        wanted: height and width of the network's frames.
    """
    height, width = wanted
    at = xy * (xy.new_tensor([width, height]) / sizes)[:, None]
    x, y = at[..., 0].clamp(0, height - 1), at[..., 1].clamp(0, width - 1)
    return torch.stack([x / (height / 2) - 1, y / (width / 2) - 1], dim=-1)


def _bicubic(rgb: UInt8Image, size: tuple[int, int]) -> UInt8Image:
    return squeeze(rgb, *size)


def make_feed(request: Request) -> FpnRimFeed:
    """Make the feed."""
    return FpnRimFeed(request)
