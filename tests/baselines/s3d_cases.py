"""What the tests of the networks on S3D share: inputs of the goldens, predictors over small videos."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.loaders.records import Frame

UInt8 = npt.NDArray[np.uint8]


def videos(recipe: Any, given: Any) -> list[UInt8]:
    """The uint8 videos of a golden's input."""
    listed = given if isinstance(given, list) else [given]
    seeds = [
        (seed, one) for one in listed for seed in (one["seed"] if isinstance(one["seed"], list) else [one["seed"]])
    ]
    return [recipe.make_video(seed, one["t"], one["h"], one["w"]) for seed, one in seeds]


def centered(clips: list[UInt8]) -> torch.Tensor:
    """(B, 3, T, H, W) in -1..1."""
    return torch.from_numpy((2 * np.stack(clips).transpose(0, 4, 1, 2, 3).astype(np.float32) - 255) / 255)


def standardized(clips: list[UInt8]) -> torch.Tensor:
    """(B, 3, T, H, W), ImageNet's mean and deviation taken off."""
    mean, std = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    return torch.from_numpy(((np.stack(clips) / 255 - mean) / std).transpose(0, 4, 1, 2, 3).astype(np.float32))


def info(video: UInt8, kind: Any = "video") -> StimulusInfo:
    n, height, width = video.shape[:3]
    return StimulusInfo("clip", width, height, 25.0 if kind == "video" else None, kind, n)


def predicted(model: Predictor, video: UInt8, kind: Any = "video") -> npt.NDArray[np.float32]:
    """The maps of all frames."""
    frames = (Frame(index, 40.0 * index, rgb) for index, rgb in enumerate(video))
    found = list(model.predict(frames, info(video, kind)))
    assert [one.frame for one in found] == list(range(len(video)))
    assert {one.kind for one in found} == {"saliency"}
    return np.stack([one.values for one in found])
