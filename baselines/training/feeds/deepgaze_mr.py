"""DeepGaze MR's batches: clips, the fixations of their last frame, and the centre bias of the training gaze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vidsal.loaders.clips.sampler import ClipSampler, collate
from vidsal.loaders.release.release import Release

from ...deepgaze_mr.network import DeepGazeMR
from ..division import Division
from ..systems.base import Batch
from .base import Request, Source, Work, size_of, to_device, validation_work

_BIAS = (720, 1280)


class DeepgazeFeed:
    """See the module's docstring.

    Attributes:
        center_bias: density (720, 1280) of all training fixations, float32.
    """

    def __init__(self, request: Request) -> None:
        data = request.data
        source = request.source(data["dataset"])
        self.sources: tuple[Source, ...] = (source,)
        self.inputs: Mapping[str, str] = {}
        self._batch = int(request.recipe.options["batch"] or data["batch"])
        common = {
            "frames": data["frames"],
            "size": size_of(data["size"]),
            "targets": ("counts",),
            "cache": request.cache,
        }
        division = source.division
        self._train = ClipSampler(
            source.release,
            **division.training_clips(),
            per_stimulus=data["clips_per_video"],
            seed=request.seed,
            **common,
        )
        self._valid = (
            ClipSampler(
                source.release,
                **division.held_out_clips(),
                start="spread",
                per_stimulus=data.get("validation_clips", 4),
                **common,
            )
            if division.held_out
            else None
        )
        self.center_bias = center_bias(source.release, division, data["bias_sigma"])

    def epoch(self, number: int) -> Sequence[Work]:
        """Some clips of every video, shuffled."""
        made = self._train.batches(self._train.plan(number), self._batch, number)
        return [Work(tuple(one)) for one in made]

    def validation(self) -> Sequence[Work]:
        """Clips at even distances."""
        return validation_work(self._valid, self._batch)

    def read(self, work: Work) -> Batch:
        """See `systems.deepgaze_mr.DeepgazeMr`."""
        arrays = collate([self._train.read(clip) for clip in work.clips])
        frames = (arrays["rgb"].float() / 255).movedim(-1, -3).contiguous()
        return {"frames": frames, "fixated": arrays["counts"][:, -1]}

    def finish(self, module: nn.Module, batch: Batch, device: torch.device) -> Batch:
        """On the device; the module gets the centre bias."""
        assert isinstance(module, DeepGazeMR)
        if module.center_bias is None:
            module.center_bias = self.center_bias.to(device)
        return to_device(batch, device)


def center_bias(release: Release, division: Division, sigma: float) -> Tensor:
    """Return the density of the gaze that trains on a frame of 720 x 1280, under one Gaussian.

    Args:
        release: holds the stimuli.
        division: what of them trains.
        sigma: of the Gaussian, as a share of the width.
    """
    from scipy.ndimage import gaussian_filter

    counts = np.zeros(_BIAS)
    for stimulus_id in division.train:
        stimulus = release[stimulus_id]
        points = stimulus.gaze_points
        x = np.clip(points.x / stimulus.width * _BIAS[1], 0, _BIAS[1] - 1).astype(int)
        y = np.clip(points.y / stimulus.height * _BIAS[0], 0, _BIAS[0] - 1).astype(int)
        first, last = points.frame, points.frame_end
        if stimulus_id in division.train_frames:
            own = division.train_frames[stimulus_id]
            first, last = np.maximum(first, own.start), np.minimum(last, own.stop - 1)
        np.add.at(counts, (y, x), np.maximum(last - first + 1, 0))
    smooth = gaussian_filter(counts, sigma * _BIAS[1], mode="nearest") + counts.sum() * 1e-9 / counts.size
    return torch.from_numpy((smooth / smooth.sum()).astype(np.float32))


def make_feed(request: Request) -> DeepgazeFeed:
    """Make the feed."""
    return DeepgazeFeed(request)
