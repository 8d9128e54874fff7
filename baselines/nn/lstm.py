"""The step of a long short-term memory, of vectors or of maps."""

from __future__ import annotations

import torch
from torch import Tensor


def lstm_step(gates: Tensor, cell: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return hidden state and cell after the gates: input, forget, output, candidate, one after the other on `axis`.

    Args:
        gates: before their sigmoid or tanh, 4 n long on `axis`.
        cell: the old cell, n long on `axis`.
        axis: the features.
    """
    let_in, keep, out, candidate = gates.chunk(4, axis)
    cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(candidate)
    return torch.sigmoid(out) * torch.tanh(cell), cell
