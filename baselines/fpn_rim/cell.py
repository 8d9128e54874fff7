"""Recurrent independent mechanisms: LSTM units that compete for the input and talk to each other.

    frame and a null token -> attention of each unit; the k units that attend least to null are active
    active units: LSTM step on their input and on copies of the previous prediction
    all units: attention among them; its result is added to the active units' state

Source: Goyal et al., Recurrent independent mechanisms, ICLR 2021, in the form that
spreeni/thesis_gaze_prediction gave to it; constants as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from ..nn.lstm import lstm_step

KEY = 64
VALUE = 400
TALK_HEADS = 4
TALK_KEY = 32


@dataclass(frozen=True)
class RimState:
    """State between two frames.

    Attributes:
        hidden: (layers, B, units * hidden size).
        cell: likewise.
    """

    hidden: Tensor
    cell: Tensor


class GroupLinear(nn.Module):
    """A linear map of its own for each unit, without bias."""

    def __init__(self, units: int, inside: int, outside: int, bound: float | None = None) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.empty(units, inside, outside))
        if bound is None:
            nn.init.normal_(self.w, std=0.01)
        else:
            nn.init.uniform_(self.w, -bound, bound)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (B, units, inside) to (B, units, outside)."""
        return torch.bmm(rows.transpose(0, 1), self.w).transpose(0, 1)


class GroupLSTM(nn.Module):
    """LSTM weights without biases; the gates lie in the order input, forget, output, candidate."""

    def __init__(self, units: int, inside: int, hidden: int) -> None:
        super().__init__()
        bound = 1 / sqrt(hidden)
        self.i2h = GroupLinear(units, inside, 4 * hidden, bound)
        self.h2h = GroupLinear(units, hidden, 4 * hidden, bound)


class RimCell(nn.Module):
    """One layer of units."""

    def __init__(
        self,
        inside: int,
        *,
        hidden: int,
        units: int,
        k: int,
        heads: int,
        feedback: int,
        input_dropout: float,
        comm_dropout: float,
    ) -> None:
        super().__init__()
        self.hidden, self.units, self.k, self.heads = hidden, units, k, heads
        self.key = nn.Linear(inside, heads * KEY)
        self.value = nn.Linear(inside, heads * VALUE)
        self.query = GroupLinear(units, hidden, heads * KEY)
        self.rnn = GroupLSTM(units, VALUE + feedback, hidden)
        self.query_ = GroupLinear(units, hidden, TALK_HEADS * TALK_KEY)
        self.key_ = GroupLinear(units, hidden, TALK_HEADS * TALK_KEY)
        self.value_ = GroupLinear(units, hidden, TALK_HEADS * hidden)
        self.comm_attention_output = GroupLinear(units, TALK_HEADS * hidden, hidden)
        # The published code has the two probabilities in each other's place; its weights were trained so.
        self.score_dropout = nn.Dropout(comm_dropout)
        self.talk_dropout = nn.Dropout(input_dropout)

    def attended(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return what can be known of the input before the state is.

        Args:
            tokens: (..., n, inside), the tokens of any number of frames.

        Returns:
            Keys (..., n + 1, heads * 64) and values (..., n + 1, 400), the mean over the heads; the last token
            is the null token, all zero, of which the biases remain.
        """
        keys = _append(self.key(tokens), self.key.bias)
        values = _append(self.value(tokens), self.value.bias)
        return keys, values.reshape(*values.shape[:-1], self.heads, VALUE).mean(dim=-2)

    def attention(self, keys: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return how each unit attends to each token, and which units are active.

        Args:
            keys: (B, n + 1, heads * 64).
            hidden: (B, units, hidden size).

        Returns:
            Probabilities (B, units, n + 1) and the mask (B, units), 1 = active.
        """
        # The mean of the heads' scores is one score over all of their keys, divided by their number.
        scores = self.query(hidden) @ keys.transpose(-1, -2) / (sqrt(KEY) * self.heads)
        probabilities = self.score_dropout(scores).softmax(dim=-1)
        return probabilities, active_units(probabilities[..., -1], self.k)

    def talk(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return the states (B, units, hidden size) after attention among the units, for the active ones."""
        shape = (len(hidden), self.units, TALK_HEADS, -1)
        query = self.query_(hidden).reshape(shape).transpose(1, 2)
        key = self.key_(hidden).reshape(shape).transpose(1, 2)
        value = self.value_(hidden).reshape(shape).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / sqrt(TALK_KEY)
        weights = self.talk_dropout(scores).softmax(dim=-1) * mask[:, None, :, None]
        context = (weights @ value).transpose(1, 2).flatten(2)
        return self.comm_attention_output(context) + hidden  # type: ignore[no-any-return]

    def forward(
        self, keys: Tensor, values: Tensor, hidden: Tensor, cell: Tensor, feedback: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance by one frame.

        Args:
            keys, values: from `attended`, (B, n + 1, ...).
            hidden, cell: (B, units, hidden size).
            feedback: (B, units, m) appended to the input of the units, active or not; None = nothing.

        Returns:
            Hidden and cell state, and the mask (B, units) of active units; the others keep their state.
        """
        probabilities, mask = self.attention(keys, hidden)
        active = mask[..., None]
        inputs = probabilities @ values * active
        if feedback is not None:
            inputs = torch.cat((inputs, feedback), dim=-1)
        new, new_cell = lstm_step(self.rnn.i2h(inputs) + self.rnn.h2h(hidden), cell, -1)
        # No gradient through the talk of inactive units.
        new = self.talk(torch.where(active > 0, new, new.detach()), mask)
        return torch.where(active > 0, new, hidden), torch.where(active > 0, new_cell, cell), mask


class Rim(nn.Module):
    """Layers of units, each fed by the one before."""

    def __init__(self, inside: int, layers: int, *, hidden: int, units: int, **settings: float) -> None:
        super().__init__()
        self.hidden, self.units = hidden, units
        self.rimcell = nn.ModuleList(
            RimCell(
                inside if number == 0 else hidden * units,
                hidden=hidden,
                units=units,
                **settings,  # type: ignore[arg-type]
            )
            for number in range(layers)
        )

    def start(self, batch: int, like: Tensor) -> RimState:
        """Return the state before the first frame: zero."""
        zero = like.new_zeros(len(self.rimcell), batch, self.units * self.hidden)
        return RimState(zero, zero)

    def forward(
        self,
        keys: Tensor,
        values: Tensor,
        state: RimState,
        feedback: Tensor | None,
    ) -> tuple[Tensor, RimState, Tensor]:
        """Advance by one frame.

        Args:
            keys, values: of this frame, from the first cell's `attended`.
            state: after the frame before.
            feedback: (layers, B, units, m), or None.

        Returns:
            Output (B, units * hidden size), the new state, and the mask (B, units) of the last layer.
        """
        hidden: list[Tensor] = []
        cell: list[Tensor] = []
        units = (-1, self.units, self.hidden)
        for number, layer in enumerate(self.rimcell):
            assert isinstance(layer, RimCell)
            if number:
                keys, values = layer.attended(hidden[-1].unsqueeze(1))
            new, new_cell, mask = layer(
                keys,
                values,
                state.hidden[number].reshape(units),
                state.cell[number].reshape(units),
                None if feedback is None else feedback[number],
            )
            hidden.append(new.flatten(1))
            cell.append(new_cell.flatten(1))
        return hidden[-1], RimState(torch.stack(hidden), torch.stack(cell)), mask


def active_units(null: Tensor, k: int) -> Tensor:
    """Return the mask (B, units) of the k units with the smallest probabilities `null` (B, units).

    Before the first frame all units are equal, and those which were not chosen stay equal: what decides then is
    the order in which `torch.topk` returns equal values on a CPU (units 0, 3, 4, 5 for 4 of 6). The choice is
    always made on the CPU, so that every device gives the same.
    """
    chosen = null.detach().cpu().topk(k, dim=-1, largest=False).indices
    return torch.zeros_like(null).scatter(-1, chosen.to(null.device), 1.0)


def _append(rows: Tensor, last: Tensor) -> Tensor:
    return torch.cat((rows, last.expand(*rows.shape[:-2], 1, -1)), dim=-2)
