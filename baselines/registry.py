"""The registry of models: name to module, imported when asked for.

A registered module offers `MODELS: Mapping[str, Baseline]` (see `base.py`), by the names of the models in it.
To add a model: its module, its test, one line in `_OWN`. Other packages join with theirs, by entry points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from vidsal.benchmark.predictor import Predictor
from vidsal.loaders.errors import BadData, UnknownName, WrongUse
from vidsal.loaders.io.extras import optional_packages
from vidsal.loaders.io.joined import Joined, refuse_taken

from .base import Baseline, Misfit
from .runtime import one_thread
from .trained import read_trained

if TYPE_CHECKING:
    import torch

ModelKind = Literal["network", "reference", "human"]
_LIKE = 0.5
"""Share of a model's signature by which a file is recognized."""


@dataclass(frozen=True)
class ModelEntry:
    """What is known of a model before it is imported.

    Attributes:
        module: below `vidsal.baselines`; empty for a human reference, which the benchmark itself provides
            because it is handed points, and for a model of another package.
        kind: `network` (needs a checkpoint), `reference` (no learned network) or `human`.
        summary: one line.
        joined: what a model of another package declares.
    """

    module: str
    kind: ModelKind
    summary: str
    joined: Baseline | None = None


_OWN = {
    "salema": ModelEntry(
        "salema.predictor", "network", "VGG-16 encoder and decoder, exponential average at the bottleneck"
    ),
    "salclstm": ModelEntry("salema.predictor", "network", "VGG-16 encoder and decoder, ConvLSTM at the bottleneck"),
    "unisal": ModelEntry("unisal.predictor", "network", "MobileNetV2 and a ConvGRU; four domains, images and videos"),
    "uniform": ModelEntry("reference.priors", "reference", "every pixel alike"),
    "center_prior": ModelEntry("reference.priors", "reference", "a Gaussian at the centre, of fixed size"),
    "center_prior_fitted": ModelEntry(
        "reference.priors", "reference", "a Gaussian with mean and size of the gaze in the split train"
    ),
    "shuffled_prior": ModelEntry(
        "reference.shuffled_prior", "reference", "where people looked in the other stimuli of the split"
    ),
    "motion_energy": ModelEntry("reference.motion_energy", "reference", "where luminance changes from frame to frame"),
    "itti_koch": ModelEntry(
        "reference.itti_koch", "reference", "intensity, colour and orientation against their surround; static"
    ),
    "deepgaze_mr": ModelEntry(
        "deepgaze_mr.predictor", "network", "VGG-19 features averaged over 16 frames; log densities"
    ),
    "fpn_rim": ModelEntry(
        "fpn_rim.predictor", "network", "recurrent units over image features; a gaze position for each frame"
    ),
    "tinyhd_s": ModelEntry("tinyhd.predictor", "network", "a small 3-D MobileNetV2; the last of 16 frames"),
    "tinyhd_m": ModelEntry("tinyhd.predictor", "network", "a small 3-D MobileNetV2; 16 frames at once, not causal"),
    "hd2s": ModelEntry(
        "hd2s.predictor", "network", "S3D, a map from each of four levels, one from the four; 16 frames"
    ),
    "tased_net": ModelEntry("tased_net.predictor", "network", "S3D and max-unpooling; the last of 32 frames"),
    "vinet": ModelEntry("vinet.predictor", "network", "S3D, levels joined in time; the last of 32 frames, no sound"),
    "one_vs_rest": ModelEntry("", "human", "each observer against the truth recipe on all others"),
    "gold_standard": ModelEntry("", "human", "the truth against its own fixations"),
}


def _join(entries: dict[str, ModelEntry], point: str, found: Any) -> None:
    """Take a model from another package; the entry point has its name, and refers to a module with `MODELS`."""
    models = getattr(found, "MODELS", None)
    model = models.get(point) if isinstance(models, Mapping) else None
    if not isinstance(model, Baseline) or model.info.name != point:
        raise BadData(f"a module was expected whose MODELS holds a Baseline {point!r}, of that name")
    refuse_taken(entries, point)
    summary = next(iter((found.__doc__ or "").strip().splitlines()), "").rstrip(".")
    entries[point] = ModelEntry("", "network" if model.build else "reference", summary or model.info.paper, model)


TABLE = Joined("model", "models", _OWN, _join)
"""All models: ours, then those of other packages (`vidsal.loaders.io.joined` says how they join)."""


def names(kind: ModelKind | None = None) -> tuple[str, ...]:
    """Return the registered names, of one kind or all, in the order of the table."""
    return tuple(name for name, entry in TABLE.items() if kind is None or entry.kind == kind)


def entry(name: str) -> ModelEntry:
    """Return the line of one model without importing it.

    Raises:
        UnknownName: no such model; the message lists the known ones.
    """
    return TABLE.find(name)


def baseline(name: str) -> Baseline:
    """Import what a model declares about itself.

    Raises:
        UnknownName: no such model.
        WrongUse: it is a human reference, which is no predictor.
    """
    line = entry(name)
    if line.kind == "human":
        raise WrongUse(
            f"{name} is a human reference: it is handed fixations, so it is no predictor; run it by its name "
            f"(`vidsal run {name} ...`)"
        )
    if line.joined is not None:
        return line.joined
    module = import_module(f"vidsal.baselines.{line.module}")
    return cast(Mapping[str, Baseline], module.MODELS)[name]


@optional_packages()
def build_module(name: str, **options: Any) -> torch.nn.Module:
    """Make a network with fresh weights, on the CPU.

    Keys, shapes and dtypes of its state_dict equal those of the published checkpoint.

    Args:
        name: a registered network.
        options: its settings of the network itself (`registry.baseline(name).options`, scope `module`).

    Raises:
        UnknownName: no such model.
        WrongUse: the model is no network, or an option is unknown or has a wrong value.
        MissingExtra: torch is not installed.
    """
    model = baseline(name)
    if model.build is None:
        raise WrongUse(f"{name} is no network; networks are {', '.join(names('network'))}")
    known = {key for key, option in model.options.items() if option.scope == "module"}
    return model.build(**_checked(name, options, known))


@optional_packages()
def load_model(name: str, checkpoint: str | Path | None = None, device: str = "cpu", **options: Any) -> Predictor:
    """Make a predictor.

    Args:
        name: a registered network or reference predictor.
        checkpoint: weight file of a network; a bare file name is looked for in `VIDSAL_CHECKPOINTS` too, and
            None means one of the published files in that folder.
        device: `cpu`, `cuda`, `cuda:1`.
        options: see `registry.baseline(name).options`; what the checkpoint's shapes show is taken from it.

    Raises:
        UnknownName: no such model.
        WrongUse: an option is unknown or has a wrong value, or a checkpoint is given to what takes none.
        MissingData: the checkpoint is not there; the message says how to get it.
        BadData: the checkpoint cannot be read safely, or does not fit.
        MissingExtra: the model is a network, and torch is not installed.
    """
    model = baseline(name)
    given = _checked(name, options, model.options)
    if model.build is None and checkpoint is not None:
        raise WrongUse(f"{name} has no weights; leave the checkpoint out")
    path = None if checkpoint is None else Path(checkpoint)
    trained = read_trained(path) if path is not None and path.is_file() else None
    if trained is not None and trained.model == name:
        given = {**{k: v for k, v in trained.options.items() if k in model.options}, **given}
    try:
        with one_thread() if model.build else nullcontext():
            found = model.load(path, device, **given)
    except Misfit as error:
        raise BadData(f"{error} {likeness(error, name)}") from error
    if trained is not None:
        found.info = replace(found.info, trained_on=trained.trained_on)
    return found


def likeness(misfit: Misfit, model: str) -> str:
    """Say which model weights that do not fit `model` belong to: the one of whose signature most fits, the longer one
    of two.
    """
    shares = {}
    for name in names("network"):
        signature = baseline(name).signature
        fits = sum(misfit.axes.get(key) == axes for key, axes in signature.items())
        shares[name] = (fits / max(1, len(signature)), len(signature), name == model)
    best = max(shares, key=lambda name: shares[name])
    if shares[best][0] < _LIKE:
        return "The file looks like none of our models"
    if best != model:
        return f"The file looks like {best}: load it under that name"
    return f"The file looks like {model}, {'but incomplete' if misfit.incomplete else 'with other settings'}"


def parse_options(name: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Convert `K=V` texts of the command line by the options that a model declares.

    Raises:
        WrongUse: a text without `=`, an unknown option, or a value of another kind.
    """
    texts: dict[str, str] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise WrongUse(f"option {pair!r} has no value; write it as NAME=VALUE")
        texts[key.strip().replace("-", "_")] = text
    known = baseline(name).options
    _refuse_unknown(name, texts, known)
    return {key: known[key].parse(key, text) for key, text in texts.items()}


def _checked(name: str, options: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    declared = baseline(name).options
    _refuse_unknown(name, options, known)
    return {key: declared[key].check(key, value) for key, value in options.items()}


def _refuse_unknown(name: str, options: Iterable[str], known: Iterable[str]) -> None:
    names_known = sorted(known)
    for key in options:
        if key not in names_known:
            raise UnknownName(f"option of {name}", key, names_known or ["(it has none)"])
