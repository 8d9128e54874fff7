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

from .one_pass import After, convolve

#: Least number of values of the largest intermediate in one band.
BAND = 1 << 18
#: Least number of input channels times output channels from which Winograd's transforms cost less than they save.
WINOGRAD_FROM = 64 * 128


class DirectConvolution:
    """A square kernel, stride 1, padded to keep the size, on channels-last memory, with an optional ReLU."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, rectify: bool = False) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.padding = weight.shape[-1] // 2
        self.after: After = "relu" if rectify else "none"

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (N, C, H, W)."""
        return convolve(x, self.weight, self.bias, padding=self.padding, after=self.after)


class WinogradConvolution:
    """3x3, stride 1, padding 1 by tiles of 4x4: 36 products for sixteen pixels in place of 144.

    Source: Lavin & Gray, Fast algorithms for convolutional neural networks, CVPR 2016, F(4x4, 3x3), here interpolated
    at 0, 3/4, -3/4, 3/2, -3/2 and infinity, which leaves a third of the float32 error of the usual 0, 1, -1, 2, -2.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, rectify: bool = False) -> None:
        taps, inward, outward = _interpolation(weight.device)
        self.weight = _mix_taps(weight, taps)
        self.inward = torch.kron(inward, inward).to(weight.dtype)
        self.outward = torch.kron(outward, outward).to(weight.dtype)
        self.bias = bias
        self.rectify = rectify

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (N, C, H, W)."""
        clips, inputs, height, width = x.shape
        outputs = self.weight.shape[2]
        rows, columns = (height + 3) // 4, (width + 3) // 4
        lines = x.permute(0, 2, 3, 1)
        out = x.new_empty(clips, 4 * rows, 4 * columns, outputs)
        widest = 36 * columns * max(inputs, outputs)
        band = max(1, max(BAND, self.weight.numel() // 4) // widest)
        for clip in range(clips):
            for top in range(0, rows, band):
                bottom = min(top + band, rows)
                tiles = out[clip, 4 * top : 4 * bottom].view(bottom - top, 4, columns, 4, outputs)
                above, below = int(top == 0), max(0, 4 * bottom + 1 - height)
                seen = lines[clip, 4 * top - 1 + above : 4 * bottom + 1 - below]
                self._band(F.pad(seen, (0, 0, 1, 4 * columns + 1 - width, above, below)), tiles)
        return out[:, :height, :width].permute(0, 3, 1, 2)

    def _band(self, x: Tensor, tiles: Tensor) -> None:
        """Convolve framed rows (4 r + 2, 4 c + 2, C) into tiles (r, 4, c, 4, K)."""
        rows, _, columns, _, outputs = tiles.shape
        down, across, one = x.stride()
        places = (6, 6, rows, columns, x.shape[-1])
        seen = x.as_strided(places, (down, across, 4 * down, 4 * across, one)).reshape(36, -1)
        spectrum = torch.mm(self.inward, seen).view(36, rows * columns, -1)
        product = torch.bmm(spectrum, self.weight).view(36, -1)
        value = torch.mm(self.outward, product).view(4, 4, rows, columns, outputs)
        if self.bias is not None:
            value.add_(self.bias)
        _store(value, tiles.permute(1, 3, 0, 2, 4), self.rectify)


def _interpolation(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the matrices of F(4, 3) for taps (6, 3), inputs (6, 6) and outputs (4, 6), float64.

    With V the values of the powers 0 to 5 at the points, the outputs of the taps g on the inputs x are
    V4' ((V3 g) * (V^-T x)), V3 and V4 the first columns of V. Rows of the inputs' matrix are brought near 1 by powers
    of two, which the taps take over without rounding.
    """
    points = torch.tensor([0.0, 0.75, -0.75, 1.5, -1.5], dtype=torch.float64, device=device)
    values = torch.zeros(6, 6, dtype=torch.float64, device=device)
    values[:5] = points[:, None] ** torch.arange(6, device=device)
    values[5, 5] = 1  # at infinity
    inputs = torch.linalg.inv(values).T
    scale = 2.0 ** inputs.abs().amax(1, keepdim=True).log2().round()
    return _leading(values, 3) * scale, inputs / scale, _leading(values, 4).T.contiguous()


def _leading(values: Tensor, count: int) -> Tensor:
    """Return the values of polynomials of `count` coefficients: at infinity the last of them."""
    found = values[:, :count].clone()
    found[5, count - 1] = 1
    return found


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


def _mix_taps(weight: Tensor, rows: Sequence[Sequence[float]] | Tensor) -> Tensor:
    """Combine the 3x3 taps of (K, C, 3, 3) along both axes by the same n x 3 matrix; return (n n, C, K)."""
    assert weight.shape[2:] == (3, 3)
    mix = torch.as_tensor(rows, dtype=torch.float64, device=weight.device)
    taps = weight.permute(2, 3, 1, 0).reshape(9, -1).double()
    mixed = torch.kron(mix, mix) @ taps
    return mixed.to(weight.dtype).view(-1, weight.shape[1], weight.shape[0])


def _store(value: Tensor, target: Tensor, rectify: bool) -> None:
    if rectify:
        torch.clamp_min(value, 0, out=target)
    else:
        target.copy_(value)
