"""The network of FPN+RIM: image features of each frame, recurrent units, a gaze position.

    frame -> MobileNetV3 (frozen) -> feature pyramid, 8 channels -> the finest map as one vector
          -> recurrent independent mechanisms, fed with the previous prediction -> linear -> tanh

Source: Spreen-Ledebur, Gaze prediction in natural videos using end-to-end deep learning, master's thesis; names
and numbers as in spreeni/thesis_gaze_prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidsal.loaders.errors import WrongUse

from ..nn.feature_pyramid import FeaturePyramid
from ..nn.lstm import lstm_step
from ..nn.pyramid_backbones import pyramid_backbone
from .branches import changes_of, position_of, seed_of, seeded_state
from .cell import Rim, RimCell, RimState

Mode = Literal["RIM", "LSTM"]
FRAMES_AT_ONCE = 16


@dataclass(frozen=True)
class Carry:
    """What one frame leaves to the next.

    Attributes:
        state: hidden and cell state; in mode LSTM (1, B, hidden size).
        output: the prediction (B, outputs); None before the first frame.
        total: the sum of all changes (B, 2) where the network predicts changes.
    """

    state: RimState
    output: Tensor | None = None
    total: Tensor | None = None


@dataclass(frozen=True)
class Trace:
    """A clip's predictions and what happened inside.

    Attributes:
        gaze: (B, T, 2), or (B, T, 6) with eye movements.
        unit_mask: (B, T, units), 1 = active in the last layer; None in mode LSTM.
        carry: for the frame after the clip.
    """

    gaze: Tensor
    unit_mask: Tensor | None
    carry: Carry


class Backbone(nn.Module):
    """The image network under the name of the published weights."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body


class Pyramid(nn.Module):
    """The feature pyramid under the name of the published weights."""

    def __init__(self, channels: Sequence[int], outside: int, encoded: Sequence[tuple[int, int]] | None = None) -> None:
        super().__init__()
        self.fpn = FeaturePyramid(channels, outside)
        if encoded is not None:
            self.pos_encoding = nn.ParameterList(torch.randn(outside, *size) for size in encoded)


class Attention(nn.Module):
    """Self-attention over a sequence of length 1.

    Its softmax is 1, whatever query and key are: the output is a linear map of the input's value projection. The
    weights of query and key are held because the published state_dict has them.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * inside, inside))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * inside))
        self.out_proj = nn.Linear(inside, outside)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)
        self.inside = inside

    def forward(self, rows: Tensor) -> Tensor:
        """Map (B, inside) to (B, outside)."""
        value = slice(2 * self.inside, None)
        projected = F.linear(rows, self.in_proj_weight[value], self.in_proj_bias[value])
        return self.out_proj(projected)  # type: ignore[no-any-return]


class Lstm(nn.Module):
    """One LSTM layer under torch.nn.LSTM's names; gates in the order input, forget, candidate, output."""

    def __init__(self, inside: int, hidden: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden, inside))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden))
        for weight in self.parameters():
            nn.init.uniform_(weight, -(hidden**-0.5), hidden**-0.5)

    def drive(self, rows: Tensor) -> Tensor:
        """Return what the input rows (..., n), the first n inputs, add to the gates (..., 4 hidden)."""
        return F.linear(rows, self.weight_ih_l0[:, : rows.shape[-1]], self.bias_ih_l0)

    def forward(self, drive: Tensor, feedback: Tensor | None, state: RimState) -> RimState:
        """Advance by one frame.

        Args:
            drive: (B, 4 hidden), from `drive`.
            feedback: (B, m), the last m inputs; None = there are none.
            state: after the frame before, (1, B, hidden).
        """
        gates = drive + F.linear(state.hidden[0], self.weight_hh_l0, self.bias_hh_l0)
        if feedback is not None:
            gates = gates + F.linear(feedback, self.weight_ih_l0[:, -feedback.shape[-1] :])
        let_in, keep, candidate, out = gates.chunk(4, dim=-1)
        hidden, cell = lstm_step(torch.cat((let_in, keep, out, candidate), dim=-1), state.cell[0], -1)
        return RimState(hidden[None], cell[None])


class FpnRim(nn.Module):
    """Gaze positions for every frame of a clip.

    Keys, shapes and dtypes of the state_dict equal those of the published model for the same settings.

    Args:
        input_dims: (height, width) of the frames; the weights fit no other.
        rim_hidden_size: of each unit.
        rim_num_units: number of units; `rim_k` of them are active.
        rim_layers: layers of units.
        out_channels: of the feature pyramid.
        backbone_model: see `pyramid_backbones.BACKBONES`.
        fpn_only_use_last_layer: use the finest map only; else all, finest first.
        predict_em: four logits of the eye movement (noise, fixation, saccade, pursuit) besides the position.
        p_teacher_forcing: where labels are given, the share of units that see the previous label.
        n_teacher_vals: copies of the previous prediction that each unit gets.
        channel_wise_attention: each channel of the pyramid is a token of its own.
        mode: `RIM`, or one ordinary `LSTM`.
        input_attn_heads: heads of the attention to the input.
        input_dropout, comm_dropout: while training.

    Raises:
        UnknownName: no such backbone.
        WrongUse: impossible numbers.
    """

    def __init__(
        self,
        *,
        input_dims: tuple[int, int] = (224, 224),
        rim_hidden_size: int = 400,
        rim_num_units: int = 6,
        rim_k: int = 4,
        rim_layers: int = 1,
        out_channels: int = 8,
        backbone_model: str = "mobilenet_v3_large",
        fpn_only_use_last_layer: bool = True,
        predict_em: bool = False,
        p_teacher_forcing: float = 0.3,
        n_teacher_vals: int = 50,
        channel_wise_attention: bool = False,
        mode: Mode = "RIM",
        input_attn_heads: int = 2,
        input_dropout: float = 0.0,
        comm_dropout: float = 0.0,
        predict_change: bool = False,
        positional_encoding: bool = False,
    ) -> None:
        super().__init__()
        image_network = pyramid_backbone(backbone_model)
        sizes = image_network.level_sizes(input_dims)
        self.levels = 1 if fpn_only_use_last_layer else len(sizes)
        cells = sum(height * width for height, width in sizes[: self.levels])
        if not cells or min(sizes[-1]) < 1:
            raise WrongUse(f"input_dims={input_dims}: too small for {backbone_model}")
        if not 1 <= rim_k <= rim_num_units:
            raise WrongUse(f"rim_k={rim_k} of rim_num_units={rim_num_units}: from 1 to all units can be active")
        shares = {
            "p_teacher_forcing": p_teacher_forcing, "input_dropout": input_dropout, "comm_dropout": comm_dropout,
        }  # fmt: skip
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise WrongUse(f"{name}={share}: a share from 0 to 1 was expected")
        self.input_dims = (int(input_dims[0]), int(input_dims[1]))
        self.channel_wise, self.mode = channel_wise_attention, mode
        self.copies, self.p_teacher_forcing = n_teacher_vals, p_teacher_forcing
        self.outputs = 6 if predict_em else 2
        self.hidden = rim_hidden_size
        self.backbone = Backbone(image_network.build())
        self.backbone.requires_grad_(False)
        self.predict_change = predict_change
        self.fpn = Pyramid(image_network.channels, out_channels, sizes if positional_encoding else None)
        token = cells if channel_wise_attention else cells * out_channels
        feedback = n_teacher_vals * self.outputs
        if mode == "LSTM":
            self.lstm = Lstm(token + feedback, rim_hidden_size)
            inside = rim_hidden_size
        else:
            self.rim = Rim(
                token,
                rim_layers,
                hidden=rim_hidden_size,
                units=rim_num_units,
                k=rim_k,
                heads=input_attn_heads,
                feedback=feedback,
                input_dropout=input_dropout,
                comm_dropout=comm_dropout,
            )
            inside = rim_hidden_size * rim_num_units
        self.multihead_attn = Attention(inside, self.outputs)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Predict gaze for every frame of a clip; nothing is carried from one call to the next.

        Args:
            x: (B, 3, T, H, W), RGB, ImageNet normalised.
            y: labels (B, T, 2 or 6) in -1..1; where given, the units see the label of the frame before instead
                of the prediction with probability `p_teacher_forcing`, in eval mode too.

        Returns:
            (B, T, 2) in -1..1: column 0 = 2 x / H - 1 and column 1 = 2 y / W - 1 of a gaze at pixel (x, y), as
            the labels were scaled; with eye movements (B, T, 6).
        """
        return self.trace(x, y).gaze

    def trace(self, x: Tensor, y: Tensor | None = None, carry: Carry | None = None) -> Trace:
        """Do as `forward`, from the state `carry`, and return what happened inside too.

        Raises:
            WrongUse: frames of another size or labels of another shape than expected.
        """
        if x.dim() != 5 or x.shape[1] != 3 or not x.shape[2] or tuple(x.shape[-2:]) != self.input_dims:
            height, width = self.input_dims
            raise WrongUse(
                f"clips have shape (B, 3, T, {height}, {width}) with T > 0 for these weights; found {tuple(x.shape)}"
            )
        batch, _, frames = x.shape[:3]
        if y is not None and tuple(y.shape) != (batch, frames, self.outputs):
            raise WrongUse(f"labels have shape {(batch, frames, self.outputs)}; found {tuple(y.shape)}")
        tokens = self.tokens(x.transpose(1, 2).flatten(0, 1))
        return self.follow(tokens.reshape(batch, frames, *tokens.shape[1:]), y, carry)

    def tokens(self, frames: Tensor) -> Tensor:
        """Return the features (n, tokens, values) of frames (n, 3, H, W): 1 token, or one a channel.

        A value's place is channel, row, column; with all levels, level by level within a token.
        """
        size = len(frames) if self.training else FRAMES_AT_ONCE
        parts = [self.fpn.fpn(self.backbone.body(part), self.levels) for part in torch.split(frames, size)]
        return torch.cat([self.flatten(maps) for maps in parts])

    def flatten(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the features (n, tokens, values) from the maps (n, channels, h, w) of the pyramid."""
        if hasattr(self.fpn, "pos_encoding"):
            maps = [level + place for level, place in zip(maps, self.fpn.pos_encoding, strict=False)]
        start = 2 if self.channel_wise else 1
        features = torch.cat([level.flatten(start) for level in maps], dim=start)
        return features if self.channel_wise else features.unsqueeze(1)

    def start(self, batch: int, like: Tensor) -> Carry:
        """Return what lies before the first frame: zero state, no prediction."""
        if self.mode == "LSTM":
            zero = like.new_zeros(1, batch, self.hidden)
            return Carry(RimState(zero, zero))
        return Carry(self.rim.start(batch, like))

    def seeded(self, clips: Sequence[tuple[str, int]], like: Tensor) -> Carry:
        """Return what lies before the first frame where states come from a seed: those of the first layer.

        Args:
            clips: the observer's name and the first frame of each.
            like: tensor of the type and device.
        """
        carry = self.start(len(clips), like)
        drawn = [seeded_state(seed_of(*clip), carry.state.hidden.shape[-1]) for clip in clips]
        hidden, cell = carry.state.hidden.clone(), carry.state.cell.clone()
        hidden[0], cell[0] = (torch.stack([pair[part] for pair in drawn]).to(like) for part in (0, 1))
        return Carry(RimState(hidden, cell))

    def follow(
        self, tokens: Tensor, y: Tensor | None = None, carry: Carry | None = None, steps: int | None = None
    ) -> Trace:
        """Run the recurrent part over the features (B, T, tokens, values) of a clip, or its first `steps` frames.

        The first frames of a longer clip give the same bits whatever follows them.
        """
        batch, frames = tokens.shape[0], tokens.shape[1] if steps is None else steps
        carry = carry or self.start(batch, tokens)
        prepared = self._prepare(tokens)
        if y is not None and self.predict_change:
            y = changes_of(y, self.input_dims)
        gaze, masks = [], []
        for number in range(frames):
            label = y[:, number - 1] if y is not None and number else None
            now = tuple(part[:, number] for part in prepared)
            rows, state, mask = self._step(now, carry, label)
            output = self.multihead_attn(rows)
            if self.predict_change:
                total = output[:, :2] if carry.total is None else carry.total + output[:, :2]
                carry = Carry(state, output, total)
                gaze.append(torch.cat((position_of(total, self.input_dims), output[:, 2:]), dim=-1))
            else:
                carry = Carry(state, output.tanh())
                gaze.append(output.tanh())
            masks += [] if mask is None else [mask]
        unit_mask = torch.stack(masks, dim=1) if masks else None
        return Trace(torch.stack(gaze, dim=1), unit_mask, carry)

    def _prepare(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Do for all frames in one product what does not depend on the state."""
        if self.mode == "LSTM":
            return (self.lstm.drive(tokens[:, :, 0]),)  # of several channels the published code uses the first
        first = self.rim.rimcell[0]
        assert isinstance(first, RimCell)
        return first.attended(tokens)

    def _step(
        self, prepared: tuple[Tensor, ...], carry: Carry, label: Tensor | None
    ) -> tuple[Tensor, RimState, Tensor | None]:
        """Advance by one frame: the rows (B, n) for the head, the new state, the mask of active units."""
        batch = len(prepared[0])
        if self.mode == "LSTM":
            fed = self._feedback((1, batch), carry, label)
            state: RimState = self.lstm(prepared[0], None if fed is None else fed[0], carry.state)
            return state.hidden[0], state, None
        fed = self._feedback((len(self.rim.rimcell), batch, self.rim.units), carry, label)
        return self.rim(*prepared, carry.state, fed)  # type: ignore[no-any-return]

    def _feedback(self, shape: tuple[int, ...], carry: Carry, label: Tensor | None) -> Tensor | None:
        """Return copies of the previous prediction, or of the previous label where chance says so.

        Args:
            shape: (..., B) or (..., B, units) of the rows to be fed.
            carry: holds the previous prediction (B, outputs).
            label: of the previous frame (B, outputs).
        """
        if not self.copies:
            return None
        if carry.output is None:
            weight = self.multihead_attn.in_proj_weight
            return weight.new_zeros(*shape, self.copies * self.outputs)
        per_unit = len(shape) == 3
        fed = carry.output.unsqueeze(1) if per_unit else carry.output
        fed = fed.expand(*shape, -1)
        if label is not None:
            # One draw a layer, on the CPU, as the published code draws.
            draws = [torch.rand(shape[1:] if per_unit else shape) for _ in range(shape[0] if per_unit else 1)]
            forced = torch.stack(draws).view(shape) < self.p_teacher_forcing
            wanted = (label.unsqueeze(1) if per_unit else label).expand_as(fed)
            fed = torch.where(forced[..., None].to(fed.device), wanted, fed)
        return fed.repeat(*[1] * len(shape), self.copies)
