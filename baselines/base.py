"""What a baseline declares about itself: its options, its published checkpoints, how it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from vidsal.benchmark.predictor import ModelInfo, Predictor, check_trained_on
from vidsal.loaders.errors import BadData, WrongUse

if TYPE_CHECKING:
    import torch

LICENCE = "Apache-2.0"
"""Of the predictors that are this package's own."""

OptionKind = Literal["flag", "int", "float", "text", "ints"]

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Option:
    """One setting of a baseline, as a keyword in Python and as `--option K=V` on the command line.

    Attributes:
        kind: `flag` (true, false), `int`, `float`, `text`, or `ints` (a tuple: `8x56x56` or `8,56,56`).
        default: used where nothing is given and the checkpoint does not show it.
        help: one line for the user.
        choices: the only values allowed; empty = any.
        optional: `None` (text `none`) is allowed.
        scope: `module` is a setting of the network (`build_module` takes it), `predictor` of what runs it.
    """

    kind: OptionKind
    default: Any
    help: str
    choices: tuple[Any, ...] = ()
    optional: bool = False
    scope: Literal["module", "predictor"] = "module"

    def __post_init__(self) -> None:
        if self.kind not in get_args(OptionKind):
            raise WrongUse(f"option kind {self.kind!r}; it is one of {', '.join(get_args(OptionKind))}")

    def parse(self, name: str, text: str) -> Any:
        """Convert the text of `--option name=text`.

        Raises:
            WrongUse: the text is not of this kind, NaN or infinite, or not one of the choices.
        """
        word = text.strip()
        if self.optional and word.lower() == "none":
            return None
        try:
            value = self._convert(word)
        except (KeyError, ValueError):
            raise WrongUse(f"option {name}={text!r}: {self.expected()} was expected") from None
        return self.check(name, value)

    def check(self, name: str, value: Any) -> Any:
        """Return a value given in Python, converted to its plain type.

        Raises:
            WrongUse: wrong type, NaN or infinite, or not one of the choices.
        """
        if value is None:
            if self.optional:
                return None
            raise WrongUse(f"option {name}=None: {self.expected()} was expected")
        plain = self._plain(value)
        if isinstance(plain, float) and not math.isfinite(plain):
            raise WrongUse(f"option {name}={plain}: {self.expected()} was expected, and a finite one")
        if plain is None or (self.choices and plain not in self.choices):
            raise WrongUse(f"option {name}={value!r}: {self.expected()} was expected")
        return plain

    def expected(self) -> str:
        """Say in words which values are allowed."""
        if self.choices:
            words = "one of " + ", ".join(str(choice) for choice in self.choices)
        else:
            words = {
                "flag": "true or false",
                "int": "a whole number",
                "float": "a number",
                "text": "a text",
                "ints": "whole numbers such as 8x56x56",
            }[self.kind]
        return words + (" or none" if self.optional else "")

    def _convert(self, word: str) -> Any:
        if self.kind == "flag":
            return _WORDS[word.lower()]
        if self.kind == "int":
            return int(word)
        if self.kind == "float":
            return float(word)
        if self.kind == "ints":
            return tuple(int(part) for part in word.replace("x", ",").split(","))
        return word

    def _plain(self, value: Any) -> Any:
        """Return `value` as a plain Python value of this kind; None if it is of another kind."""
        scalar = value.item() if getattr(value, "shape", None) == () else value
        if self.kind == "flag":
            return scalar if isinstance(scalar, bool) else None
        if self.kind == "text":
            return scalar if isinstance(scalar, str) else None
        if self.kind == "ints":
            whole = isinstance(value, (tuple, list)) and all(type(part) is int for part in value)
            return tuple(value) if whole else None
        if isinstance(scalar, bool) or not isinstance(scalar, (int, float)):
            return None
        if self.kind == "float":
            return float(scalar)
        return scalar if isinstance(scalar, int) else None


@dataclass(frozen=True)
class KnownCheckpoint:
    """A published weight file: how to recognise it, and what its bytes alone do not say.

    Attributes:
        model: name of the model in the registry.
        variant: which of the published ones, in words.
        file: file name as published.
        source: where a user gets it.
        licence: as its authors state it.
        sha256: hex digest of the file, where known.
        git_blob_sha1: what `git hash-object FILE` prints, where known.
        n_bytes: size, where known.
        options: settings that belong to these weights.
        trained_on: data sets whose gaze the weights have seen, as in `ModelInfo`.
        note: anything else worth knowing.
    """

    model: str
    variant: str
    file: str
    source: str
    licence: str
    sha256: str | None = None
    git_blob_sha1: str | None = None
    n_bytes: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        check_trained_on(f"{self.model}, {self.file}", self.trained_on)


class Misfit(BadData):
    """Weights that do not fit a network.

    Attributes:
        axes: number of axes of each of the file's tensors by key.
        incomplete: True if all that is there fits, and something lacks.
    """

    def __init__(self, message: str, axes: Mapping[str, int], *, incomplete: bool) -> None:
        super().__init__(message)
        self.axes = axes
        self.incomplete = incomplete


class Build(Protocol):
    """Makes the network from its `module` options."""

    def __call__(self, **options: Any) -> torch.nn.Module:
        """Return it with fresh weights; state_dict keys and shapes equal the published checkpoint's."""
        ...


class Load(Protocol):
    """Makes the predictor from a checkpoint."""

    def __call__(self, checkpoint: Path | None, device: str, **options: Any) -> Predictor:
        """Return a predictor with those weights.

        `options` holds only what the user gave, already checked. `checkpoint` None: a network looks for its
        published files in `VIDSAL_CHECKPOINTS` (`checkpoints.find`); other predictors have none.
        """
        ...


@dataclass(frozen=True)
class Baseline:
    """One predictor that we ship. Each module of models offers `MODELS: Mapping[str, Baseline]` by name.

    Attributes:
        info: what tables show; with the default options and the first published checkpoint.
        load: makes the predictor.
        options: every option by name.
        build: makes the network; None for what is no network.
        checkpoints: published weight files, the default one first.
        signature: a few keys of the state_dict with their number of axes, by which a file is recognised as
            belonging to this model when it does not fit another; the one that fits best wins, of two the longer.
    """

    info: ModelInfo
    load: Load
    options: Mapping[str, Option] = field(default_factory=dict)
    build: Build | None = None
    checkpoints: tuple[KnownCheckpoint, ...] = ()
    signature: Mapping[str, int] = field(default_factory=dict)


def refuse_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options for a network that has none.

    Raises:
        WrongUse: an option was given.
    """
    if options:
        raise WrongUse(f"the network of {name} has no options, found {', '.join(sorted(options))}")


def without_weights(*models: type[Predictor]) -> dict[str, Baseline]:
    """Return the `MODELS` of a module whose predictors have neither weights nor options.

    Args:
        models: classes with an `info`, made without arguments.
    """
    return {model.info.name: Baseline(model.info, _load_without_weights(model)) for model in models}


def _load_without_weights(make: Callable[[], Predictor]) -> Load:
    def load(checkpoint: Path | None, device: str, **options: Any) -> Predictor:
        return make()

    return load
