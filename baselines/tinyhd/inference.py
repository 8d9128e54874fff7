"""TinyHD for inference on a CPU: the same numbers within rounding, several times faster.

What is done, and why it changes nothing but the rounding: BatchNorm is folded into the convolution before it; the
channels come last in memory, where 1x1x1 convolutions are matrix products, depthwise ones use the machine's vectors
and PixelShuffle is one copy; a block works on strips of rows that stay in the cache, one row more on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from .network import WINDOW, Block, InvertedResidual, TinyHD, check_shape, decode, levels

STRIP_FLOATS = 450_000


class FastTinyHD:
    """A copy of a `TinyHD` for inference; later changes of the module's weights do not reach it.

    Args:
        module: in any mode, on any device; its running statistics are used.
    """

    def __init__(self, module: TinyHD) -> None:
        with torch.no_grad():
            stem, *blocks, last = module.encoder_blocks()
            self._encoder: list[Block] = [
                _Stem(cast(nn.Sequential, stem)),
                *(_Block(cast(InvertedResidual, block)) for block in blocks),
                _Pointwise(cast(nn.Sequential, last)),
            ]
            self._decoder = [_Block(cast(InvertedResidual, block)) for block in module.decoder_blocks()]
            final = cast(nn.Conv2d, module.decoder["decoder"].get_submodule("0"))
            self._weight = final.weight.detach().cpu().clone().view(-1)
            self._bias = cast(Tensor, final.bias).detach().cpu().clone()
        self.multiple = module.multiple
        self.reduced_channels = module.reduced_channels
        self.d1_last = module.d1_last

    def __call__(self, x: Tensor) -> Tensor:
        """Predict saliency; shapes as of `TinyHD.forward`."""
        check_shape(tuple(x.shape))
        return torch.stack([self._clip(clip) for clip in x])

    def _clip(self, clip: Tensor) -> Tensor:
        """Map (3, 16, H, W) to (1, H, W) or (1, 16, H, W)."""
        ops = _ChannelsLast()
        features = levels(clip, self._encoder, ops)
        maps = decode(features, self._decoder, ops, self.multiple, self.reduced_channels)
        d1, d2, d3 = (torch.sigmoid(part) for part in maps)
        if self.multiple:
            d1 = d1.expand(-1, WINDOW, -1, -1)
        joined = torch.cat((d2, d3, d1) if self.d1_last else (d1, d2, d3), dim=-1)
        fused = torch.sigmoid(joined @ self._weight + self._bias).transpose(0, 1)
        return fused[None] if self.multiple else fused


class _ChannelsLast:
    """The wiring's operations on tensors (H, T, W, C): rows come first, so that a strip of them is one piece."""

    def spread(self, x: Tensor) -> Tensor:
        height, frames, width, channels = x.shape
        cells = x.view(height, frames, width, channels // 4, 2, 2).permute(0, 4, 1, 2, 5, 3)
        return cells.reshape(2 * height, frames, 2 * width, channels // 4).contiguous()

    def spread_result(self, block: Block, x: Tensor) -> Tensor:
        return cast(_Block, block).spread(x)

    def enlarge(self, x: Tensor, time: int, space: int) -> Tensor:
        if space != 1:
            images = x.transpose(0, 1).contiguous().permute(0, 3, 1, 2)
            x = nn.functional.interpolate(
                images, scale_factor=float(space), mode="bilinear", align_corners=True
            ).permute(2, 0, 3, 1)
        height, frames, width, channels = x.shape
        if time == 1:
            return x.contiguous()
        rows = x.reshape(height, frames, width * channels)
        return torch.matmul(_interpolation(frames, time * frames), rows).view(height, -1, width, channels)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), dim=-1)


class _Stem:
    """The first convolution, as one in two dimensions over the three frames that each result sees."""

    def __init__(self, layers: nn.Sequential) -> None:
        weight, self._bias = _folded(layers.get_submodule("0"), layers.get_submodule("1"))
        self._weight = weight.transpose(1, 2).reshape(len(weight), -1, 3, 3).contiguous()

    def __call__(self, clip: Tensor) -> Tensor:
        """Map (3, T, H, W) to (H / 2, T / 2, W / 2, C)."""
        channels, frames, height, width = clip.shape
        padded = clip.new_zeros(frames + 1, channels, height, width)
        padded[1:] = clip.transpose(0, 1)
        size = channels * height * width
        triples = padded.as_strided((frames // 2, 3 * channels, height, width), (2 * size, height * width, width, 1))
        y = nn.functional.conv2d(triples, self._weight, self._bias, stride=2, padding=1).clamp_(0.0, 6.0)
        return y.permute(2, 0, 3, 1).contiguous()


class _Pointwise:
    """The last convolution of the encoder: 1x1x1 and ReLU6."""

    def __init__(self, layers: nn.Sequential) -> None:
        weight, self._bias = _folded(layers.get_submodule("0"), layers.get_submodule("1"))
        self._weight = weight.flatten(1).t().contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        y = (x.view(-1, x.shape[-1]) @ self._weight).add_(self._bias).clamp_(0.0, 6.0)
        return y.view(*x.shape[:-1], -1)


class _Block:
    """An inverted residual on tensors (H, T, W, C)."""

    def __init__(self, block: InvertedResidual) -> None:
        layers = list(block.conv.children())
        self._residual = block.residual
        self._expansion: tuple[Tensor, Tensor] | None = None
        if len(layers) == 4:
            weight, bias = _folded(layers[0].get_submodule("0"), layers[0].get_submodule("1"))
            self._expansion = weight.flatten(1).t().contiguous(), bias
        depthwise = cast(nn.Conv3d, layers[-3].get_submodule("0"))
        weight, self._bias = _folded(depthwise, layers[-3].get_submodule("1"))
        self._weight = weight.transpose(2, 3).contiguous(memory_format=torch.channels_last_3d)
        self._time_stride, self._stride = int(depthwise.stride[0]), int(depthwise.stride[1])
        self._padding = int(depthwise.padding[0])
        weight, self._out_bias = _folded(layers[-2], layers[-1])
        self._out_weight = weight.flatten(1).t().contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        size = self._size(x)
        out = x.new_empty(*size, self._out_weight.shape[1])
        for first, end, hidden in self._hidden_strips(x, size[0]):
            target = out[first:end].view(-1, out.shape[-1])
            torch.mm(hidden, self._out_weight, out=target).add_(self._out_bias)
        return out.add_(x) if self._residual else out

    def spread(self, x: Tensor) -> Tensor:
        """Apply the block and move each four channels to 2 x 2 pixels."""
        # The channels are computed in the order row, column, channel, so that whole pixels are moved.
        cells = self._out_weight.shape[1] // 4
        weight = self._out_weight.view(-1, cells, 4).transpose(1, 2).reshape(-1, 4 * cells)
        bias = self._out_bias.view(cells, 4).t().reshape(2, 1, 1, 2 * cells)
        rows, frames, width = self._size(x)
        out = x.new_empty(rows, 2, frames, width, 2 * cells)
        for first, end, hidden in self._hidden_strips(x, rows):
            strip = torch.mm(hidden, weight).view(end - first, frames, width, 2, 2 * cells)
            torch.add(strip.permute(0, 3, 1, 2, 4), bias, out=out[first:end])
        return out.view(2 * rows, frames, 2 * width, cells)

    def _size(self, x: Tensor) -> tuple[int, int, int]:
        """Rows, frames and columns that come out."""
        height, frames, width, _ = x.shape
        kernel = self._weight.shape[3]
        later = (frames + 2 * self._padding - kernel) // self._time_stride + 1
        return -(-height // self._stride), later, -(-width // self._stride)

    def _hidden_strips(self, x: Tensor, rows: int) -> Iterator[tuple[int, int, Tensor]]:
        """Yield the features before the projection, (pixels, hidden), with their first and last row."""
        step = self._stride
        for first, end in pairwise(_strips(rows, x[0, ..., 0].numel() * len(self._weight) * step)):
            y = nn.functional.conv3d(
                self._expanded(x, first * step - 1, (end - 1) * step + 2)[None].permute(0, 4, 1, 2, 3),
                self._weight,
                self._bias,
                stride=(step, self._time_stride, step),
                padding=(0, self._padding, 1),
                groups=len(self._weight),
            ).clamp_(0.0, 6.0)
            yield first, end, y.permute(0, 2, 3, 4, 1).reshape(-1, len(self._weight))

    def _expanded(self, x: Tensor, first: int, end: int) -> Tensor:
        """Rows `first` to `end` of what the depthwise convolution sees; zeros beyond the edges."""
        height, frames, width, channels = x.shape
        low, high = max(first, 0), min(end, height)
        expanded = x.new_empty(end - first, frames, width, len(self._weight))
        expanded[: low - first].zero_()
        expanded[high - first :].zero_()
        inside = expanded[low - first : high - first]
        if self._expansion is None:
            inside.copy_(x[low:high])
            return expanded
        weight, bias = self._expansion
        target = inside.view(-1, inside.shape[-1])
        torch.mm(x[low:high].view(-1, channels), weight, out=target).add_(bias).clamp_(0.0, 6.0)
        return expanded


def _strips(rows: int, floats_per_row: int) -> list[int]:
    """Cut `rows` into strips of nearly equal height whose hidden features stay in the cache."""
    wanted = STRIP_FLOATS * torch.get_num_threads() // max(floats_per_row, 1)
    count = -(-rows // max(min(wanted, rows), 2))
    return [rows * part // count for part in range(count + 1)]


def _interpolation(size: int, target: int) -> Tensor:
    """Return the matrix (target, size) that interpolates linearly, the ends aligned."""
    matrix = torch.zeros(target, size)
    for row in range(target):
        position = row * (size - 1) / max(target - 1, 1)
        low = min(int(position), size - 1)
        matrix[row, low] += 1.0 - (position - low)
        if position > low:
            matrix[row, low + 1] += position - low
    return matrix


def _folded(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution with the BatchNorm after it (float64 inside)."""
    convolution, norm = cast(nn.Conv3d, convolution), cast(nn.BatchNorm3d, norm)
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    weight = convolution.weight.double() * scale.view(-1, 1, 1, 1, 1)
    return weight.float().cpu(), (norm.bias.double() - mean * scale).float().cpu()
