"""Where weights start: at random, from a whole network, or from an image network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vidsal.loaders.errors import BadData, WrongUse

from .. import checkpoints
from ..tinyhd.network import TinyHD

_PIXELS = 64.0
_GATES_SEED = 65
_SUBMODULES = {"unisal": "cnn", "salema": "salgan", "salclstm": "salgan", "deepgaze_mr": "features.vgg"}


def he_start(module: nn.Module) -> None:
    """Draw every convolution after He et al. 2015, biases 0, the first one divided by the size of pixels (64).

    A deep network of plain convolutions learns from such weights without an image network to start from.
    """
    convolutions = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Conv3d))]
    for number, part in enumerate(convolutions):
        nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        if number == 0:
            part.weight.data /= _PIXELS
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def gates_start(module: nn.Module) -> None:
    """Draw SalCLSTM's gates after Xavier from the published seed, biases 0; no other random number is used up."""
    gates = module.get_submodule("Gates")
    assert isinstance(gates, nn.Conv2d)
    assert gates.bias is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_GATES_SEED)
        nn.init.xavier_normal_(gates.weight)
    nn.init.zeros_(gates.bias)


STARTS = {"he": he_start, "gates": gates_start}
"""How weights are drawn where a recipe's `network.start` names it."""


def load_start(module: nn.Module, path: Path, model: str) -> None:
    """Put the weights of a whole network into a module.

    Raises:
        BadData: they do not fit.
    """
    checkpoints.fit(module, checkpoints.read(path), model)


def load_backbone(module: nn.Module, path: Path, model: str) -> None:
    """Put the weights of an image network into the part of a module that is one.

    MobileNetV2 for UNISAL and TinyHD (whose kernels are copied along time), VGG-19 for DeepGaze MR, MobileNetV3 (or
    another one of the pyramid) for FPN+RIM, SalBCE for SalEMA. Entries that the part does not have (a classifier) are
    left out.

    Raises:
        BadData: an entry that the part needs is missing or has another shape.
        WrongUse: the model has no such part.
    """
    found = checkpoints.read(path).state
    if isinstance(module, TinyHD):
        _fill(module.encoder, _inflated(module.encoder, found, path), path)
        return
    name = "backbone.body" if model == "fpn_rim" else _SUBMODULES.get(model)
    if name is None:
        raise WrongUse(f"{model} starts from no image network; leave --backbone out")
    _fill(module.get_submodule(name), found, path)


def _fill(part: nn.Module, found: Mapping[str, Tensor], path: Path) -> None:
    wanted = part.state_dict()
    prefix = _prefix(wanted, found)
    chosen = {key: found[prefix + key] for key in wanted if prefix + key in found}
    missing = [k for k in wanted if k not in chosen and not k.endswith("num_batches_tracked")]
    other = [k for k, value in chosen.items() if value.shape != wanted[k].shape]
    if missing or other:
        key = (missing or other)[0]
        raise BadData(
            f"{path}: not the image network that is expected here: {len(missing)} of {len(wanted)} entries are "
            f"missing, {len(other)} have another shape, {key} the first"
        )
    part.load_state_dict({**wanted, **chosen})


def _prefix(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    first = next(iter(wanted))
    return next((key.removesuffix(first) for key in found if key.endswith(first)), "")


def _inflated(encoder: nn.Module, found: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """MobileNetV2's entries in the order of its layers as those of the encoder: kernels copied along time.

    Running statistics start anew, as published. With fewer channels the kernel is read in the new shape, several times
    over, and averaged, as published: the channels lose their meaning.
    """
    start = encoder.state_dict()
    kept = re.compile(r"^(?!.*classifier).*\.(weight|bias)$")
    source = [value for key, value in found.items() if kept.match(key)]
    names = [name for name, _ in encoder.named_parameters()]
    if len(source) != len(names):
        raise BadData(f"{path}: {len(source)} weights and biases, MobileNetV2 has {len(names)}")
    for name, value in zip(names, source, strict=True):
        wanted = start[name]
        if wanted.dim() == 5:
            value = value.unsqueeze(2).expand(-1, -1, wanted.shape[2], -1, -1).contiguous()
        if value.numel() % wanted.numel():
            raise BadData(f"{path}: {name} has the shape {tuple(wanted.shape)}, found {tuple(value.shape)}")
        start[name] = value.reshape(-1, *wanted.shape).mean(0) if value.shape != wanted.shape else value
    return {**start, **{k: torch.zeros_like(v) for k, v in start.items() if k.endswith("running_mean")}}
