"""S3D over the overlapping windows of a video, for a CPU: what two windows share is computed once.

A window's features differ from its neighbour's only near its ends, where the convolutions in time meet zeros in place
of frames: after the first convolution two steps at the start and one at the end, after each further one another on
either side. All between is kept and found again by the windows that start an even number of frames later; the
convolution in space of the first layer, by all. So the first two convolutions in time and the mixed blocks 3b and 3c
run on the ends and on one new step. From the pool after 3c on every window is computed whole: there little is common.

BatchNorm is folded into the convolutions. Memory is (H, W, C) for each step in time, where convolutions in time and
1x1x1 ones are matrix products. The numbers are those of the modules within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .s3d import Layers, Mixed, PointConv, SeparableConv


class Features(NamedTuple):
    """What one window gives, each (T', H', W', C).

    Attributes:
        fine: before the second pool, stride 4 in space, 2 in time.
        fine_pooled: after it, stride 8.
        third: of block 3c, stride 8.
        third_pooled: after the pool, stride 16, 4 in time.
        fourth: of block 4f.
        fourth_late: its larger values of each two steps; stride 8 in time.
        fourth_pooled: of 2 x 2 pixels of those, stride 32.
        fifth: of block 5c.
    """

    fine: Tensor
    fine_pooled: Tensor
    third: Tensor
    third_pooled: Tensor
    fourth: Tensor
    fourth_late: Tensor
    fourth_pooled: Tensor
    fifth: Tensor


class DecodedStream:
    """One video: takes its images, gives the map of the window that ends with the last.

    Args:
        encoder: a new stream.
        decode: turns the features of a window into its map (H, W).
    """

    def __init__(self, encoder: Stream, decode: Callable[[Features], Tensor]) -> None:
        self._encoder, self._decode = encoder, decode
        self.push = encoder.push

    def map(self) -> Tensor:
        """Return the map of the last window."""
        return self._decode(self._encoder.features())


class _Step(NamedTuple):
    """The pieces of one step in time, and whether other windows have the same."""

    pieces: tuple[Tensor, ...]
    shared: bool


class StreamedS3D:
    """S3D's features of every window of consecutive frames; later changes of the modules' weights are not seen.

    Args:
        layers: in any mode; their running statistics are used.
        window: frames of a window, a multiple of 8.
    """

    def __init__(self, layers: Layers, window: int) -> None:
        self.window = window
        with torch.no_grad():
            self._stem, self._point = _Separable(layers.stem), _Point(layers.point)
            self._separable = _Separable(layers.separable)
            self._mixed = [_Mixed(block) for block in layers.mixed]

    def stream(self) -> Stream:
        """Return a new stream of frames."""
        return Stream(self)


class Stream:
    """One stimulus: takes its frames one after the other, gives the features of the window that ends with the last."""

    def __init__(self, network: StreamedS3D) -> None:
        self._network = network
        self._frames: list[Tensor] = []
        self._start = 0
        self._kept: tuple[dict[int, tuple[Tensor, ...]], ...] = ({}, {}, {}, {})

    def push(self, frame: Tensor) -> None:
        """Take the next frame, (3, H, W)."""
        self._frames.append(self._network._stem.spatial(frame[None].permute(0, 2, 3, 1))[0])
        if len(self._frames) > self._network.window:
            del self._frames[0]
            self._start += 1
            for kept in self._kept:
                kept.pop(self._start - 1, None)

    def features(self) -> Features:
        """Return the features of the last `window` frames."""
        net = self._network
        third_b, third_c, *later = net._mixed
        steps = self._first()
        fine = self._level(
            1,
            steps,
            lambda around: (net._separable.temporal([None if p is None else p[0] for p in around]),),
            lambda y: (y, *third_b.spatial(_pool(y, 3, 2, 1))),
        )
        pooled = [step.pieces[-1] for step in fine]
        third = self._level(2, [_Step(s.pieces[1:], s.shared) for s in fine], _only(third_b.temporal), third_c.spatial)
        third = self._level(3, third, _only(third_c.temporal), lambda y: (y,))
        y2 = torch.stack([step.pieces[0] for step in third])
        y3 = torch.stack([step.pieces[0] for step in fine])
        p2 = _pool_time(_pool(y2, 3, 2, 1))
        y1 = p2
        for block in later[:5]:
            y1 = block.whole(y1)
        late = torch.maximum(y1[::2], y1[1::2])
        p1 = _pool(late, 2, 2, 0)
        y0 = p1
        for block in later[5:]:
            y0 = block.whole(y0)
        return Features(y3, torch.stack(pooled), y2, p2, y1, late, p1, y0)

    def _first(self) -> list[_Step]:
        """The first convolution in time, then all in space up to the second one in time."""
        net, frames = self._network, self._frames
        reach = len(net._stem.taps) // 2
        steps: list[_Step | None] = []
        missing: list[tuple[int, Tensor]] = []
        for middle in range(0, len(frames), 2):
            inside = reach <= middle < len(frames) - reach
            kept = self._kept[0].get(self._start + middle) if inside else None
            steps.append(None if kept is None else _Step(kept, True))
            if kept is None:
                places = range(middle - reach, middle + reach + 1)
                around = [frames[place] if 0 <= place < len(frames) else None for place in places]
                missing.append((middle, net._stem.temporal(around)))
        y = torch.stack([value for _, value in missing])
        fresh = net._separable.spatial(net._point(_pool(y, 3, 2, 1)))
        for (middle, _), value in zip(missing, fresh, strict=True):
            inside = reach <= middle < len(frames) - reach
            if inside:
                self._kept[0][self._start + middle] = (value,)
            steps[middle // 2] = _Step((value,), inside)
        return cast(list[_Step], steps)

    def _level(
        self,
        level: int,
        steps: list[_Step],
        temporal: Callable[[list[tuple[Tensor, ...] | None]], tuple[Tensor, ...]],
        spatial: Callable[[Tensor], tuple[Tensor, ...]],
    ) -> list[_Step]:
        """Join each step with its neighbours in time, then apply what follows in space; keep what windows share."""
        kept = self._kept[level]
        out: list[_Step | None] = []
        missing: list[tuple[int, bool, Tensor]] = []
        for place in range(len(steps)):
            near = [steps[n] if 0 <= n < len(steps) else None for n in (place - 1, place, place + 1)]
            shared = all(step is not None and step.shared for step in near)
            found = kept.get(self._start + 2 * place) if shared else None
            out.append(None if found is None else _Step(found, True))
            if found is None:
                missing.append((place, shared, temporal([None if step is None else step.pieces for step in near])[0]))
        fresh = spatial(torch.stack([value for _, _, value in missing]))
        for (place, shared, _), *pieces in zip(missing, *fresh, strict=True):
            if shared:
                kept[self._start + 2 * place] = tuple(pieces)
            out[place] = _Step(tuple(pieces), shared)
        return cast(list[_Step], out)


class _Point:
    """A 1x1x1 convolution with what follows it."""

    def __init__(self, layer: PointConv) -> None:
        weight, self.bias = folded(layer.conv, layer.bn)
        self.weight = weight.flatten(1).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        """Map (..., C)."""
        return F.linear(x, self.weight, self.bias).relu_()


class _Separable:
    """A separable convolution in its two parts."""

    def __init__(self, layer: SeparableConv) -> None:
        weight, self.bias_s = folded(layer.conv_s, layer.bn_s)
        self.weight_s = weight[:, :, 0].contiguous(memory_format=torch.channels_last)
        self.stride, self.padding = int(layer.conv_s.stride[1]), int(layer.conv_s.padding[1])
        weight, self.bias_t = folded(layer.conv_t, layer.bn_t)
        self.taps = [tap.t().contiguous() for tap in weight[..., 0, 0].unbind(2)]

    def spatial(self, x: Tensor) -> Tensor:
        """Map (N, H, W, C)."""
        y = F.conv2d(x.permute(0, 3, 1, 2), self.weight_s, self.bias_s, self.stride, self.padding)
        return y.relu_().permute(0, 2, 3, 1)

    def temporal(self, around: Sequence[Tensor | None]) -> Tensor:
        """Map the steps (H, W, C) under the taps, None beyond the ends of the window, to one step."""
        total: Tensor | None = None
        for tap, step in zip(self.taps, around, strict=True):
            if step is not None:
                flat = step.reshape(-1, step.shape[-1])
                total = torch.addmm(self.bias_t, flat, tap) if total is None else total.addmm_(flat, tap)
        assert total is not None
        middle = next(step for step in around if step is not None)
        return total.relu_().view(*middle.shape[:-1], -1)


class _Mixed:
    """A mixed block: what its branches do in space, and what they do in time."""

    def __init__(self, block: Mixed) -> None:
        self._plain = _Point(cast(PointConv, block.branch0[0]))
        self._narrow = [_Point(cast(PointConv, branch[0])) for branch in (block.branch1, block.branch2)]
        self._wide = [_Separable(cast(SeparableConv, branch[1])) for branch in (block.branch1, block.branch2)]
        self._last = _Point(cast(PointConv, block.branch3[1]))

    def spatial(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, H, W, C) to the branches' parts, the input last."""
        ready = [wide.spatial(narrow(x)) for narrow, wide in zip(self._narrow, self._wide, strict=True)]
        return self._plain(x), *ready, _pool(x, 3, 1, 1), x

    def temporal(self, around: Sequence[tuple[Tensor, ...] | None]) -> Tensor:
        """Map the parts of three steps, None beyond the ends, to one step (H, W, C)."""
        middle = around[1]
        assert middle is not None
        joined = [
            wide.temporal([None if p is None else p[n] for p in around]) for n, wide in enumerate(self._wide, start=1)
        ]
        largest = middle[3]
        for parts in (around[0], around[2]):
            if parts is not None:
                largest = torch.maximum(largest, parts[3])
        return torch.cat((middle[0], *joined, self._last(largest)), dim=-1)

    def whole(self, x: Tensor) -> Tensor:
        """Map (T, H, W, C)."""
        steps = list(zip(*self.spatial(x), strict=True))
        near = [None, *steps, None]
        return torch.stack([self.temporal(near[place : place + 3]) for place in range(len(steps))])


def folded(conv: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias, on the CPU, of the convolution that equals `norm(conv(x))` in evaluation."""
    conv, norm = cast(nn.Conv3d, conv), cast(nn.BatchNorm3d, norm)
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    weight = conv.weight.double() * scale.view(-1, *[1] * (conv.weight.dim() - 1))
    return weight.float().detach().cpu(), (norm.bias.double() - mean * scale).float().detach().cpu()


def _only(join: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    return lambda around: (join(around),)


def _pool(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Max-pool (N, H, W, C) in space."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), kernel, stride, padding).permute(0, 2, 3, 1)


def _pool_time(x: Tensor) -> Tensor:
    """Max-pool (T, ...) in time: three steps, stride 2, one step of padding."""
    out = torch.maximum(x[::2], x[1::2])
    out[1:] = torch.maximum(out[1:], x[1:-1:2])
    return out
