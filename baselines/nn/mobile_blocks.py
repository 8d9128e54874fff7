"""What MobileNetV3 and EfficientNet share: convolution with normalisation, squeeze-and-excitation, the block.

Numbered as in torchvision's ImageNet weights, so that theirs load.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Norm:
    """Constants of a batch normalisation."""

    eps: float = 1e-5
    momentum: float = 0.1

    def __call__(self, channels: int) -> nn.BatchNorm2d:
        """Make one for so many channels."""
        return nn.BatchNorm2d(channels, eps=self.eps, momentum=self.momentum)


@dataclass(frozen=True)
class Inverted:
    """One inverted residual block.

    Attributes:
        inside: channels before the block.
        expanded: channels between its 1x1 convolutions; equal to `inside` = no expansion.
        outside: channels after the block.
        kernel, stride: of the depthwise convolution.
        squeezed: channels inside squeeze-and-excitation; 0 = without.
    """

    inside: int
    expanded: int
    outside: int
    kernel: int
    stride: int
    squeezed: int = 0


def make_divisible(channels: float) -> int:
    """Round to a multiple of 8, to nearest, but never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def convolution(
    inside: int,
    outside: int,
    kernel: int,
    norm: Norm,
    activation: type[nn.Module] | None,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Make a convolution without bias that keeps the size / `stride` rounded up, its norm, its activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        norm(outside),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the means of all channels."""

    def __init__(self, channels: int, squeezed: int, activation: type[nn.Module], gate: type[nn.Module]) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()
        self.gate = gate()

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, channels, h, w) to the same shape."""
        means = maps.mean(dim=(2, 3), keepdim=True)
        return maps * self.gate(self.fc2(self.activation(self.fc1(means))))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection; added to its input."""

    def __init__(
        self,
        plan: Inverted,
        norm: Norm,
        activation: type[nn.Module],
        *,
        squeeze_activation: type[nn.Module],
        squeeze_gate: type[nn.Module],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if plan.expanded != plan.inside:
            layers.append(convolution(plan.inside, plan.expanded, 1, norm, activation))
        layers.append(
            convolution(
                plan.expanded,
                plan.expanded,
                plan.kernel,
                norm,
                activation,
                stride=plan.stride,
                groups=plan.expanded,
            )
        )
        if plan.squeezed:
            layers.append(SqueezeExcitation(plan.expanded, plan.squeezed, squeeze_activation, squeeze_gate))
        layers.append(convolution(plan.expanded, plan.outside, 1, norm, None))
        self.block = nn.Sequential(*layers)
        self.residual = plan.stride == 1 and plan.inside == plan.outside

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, outside, h / stride, w / stride), sizes rounded up."""
        out: Tensor = self.block(maps)
        return out + maps if self.residual else out
