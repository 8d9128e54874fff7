"""TASED-Net over the windows of a video on a CPU: shared features (`nn.s3d_inference`), a folded decoder.

The numbers are those of the network within rounding, which the unpooling enlarges at single pixels.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.fast_convolutions import DirectConvolution, WinogradConvolution
from ..nn.s3d_inference import DecodedStream, Features, StreamedS3D
from .network import WINDOW, TASEDNet, unpool


class FastTASEDNet:
    """A copy of a `TASEDNet` for inference; later changes of its weights are not seen."""

    def __init__(self, network: TASEDNet) -> None:
        with torch.no_grad():
            self._encoder = StreamedS3D(network.encoder_layers(), WINDOW)
            one, two, three, four = network.convtsp1, network.convtsp2, network.convtsp3, network.convtsp4
            self._first = _folded(one[0], one[1], transposed=False)
            self._wide = [
                _convolution(*_folded(conv, norm, transposed=True))
                for conv, norm in ((one[3], one[4]), (two[0], two[1]), (three[0], three[1]))
            ]
            weight, self._doubling_bias = _folded(four[0], four[1], transposed=True)
            self._doubling = weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
            self._pairs = _folded(four[3], four[4], transposed=False)
            self._narrow = _folded(four[6], four[7], transposed=True)
            self._last_pairs = _folded(four[9], four[10], transposed=False)
            last = cast(nn.Conv3d, four[13])
            mixed = last.weight.detach().view(1, -1)
            self._out = torch.einsum("iohw,ko->ikhw", cast(Tensor, four[12].weight).detach()[:, :, 0], mixed)
            self._out_bias = cast(Tensor, last.bias).detach()

    def stream(self) -> DecodedStream:
        """Return a new stream of images."""
        return DecodedStream(self._encoder.stream(), self.decoded)

    def decoded(self, features: Features) -> Tensor:
        """Return the map (H, W) of a window."""
        places = [_places(features.fourth_late, 2, 0), _places(_quarter(features.third), 3, 1)]
        places.append(_places(_quarter(features.fine), 3, 1))
        weight, bias = self._first
        z = F.linear(features.fifth, weight.flatten(1), bias).relu_().permute(0, 3, 1, 2)
        for convolution, (place, size) in zip(self._wide, places, strict=True):
            z = unpool(convolution(z), place, size).contiguous(memory_format=torch.channels_last)
        z = F.conv_transpose2d(z, self._doubling, self._doubling_bias, stride=2, padding=1).relu_()
        z = _joined(z.permute(0, 2, 3, 1), *self._pairs)
        z = F.linear(z, self._narrow[0].flatten(1), self._narrow[1]).relu_()
        z = _joined(z, *self._last_pairs).permute(0, 3, 1, 2)
        return torch.sigmoid(F.conv_transpose2d(z, self._out, self._out_bias, stride=2, padding=1))[0, 0]


def _folded(conv: nn.Module, norm: nn.Module, *, transposed: bool) -> tuple[Tensor, Tensor]:
    """Return weight (O, I T, h, w), time before the channels, and bias, as of a plain convolution in space."""
    norm = cast(nn.BatchNorm3d, norm)
    weight = cast(Tensor, conv.weight).detach().double()
    if transposed:
        weight = weight.transpose(0, 1).flip(3, 4)
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.detach().double() / torch.sqrt(variance + norm.eps)
    weight = (weight * scale.view(-1, 1, 1, 1, 1)).transpose(1, 2).flatten(1, 2)
    return weight.float(), (norm.bias.detach().double() - mean * scale).float()


def _convolution(weight: Tensor, bias: Tensor) -> DirectConvolution | WinogradConvolution:
    make = WinogradConvolution if min(weight.shape[:2]) >= 256 else DirectConvolution
    return make(weight, bias, rectify=True)


def _joined(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Make one step in time of each two, (T, H, W, C)."""
    return F.linear(torch.cat((x[::2], x[1::2]), dim=-1), weight.flatten(1), bias).relu_()


def _quarter(x: Tensor) -> Tensor:
    """Reduce (T, ...) to a quarter of the steps, the largest value of each four."""
    return x.reshape(-1, 4, *x.shape[1:]).amax(dim=1)


def _places(x: Tensor, kernel: int, padding: int) -> tuple[Tensor, torch.Size]:
    """Return where the maxima of (T, H, W, C) stand in each step, (T, C, h, w), and the size they stand in."""
    images = x.permute(0, 3, 1, 2)
    _, places = F.max_pool2d(images, kernel, 2, padding, return_indices=True)
    return places, images.shape
