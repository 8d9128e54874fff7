"""A model in a child process: it may end, crash or hang, and the command line lives on to say so.

A class of one's own is always there, a model of ours where the time of a frame has an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, cast

from vidsal.benchmark.conformance import Finding, check as check_conformance
from vidsal.benchmark.evaluation.children import ChildFault, Children, busy, idle
from vidsal.benchmark.evaluation.cluster import Cluster
from vidsal.benchmark.evaluation.pool import Maker, Model
from vidsal.benchmark.evaluation.run import ModelRecord
from vidsal.benchmark.human import HUMANS
from vidsal.benchmark.model_speed import ModelSpeed
from vidsal.benchmark.predictor import ModelInfo, Prediction, Predictor, StimulusInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.workers import Processes
from vidsal.loaders.records import Frame

from .models import ModelSpec

_MAKING_S = 600.0
"""How much longer than a frame a model may take to be made: libraries and weights are read."""

OWN_CLASS_S = 600.0
"""How long a class of one's own may take for a frame where nothing is said; a model of ours may take for ever."""

_made: list[tuple[ModelSpec, Predictor]] = []
"""In a child: the model that was described, until it is wanted."""


class Guarded:
    """A predictor that shows signs of life: each frame that it takes, and each prediction that it gives."""

    def __init__(self, model: Predictor) -> None:
        self._model = model
        self.info = model.info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        """Yield what the model predicts."""
        busy()
        try:
            for prediction in self._model.predict(_shown(frames), stimulus):
                idle()
                yield prediction
                busy()
        finally:
            idle()


def _shown(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Hand frames on; the time to read them is not the model's."""
    idle()
    for frame in frames:
        busy()
        yield frame
        idle()
    busy()


@dataclass(frozen=True)
class GuardedSpec:
    """Makes a model in a child process, and shows its signs of life; picklable."""

    spec: ModelSpec

    def __call__(self) -> Guarded:
        """Make the model, or take the one that was made to be described."""
        return Guarded(_taken(self.spec))


def _taken(spec: ModelSpec) -> Predictor:
    """Make the model, or take the one that was made to be described."""
    return _made.pop()[1] if _made and _made[0][0] == spec else _make(spec)


def _make(spec: ModelSpec) -> Predictor:
    busy(_MAKING_S)
    try:
        return cast(Predictor, spec())
    finally:
        idle()


def _describe(spec: ModelSpec, command: str | None) -> ModelRecord:
    model = _make(spec)
    _made[:] = [(spec, model)]
    record = spec.record(model, command)
    plain = ModelInfo(**{f.name: getattr(record.info, f.name) for f in fields(ModelInfo)})
    return replace(record, info=plain)  # its class may be known in the child only


def _check(spec: ModelSpec) -> list[Finding]:
    return check_conformance(GuardedSpec(spec))


@dataclass(frozen=True)
class Ready:
    """A model of the command line, and where it works.

    Attributes:
        record: what a result says of it.
        make: makes it in each process.
        model: the model, where it is in this process.
        children: the processes that have it; None for a model of ours that is here.
    """

    record: ModelRecord
    make: Maker
    model: Model | None = None
    children: Processes | None = None


@contextmanager
def ready(
    spec: ModelSpec,
    command: str | None,
    workers: int,
    timeout_s: float | None = None,
    scheduler: str | None = None,
    started: Children | None = None,
) -> Iterator[Ready]:
    """Make a model of ours here, or in a child process, and say what a result says of it; see this module.

    Args:
        spec: the model.
        command: the command that repeats the run.
        workers: processes that will do the work.
        timeout_s: how long a frame may take; None = `OWN_CLASS_S` for a class of one's own, for ever for one of ours.
        scheduler: of the Dask cluster that does the work, see `Cluster`; None = this machine.
        started: processes that are there already; None = as many as are needed are started.

    Raises:
        BadData: it cannot be made, or its process died; WrongUse: it is no predictor.
    """
    limit_s = _limit(spec, timeout_s)
    if scheduler is not None:
        with Cluster(scheduler, limit_s, gpu=spec.device.startswith("cuda")) as cluster:
            record = _called(spec, cluster, _describe, spec, command)
            make: Maker = partial(_taken, spec) if limit_s is None else GuardedSpec(spec)
            yield Ready(record, make, children=cluster)
        return
    if limit_s is None:
        model = spec()
        yield Ready(spec.record(model, command), spec if workers > 1 else (lambda: model), model, started)
        return
    if started:
        started.timeout_s = limit_s
    with nullcontext(started) if started else Children(workers, limit_s) as children:
        record = _called(spec, children, _describe, spec, command)
        yield Ready(record, GuardedSpec(spec), children=children)


def check(spec: ModelSpec, timeout_s: float | None = None) -> list[Finding]:
    """Check whether a model conforms, where `ready` has it.

    Raises:
        BadData: it cannot be made, or its process died.
    """
    limit_s = _limit(spec, timeout_s)
    if limit_s is None:
        return check_conformance(spec)
    with Children(1, limit_s) as children:
        findings: list[Finding] = _called(spec, children, _check, spec)
    return findings


Measure = Callable[[Predictor, Predictor], ModelSpeed]


def speed(spec: ModelSpec, control: ModelSpec, measure: Measure, timeout_s: float | None = None) -> ModelSpeed:
    """Measure a model beside a control, in a child process where one of them is a class of one's own.

    Args:
        spec, control: the two models.
        measure: does it; picklable.
        timeout_s: as for `ready`.

    Raises:
        BadData: one of them cannot be made or fails, or its process died.
        WrongUse: it is no model that predicts a clip.
    """
    for one in (spec, control):
        if one.name in HUMANS:
            raise WrongUse(f"{one.name} is handed the gaze of a data set; it predicts no clip")
    limits = [limit for one in (spec, control) if (limit := _limit(one, timeout_s)) is not None]
    if not limits:
        return measure(_predictor(spec), _predictor(control))
    with Children(1, max(limits)) as children:
        found: ModelSpeed = _called(spec, children, _measure, spec, control, measure)
    return found


def _measure(spec: ModelSpec, control: ModelSpec, measure: Measure) -> ModelSpeed:
    return measure(_predictor(GuardedSpec(spec)), _predictor(GuardedSpec(control)))


def _predictor(make: Callable[[], object]) -> Predictor:
    return cast(Predictor, make())


def _limit(spec: ModelSpec, timeout_s: float | None) -> float | None:
    """Return how long a frame may take.

    Raises:
        WrongUse: the model is none that predicts.
    """
    if timeout_s is not None and spec.name in HUMANS:
        raise WrongUse(f"--timeout: {spec.name} is no model that takes time for a frame; leave it out")
    return OWN_CLASS_S if timeout_s is None and spec.own_class else timeout_s


def _called(spec: ModelSpec, children: Processes, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return children.call(function, *arguments)
    except ChildFault as fault:
        raise ChildFault(f"{spec.name}: {fault}") from fault
