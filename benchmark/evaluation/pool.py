"""A list of stimuli to work through, in this process or in a pool of processes; finished ones are not done again."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self, TypedDict

from threadpoolctl import threadpool_limits

from vidsal.loaders.errors import BadData, NonFinite, WrongUse
from vidsal.loaders.io.away import Files, Shared, bring, leave, shared
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.io.progress import Note, Progress, Tally
from vidsal.loaders.io.workers import Processes, summed_up
from vidsal.loaders.release.release import Release, Stimulus, load

from ..human import HumanReference
from ..predictor import ModelInfo, Predictor, Shown
from .children import ChildFault, Children

Stimuli = Release | Mapping[str, Shown]
"""Stimuli by their ids: a release, or what belongs to none."""
Model = Predictor | HumanReference
Maker = Callable[[], Model]


def default_threads() -> int:
    """Return how many threads torch gets where nothing else is said: half of the cores."""
    return max(1, (os.cpu_count() or 1) // 2)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    return {package: found for package in packages if (found := _version(package))}


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Job(ABC):
    """One stimulus: all that a worker needs, so it is picklable where there are several.

    Attributes:
        make: makes the model; called once in each process.
        root, split, frames_root: the release.
        stimulus_id: which of its stimuli.
        folder: of the unfinished work; equal for all jobs of one list.
        model_name: named in errors.
        threads: of torch in each process.
    """

    make: Maker
    root: str
    split: str | None
    frames_root: Path | None
    stimulus_id: str
    folder: Path
    threads: int
    model_name: str

    @classmethod
    def each(
        cls, stimuli: Iterable[Stimulus], data: Release, make: Maker, folder: Path, threads: int, name: str, **own: Any
    ) -> list[Self]:
        """Make the job of each stimulus; `own` holds the further fields."""
        release = (str(data.root), data.split, data.named_frames_root)
        return [cls(make, *release, s.id, folder, threads, name, **own) for s in stimuli]

    def result(self, suffix: str) -> Path:
        """Return a file of the folder that no other stimulus has."""
        return self.folder / f"{sha256(self.stimulus_id.encode()).hexdigest()[:24]}{suffix}"

    def open(self) -> Stimuli:
        """Open what the job takes its stimulus from, in a process of its own."""
        return load(self.root, self.split, frames=self.frames_root)

    @property
    def home(self) -> Path:
        """The folder that everything which the job leaves lies in."""
        return self.folder

    def moved(self, home: Path) -> Self:
        """Return the same job with another home."""
        return replace(self, folder=home)

    def prepare(self, data: Any) -> None:
        """Make what `do` reads in the folder; called where the folder is not the one of the command."""
        return

    @abstractmethod
    def done(self) -> bool:
        """Whether the result of this job is there already, whole and as it was written."""

    @abstractmethod
    def left(self) -> bool:
        """Whether an earlier call left a result, whole or not."""

    @abstractmethod
    def do(self, model: Model, data: Any) -> None:
        """Do the work and leave the result whole."""


class Execution(TypedDict, total=False):
    """How work is carried out, as keywords; no result depends on it.

    Attributes:
        workers: number of processes; 1 (the default) works in this one, and more need a picklable maker of the model.
        progress: called with (done, total, stimulus id) after each stimulus.
        note: called with what is unusual but not a fault: damaged results of an earlier call, which are made again; a
            stimulus that failed while others go on.
        children: the processes that do the work, be it one; None = `workers` of them, or this process.
        fail_fast: stop at the first stimulus that fails (the default); else the others go on, unless a map is not
            finite or nothing at all succeeds. Either way there is no result.
    """

    workers: int
    progress: Progress | None
    note: Note | None
    children: Processes | None
    fail_fast: bool


def work(
    jobs: Sequence[Job],
    data: Stimuli,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    note: Note | None = None,
    children: Processes | None = None,
    fail_fast: bool = True,
) -> None:
    """Do the jobs that are not done, in any order.

    Where there are several processes, long stimuli come first, so that none is left for the end.

    Args:
        jobs: one for each stimulus.
        data: where the stimuli come from, for the jobs of this process.
        workers, progress, note, children, fail_fast: see `Execution`.

    Raises:
        BadData: a stimulus failed, or its process died or hung; what the jobs raise comes out as it is.
    """
    failed: dict[str, BadData] = {}
    done = 0
    tally = Tally(progress, {job.stimulus_id: data[job.stimulus_id].n_frames for job in jobs})
    with closing(_finished(jobs, data, min(workers, len(jobs)), note, children, tally)) as finished:
        for stimulus_id, error in finished:
            if error is None:
                done += 1
                tally.finish(stimulus_id)
                continue
            if fail_fast or not isinstance(error, BadData) or isinstance(error, NonFinite):
                raise error
            failed[stimulus_id] = error
            if not done and len(failed) == _ENOUGH:
                break
            if note and done + len(failed) < len(jobs):
                note(f"{error}; the other stimuli go on")
    if failed:
        kept = f"; {done} of {len(jobs)} stimuli are finished and kept, the same command does only the others"
        raise summed_up(failed, f"Nothing is saved{kept if done else ''}", named=True)


_ENOUGH = 3
"""After so many failures and no success, the model is at fault and not the stimulus."""

_Outcome = tuple[str, Exception | None]
"""The id of a stimulus, and why it failed."""


def _finished(
    jobs: Sequence[Job], data: Stimuli, workers: int, note: Note | None, children: Processes | None, tally: Tally
) -> Generator[_Outcome]:
    """Do the jobs that are not done; yield what became of each."""
    todo = []
    for job in jobs:
        if job.done():
            yield job.stimulus_id, None
        else:
            todo.append(job)
    spoiled = [job.stimulus_id for job in todo if job.left()]
    if spoiled and note:
        note(
            f"{jobs[0].folder}: unfinished work of an earlier call is damaged for {len(spoiled)} stimuli, which are "
            f"done again: {shortlist(spoiled)}"
        )
    tally.begin()
    if children is None and (workers <= 1 or len(todo) <= 1):
        yield from _done_here(todo, data, tally)
        return
    todo.sort(key=lambda job: -data[job.stimulus_id].n_frames)

    def watch(counts: Mapping[int, int]) -> None:
        tally.at_hand({todo[number].stimulus_id: count for number, count in counts.items()})

    with ExitStack() as stack:
        processes: Processes = stack.enter_context(Children(workers)) if children is None else children
        where = stack.enter_context(shared(jobs[0].home)) if processes.away and todo else None
        for number, answer in processes.each([(_do_in_worker, (job, where)) for job in todo], watch):
            stimulus_id = todo[number].stimulus_id
            if isinstance(answer, ChildFault):
                answer = ChildFault(f"{todo[number].model_name}, {stimulus_id}: {answer}")
            failed = isinstance(answer, Exception)
            if not failed:
                bring(answer, todo[number].home)
            yield stimulus_id, answer if failed else None


def _done_here(todo: Sequence[Job], data: Stimuli, tally: Tally) -> Iterator[_Outcome]:
    model: Model | None = None
    for job in todo:
        model = model or _made(job, data)
        try:
            with tally.listening(job.stimulus_id):
                _do(job, model, data)
        except BadData as error:
            yield job.stimulus_id, error
        else:
            yield job.stimulus_id, None


_models: dict[str, tuple[Model, Stimuli]] = {}
"""The model of this worker process, made once."""


def _do_in_worker(job: Job, where: Shared | None) -> Files | None:
    """Do a job; return what it left, if it could not leave it in the folder of the command."""
    key = str(job.folder)
    if key not in _models:
        data = job.open()
        _models[key] = (_made(job, data), data)
    model, data = _models[key]
    if where is None:
        _do(job, model, data)
        return None
    return leave(where, lambda home: _do(job.moved(home), model, data), lambda home: job.moved(home).prepare(data))


def _do(job: Job, model: Model, data: Stimuli) -> None:
    limit_torch(job.threads)
    with threadpool_limits(1, user_api="blas"):  # sums must not depend on how many threads there are
        job.do(model, data)


def _made(job: Job, data: Stimuli) -> Model:
    limit_torch(job.threads)
    model = job.make()
    fit = getattr(model, "fit", None)
    if callable(fit):
        if not isinstance(data, Release):
            raise WrongUse(
                f"{job.model_name} learns from the gaze of a data set before it predicts; give it a release, --data DIR"
            )
        data.check("fixations")
        with threadpool_limits(1, user_api="blas"):
            fit(data, data.split)
    check_model(model)
    if isinstance(model, HumanReference):
        if not isinstance(data, Release):
            raise WrongUse(
                f"{job.model_name} is handed the gaze of a data set and predicts nothing; `vidsal run` scores it"
            )
        model.check(data)
    return model


def check_model(model: object) -> None:
    """Refuse what cannot be scored.

    Raises:
        WrongUse: it is neither a predictor nor a human reference.
    """
    if not isinstance(model, (Predictor, HumanReference)) or not isinstance(model.info, ModelInfo):
        raise WrongUse(f"{type(model).__name__} is no predictor: it needs `info` and `predict(frames, stimulus)`")


def limit_torch(threads: int) -> None:
    """Fix torch's threads, if torch is in use at all."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
