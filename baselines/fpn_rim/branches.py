"""The thesis's three feature branches: gaze as changes of position, a learned place in the maps, states from a seed."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE_PX = 1e-3
"""By how much the range of positions is widened on both sides, so that a label at the border has a finite `atanh`."""


def edge_scale(input_dims: tuple[int, int], like: Tensor) -> Tensor:
    """Return by what labels in -1..1 are multiplied so that they lie inside it, for the first two columns."""
    return like.new_tensor([side / (side + 2 * EDGE_PX) for side in input_dims])


def changes_of(labels: Tensor, input_dims: tuple[int, int]) -> Tensor:
    """Return labels as changes: the first two columns by `atanh`, differenced in time; the first is absolute.

    Args:
        labels: (B, T, 2 or more), positions in -1..1.
        input_dims: height and width of the network's frames.
    """
    along = torch.atanh(labels[..., :2] * edge_scale(input_dims, labels))
    changes = torch.cat((along[:, :1], along[:, 1:] - along[:, :-1]), dim=1)
    return torch.cat((changes, labels[..., 2:]), dim=-1)


def position_of(total: Tensor, input_dims: tuple[int, int]) -> Tensor:
    """Return the position in -1..1 (B, 2) that a sum of changes (B, 2) has reached."""
    return total.tanh() / edge_scale(input_dims, total)


def seed_of(observer: str, first_frame: int) -> int:
    """Return the seed of a clip: the character codes of the observer's name, then the first frame, as one number.

    >>> seed_of("AB", 30)
    656630
    """
    return int("".join(str(ord(character)) for character in observer) + str(first_frame)) % 2**63


def seeded_state(seed: int, size: int) -> tuple[Tensor, Tensor]:
    """Return hidden and cell state, (size,) each, standard normal."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, size, generator=generator)
    return drawn[0], drawn[1]
