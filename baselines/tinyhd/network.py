"""The network of TinyHD: a MobileNetV2 inflated to three dimensions and three small decoders.

Source: Hu et al., TinyHD: Efficient Video Saliency Prediction with Heterogeneous Decoders using Hierarchical Maps
Distillation, WACV 2023. Sixteen frames in; S gives the map of the last one, M the maps of all sixteen.

The modules here hold the weights under their published names. What is computed with them is written once, as
`levels`, `decode_*` and `fuse`, for any way of applying a block: the plain one of `TinyHD`, and the faster one of
`tinyhd_fast`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from vidsal.loaders.errors import WrongUse

WINDOW = 16
STRIDE = 32

# MobileNetV2: expansion, channels, how many blocks, stride in space, stride in time; after the first convolution.
_STAGES = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 2),
    (6, 64, 4, 2, 2),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 2, 1),
    (6, 320, 1, 1, 1),
)
_FIRST, _LAST = 32, 1280
_FIRST_OF_LAST_STAGE = 14

# Blocks 1..18 of the encoder whose features are joined, finest first. All but the first set are then spread over
# twice the rows and columns, and the first two make one level.
_JOINED = ((1, 1), (2, 3), (4, 6), (7, 13), (14, 18))

# Blocks of the decoders that halve time in S; in M those of d1 do.
_HALVING_D1 = frozenset({0, 2, 3, 4, 6, 8, 12})
_HALVING = _HALVING_D1 | {18, 20, 21, 22, 23, 24, 25, 29, 30, 31, 32, 33, 34, 35}
# Steps of each level's branch of d1 after which four channels become 2 x 2 pixels.
_SPREAD_IN_D1 = ((1,), (0, 1), (0, 1, 2), (0, 1, 2))
_FIRST_OF_D2, _FIRST_OF_D3 = 16, 24


Block = Callable[[Tensor], Tensor]


class Ops(Protocol):
    """How the wiring below is computed."""

    def spread(self, x: Tensor) -> Tensor:
        """Move each four channels to 2 x 2 pixels (PixelShuffle), frame by frame."""
        ...

    def spread_result(self, block: Block, x: Tensor) -> Tensor:
        """Apply a block, then `spread` what comes out."""
        ...

    def enlarge(self, x: Tensor, time: int, space: int) -> Tensor:
        """Interpolate linearly to `time` times the frames and `space` times the rows and columns."""
        ...

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Concatenate along the channels."""
        ...


class Plain:
    """The wiring's operations on tensors (B, C, T, H, W), as published."""

    def spread(self, x: Tensor) -> Tensor:
        """Move each four channels to 2 x 2 pixels, frame by frame."""
        batch, channels, frames, height, width = x.shape
        cells = x.reshape(batch, channels // 4, 2, 2, frames, height, width).permute(0, 1, 4, 5, 2, 6, 3)
        return cells.reshape(batch, channels // 4, frames, 2 * height, 2 * width)

    def spread_result(self, block: Block, x: Tensor) -> Tensor:
        """Apply a block, then spread."""
        return self.spread(block(x))

    def enlarge(self, x: Tensor, time: int, space: int) -> Tensor:
        """Interpolate trilinearly, the corners aligned."""
        scale = (float(time), float(space), float(space))
        return nn.functional.interpolate(x, scale_factor=scale, mode="trilinear", align_corners=True)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Concatenate along the channels."""
        return torch.cat(list(parts), dim=1)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1x1 expansion, depthwise convolution, 1x1x1 projection, each with BatchNorm.

    Args:
        inputs, outputs: channels.
        expansion: of the inputs within the block; 1 leaves the first convolution out.
        kernel: of the depthwise convolution in time; 3 x 3 in space.
        stride: of the depthwise convolution in time and in space.
        padding: in time; 1 in space.
        residual: add the input where shapes allow.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        expansion: int,
        *,
        kernel: int = 3,
        stride: tuple[int, int] = (1, 1),
        padding: int = 1,
        residual: bool = True,
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = residual and stride == (1, 1) and inputs == outputs
        depthwise = nn.Conv3d(
            hidden,
            hidden,
            (kernel, 3, 3),
            stride=(stride[0], stride[1], stride[1]),
            padding=(padding, 1, 1),
            groups=hidden,
            bias=False,
        )
        layers: list[nn.Module] = [
            _activated(depthwise),
            nn.Conv3d(hidden, outputs, 1, bias=False),
            nn.BatchNorm3d(outputs),
        ]
        if expansion != 1:
            layers.insert(0, _activated(nn.Conv3d(inputs, hidden, 1, bias=False)))
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, H, W) to (B, outputs, T', H', W')."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class TinyHD(nn.Module):
    """TinyHD-S or -M.

    Args:
        multiple: False = S, one map for the last frame; True = M, one map for each frame.
        reduced_channels: 1, 2 or 4: divisor of the encoder's channels.
        d1_last: order in which the last convolution takes the decoders' maps: d2, d3, d1 instead of d1, d2, d3.
    """

    def __init__(self, *, multiple: bool, reduced_channels: int = 1, d1_last: bool = False) -> None:
        super().__init__()
        if reduced_channels not in (1, 2, 4):
            raise WrongUse(f"reduced_channels={reduced_channels}; 1, 2 or 4 was expected")
        self.multiple = multiple
        self.reduced_channels = reduced_channels
        self.d1_last = d1_last
        last: nn.Module = nn.Conv3d(6, 1, 1) if multiple else nn.Conv2d(6, 1, 1)
        self.encoder = nn.ModuleDict({"encoder": _encoder(multiple, reduced_channels)})
        self.aggregator = nn.ModuleDict({"aggregate_adapter": _adapters(multiple, reduced_channels)})
        self.decoder = nn.ModuleDict({"decoder": nn.Sequential(last)})

    def encoder_blocks(self) -> list[nn.Module]:
        """Return the nineteen blocks of the encoder."""
        return list(self.encoder["encoder"].children())

    def decoder_blocks(self) -> list[nn.Module]:
        """Return the 37 blocks of the decoders: d1 0 to 15, d2 16 to 23, d3 24 to 36."""
        return list(self.aggregator["aggregate_adapter"].children())

    def forward(self, x: Tensor) -> Tensor:
        """Predict saliency.

        Args:
            x: (B, 3, 16, H, W), RGB in 0..1 normalised with ImageNet's mean and deviation; H and W multiples of 32.

        Returns:
            S: (B, 1, H, W), the map of the last frame; M: (B, 1, 16, H, W). Values in 0..1, no density.

        Raises:
            WrongUse: another shape.
        """
        return self.fuse(*self.maps(x))

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps of the decoders after their sigmoid: d1 (B, 4, T', H, W), d2 and d3 (B, 1, T', H, W).

        T' is 1 where a decoder gives the last frame only, else 16.
        """
        check_shape(tuple(x.shape))
        ops = Plain()
        features = levels(x, self.encoder_blocks(), ops)
        maps = decode(features, self.decoder_blocks(), ops, self.multiple, self.reduced_channels)
        return torch.sigmoid(maps[0]), torch.sigmoid(maps[1]), torch.sigmoid(maps[2])

    def fuse(self, d1: Tensor, d2: Tensor, d3: Tensor) -> Tensor:
        """Combine the decoders' maps into the prediction."""
        if self.multiple:
            d1 = d1.expand(-1, -1, WINDOW, -1, -1)
        joined = torch.cat((d2, d3, d1) if self.d1_last else (d1, d2, d3), dim=1)
        return torch.sigmoid(self.decoder["decoder"](joined if self.multiple else joined.squeeze(2)))


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse an input that is not (B, 3, 16, H, W) with H and W multiples of 32.

    Raises:
        WrongUse: another shape.
    """
    fits = len(shape) == 5 and shape[1:3] == (3, WINDOW) and min(shape) > 0
    if not fits or shape[3] % STRIDE or shape[4] % STRIDE:
        raise WrongUse(
            f"TinyHD takes (batch, 3, {WINDOW}, height, width) with height and width multiples of {STRIDE}; "
            f"found {shape}"
        )


def levels(x: Tensor, blocks: Sequence[Block], ops: Ops) -> list[Tensor]:
    """Return the encoder's features at strides 2, 4, 8 and 16, finest first."""
    features = [blocks[0](x)]
    for block in blocks[1:]:
        features.append(block(features[-1]))
    joined = [ops.join(features[first : last + 1]) for first, last in _JOINED]
    finest, *coarser = [joined[0], *(ops.spread(part) for part in joined[1:])]
    return [ops.join([finest, coarser[0]]), *coarser[1:]]


def decode(
    features: Sequence[Tensor], blocks: Sequence[Block], ops: Ops, multiple: bool, reduced_channels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the maps of d1 (four channels), d2 and d3 before their sigmoid."""
    time = 2 if multiple else 1
    return (
        _decode_d1(features, blocks[:_FIRST_OF_D2], ops, reduced_channels),
        _decode_d2(features, blocks[_FIRST_OF_D2:_FIRST_OF_D3], ops, time, reduced_channels),
        _decode_d3(features, blocks[_FIRST_OF_D3:], ops, time, reduced_channels),
    )


def _decode_d1(x: Sequence[Tensor], blocks: Sequence[Block], ops: Ops, reduced_channels: int) -> Tensor:
    """Each level by itself to full size: four maps."""
    branches = []
    for level, first in enumerate(range(0, len(blocks), 4)):
        y = x[level]
        for step, block in enumerate(blocks[first : first + 4]):
            if level == 3 and step == 0:
                # With a quarter of the channels there are too few to spread.
                y = ops.enlarge(y, 1, 2) if reduced_channels == 4 else ops.spread(y)
            y = ops.spread_result(block, y) if step in _SPREAD_IN_D1[level] else block(y)
        branches.append(y)
    return ops.join(branches)


def _decode_d2(x: Sequence[Tensor], a: Sequence[Block], ops: Ops, time: int, reduced_channels: int) -> Tensor:
    """From coarse to fine, adding one level at a time."""
    y = _later(ops.spread_result(a[0], x[3]), ops, time) + x[2]
    y = _later(ops.spread_result(a[1], y), ops, time) + a[2](x[1])
    y = _later(ops.spread_result(a[3], y), ops, time) + a[5](a[4](x[0]))
    if reduced_channels == 1:
        return a[7](_later(ops.spread_result(a[6], y), ops, time))
    return a[7](ops.enlarge(a[6](y), time, 2))


def _decode_d3(x: Sequence[Tensor], a: Sequence[Block], ops: Ops, time: int, reduced_channels: int) -> Tensor:
    """Neighbouring levels merged pairwise until one is left."""
    full = reduced_channels == 1
    u = [_later(ops.spread(part), ops, time) if full else ops.enlarge(part, time, 2) for part in x]
    u = [u[0], *(u[i] + a[i - 1](x[i - 1]) for i in (1, 2, 3))]
    v = [_later(ops.spread_result(a[2 + i], u[i]), ops, time) + a[5 + i](u[i - 1]) for i in (1, 2, 3)]
    w = [_later(ops.spread(v[i]), ops, time) + a[8 + i](v[i - 1]) for i in (1, 2)]
    return a[12](_later(ops.spread(w[1]), ops, time) + a[11](w[0]))


def _later(x: Tensor, ops: Ops, time: int) -> Tensor:
    """Give `x` as many frames as the next finer level has."""
    return x if time == 1 else ops.enlarge(x, time, 1)


def _activated(convolution: nn.Conv3d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm3d(convolution.out_channels), nn.ReLU6())


def _encoder(multiple: bool, divisor: int) -> nn.Sequential:
    channels = _FIRST // divisor
    blocks: list[nn.Module] = [_activated(nn.Conv3d(3, channels, 3, stride=2, padding=1, bias=False))]
    for expansion, width, count, space, time in _STAGES:
        for step in range(count):
            kernel, padding = 3, 1
            if multiple and len(blocks) >= _FIRST_OF_LAST_STAGE:
                # M joins the last two time steps here and has one from there on.
                kernel, padding = (2 if len(blocks) == _FIRST_OF_LAST_STAGE else 1), 0
            block = InvertedResidual(
                channels,
                width // divisor,
                expansion,
                kernel=kernel,
                stride=(time, space) if step == 0 else (1, 1),
                padding=padding,
            )
            channels = width // divisor
            blocks.append(block)
    blocks.append(_activated(nn.Conv3d(channels, _LAST // divisor, 1, bias=False)))
    return nn.Sequential(*blocks)


def _adapters(multiple: bool, divisor: int) -> nn.ModuleList:
    """The blocks of the three decoders. S shortens time by kernels of 3 with stride 2 and keeps it by kernels of 1."""
    blocks = nn.ModuleList()
    for index, (inputs, outputs) in enumerate(_adapter_channels(divisor)):
        halving = index in (_HALVING_D1 if multiple else _HALVING)
        kernel = 3 if multiple or halving else 1
        block = InvertedResidual(
            inputs,
            outputs,
            2,
            kernel=kernel,
            stride=(2 if halving else 1, 1),
            padding=kernel // 2,
            residual=False,
        )
        blocks.append(block)
    return blocks


def _adapter_channels(divisor: int) -> list[tuple[int, int]]:
    """Channels in and out of the decoders' 37 blocks."""
    full = divisor == 1
    x = [size // divisor for size in (28, 24, 136, 520)]
    first = x[3] if divisor == 4 else x[3] // 4
    d1 = [
        *((x[0], 24), (24, 48), (12, 24), (24, 1)),
        *((x[1], 56), (14, 56), (14, 28), (28, 1)),
        *((x[2], 56), (14, 56), (14, 56), (14, 1)),
        *((first, 136), (34, 136), (34, 136), (34, 1)),
    ]
    d2 = [
        *((x[3], 4 * x[2]), (x[2], 4 * x[1]), (x[1], x[1]), (x[1], 4 * x[0]), (x[0], x[0]), (x[0], x[0])),
        *((x[0], x[0]), (x[0] // 4 if full else x[0], 1)),
    ]
    u = [size // 4 for size in x] if full else x
    d3 = [
        *((x[0], u[1]), (x[1], u[2]), (x[2], u[3])),
        *((u[1], 8), (u[2], 32), (u[3], 128)),
        *((u[0], 2), (u[1], 8), (u[2], 32)),
        *((2, 2), (8, 8), (2, 2), (2, 1)),
    ]
    return [*d1, *d2, *d3]
