"""UNISAL for one domain, frozen and rearranged for speed; the same numbers as the network within rounding.

What changes against `unisal_network.UNISAL.forward`:

* normalisations and gains are folded into the convolutions before them;
* frames go through the convolutions in batches, and so do the interleaved sequences, whose states are independent;
* the halving blocks 2 and 4 compute only the pixels that are kept;
* 1x1 convolutions are matrix products on channels-last memory; those of the decoder that follow an enlargement run
  before it where they can (a 1x1 convolution and an interpolation commute);
* the smoothing kernel works on the small map: enlarging 8 times and filtering with 41x41 is one filter of 7x7 for
  each of the 64 positions in a cell, 34 times fewer products;
* prior maps are kept for each size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.one_pass import After, combine, convolve
from .layers import Chain, DomainNorm, InvertedResidual
from .network import SMOOTHING, TAP_2X, TAP_4X, UNISAL, domain_key, log_softmax_map

#: Blocks that may run at half resolution at once: their full output is read by nobody.
HALVED_AT_ONCE = (2, 4)
#: Blocks before this one, and the last enlargement, run frame by frame: batches of large maps do not fit into caches.
BATCH_FROM = 5
#: Pixels of the image in one pixel of the unsmoothed map.
CELL = 8
#: Pixels of the unsmoothed map that the smoothing kernel reaches on either side.
REACH = -(-(SMOOTHING // 2) // CELL)


class FoldedConv:
    """A convolution with its normalisation folded in, and ReLU6 after it where `clamps`."""

    def __init__(self, weight: Tensor, bias: Tensor, conv: nn.Conv2d, clamps: bool, stride: int = 0) -> None:
        self.stride = stride or conv.stride[0]
        self.padding = int(conv.padding[0])
        self.groups = conv.groups
        self.after: After = "relu6" if clamps else "none"
        self.bias = bias
        self.pointwise = weight.shape[-1] == 1
        self.weight = (
            weight.flatten(1).contiguous() if self.pointwise else weight.contiguous(memory_format=torch.channels_last)
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (N, C, H, W) in channels-last memory."""
        if self.pointwise:
            return combine(x, self.weight, self.bias, after=self.after)
        return convolve(
            x, self.weight, self.bias, stride=self.stride, padding=self.padding, groups=self.groups, after=self.after
        )


class FoldedBlock:
    """A chain of folded convolutions, with the input added if the block does so."""

    def __init__(self, block: nn.Module, domain: str, *, halves: bool = False) -> None:
        self.adds_input = isinstance(block, InvertedResidual) and block.adds_input
        chain = block.conv if isinstance(block, InvertedResidual) else block
        assert isinstance(chain, nn.Sequential)
        self.steps = fold_chain(chain, domain, halves)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (N, C, H, W)."""
        y = x
        for step in self.steps:
            y = step(y)
        return y.add_(x) if self.adds_input else y


class DoublingBlock:
    """Enlarge one map twofold, put it before another, and run an inverted residual over both."""

    def __init__(self, block: nn.Module, domain: str, from_below: int) -> None:
        whole = FoldedBlock(block, domain)
        first, *self.rest = whole.steps
        self.bias = first.bias
        self.below = first.weight[:, :from_below].contiguous()
        self.beside = first.weight[:, from_below:].t().contiguous()

    def __call__(self, below: Tensor, beside: Tensor) -> Tensor:
        """Return (N, C, 2 h, 2 w) from the lower map (N, ., h, w) and the skip connection (N, ., 2 h, 2 w)."""
        small = F.linear(below.permute(0, 2, 3, 1), self.below, self.bias).permute(0, 3, 1, 2)
        wide = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        rows = wide.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        skip = beside.permute(0, 2, 3, 1).reshape(-1, beside.shape[1])
        rows.view(-1, rows.shape[-1]).addmm_(skip, self.beside).clamp_(0, 6)
        y = rows.permute(0, 3, 1, 2)
        for step in self.rest:
            y = step(y)
        return y


class FoldedGRU:
    """The GRU cell with all gains, biases and normalisations folded; three gates at once."""

    def __init__(self, network: UNISAL, domain: str) -> None:
        self.hidden = network.rnn.cell.hidden
        self.of_input = self._gates(network, domain, "x")
        self.of_state = self._gates(network, domain, "h")

    def step(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the next states (N, hidden, H, W) of N independent sequences."""
        r_x, z_x, h_x = self._terms(self.of_input, x)
        r_h, z_h, h_h = self._terms(self.of_state, h)
        reset, update = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
        return torch.lerp(h, torch.tanh(h_x + reset * h_h), update)

    @staticmethod
    def _gates(network: UNISAL, domain: str, kind: str) -> tuple[FoldedConv, list[FoldedConv]]:
        cell = network.rnn.cell
        depthwise, pointwise = [], []
        for gate in "rzh":
            suffix = "" if gate == "h" else f"_{gate}"
            conv = cell.get_submodule(("w" if kind == "x" else "u") + suffix)
            first, second = conv.get_submodule("conv_dw"), conv.get_submodule("conv_sep")
            inner, outer = (
                conv.get_submodule("sep_bn"),
                cell.get_submodule(f"norm_{'out' if gate == 'h' else gate}_{kind}"),
            )
            assert isinstance(first, nn.Conv2d)
            assert isinstance(second, nn.Conv2d)
            assert isinstance(inner, DomainNorm)
            assert isinstance(outer, DomainNorm)
            depthwise.append(fold(first, inner.of(domain)))
            gain = cell.get_parameter(f"a_{gate}_{kind}").detach()
            weight, bias = fold(second, outer.of(domain))
            offset = cell.get_parameter(f"b_{gate}").detach().flatten() if kind == "x" else 0
            pointwise.append(FoldedConv(weight * gain[..., None], bias * gain.flatten() + offset, second, clamps=False))
        weights, biases = (torch.cat(parts) for parts in zip(*depthwise, strict=True))
        thrice = nn.Conv2d(len(weights), len(weights), 3, padding=1, groups=len(weights), device="meta")
        return FoldedConv(weights, biases, thrice, clamps=True), pointwise

    @staticmethod
    def _terms(gates: tuple[FoldedConv, list[FoldedConv]], x: Tensor) -> list[Tensor]:
        joint, pointwise = gates
        thrice = torch.cat((x, x, x), 1).contiguous(memory_format=torch.channels_last)
        return [conv(part) for conv, part in zip(pointwise, joint(thrice).chunk(3, 1), strict=True)]


class FoldedUNISAL:
    """See the module's docstring. Made of the network's present weights, on their device; used without gradients.

    Args:
        network: in any mode; the running statistics of its normalisations are used.
        domain: one of `unisal_layers.DOMAINS`.

    Raises:
        UnknownName: no such domain.
    """

    def __init__(self, network: UNISAL, domain: str) -> None:
        key = domain_key(domain)
        self.domain = domain
        with torch.no_grad():
            self.blocks = [
                FoldedBlock(block, domain, halves=index in HALVED_AT_ONCE)
                for index, block in enumerate(network.cnn.features)
            ]
            self.post_cnn = FoldedBlock(network.post_cnn.get_submodule("inv_res"), domain)
            self.skip_2x = FoldedBlock(network.skip_2x, domain)
            self.skip_4x = FoldedBlock(network.skip_4x, domain)
            self.gru = FoldedGRU(network, domain)
            self.post_rnn = FoldedBlock(network.post_rnn, domain)
            self.up_2x = DoublingBlock(network.upsampling_2.get_submodule("inv_res"), domain, 256)
            self.up_4x = DoublingBlock(network.post_upsampling_2.get_submodule("inv_res"), domain, 128)
            self.adaptation = FoldedBlock(network.get_submodule(f"adaptation_{key}"), domain)
            smoothing = network.get_submodule(f"smoothing_{key}")
            assert isinstance(smoothing, nn.Conv2d)
            self.smoothing = polyphase(smoothing.weight.detach()[0, 0])
            self.gaussians = network.get_parameter(f"coarse_gaussians_{key}").detach().clone()
        self._network = network
        self._priors: dict[tuple[int, int], Tensor] = {}

    def first_state(self, frames: Tensor, sequences: int) -> Tensor:
        """Return the zero state of some sequences of frames (N, 3, H, W)."""
        height, width = frames.shape[-2:]
        state = frames.new_zeros(sequences, self.gru.hidden, height // 32, width // 32)
        return state.contiguous(memory_format=torch.channels_last)

    def __call__(
        self, frames: Tensor, state: Tensor | None, target_size: Sequence[int]
    ) -> tuple[Tensor, Tensor | None]:
        """Predict one frame of each of N sequences.

        Args:
            frames: (N, 3, H, W) as for `UNISAL.forward`.
            state: of each sequence, (N, 256, H/32, W/32); None bypasses the GRU.
            target_size: height and width of the maps.

        Returns:
            Natural log densities (N, 1, *target_size), and the next states.
        """
        feature, skip_2x, skip_4x = self.encode(frames)
        if state is not None:
            state = self.gru.step(feature, state)
            feature = feature + self.post_rnn(state)
        lower = self.up_2x(feature, skip_2x)
        upper = torch.cat(
            [self.up_4x(*pair) for pair in zip(lower.chunk(len(lower)), skip_4x.chunk(len(lower)), strict=True)]
        )
        coarse = self.adaptation(upper).contiguous()
        smooth = F.conv2d(F.pad(coarse, [REACH] * 4, mode="replicate"), self.smoothing)
        fine = F.pixel_shuffle(smooth, CELL)
        size = (int(target_size[0]), int(target_size[1]))
        return log_softmax_map(F.interpolate(fine, size=size, mode="bilinear", align_corners=False)), state

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `UNISAL.encode` does."""
        large = []
        for frame in frames.chunk(len(frames)):
            x = frame.contiguous(memory_format=torch.channels_last)
            for block in self.blocks[:BATCH_FROM]:
                x = block(x)
            large.append(x)
        x = torch.cat(large)
        taps = {}
        for index, block in enumerate(self.blocks[BATCH_FROM:], BATCH_FROM):
            x = block(x)
            if index in (TAP_4X, TAP_2X):
                taps[index] = x
                x = x[..., ::2, ::2].contiguous(memory_format=torch.channels_last)
        priors = self._prior_maps(x).expand(len(x), -1, -1, -1)
        joined = torch.cat((x, priors), 1).contiguous(memory_format=torch.channels_last)
        return self.post_cnn(joined), self.skip_2x(taps[TAP_2X]), self.skip_4x(taps[TAP_4X])

    def _prior_maps(self, x: Tensor) -> Tensor:
        size = (int(x.shape[-2]), int(x.shape[-1]))
        if size not in self._priors:
            self._priors[size] = self._network.priors(self.domain, *size).detach()
        return self._priors[size]


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution that equals `conv` followed by `norm` in evaluation."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * scale
    if conv.bias is not None:
        bias = bias + conv.bias * scale
    return (conv.weight * scale.view(-1, 1, 1, 1)).detach(), bias.detach()


def fold_chain(chain: nn.Sequential, domain: str, halves: bool = False) -> list[FoldedConv]:
    """Return the convolutions of a chain, nested chains included, with what follows each of them folded in.

    Args:
        chain: convolutions, each with at most a normalisation and a ReLU6 after it.
        domain: whose normalisations.
        halves: depthwise convolutions step by 2.
    """
    steps = _flatten(chain)
    folded = []
    for place, conv in enumerate(steps):
        if not isinstance(conv, nn.Conv2d):
            continue
        after = steps[place + 1 : place + 3]
        norm = after[0] if after else None
        norm = norm.of(domain) if isinstance(norm, DomainNorm) else norm
        if isinstance(norm, nn.BatchNorm2d):
            weight, bias = fold(conv, norm)
        else:
            assert conv.bias is not None
            weight, bias = conv.weight.detach().clone(), conv.bias.detach().clone()
        clamps = any(isinstance(step, nn.ReLU6) for step in after)
        folded.append(FoldedConv(weight, bias, conv, clamps, stride=2 if halves and conv.groups > 1 else 0))
    return folded


def polyphase(kernel: Tensor) -> Tensor:
    """Turn a filter of an image that was enlarged `CELL` times into filters of the small image.

    Args:
        kernel: (k, k), k odd, at most 2 REACH CELL + 1.

    Returns:
        (CELL^2, 1, 2 REACH + 1, 2 REACH + 1): one filter for each position in a cell, row by row.
    """
    exact = kernel.detach().cpu().double()
    taps = torch.arange(len(exact)) - len(exact) // 2
    cell_of = torch.div(torch.arange(CELL)[:, None] + taps, CELL, rounding_mode="floor") + REACH
    spread = F.one_hot(cell_of, 2 * REACH + 1).double()
    filters = torch.einsum("pyi,yx,qxj->pqij", spread, exact, spread)
    return filters.flatten(0, 1)[:, None].to(kernel).contiguous()


def _flatten(chain: nn.Sequential) -> list[nn.Module]:
    steps: list[nn.Module] = []
    for step in chain:
        if isinstance(step, Chain):
            steps += _flatten(step)
        elif not isinstance(step, nn.Dropout2d):
            steps.append(step)
    return steps
