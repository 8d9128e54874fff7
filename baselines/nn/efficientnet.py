"""EfficientNet-B0 and -B7 without their heads, numbered as torchvision's `features`.

Source: Tan & Le, EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019. Stochastic
depth, which only acts while training, is left out.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import nn

from .mobile_blocks import Inverted, InvertedResidual, Norm, convolution, make_divisible

Name = Literal["b0", "b7"]

# expansion, kernel, stride, inside, outside, blocks; of B0
_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
# factor of the channels, factor of the depth, normalisation
_SCALES: dict[Name, tuple[float, float, Norm]] = {
    "b0": (1.0, 1.0, Norm()),
    "b7": (2.0, 3.1, Norm(eps=1e-3, momentum=0.01)),
}


def efficientnet(name: Name) -> nn.Sequential:
    """Make the stem and the seven stages; the input is (n, 3, h, w), ImageNet normalised."""
    wider, deeper, norm = _SCALES[name]
    layers: list[nn.Module] = [convolution(3, make_divisible(32 * wider), 3, norm, nn.SiLU, stride=2)]
    for expansion, kernel, stride, inside, outside, blocks in _STAGES:
        channels = make_divisible(inside * wider)
        first = _block(channels, make_divisible(outside * wider), expansion, kernel, stride)
        later = _block(first.outside, first.outside, expansion, kernel, 1)
        plans = [first] + [later] * (math.ceil(blocks * deeper) - 1)
        layers.append(
            nn.Sequential(
                *(
                    InvertedResidual(plan, norm, nn.SiLU, squeeze_activation=nn.SiLU, squeeze_gate=nn.Sigmoid)
                    for plan in plans
                )
            )
        )
    return nn.Sequential(*layers)


def _block(inside: int, outside: int, expansion: int, kernel: int, stride: int) -> Inverted:
    return Inverted(inside, make_divisible(inside * expansion), outside, kernel, stride, max(1, inside // 4))
