"""The blocks of S3D, the video network trained on Kinetics-400 from which three of our networks start.

Source: Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018. A convolution in space, then one in time; no
convolution has a bias; each is followed by BatchNorm (eps 1e-3, momentum 0.001) and ReLU. The blocks are made here; how
they are grouped, and named in the state_dict, is `Encoder`'s for two of the networks, and HD2S's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidsal.loaders.errors import WrongUse

EPS, MOMENTUM = 1e-3, 0.001

# Channels of the nine mixed blocks: input; branch 0; branches 1 and 2 before and after their 3x3x3; branch 3.
MIXED: dict[str, tuple[int, int, int, int, int, int, int]] = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


class PointConv(nn.Module):
    """A convolution in time alone (default: of one step, 1x1x1), BatchNorm, ReLU.

    Args:
        inputs, outputs: channels.
        kernel, stride, padding: in time.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, (kernel, 1, 1), (stride, 1, 1), (padding, 0, 0), bias=False)
        self.bn = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W)."""
        return torch.relu(self.bn(self.conv(x)))


class SeparableConv(nn.Module):
    """A convolution in space and one in time, each with BatchNorm and ReLU.

    Args:
        inputs, outputs: channels; the second convolution keeps them.
        kernel, stride: of the first in both axes of space, of the second in time; padding is half the kernel.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        half = kernel // 2
        self.conv_s = nn.Conv3d(
            inputs, outputs, (1, kernel, kernel), (1, stride, stride), padding=(0, half, half), bias=False
        )
        self.bn_s = _norm(outputs)
        self.conv_t = nn.Conv3d(outputs, outputs, (kernel, 1, 1), (stride, 1, 1), padding=(half, 0, 0), bias=False)
        self.bn_t = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W)."""
        x = torch.relu(self.bn_s(self.conv_s(x)))
        return torch.relu(self.bn_t(self.conv_t(x)))


class Mixed(nn.Module):
    """Four branches of the same input, their channels joined in order.

    Args:
        name: a key of `MIXED`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        inputs, a, b, c, d, e, f = MIXED[name]
        self.branch0 = nn.Sequential(PointConv(inputs, a))
        self.branch1 = nn.Sequential(PointConv(inputs, b), SeparableConv(b, c))
        self.branch2 = nn.Sequential(PointConv(inputs, d), SeparableConv(d, e))
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), PointConv(inputs, f))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W)."""
        return torch.cat((self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)), dim=1)


class Layers(NamedTuple):
    """The modules of a network that are S3D's, whatever their names: first layers, then the mixed blocks 3b to 5c."""

    stem: SeparableConv
    point: PointConv
    separable: SeparableConv
    mixed: Sequence[Mixed]


class Encoder(nn.Module):
    """S3D without its head, in four blocks; the pools between them have no names."""

    def __init__(self) -> None:
        super().__init__()
        self.base1 = nn.Sequential(
            SeparableConv(3, 64, kernel=7, stride=2), halve_rows(), PointConv(64, 64), SeparableConv(64, 192)
        )
        self.base2 = nn.Sequential(*map(Mixed, ("3b", "3c")))
        self.base3 = nn.Sequential(*map(Mixed, ("4b", "4c", "4d", "4e", "4f")))
        self.base4 = nn.Sequential(*map(Mixed, ("5b", "5c")))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, 3, T, H, W) to features at strides 16, 8 and 4: (B, C, T / 4, ...), T / 2, T / 2."""
        y3 = self.base1(x)
        y2 = self.base2(halve_rows()(y3))
        return self.base3(F.max_pool3d(y2, 3, 2, 1)), y2, y3

    def encoder_layers(self) -> Layers:
        """Return the modules of the encoder."""
        stem, _, point, separable = self.base1
        mixed = [block for base in (self.base2, self.base3, self.base4) for block in base]
        return Layers(
            cast(SeparableConv, stem), cast(PointConv, point), cast(SeparableConv, separable), cast(list[Mixed], mixed)
        )


def halve_rows() -> nn.MaxPool3d:
    """Return the max-pool that halves rows and columns and leaves time alone, over 3 x 3 pixels."""
    return nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))


def check_clip(shape: tuple[int, ...], frames: int, model: str) -> None:
    """Refuse what is no batch of clips (B, 3, frames, H, W), H and W multiples of 32.

    Raises:
        WrongUse: another shape.
    """
    fits = len(shape) == 5 and shape[0] > 0 and shape[1:3] == (3, frames)
    if not fits or not min(shape[3:]) or shape[3] % 32 or shape[4] % 32:
        raise WrongUse(f"{model} takes clips (B, 3, {frames}, H, W), H and W multiples of 32; found {shape}")


def _norm(channels: int) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(channels, eps=EPS, momentum=MOMENTUM)
