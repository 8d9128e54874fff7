"""A chain of plain layers as callables for inference: an enlargement or a ReLU joins its convolution.

On request convolutions take fewer products (`fast_convolutions`); outputs agree with the layers' up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn

from .fast_convolutions import WINOGRAD_FROM, DirectConvolution, DoublingConvolution, WinogradConvolution

Step = Callable[[Tensor], Tensor]


def compile_layers(layers: Iterable[nn.Module], rewrite: bool) -> list[Step]:
    """Return callables that together do what the layers do, in evaluation, on channels-last memory.

    Args:
        layers: convolutions, ReLUs, poolings, enlargements, sigmoid.
        rewrite: use the convolutions with fewer products.
    """
    pending = list(layers)
    steps: list[Step] = []
    while pending:
        layer = pending.pop(0)
        doubles = isinstance(layer, nn.Upsample) and rewrite and bool(pending) and _is_3x3(pending[0])
        conv = pending.pop(0) if doubles else layer
        if not isinstance(conv, nn.Conv2d):
            steps.append(conv)
            continue
        rectify = bool(pending) and isinstance(pending[0], nn.ReLU)
        if rectify:
            pending.pop(0)
        weight, bias = conv.weight.detach(), bias_of(conv)
        wide = conv.in_channels * conv.out_channels >= WINOGRAD_FROM
        if doubles:
            steps.append(DoublingConvolution(weight, bias, rectify=rectify))
        elif rewrite and wide and _is_3x3(conv):
            steps.append(WinogradConvolution(weight, bias, rectify=rectify))
        else:
            steps.append(DirectConvolution(weight, bias, rectify=rectify))
    return steps


def run(steps: Sequence[Step], x: Tensor) -> Tensor:
    """Apply the steps one after the other."""
    for step in steps:
        x = step(x)
    return x


def _is_3x3(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)


def bias_of(conv: nn.Conv2d) -> Tensor | None:
    """Return the bias, without gradient; None where there is none."""
    return None if conv.bias is None else conv.bias.detach()
