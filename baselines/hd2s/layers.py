"""The parts of HD2S beyond S3D: decoder stages, normalisation by data set, domain classifiers, the learned blur.

A source is one of the data sets that the domain-specific form was trained on; modules take its name as second argument.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidsal.loaders.errors import UnknownName

SOURCES = ("DHF1K", "Hollywood", "UCFSports")


class SourceNorm(nn.Module):
    """One batch normalisation for each source, as `bn_<source>`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for source in SOURCES:
            self.add_module(f"bn_{source}", nn.BatchNorm2d(channels, momentum=0.01))

    def forward(self, x: Tensor, source: str) -> Tensor:
        """Normalise (B, C, H, W) with the source's statistics."""
        normalized: Tensor = self.get_submodule(f"bn_{check_source(source)}")(x)
        return normalized


class Widening(nn.Module):
    """A 3x3 convolution, its normalisation, ReLU: the head of a decoder stage.

    Args:
        inputs, outputs: channels.
        by_source: normalise by source.
    """

    def __init__(self, inputs: int, outputs: int, *, by_source: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = SourceNorm(outputs) if by_source else nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.001)

    def forward(self, x: Tensor, source: str) -> Tensor:
        """Map (B, C, H, W)."""
        return torch.relu(_normalized(self.bn, self.conv(x), source))


class Refining(nn.Module):
    """A depthwise 3x3 convolution and a 1x1, each with normalisation and ReLU."""

    def __init__(self, channels: int, *, by_source: bool) -> None:
        super().__init__()
        self.conv_s = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.conv_t = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_s = SourceNorm(channels) if by_source else nn.BatchNorm2d(channels)
        self.bn_t = SourceNorm(channels) if by_source else nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, source: str) -> Tensor:
        """Map (B, C, H, W)."""
        x = torch.relu(_normalized(self.bn_s, self.conv_s(x), source))
        return torch.relu(_normalized(self.bn_t, self.conv_t(x), source))


class Decoder(nn.Module):
    """Stages that each double rows and columns, down to three channels, then one map.

    Args:
        level: 2 to 5: which of the backbone's blocks it decodes; a part of the keys.
        inputs: channels.
        widths: of the stages, the first first.
        refinings: in each of the stages.
        by_source: normalise by source.
    """

    def __init__(
        self, level: int, inputs: int, widths: tuple[int, ...], refinings: tuple[int, ...], *, by_source: bool
    ) -> None:
        super().__init__()
        self.stages: list[str] = []
        for number, width, count in zip(range(len(widths), 0, -1), widths, refinings, strict=True):
            blocks = [Widening(inputs, width, by_source=by_source)]
            blocks += [Refining(width, by_source=by_source) for _ in range(count)]  # type: ignore[misc]
            self.stages.append(f"deconvlayer{level}_{number}")
            self.add_module(self.stages[-1], nn.ModuleList(blocks))
            inputs = width
        self.last = f"last_conv{level}"
        self.add_module(self.last, nn.Conv2d(inputs, 1, 1))

    def forward(self, x: Tensor, source: str) -> Tensor:
        """Map (B, C, h, w) to (B, 1, H, W), 0..1."""
        for stage in self.stages:
            for block in self.get_submodule(stage).children():
                x = block(x, source)
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.get_submodule(self.last)(x))


class FeatureReduction(nn.Module):
    """1x1 convolutions with normalisation and ReLU, then one row a clip."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.feature_reduction = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, features)."""
        reduced: Tensor = self.feature_reduction(x)
        return reduced.flatten(1)


class DomainClassifier(nn.Module):
    """Linear layers that tell source (0) from target (1)."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
            layers += [nn.Dropout(0.5)] if number else []
        self.domainClassifier = nn.Sequential(*layers, nn.Linear(widths[-1], 2), nn.LogSoftmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features) to log probabilities (B, 2)."""
        chances: Tensor = self.domainClassifier(x)
        return chances


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: Tensor, alpha: float) -> Tensor:
        context.alpha = alpha  # type: ignore[attr-defined]
        return x.view_as(x)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.alpha * gradient, None  # type: ignore[attr-defined]


def reverse_gradient(x: Tensor, alpha: float) -> Tensor:
    """Return `x`; its gradient is multiplied by -alpha."""
    reversed_: Tensor = _Reversal.apply(x, alpha)  # type: ignore[no-untyped-call]
    return reversed_


class GaussianLayer(nn.Module):
    """A blur of learned width, zeros beyond the border.

    Args:
        max_sigma: pixels; the kernel is six times as wide and of odd size, and the width starts at half of it.
    """

    def __init__(self, max_sigma: int) -> None:
        super().__init__()
        self.size = math.ceil(6 * max_sigma) // 2 * 2 + 1
        self.sigma = nn.Parameter(torch.tensor(max_sigma / 2.0))

    def forward(self, x: Tensor) -> Tensor:
        """Blur (B, 1, H, W)."""
        half = self.size // 2
        offset = torch.arange(-half, half + 1, dtype=x.dtype, device=x.device)
        taps = torch.exp(-(offset**2) / (2 * self.sigma**2))
        taps = taps / taps.sum()
        x = F.conv2d(x, taps.view(1, 1, -1, 1), padding=(half, 0))
        return F.conv2d(x, taps.view(1, 1, 1, -1), padding=(0, half))


def check_source(source: str) -> str:
    """Return the name of a source.

    Raises:
        UnknownName: no such source.
    """
    if source not in SOURCES:
        raise UnknownName("source of HD2S", source, SOURCES)
    return source


def _normalized(norm: nn.Module, x: Tensor, source: str) -> Tensor:
    normalized: Tensor = norm(x, source) if isinstance(norm, SourceNorm) else norm(x)
    return normalized
