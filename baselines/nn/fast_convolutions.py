"""3x3 convolutions with fewer products, for CPUs: Winograd's, and one after a twofold nearest enlargement.

Both give the numbers of the direct convolution within rounding. All take the weight (K, C, 3, 3) and the bias (K) of
an `nn.Conv2d`, without gradients. Memory is channels-last: tensors have the shape
(N, C, H, W) and the strides of (N, H, W, C). Work goes in bands of rows that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: Least number of values of the largest intermediate in one band.
BAND = 1 << 18
#: Fewest channels from which Winograd's transforms cost less than they save.
WINOGRAD_FROM = 256


class DirectConvolution:
    """A square kernel, stride 1, padded to keep the size, on channels-last memory, with an optional ReLU."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, rectify: bool = False) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.padding = weight.shape[-1] // 2
        self.rectify = rectify

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (N, C, H, W)."""
        y = F.conv2d(x, self.weight, self.bias, padding=self.padding)
        return y.relu_() if self.rectify else y


class WinogradConvolution:
    """3x3, stride 1, padding 1 by tiles of 2x2: 16 products for four pixels in place of 36.

    Source: Lavin & Gray, Fast algorithms for convolutional neural networks, CVPR 2016, F(2x2, 3x3): of the minimal
    forms the one whose float32 error is hardly above the direct convolution's.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, rectify: bool = False) -> None:
        self.weight = _mix_taps(weight, [(1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)])
        self.bias = bias
        self.rectify = rectify

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (N, C, H, W)."""
        clips, _, height, width = x.shape
        outputs = self.weight.shape[2]
        rows, columns = (height + 1) // 2, (width + 1) // 2
        framed = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + width % 2, 1, 1 + height % 2))
        out = x.new_empty(clips, 2 * rows, 2 * columns, outputs)
        widest = 16 * columns * max(self.weight.shape[1:])
        band = max(1, max(BAND, self.weight.numel() // 4) // widest)
        for clip in range(clips):
            for top in range(0, rows, band):
                bottom = min(top + band, rows)
                tiles = out[clip, 2 * top : 2 * bottom].view(bottom - top, 2, columns, 2, outputs)
                self._band(framed[clip, 2 * top : 2 * bottom + 2], tiles)
        return out[:, :height, :width].permute(0, 3, 1, 2)

    def _band(self, x: Tensor, tiles: Tensor) -> None:
        """Convolve framed rows (2 r + 2, 2 c + 2, C) into tiles (r, 2, c, 2, K)."""
        rows, _, columns, _, outputs = tiles.shape
        lines = x.new_empty(4, rows, *x.shape[1:])
        spectrum = x.new_empty(4, 4, rows, columns, x.shape[-1])
        _transform([x[start : start + 2 * rows - 1 : 2] for start in range(4)], lines)
        for line, place in zip(lines, spectrum, strict=True):
            _transform([line[:, start : start + 2 * columns - 1 : 2] for start in range(4)], place)
        product = torch.bmm(spectrum.view(16, rows * columns, -1), self.weight).view(4, 4, rows, columns, outputs)
        if self.bias is not None:
            product[1, 1].add_(self.bias)  # counts once in each pixel of a tile
        for row, line in enumerate(_gather(product)):
            for column, value in enumerate(_gather(line)):
                _store(value, tiles[:, row, :, column], self.rectify)


class DoublingConvolution:
    """Twofold nearest enlargement, then 3x3 with padding 1: 9 products for four pixels in place of 36.

    On one axis, with kernel (a, b, c) on the enlarged signal, the two pixels over x[i] are
    a (x[i-1] - x[i]) + s x[i] and s x[i] + c (x[i+1] - x[i]), s = a + b + c: three products for two pixels. On two
    axes the products are taken of the map, of its differences along either axis, and of their differences.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, rectify: bool = False) -> None:
        mixed = _mix_taps(weight, [(1, 0, 0), (1, 1, 1), (0, 0, -1)])
        parts = mixed.view(3, 3, *mixed.shape[1:])
        first, whole, last = 0, 1, 2
        self.level = parts[whole, whole].contiguous()
        self.vertical = torch.cat((parts[first, whole], parts[last, whole]), 1).contiguous()
        self.horizontal = torch.cat((parts[whole, first], parts[whole, last]), 1).contiguous()
        self.diagonal = torch.cat([parts[a, b] for a in (first, last) for b in (first, last)], 1).contiguous()
        self.bias = bias
        self.rectify = rectify

    def __call__(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, K, 2 H, 2 W)."""
        clips, inputs, height, width = x.shape
        outputs = self.level.shape[1]
        framed = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        out = x.new_empty(clips, height, 2, width, 2, outputs)
        band = max(1, max(BAND, 9 * inputs * outputs // 2) // (4 * width * outputs))
        for clip in range(clips):
            for top in range(0, height, band):
                bottom = min(top + band, height)
                self._band(framed[clip, top : bottom + 2], out[clip, top:bottom])
        return out.view(clips, 2 * height, 2 * width, outputs).permute(0, 3, 1, 2)

    def _band(self, x: Tensor, cells: Tensor) -> None:
        """Convolve framed rows (r + 2, w + 2, C) into cells (r, 2, w, 2, K)."""
        rows, _, width, _, outputs = cells.shape
        down = x[:-1] - x[1:]
        across = x[1:-1, :-1] - x[1:-1, 1:]
        level = (x[1:-1, 1:-1].reshape(rows * width, -1) @ self.level).view(rows, width, outputs)
        if self.bias is not None:
            level.add_(self.bias)
        vertical = (down[:, 1:-1].reshape((rows + 1) * width, -1) @ self.vertical).view(rows + 1, width, 2, -1)
        horizontal = (across.flatten(0, 1) @ self.horizontal).view(rows, width + 1, 2, -1)
        both = (down[:, :-1] - down[:, 1:]).flatten(0, 1)
        diagonal = (both @ self.diagonal).view(rows + 1, width + 1, 2, 2, -1)
        for i in (0, 1):
            line = level + vertical[i : i + rows, :, i]
            for j in (0, 1):
                value = line + horizontal[:, j : j + width, j]
                value.add_(diagonal[i : i + rows, j : j + width, i, j])
                _store(value, cells[:, i, :, j], self.rectify)


def _mix_taps(weight: Tensor, rows: Sequence[Sequence[float]]) -> Tensor:
    """Combine the 3x3 taps of (K, C, 3, 3) along both axes by the same n x 3 matrix; return (n n, C, K)."""
    assert weight.shape[2:] == (3, 3)
    mix = torch.tensor(rows, dtype=torch.float64, device=weight.device)
    taps = weight.permute(2, 3, 1, 0).reshape(9, -1).double()
    mixed = torch.kron(mix, mix) @ taps
    return mixed.to(weight.dtype).view(-1, weight.shape[1], weight.shape[0])


def _transform(parts: list[Tensor], out: Tensor) -> None:
    """Write Winograd's input transform of the four values of each tile along one axis."""
    first, second, third, fourth = parts
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def _gather(parts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two values of each tile along one axis from its four products."""
    first, second, third, fourth = parts
    return (first + second).add_(third), (second - third).sub_(fourth)


def _store(value: Tensor, target: Tensor, rectify: bool) -> None:
    if rectify:
        torch.clamp_min(value, 0, out=target)
    else:
        target.copy_(value)
