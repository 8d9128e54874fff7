"""From decoded frames to network input: the pieces that several models share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vidsal.benchmark.predictor import StimulusInfo
from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Frame, UInt8Image

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def check_size(frame: Frame, stimulus: StimulusInfo) -> None:
    """Refuse a frame that has another size than its stimulus.

    Raises:
        BadData: it has.
    """
    expected = (stimulus.height, stimulus.width, 3)
    if frame.rgb.shape != expected:
        raise BadData(
            f"{stimulus.id}, frame {frame.index}: the frame has the shape {frame.rgb.shape}, expected {expected} as "
            "for the whole stimulus"
        )


def to_tensor(rgb: UInt8Image, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return an image as float32 (3, height, width) in 0..1.

    Args:
        rgb: uint8, shape (height, width, 3).
        device: where to put it; the conversion happens there.
    """
    import torch

    image = torch.from_numpy(np.array(rgb, dtype=np.uint8, order="C")).to(device)
    return image.permute(2, 0, 1).contiguous().float().div_(255.0)


def normalize(
    image: torch.Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> torch.Tensor:
    """Subtract the mean and divide by the deviation of each channel; channels are the third last axis.

    Args:
        image: float, shape (..., 3, height, width); not changed.
        mean, std: for each channel.
    """
    shift = image.new_tensor(tuple(mean)).view(-1, 1, 1)
    scale = image.new_tensor(tuple(std)).view(-1, 1, 1)
    return (image - shift) / scale


def imagenet_frame(frame: Frame, height: int, width: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return a frame as float32 (3, height, width): RGB in 0..1, normalised by ImageNet's, **then** resized.

    Bilinear: half-pixel centres, edges clamped, **no** antialias. So each output pixel reads four input pixels, and
    only those are normalised: a large frame costs no more than a small one.
    """
    rows, down = _taps(frame.rgb.shape[0], height)
    columns, across = _taps(frame.rgb.shape[1], width)
    image = normalize(to_tensor(frame.rgb[rows][:, columns], device))
    right = image.new_tensor(across)
    lines = image[..., :width] * (1 - right) + image[..., width:] * right
    below = image.new_tensor(down)[:, None]
    return lines[:, :height] * (1 - below) + lines[:, height:] * below


@lru_cache(maxsize=16)
def _taps(size: int, out: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return, along one axis, both input pixels of each output pixel (all first ones, all second ones), and the weight
    of the second."""
    place = (np.arange(out, dtype=np.float32) + np.float32(0.5)) * np.float32(size / out) - np.float32(0.5)
    place = np.maximum(place, np.float32(0))
    first = place.astype(np.intp)
    both = np.concatenate([first, np.minimum(first + 1, size - 1)])
    return both, place - first.astype(np.float32)
