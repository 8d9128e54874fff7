"""From decoded frames to network input: the pieces that several models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidsal.loaders.records import Frame, UInt8Image

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_tensor(rgb: UInt8Image, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return an image as float32 (3, height, width) in 0..1.

    Args:
        rgb: uint8, shape (height, width, 3).
        device: where to put it; the conversion happens there.
    """
    import torch

    image = torch.from_numpy(np.array(rgb, dtype=np.uint8, order="C")).to(device)
    return image.permute(2, 0, 1).contiguous().float().div_(255.0)


def normalise(
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


def resize_bilinear(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize bilinearly: half-pixel centres, edges clamped, **no** antialias.

    Args:
        image: float, shape (channels, h, w).

    Returns:
        Shape (channels, height, width).
    """
    import torch

    if tuple(image.shape[-2:]) == (height, width):
        return image
    return torch.nn.functional.interpolate(image[None], size=(height, width), mode="bilinear", align_corners=False)[0]


def imagenet_frame(frame: Frame, height: int, width: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return a frame as float32 (3, height, width): RGB in 0..1, normalised by ImageNet's, **then** resized."""
    return resize_bilinear(normalise(to_tensor(frame.rgb, device)), height, width)
