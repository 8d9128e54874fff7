"""A feature pyramid: coarse maps are enlarged and added to finer ones.

Source: Lin et al., Feature pyramid networks for object detection, CVPR 2017; names as in torchvision.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

_OLD_KEY = re.compile(r"((?:inner|layer)_blocks\.\d+)\.(weight|bias)$")


class FeaturePyramid(nn.Module):
    """1x1 lateral convolutions, nearest enlargement, 3x3 output convolutions."""

    def __init__(self, channels: Sequence[int], outside: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(n, outside, 1)) for n in channels)
        self.layer_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(outside, outside, 3, padding=1)) for _ in channels)

    def forward(self, maps: Sequence[Tensor], levels: int) -> list[Tensor]:
        """Return the finest `levels` output maps (n, outside, h, w), fine to coarse.

        Args:
            maps: of the image network, fine to coarse.
            levels: how many are wanted; the others are not computed.
        """
        merged: list[Tensor] = []
        for lateral, found in zip(reversed(self.inner_blocks), reversed(maps), strict=True):
            fine = lateral(found)
            if merged:
                fine = fine + F.interpolate(merged[-1], size=fine.shape[-2:], mode="nearest")
            merged.append(fine)
        fine_to_coarse = merged[::-1][:levels]
        return [block(found) for block, found in zip(self.layer_blocks, fine_to_coarse, strict=False)]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take weights of torchvision before 0.13 too: there the convolutions lay one level higher."""
        for key in [key for key in state_dict if key.startswith(prefix)]:
            old = _OLD_KEY.fullmatch(key.removeprefix(prefix))
            if old:
                state_dict[f"{prefix}{old[1]}.0.{old[2]}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def current_keys(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return `state` with the pyramid's keys below `prefix` in today's form."""
    return {_current(key, prefix): value for key, value in state.items()}


def _current(key: str, prefix: str) -> str:
    old = _OLD_KEY.fullmatch(key.removeprefix(prefix)) if key.startswith(prefix) else None
    return f"{prefix}{old[1]}.0.{old[2]}" if old else key
