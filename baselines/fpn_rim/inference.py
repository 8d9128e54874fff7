"""FPN+RIM for inference: the network's own function, with everything that is fixed worked out beforehand.

* the image network is folded (`folded.py`);
* keys and values of all frames come from one matrix product, with the mean over the heads inside the weights;
* what the values add to the gates comes from one product too, because a unit's input is a mixture of two rows;
* the copies of the previous prediction count once, with their weights added up;
* the head is one matrix, because its softmax is 1;
* products that no active unit needs are left out.

Outputs agree with the plain network to the rounding of single precision.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn.folded import folded
from ..nn.lstm import lstm_step
from .cell import KEY, TALK_HEADS, TALK_KEY, VALUE, RimCell, RimState, active_units
from .network import Carry, FpnRim, Trace


class FastFpnRim:
    """Works with the weights that `module` has when it is made; later changes are not seen.

    Mode LSTM, several layers, channel-wise attention and changes of position run the network's own recurrent part.
    """

    def __init__(self, module: FpnRim) -> None:
        self.module = module
        self._body = folded(module.backbone.body)
        self._pyramid = folded(module.fpn.fpn)
        plain = module.mode == "RIM" and len(module.rim.rimcell) == 1 and not module.channel_wise
        plain = plain and not module.predict_change
        self._steps = FoldedSteps(module) if plain else None

    def tokens(self, frames: Tensor) -> Tensor:
        """Return the features (n, tokens, values) of frames (n, 3, H, W), ImageNet normalised."""
        maps = self._pyramid(self._body(frames), self.module.levels)
        return self.module.flatten(maps)

    def follow(self, tokens: Tensor, carry: Carry | None = None, steps: int | None = None) -> Trace:
        """Run the recurrent part as the network's own `follow` does."""
        if self._steps is None:
            return self.module.follow(tokens, None, carry, steps)
        start = carry or self.module.start(len(tokens), tokens)
        return self._steps.follow(tokens[:, :, 0], start, tokens.shape[1] if steps is None else steps)


class FoldedSteps:
    """One layer of units with its head, folded."""

    def __init__(self, module: FpnRim) -> None:
        cell = module.rim.rimcell[0]
        assert isinstance(cell, RimCell)
        self.cell, self.units, self.outputs = cell, cell.units, module.outputs
        value = cell.value.weight.detach().reshape(cell.heads, VALUE, -1).mean(dim=0)
        self.null_key = cell.key.bias.detach()
        null_value = cell.value.bias.detach().reshape(cell.heads, VALUE).mean(dim=0)
        self.project = torch.cat((cell.key.weight.detach(), value))
        self.project_bias = torch.cat((self.null_key, null_value))
        into = cell.rnn.i2h.w.detach()
        self.gates_of_value = into[:, :VALUE].transpose(0, 1).flatten(1).contiguous()
        self.null_gates = (null_value @ self.gates_of_value).reshape(self.units, -1)
        fed = into[:, VALUE:].reshape(self.units, -1, self.outputs, into.shape[-1])
        self.gates_of_output = fed.sum(dim=1).transpose(0, 1).flatten(1).contiguous()
        # One product with the old state gives the recurrent gates and the queries to the input ...
        self.of_old = torch.cat((cell.rnn.h2h.w, cell.query.w), dim=-1).detach()
        # ... and one with the new state what the units say to each other.
        self.of_new = torch.cat((cell.query_.w, cell.key_.w, cell.value_.w), dim=-1).detach()
        head = module.multihead_attn
        last = 2 * head.inside
        out = head.out_proj.weight.detach().double()
        self.head = (out @ head.in_proj_weight[last:].detach().double()).to(value.dtype)
        self.head_bias = (out @ head.in_proj_bias[last:].detach().double() + head.out_proj.bias.detach().double()).to(
            value.dtype
        )

    def follow(self, tokens: Tensor, carry: Carry, steps: int) -> Trace:
        """Run over the first `steps` frames of the features (B, T, values) of a clip."""
        batch, frames = tokens.shape[:2]
        projected = F.linear(tokens, self.project, self.project_bias)
        keys, values = torch.split(projected, [len(self.null_key), VALUE], dim=-1)
        drive = (values @ self.gates_of_value).reshape(batch, frames, self.units, -1)
        hidden = carry.state.hidden[0].reshape(batch, self.units, -1).transpose(0, 1)
        memory = carry.state.cell[0].reshape(batch, self.units, -1).transpose(0, 1)
        output, gaze, masks = carry.output, [], []
        for number in range(steps):
            hidden, memory, mask = self._step(keys[:, number], drive[:, number], hidden, memory, output)
            rows = hidden.transpose(0, 1).flatten(1)
            output = F.linear(rows, self.head, self.head_bias).tanh()
            gaze.append(output)
            masks.append(mask)
        state = RimState(hidden.transpose(0, 1).flatten(1)[None], memory.transpose(0, 1).flatten(1)[None])
        return Trace(torch.stack(gaze, dim=1), torch.stack(masks, dim=1), Carry(state, output))

    def _step(
        self, keys: Tensor, drive: Tensor, hidden: Tensor, memory: Tensor, output: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance by one frame; states are (units, B, n), keys (B, n), drive (B, units, 4 n), mask (B, units)."""
        size = hidden.shape[-1]
        recurrent, query = torch.split(torch.bmm(hidden, self.of_old), [4 * size, keys.shape[-1]], dim=-1)
        scores = torch.stack(((query * keys).sum(dim=-1), query @ self.null_key), dim=-1)
        chance = (scores / (sqrt(KEY) * self.cell.heads)).softmax(dim=-1)
        mask = active_units(chance[..., 1].T, self.cell.k)
        active = mask.T[..., None]
        gates = recurrent + active * (
            chance[..., :1] * drive.transpose(0, 1) + chance[..., 1:] * self.null_gates[:, None]
        )
        if output is not None and len(self.gates_of_output):
            gates = gates + (output @ self.gates_of_output).reshape(len(output), self.units, -1).transpose(0, 1)
        new, new_memory = lstm_step(gates, memory, -1)
        new = self._talk(new, active)
        return torch.where(active > 0, new, hidden), torch.where(active > 0, new_memory, memory), mask

    def _talk(self, hidden: Tensor, active: Tensor) -> Tensor:
        """Let the units (units, B, n) attend to each other; right for the active ones, whatever for the rest."""
        units, batch, size = hidden.shape
        width = TALK_HEADS * TALK_KEY
        said = torch.bmm(hidden, self.of_new)
        query, key, value = torch.split(said, [width, width, TALK_HEADS * size], dim=-1)
        # (B, heads, units, n)
        query, key, value = (
            part.reshape(units, batch, TALK_HEADS, -1).permute(1, 2, 0, 3) for part in (query, key, value)
        )
        weights = (query @ key.transpose(-1, -2) / sqrt(TALK_KEY)).softmax(dim=-1)
        context = (weights @ value).permute(2, 0, 1, 3).flatten(2)
        out = hidden.clone()
        for unit in active.any(dim=1).flatten().nonzero().flatten().tolist():
            out[unit] += context[unit] @ self.cell.comm_attention_output.w[unit]
        return out
