"""What the shapes of an FPN+RIM checkpoint show of its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from vidsal.loaders.errors import WrongUse

from ..nn.pyramid_backbones import BACKBONES, PyramidBackbone
from .cell import KEY, VALUE

if TYPE_CHECKING:
    import torch

_LARGEST_FRAME = 1024
_COPIES, _ACTIVE = 50, 4
"""`n_teacher_vals` and `rim_k` of the thesis."""
_OF_TOKENS = ("input_dims", "channel_wise_attention", "fpn_only_use_last_layer")


def shown_settings(
    state: Mapping[str, torch.Tensor], given: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings that the shapes of a state_dict show, and the names of those that are guesses.

    The size of the frames is shown only together with what else makes the length of a token: of all ways that
    agree with `given`, one map before all maps, one token before one for each channel, and square frames of a
    multiple of 32 pixels are preferred. Where the size was not given, or more than one way agrees, that is a guess;
    so are `rim_k` of units, and `n_teacher_vals` of an LSTM.

    Args:
        state: with the pyramid's keys in today's form.
        given: settings already known (`input_dims`, `channel_wise_attention`, `fpn_only_use_last_layer`,
            `n_teacher_vals`, `rim_k` are looked at).

    Returns:
        Settings by name, none for a state_dict of another kind of model; and which of them the shapes leave open.

    Raises:
        WrongUse: no frame size explains the length of a token.
    """
    name = backbone_of(state)
    head, pyramid = state.get("multihead_attn.out_proj.weight"), state.get("fpn.fpn.layer_blocks.0.0.weight")
    query, lstm = state.get("rim.rimcell.0.query.w"), state.get("lstm.weight_ih_l0")
    if name is None or head is None or pyramid is None or (query is None and lstm is None):
        return {}, ()
    outputs, channels = len(head), len(pyramid)
    shown: dict[str, Any] = {
        "positional_encoding": "fpn.pos_encoding.0" in state,
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
        shown["rim_k"] = given.get("rim_k", min(_ACTIVE, units))
        token, open_names = state["rim.rimcell.0.key.weight"].shape[1], ["rim_k"]
    else:
        assert lstm is not None
        shown["rim_hidden_size"] = len(lstm) // 4
        shown["n_teacher_vals"] = given.get("n_teacher_vals", _COPIES)
        token, open_names = lstm.shape[1] - shown["n_teacher_vals"] * outputs, ["n_teacher_vals"]
    ways = _ways(token, channels, BACKBONES[name], given)
    first = next(ways, None)
    if first is None:
        raise WrongUse(_unexplained(token, channels, BACKBONES[name], given))
    # Frames that are not square were not tried: without the size any of the three may differ.
    others = list(ways) if "input_dims" in given else [{}]
    open_names += [key for key, value in first.items() if any(other.get(key) != value for other in others)]
    return shown | first, tuple(name for name in open_names if name not in given)


def backbone_of(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the image network whose keys are in a state_dict."""
    for name, network in BACKBONES.items():
        key, shape = network.mark
        found = state.get(f"backbone.body.{key}")
        if found is not None and tuple(found.shape) == shape:
            return name
    return None


def _ways(token: int, channels: int, network: PyramidBackbone, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings that make tokens of this length, the preferred ones first."""
    by_channel = [given[key] for key in ("channel_wise_attention",) if key in given] or [False, True]
    finest = [given[key] for key in ("fpn_only_use_last_layer",) if key in given] or [True, False]
    for channel_wise, only_finest in product(by_channel, finest):
        for size in [given["input_dims"]] if "input_dims" in given else _squares():
            maps = network.level_sizes(size)[: 1 if only_finest else None]
            cells = sum(height * width for height, width in maps)
            if token == cells * (1 if channel_wise else channels):
                yield {
                    "input_dims": tuple(size),
                    "channel_wise_attention": channel_wise,
                    "fpn_only_use_last_layer": only_finest,
                }


def _unexplained(token: int, channels: int, network: PyramidBackbone, given: Mapping[str, Any]) -> str:
    """Say that nothing explains the length of a token, and what would if what was given is left out."""
    fixed = {name: given[name] for name in _OF_TOKENS if name in given}
    other = next(_ways(token, channels, network, {}), None)
    words = f"the weights take {token} values a token from {channels} channels, which "
    if fixed:
        words += f"{in_words(fixed)} {'does' if len(fixed) == 1 else 'do'} not explain"
        words += f" ({in_words(other)} would)" if other else ", nor does any square frame"
    else:
        words += "no square frame explains"
    return words + "; give the height and width of the training frames (--option input_dims=HxW)"


def in_words(settings: Mapping[str, Any]) -> str:
    """Write settings as options are written: `rim_k=4, input_dims=224x224`."""
    plain = {k: "x".join(map(str, v)) if isinstance(v, (tuple, list)) else v for k, v in settings.items()}
    return ", ".join(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in plain.items())


def _squares() -> Iterator[tuple[int, int]]:
    sizes = range(_LARGEST_FRAME, 15, -1)
    for step in (32, 16, 8, 4, 2, 1):
        for size in sizes:
            if size % step == 0 and (step == 32 or size % (2 * step)):
                yield size, size
