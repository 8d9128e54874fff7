"""A copy of an image network for inference: the same function in fewer and cheaper steps.

* batch normalisation is folded into the convolution before it (in double precision);
* a 1x1 convolution becomes one matrix product over maps whose channels lie last, which needs no copies;
* activations work in place.

Outputs agree with the plain network to the rounding of single precision.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FoldedConv(nn.Module):
    """A convolution with its normalisation folded in, and its activation."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, activation: nn.Module | None) -> None:
        super().__init__()
        weight, bias = fold(conv, norm)
        self.pointwise = conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.groups == 1
        if self.pointwise:
            weight = weight.flatten(1)
        else:
            weight = weight.contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, self.padding, self.groups = conv.stride, conv.padding, conv.groups
        self.activation = copy.deepcopy(activation)
        if isinstance(self.activation, nn.ReLU | nn.Hardswish | nn.SiLU):
            self.activation.inplace = True

    def forward(self, maps: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, d, h', w'), channels last in memory."""
        if self.pointwise:
            out = F.linear(maps.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)
        else:
            maps = maps.contiguous(memory_format=torch.channels_last)
            out = F.conv2d(maps, self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        return out if self.activation is None else self.activation(out)


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution that equals `norm(conv(x))` in eval mode."""
    weight = conv.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach().double()
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = weight * scale.view(-1, 1, 1, 1)
        bias = (bias - norm.running_mean.double()) * scale + norm.bias.double()
    return weight.detach().to(conv.weight.dtype), bias.detach().to(conv.weight.dtype)


def folded(network: nn.Module) -> nn.Module:
    """Return a copy in which every chain of convolution, normalisation, activation is one step.

    Convolutions that are not the head of such a chain are folded alone; other layers stay as they are. The copy
    has its own weights, and never trains.
    """
    return _fold_children(copy.deepcopy(network)).eval().requires_grad_(False)


def _fold_children(module: nn.Module) -> nn.Module:
    for name, child in list(module.named_children()):
        layers = list(child.children()) if isinstance(child, nn.Sequential) else []
        if isinstance(child, nn.Conv2d):
            setattr(module, name, FoldedConv(child, None, None))
        elif 2 <= len(layers) <= 3 and isinstance(layers[0], nn.Conv2d) and isinstance(layers[1], nn.BatchNorm2d):
            setattr(module, name, FoldedConv(layers[0], layers[1], layers[2] if len(layers) == 3 else None))
        else:
            _fold_children(child)
    return module
