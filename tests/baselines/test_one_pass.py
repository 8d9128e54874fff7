"""Convolutions with their activation in one pass against both done one after the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vidsal.baselines.nn import one_pass

AFTER = {"none": lambda y: y, "relu": torch.relu, "relu6": F.relu6}


def maps(channels: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(channels)
    return torch.randn(2, channels, 9, 11, dtype=dtype).mul_(4).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (1, 2), (24, 1), (24, 2)])
def test_convolution(after, dtype, groups, stride):
    x = maps(24, dtype)
    weight, bias = torch.randn(24, 24 // groups, 3, 3, dtype=dtype), torch.randn(24, dtype=dtype)
    made = one_pass.convolve(x, weight, bias, stride=stride, padding=1, groups=groups, after=after)
    torch.testing.assert_close(made, AFTER[after](F.conv2d(x, weight, bias, stride, 1, 1, groups)))
    assert made.dtype == dtype


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("channels", [16, one_pass.NARROW + 8])
def test_product(after, channels):
    x = maps(channels)
    weight, bias = torch.randn(5, channels), torch.randn(5)
    made = one_pass.combine(x, weight, bias, after=after)
    torch.testing.assert_close(made, AFTER[after](F.conv2d(x, weight[..., None, None], bias)), rtol=1e-5, atol=1e-4)


def test_without_the_operations_of_onednn(monkeypatch):
    x, weight, bias = maps(8), torch.randn(8, 8), torch.randn(8)
    fused = one_pass.combine(x, weight, bias, after="relu6")
    monkeypatch.setattr(one_pass, "_there", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", None, raising=False)
    torch.testing.assert_close(one_pass.combine(x, weight, bias, after="relu6"), fused)
