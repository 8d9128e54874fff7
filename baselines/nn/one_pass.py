"""Convolutions with their activation in the same visit to memory, by oneDNN, for inference on a CPU.

The numbers are those of the convolution followed by the activation, mostly to the bit: what is saved is a second and
third pass over maps that do not fit into the caches. Where torch has no such operation, or the maps are of another
device or type, both are done one after the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

After = Literal["none", "relu", "relu6"]

#: Input channels up to which a product waits for the memory and not for the arithmetic; above, torch's own is faster.
NARROW = 512
_CALLED: dict[After, tuple[str, list[float]]] = {"relu": ("relu", []), "relu6": ("hardtanh", [0.0, 6.0])}


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int = 1, padding: int = 0, groups: int = 1, after: After
) -> Tensor:
    """Convolve (N, C, H, W) in channels-last memory with (K, C / groups, h, w), and apply what comes after."""
    if after != "none" and _fits(x):
        name, numbers = _CALLED[after]
        done: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, [padding] * 2, [stride] * 2, [1, 1], groups, name, numbers, ""
        )
        return done
    return _applied(F.conv2d(x, weight, bias, stride, padding, 1, groups), after)


def combine(x: Tensor, weight: Tensor, bias: Tensor, *, after: After) -> Tensor:
    """Apply a 1x1 convolution (K, C) to (N, C, H, W) in channels-last memory as a product, and what comes after."""
    rows = x.permute(0, 2, 3, 1)
    if after != "none" and _fits(x) and weight.shape[1] <= NARROW:
        name, numbers = _CALLED[after]
        done: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, name, numbers, "")
        return done.permute(0, 3, 1, 2)
    return _applied(F.linear(rows, weight, bias).permute(0, 3, 1, 2), after)


def _applied(y: Tensor, after: After) -> Tensor:
    if after == "none":
        return y
    return y.relu_() if after == "relu" else y.clamp_(0, 6)


def _fits(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and _there()


@lru_cache(maxsize=1)
def _there() -> bool:
    names = ("_convolution_pointwise", "_linear_pointwise")
    return torch._C._has_mkldnn and all(hasattr(torch.ops.mkldnn, name) for name in names)
