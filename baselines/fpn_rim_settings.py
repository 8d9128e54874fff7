"""What the shapes of an FPN+RIM checkpoint show of its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from vidsal.loaders.errors import WrongUse

from .fpn_rim_cell import KEY, VALUE
from .pyramid_backbones import BACKBONES, PyramidBackbone

if TYPE_CHECKING:
    import torch

_LARGEST_FRAME = 1024
_COPIES = 50


def shown_settings(state: Mapping[str, torch.Tensor], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the shapes of a state_dict show.

    The size of the frames is shown only together with what else makes the length of a token: of all ways that
    agree with `given`, one map before all maps, one token before one for each channel, and square frames of a
    multiple of 32 pixels are preferred.

    Args:
        state: with the pyramid's keys in today's form.
        given: settings already known (`input_dims`, `channel_wise_attention`, `fpn_only_use_last_layer`,
            `n_teacher_vals` are looked at).

    Returns:
        Settings by name; none for a state_dict of another kind of model.

    Raises:
        WrongUse: no frame size explains the length of a token.
    """
    name = backbone_of(state)
    head, pyramid = state.get("multihead_attn.out_proj.weight"), state.get("fpn.fpn.layer_blocks.0.0.weight")
    query, lstm = state.get("rim.rimcell.0.query.w"), state.get("lstm.weight_ih_l0")
    if name is None or head is None or pyramid is None or (query is None and lstm is None):
        return {}
    outputs, channels = len(head), len(pyramid)
    shown: dict[str, Any] = {
        "backbone_model": name,
        "predict_em": outputs == 6,
        "out_channels": channels,
        "mode": "LSTM" if query is None else "RIM",
    }
    if query is not None:
        units, hidden, keys = query.shape
        copies = (state["rim.rimcell.0.rnn.i2h.w"].shape[1] - VALUE) // outputs
        layers = sum(key.startswith("rim.rimcell.") and key.endswith(".query.w") for key in state)
        shown |= {"rim_num_units": units, "rim_hidden_size": hidden, "rim_layers": layers}
        shown |= {"input_attn_heads": keys // KEY, "n_teacher_vals": copies}
        token = state["rim.rimcell.0.key.weight"].shape[1]
    else:
        assert lstm is not None
        shown["rim_hidden_size"] = len(lstm) // 4
        shown["n_teacher_vals"] = given.get("n_teacher_vals", _COPIES)
        token = lstm.shape[1] - shown["n_teacher_vals"] * outputs
    return shown | _token_settings(token, channels, BACKBONES[name], given)


def backbone_of(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the image network whose keys are in a state_dict."""
    for name, network in BACKBONES.items():
        key, shape = network.mark
        found = state.get(f"backbone.body.{key}")
        if found is not None and tuple(found.shape) == shape:
            return name
    return None


def _token_settings(token: int, channels: int, network: PyramidBackbone, given: Mapping[str, Any]) -> dict[str, Any]:
    by_channel = [given[key] for key in ("channel_wise_attention",) if key in given] or [False, True]
    finest = [given[key] for key in ("fpn_only_use_last_layer",) if key in given] or [True, False]
    for channel_wise, only_finest in product(by_channel, finest):
        for size in [given["input_dims"]] if "input_dims" in given else _squares():
            maps = network.level_sizes(size)[: 1 if only_finest else None]
            cells = sum(height * width for height, width in maps)
            if token == cells * (1 if channel_wise else channels):
                return {
                    "input_dims": tuple(size),
                    "channel_wise_attention": channel_wise,
                    "fpn_only_use_last_layer": only_finest,
                }
    raise WrongUse(
        f"the weights take {token} values a token from {channels} channels, which no square frame explains"
        + (f" and input_dims={given['input_dims']} does not either" if "input_dims" in given else "")
        + "; give the height and width of the training frames (--option input_dims=HxW)"
    )


def _squares() -> Iterator[tuple[int, int]]:
    sizes = range(_LARGEST_FRAME, 15, -1)
    for step in (32, 16, 8, 4, 2, 1):
        for size in sizes:
            if size % step == 0 and (step == 32 or size % (2 * step)):
                yield size, size
