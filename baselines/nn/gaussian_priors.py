"""Learned Gaussians on the unit square, which tell a network where in the frame it looks.

Source: Droste, Jiao & Noble, Unified Image and Video Saliency Modeling, ECCV 2020; HD2S's domain-specific form has them
too.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

PRIOR_GAIN = 6.0


def gaussian_maps(parameters: Tensor, height: int, width: int, gain: float = PRIOR_GAIN) -> Tensor:
    """Return axis-aligned Gaussians (N, height, width) with peak `gain` on the unit square.

    Args:
        parameters: (N, 2, 2): vertical and horizontal; mean (0 = first pixel, 1 = last) and log of the deviation.
        height, width: of the maps.
        gain: value at the mean.
    """
    bells = []
    for axis, length in enumerate((height, width)):
        position = torch.linspace(0, 1, length, dtype=parameters.dtype, device=parameters.device)
        mean, deviation = parameters[:, axis, :1], parameters[:, axis, 1:].exp()
        bells.append(torch.exp(-(((position - mean) / deviation) ** 2) / 2))
    return bells[0][:, :, None] * bells[1][:, None, :] * gain


def first_priors() -> Tensor:
    """Return the priors before training, (16, 2, 2): a 3x3 grid, three wide, three high, one large."""
    grid = [(y, x, -1.5, -1.5) for y, x in product((0.25, 0.5, 0.75), repeat=2)]
    wide_y = [(0.5, x, 0.0, -1.5) for x in (0.25, 0.5, 0.75)]
    wide_x = [(y, 0.5, -1.5, 0.0) for y in (0.25, 0.5, 0.75)]
    rows = [*grid, *wide_y, *wide_x, (0.5, 0.5, 0.0, 0.0)]
    return torch.tensor([[[y, log_y], [x, log_x]] for y, x, log_y, log_x in rows])
