"""DenseNet-201 up to its last dense block, under torchvision's names.

Source: Huang, Liu, van der Maaten & Weinberger, Densely connected convolutional networks, CVPR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_BLOCKS = (6, 12, 48, 32)
_GROWTH = 32
_BOTTLENECK = 4


class DenseLayer(nn.Module):
    """Adds 32 channels computed from all channels before it."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        width = _BOTTLENECK * _GROWTH
        self.norm1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, _GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, inside + 32, h, w)."""
        new = self.conv1(self.norm1(maps).relu())
        new = self.conv2(self.norm2(new).relu())
        return torch.cat((maps, new), dim=1)


class Transition(nn.Module):
    """Halves the channels and the size."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inside)
        self.conv = nn.Conv2d(inside, inside // 2, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, inside // 2, h // 2, w // 2)."""
        return nn.functional.avg_pool2d(self.conv(self.norm(maps).relu()), 2)


class DenseNet201(nn.Module):
    """The convolutional part."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(64))
        channels = 64
        for number, layers in enumerate(_BLOCKS, start=1):
            block = nn.Sequential()
            for layer in range(1, layers + 1):
                block.add_module(f"denselayer{layer}", DenseLayer(channels))
                channels += _GROWTH
            self.features.add_module(f"denseblock{number}", block)
            if number < len(_BLOCKS):
                self.features.add_module(f"transition{number}", Transition(channels))
                channels //= 2

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of the four dense blocks for images (n, 3, h, w), ImageNet normalised."""
        part = self.features.get_submodule
        maps = part("norm0")(part("conv0")(images)).relu()
        maps = nn.functional.max_pool2d(maps, 3, stride=2, padding=1)
        found = []
        for number in range(1, len(_BLOCKS) + 1):
            maps = part(f"denseblock{number}")(maps)
            found.append(maps)
            if number < len(_BLOCKS):
                maps = part(f"transition{number}")(maps)
        return found
