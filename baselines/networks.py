"""From a weight file to a predictor: the steps that every network of ours takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidsal.benchmark.predictor import ModelInfo, Predictor

from .base import Baseline, Build, KnownCheckpoint, Option
from .checkpoints import Checkpoint, find, fit, read
from .runtime import undrawn

Settle = Callable[[Checkpoint, Mapping[str, Any]], Mapping[str, Any]]
"""Returns settings, from what a weight file shows and from what was given."""


def as_given(found: Checkpoint, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take what was given: the file shows nothing."""
    return given


@dataclass(frozen=True)
class NetworkLoader:
    """Makes the predictor of a network from a weight file; the `load` of its `Baseline`.

    Attributes:
        name: of the model.
        build: makes the network.
        predictor: makes the predictor from (network, device, the options of scope `predictor`).
        options: every option by name.
        checkpoints: published weight files.
        settings: of the network that belongs to a file.
        running: of the predictor.
        converted: brings a file's keys into the form of the network's.
    """

    name: str
    build: Build
    predictor: Callable[..., Predictor]
    options: Mapping[str, Option]
    checkpoints: tuple[KnownCheckpoint, ...]
    settings: Settle = as_given
    running: Settle = as_given
    converted: Callable[[Checkpoint], Checkpoint] | None = None

    def __call__(self, checkpoint: Path | None, device: str = "cpu", **options: Any) -> Predictor:
        """Make the predictor.

        Args:
            checkpoint: None = a published file in `VIDSAL_CHECKPOINTS`.
            device: `cpu`, `cuda`, `cuda:1`.
            options: as given by the user; those of a published file that is recognized stand behind them.

        Raises:
            MissingData: the file is not there; the message says how to get it.
            BadData: it cannot be read safely, or does not fit.
            WrongUse: an option contradicts the file.
        """
        found = read(find(checkpoint, self.name, self.checkpoints), self.checkpoints)
        if self.converted:
            found = self.converted(found)
        settings = self.settings(found, self._of("module", options))
        with undrawn():
            module = self.build(**settings)
        fit(module, found, self.name)
        known = found.known
        belonging = {} if known is None else known.options
        running = {**self._of("predictor", belonging), **self._of("predictor", options)}
        made = self.predictor(module, device, **self.running(found, running))
        if known is not None:
            made.info = replace(made.info, trained_on=known.trained_on, licence=known.licence)
        made.checkpoint = found.path  # type: ignore[attr-defined]  # run.json names it
        return made

    def _of(self, scope: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the network itself, or those of what runs it."""
        return {name: value for name, value in options.items() if self.options[name].scope == scope}


def network(
    info: ModelInfo,
    build: Build,
    predictor: Callable[..., Predictor],
    *,
    signature: Mapping[str, int],
    options: Mapping[str, Option],
    checkpoints: tuple[KnownCheckpoint, ...] = (),
    settings: Settle = as_given,
    running: Settle = as_given,
    converted: Callable[[Checkpoint], Checkpoint] | None = None,
) -> Baseline:
    """Return the line of a network in `MODELS`; see `Baseline` and `NetworkLoader`."""
    load = NetworkLoader(info.name, build, predictor, options, checkpoints, settings, running, converted)
    return Baseline(info, load, options, build, checkpoints, signature)
