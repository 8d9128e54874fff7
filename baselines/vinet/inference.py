"""ViNet over the windows of a video on a CPU: shared features (`nn.s3d_inference`), a decoder of convolutions in space.

A convolution that makes one step in time of k is one in space over the k steps' channels. The one without extent in
space goes before the enlargement that precedes it, on a quarter of the pixels. The numbers are the network's within
rounding.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.fast_convolutions import DirectConvolution, WinogradConvolution
from ..nn.s3d_inference import DecodedStream, Features, StreamedS3D
from .network import ViNet


class FastViNet:
    """A copy of a `ViNet` for inference; later changes of its weights are not seen."""

    def __init__(self, network: ViNet) -> None:
        with torch.no_grad():
            self._encoder = StreamedS3D(network.backbone.encoder_layers(), network.clip)
            decoder = network.decoder
            convs = [part[0] for part in (decoder.convtsp1, decoder.convtsp2, decoder.convtsp3, decoder.convtsp4)]
            self._mixing = [_Mixing(cast(nn.Conv3d, conv)) for conv in (*convs, decoder.convtsp4[3])]
            *more, last = (layer for layer in list(decoder.convtsp4)[6:] if isinstance(layer, nn.Conv3d))
            self._aggregation = _Mixing(more[0]) if more else None
            self._weight = last.weight.detach().view(-1).clone()
            self._bias = cast(Tensor, last.bias).detach().clone()

    def stream(self) -> DecodedStream:
        """Return a new stream of images."""
        return DecodedStream(self._encoder.stream(), self.decoded)

    def decoded(self, features: Features) -> Tensor:
        """Return the map (H, W) of a window."""
        one, two, three, four, five = self._mixing
        z = one(features.fifth)
        for mixing, skipped in ((two, features.fourth), (three, features.third), (four, features.fine)):
            z = mixing(torch.cat((_enlarged(z), skipped)))
        z = five(_enlarged(z))
        if self._aggregation is None:
            z = _enlarged(z)
        else:
            z = _enlarged(self._aggregation(z, rectify=False)).relu_()
        return torch.sigmoid(z[0] @ self._weight + self._bias)


class _Mixing:
    """A convolution whose kernel in time equals its stride there, on (T, H, W, C)."""

    def __init__(self, conv: nn.Conv3d) -> None:
        self._steps = conv.kernel_size[0]
        weight = conv.weight.detach().transpose(1, 2).flatten(1, 2)
        bias = None if conv.bias is None else conv.bias.detach().clone()
        self._pointwise = (weight.flatten(1).contiguous(), bias) if conv.kernel_size[1] == 1 else None
        wide = min(weight.shape[:2]) >= 192
        make = WinogradConvolution if wide and self._pointwise is None else DirectConvolution
        self._convolution = make(weight, bias, rectify=True)

    def __call__(self, x: Tensor, *, rectify: bool = True) -> Tensor:
        """Map (T, H, W, C) to (T / steps, H, W, C'); ReLU follows."""
        grouped = x.reshape(-1, self._steps, *x.shape[1:]).permute(0, 2, 3, 1, 4).flatten(3)
        if self._pointwise is not None:
            y = F.linear(grouped, *self._pointwise)
            return y.relu_() if rectify else y
        return self._convolution(grouped.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _enlarged(x: Tensor) -> Tensor:
    """Double height and width of (T, H, W, C), bilinear."""
    images = x.permute(0, 3, 1, 2)
    return F.interpolate(images, scale_factor=2.0, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
