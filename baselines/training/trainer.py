"""One trainer for every recipe: plain steps of torch, a state on disk, and a run that goes on where it was cut off."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vidsal.benchmark.evaluation.pool import default_threads
from vidsal.loaders.errors import MachineFault, MissingData, NonFinite, UnknownName, WrongUse
from vidsal.loaders.io.files import lock_folder, sha256
from vidsal.loaders.io.progress import Meter, Progress, heard, resume, silent

from ..registry import build_module
from ..runtime import out_of_memory, resolve
from ..trained import RECORD
from .curves import draw_curves
from .feeds.base import Feed, Request, Work
from .history import EPOCHS, STEPS, History, damaged, read_history
from .optimization import scale_rates
from .processes import Objective, Processes, careful
from .reading import read_batches
from .recipe import Recipe
from .record import BEST, WEIGHTS, describe, input_digest, write_record
from .start import STARTS, load_backbone, load_start
from .state import FOLDER, moved, random_states, read_state, save_torch, seed_everything, set_random_states, write_state
from .systems.base import Batch
from .validation import Best, judge, selected

CENTER_BIAS = "center-bias-ledov.pt"
_STREAM = 1_000_003


@dataclass(frozen=True)
class Order:
    """What a training was asked for.

    Attributes:
        recipe: with its options' values.
        folders: of converted releases.
        out: folder of the run.
        seed: of all random choices.
        init: weights of a whole network to start from.
        backbone: weights of an image network to start from.
        device: `cpu`, `cuda`, `cuda:1`.
        limit: most stimuli that train, and that are held out, of each release.
        ids, held_out: stimuli that train and that are held out; none = as the recipe divides.
        workers: processes that read; the result does not depend on them.
        threads: of torch on the CPU; None = as the run began, else half of the cores.
        cache: folder for resized frames.
        frames: folder of the frames, where it is not the converted one.
        protocol: by which the frames of held-out clips are scored after each epoch.
        save_s: seconds between two states on disk; the end of an epoch always makes one.
        command: that makes the run again, for its record.
        together: the processes that train, and which one this is.
    """

    recipe: Recipe
    folders: tuple[Path, ...]
    out: Path
    seed: int = 0
    init: Path | None = None
    backbone: Path | None = None
    device: str = "cpu"
    limit: int | None = None
    ids: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    workers: int = 0
    threads: int | None = None
    cache: Path | None = None
    frames: Path | None = None
    protocol: str = "exact-1"
    save_s: float = 30.0
    command: str | None = None
    together: Processes = Processes()


@dataclass
class Place:
    """How far a training has come.

    Attributes:
        epoch: that runs, or is next.
        batch: batches of it that are done.
        step: steps of the optimizer so far.
        factor: by which a plateau has changed the rates.
        stopped: whether it was ended early.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    factor: float = 1.0
    stopped: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a training ended with.

    Attributes:
        out: folder of the run.
        epochs: lines of epochs.jsonl.
    """

    out: Path
    epochs: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def run_order(order: Order, progress: Progress = silent, *, wait: bool = False) -> Outcome:
    """Train, or go on with what lies in the run's folder.

    Args:
        order: what is asked for.
        progress: called after each step.
        wait: for a process that has the folder and ends soon, instead of refusing.

    Raises:
        WrongUse: the folder holds another training, or the device is not here.
        MissingData, BadData: of the data.
        NonFinite: the loss is not finite; the state before it is kept.
    """
    with lock_folder(order.out / FOLDER, wait=wait) if order.together.first else nullcontext():
        return _Training(order).run(progress if order.together.first else silent)


def finished(order: Order) -> Outcome | None:
    """Return the outcome of a training that lies in the run's folder and has nothing left to do, else None.

    Raises:
        WrongUse: the folder holds another training.
    """
    state = read_state(order.out)
    place = Place(**state["place"]) if state else Place()
    if state is None or not (place.stopped or place.epoch >= order.recipe.epochs):
        return None
    threads, device = order.threads or state["threads"], torch.device(order.device)
    _check_same(order, state, input_digest(_record(order, _feed(order), threads, device)))
    digest = state["lines_sha256"][1]
    if (order.out / EPOCHS).is_file() and sha256(order.out / EPOCHS) != digest:
        raise damaged(order.out / EPOCHS)
    found = tuple(read_history(order.out / EPOCHS))
    whole = len(found) == state["lines"][1] and all((order.out / name).is_file() for name in (WEIGHTS, RECORD))
    return Outcome(order.out, found) if whole else None


class _Training:
    """The parts of one training, and the loop over them."""

    def __init__(self, order: Order) -> None:
        self.order, self.recipe, self.together = order, order.recipe, order.together
        self.device = resolve(order.device)
        state = read_state(order.out)
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.together.size > 1 else 1
        self.threads = order.threads or (state["threads"] if state else max(1, default_threads() // here))
        torch.set_num_threads(self.threads)
        self.feed = _feed(order)
        seed_everything(order.seed)
        self.module = build_module(order.recipe.model, **order.recipe.module_options())
        drawn = order.recipe.settings["network"].get("start")
        if drawn is not None:
            if drawn not in STARTS:
                raise UnknownName("network.start of the recipe", str(drawn), STARTS)
            STARTS[drawn](self.module)
        for name, path in _start(order).items():
            (load_start if name == "init" else load_backbone)(self.module, path, order.recipe.model)
        self.module.to(self.device)
        self.recipe.prepare(self.module)
        self.optimizer = self.recipe.optimizer(self.module)
        self.mixed = self.recipe.options["precision"] == "mixed"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.mixed and self.device.type == "cuda")
        self.record = _record(order, self.feed, self.threads, self.device)
        self.digest = input_digest(self.record)
        self.place, self.best, self.carried = Place(), Best(), None
        if self.together.size > 1:
            torch.manual_seed(order.seed + _STREAM * self.together.rank)  # each drops other units
        lines = self._restore(state) if state else (0, 0)
        digests = state["lines_sha256"] if state else (None, None)
        self.together.gathered(None)  # all have read the state before the first writes
        self.steps, self.epochs = (
            History(order.out / name if self.together.first else None, n, digest)
            for name, n, digest in zip((STEPS, EPOCHS), lines, digests, strict=True)
        )
        self._saved, self._kept = time.monotonic(), self.place.step
        self._told = (0, 0)

    def run(self, progress: Progress) -> Outcome:
        """Do what is left."""
        try:
            with _stopping() as stop:
                if not self.epochs.lines:
                    self._judge(-1, progress)
                    self._save()
                while self.place.epoch < self.recipe.epochs and not self.place.stopped:
                    self._epoch(stop, progress)
                if not (self.order.out / RECORD).is_file():  # a machine came down between state and weights
                    self._write_weights()
        finally:
            self.steps.close()
            self.epochs.close()
        if self.together.first:
            draw_curves(self.order.out)
        self.together.gathered(None)
        return Outcome(self.order.out, tuple(read_history(self.order.out / EPOCHS)))

    def _epoch(self, stop: threading.Event, progress: Progress) -> None:
        place, recipe = self.place, self.recipe
        works = self.feed.epoch(place.epoch)
        if not works:
            raise WrongUse(f"{recipe.name}: an epoch has no batch; the data are fewer than one batch of a size")
        recipe.begin_epoch(self.module, self.optimizer, place.epoch)
        scale_rates(self.optimizer, place.factor)
        accumulate = int(recipe.options["accumulate"])
        total = recipe.epochs * len(works)
        self._told = (place.epoch * len(works) + place.batch, total)
        resume(progress, *self._told)
        self.optimizer.zero_grad()
        objective = self.together.wrap(Objective(self.module, recipe, self.mixed, self.device))
        whole = works[place.batch :]
        own = [self.together.share(work, recipe) for work in whole]
        for work, (_, read) in zip(whole, read_batches(self.feed, own, self.order.workers), strict=True):
            number = place.batch
            due = (number + 1) % accumulate == 0 or number + 1 == len(works)
            size = min(accumulate, len(works) - number // accumulate * accumulate)
            terms = self._backward(objective, work, read, number, size, due)
            place.batch += 1
            if due:
                self._step(work, read, number, terms)
                self._told = (place.epoch * len(works) + place.batch, total)
                progress(*self._told, f"epoch {place.epoch}, loss {terms['total']:.4g}")
                if self.together.any(stop.is_set(), self.device):
                    self._save()
                    raise KeyboardInterrupt
                if self.together.any(time.monotonic() - self._saved > self.order.save_s, self.device):
                    self._save()
        self._judge(place.epoch, progress)
        self._turn()
        self._write_weights()
        self._save()

    def _backward(
        self, objective: nn.Module, work: Work, read: Batch, number: int, accumulated: int, due: bool
    ) -> dict[str, float]:
        batch = self.feed.finish(self.module, read, self.device)
        batch["state"] = self.carried if work.continues else None
        weight = self.together.weight(work)
        waits = objective.no_sync() if isinstance(objective, DistributedDataParallel) and not due else nullcontext()
        with self._room(len(work.clips)), waits, careful(self.mixed, self.device):
            terms = objective(batch)
            own = {name: float(value.detach()) for name, value in terms.items()}
            found = self.together.mean(own, weight, self.device)
            if not math.isfinite(found["total"]):
                self._not_finite("the loss", work, number, found)
            torch.autograd.backward(self.scaler.scale(terms["total"] * (weight / accumulated)))
        self.carried = batch["state"]
        read["frames"] = batch.get("frames", read.get("frames"))
        return found

    def _step(self, work: Work, batch: Batch, number: int, terms: Mapping[str, float]) -> None:
        place = self.place
        self.scaler.unscale_(self.optimizer)
        norm = float(self.recipe.clip(self.module, batch))
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            self._not_finite("the gradient", work, number, terms)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        place.step += 1
        self.steps.write(
            {
                "epoch": place.epoch,
                "step": place.step,
                "batch": number,
                **({"domain": work.domain} if work.domain else {}),
                "lr": self.optimizer.param_groups[0]["lr"],
                "grad_norm": norm,
                **terms,
            }
        )

    def _judge(self, epoch: int, progress: Progress) -> None:
        """Write the line of a validation, and keep the best weights; the first process does it for all."""
        if self.together.first:
            self._judge_here(epoch, progress)
        self.best = self.together.of_first(self.best)

    def _judge_here(self, epoch: int, progress: Progress) -> None:
        order, schedule = self.order, self.recipe.settings["schedule"]

        def show_life(_: int) -> None:
            if isinstance(progress, Meter):
                progress(*self._told, "scores on held-out stimuli")

        clips = max((len(work.clips) for work in self.feed.validation()), default=0)
        with heard(show_life), self._room(clips):
            found = judge(
                self.recipe,
                self.feed,
                self.module,
                self.device,
                protocol=order.protocol,
                workers=order.workers,
                prior=epoch < 0,
            )
        line: dict[str, Any] = {"epoch": epoch, "step": self.place.step, **found}
        if found and epoch >= int(schedule.get("select_from", 0)):
            line["best"] = self.best.update(epoch, selected(found, schedule["select_by"]))
            if line["best"]:
                save_torch(order.out / BEST, _plain(self.module))
        self.epochs.write(line)

    def _turn(self) -> None:
        """Go on to the next epoch: plateau, early stopping, the best weights again at milestones."""
        place, schedule = self.place, self.recipe.settings["schedule"]
        place.epoch, place.batch, self.carried = place.epoch + 1, 0, None
        plateau = schedule.get("plateau")
        if plateau and self.best.without and self.best.without % plateau["patience"] == 0:
            place.factor *= plateau["factor"]
        place.stopped = bool(schedule.get("early_stopping")) and self.best.without >= schedule["early_stopping"]
        if schedule.get("reload_best") and place.epoch in schedule.get("milestones", ()):
            path = self.order.out / BEST
            if path.is_file():
                load_start(self.module, path, self.recipe.model)

    def _write_weights(self) -> None:
        if not self.together.first:
            return
        save_torch(self.order.out / WEIGHTS, _plain(self.module))
        bias = getattr(self.feed, "center_bias", None)
        if bias is not None:
            save_torch(self.order.out / CENTER_BIAS, bias)
        write_record(self.order.out, self.record)

    def _save(self) -> None:
        random = self.together.gathered(random_states())
        self._saved, self._kept = time.monotonic(), self.place.step
        if not self.together.first:
            return
        self.steps.sync()
        self.epochs.sync()
        write_state(
            self.order.out,
            {
                "input": self.digest,
                "threads": self.threads,
                "place": asdict(self.place),
                "best": asdict(self.best),
                "lines": [self.steps.lines, self.epochs.lines],
                "lines_sha256": [self.steps.digest, self.epochs.digest],
                "module": self.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "carried": self.carried,
                "random": random,
            },
        )

    def _restore(self, state: Mapping[str, Any]) -> tuple[int, int]:
        """Put everything where it was; return how many lines of both histories belong to it."""
        _check_same(self.order, state, self.digest)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.place, self.best = Place(**state["place"]), Best(**state["best"])
        carried = state["carried"]
        self.carried = moved(carried, self.device)
        set_random_states(state["random"][self.together.rank])
        return state["lines"][0], state["lines"][1]

    def _not_finite(self, what: str, work: Work, number: int, terms: Mapping[str, float]) -> None:
        parts = ", ".join(f"{name} {value:.4g}" for name, value in terms.items())
        raise NonFinite(
            f"{self.recipe.name}: {what} is not finite in epoch {self.place.epoch}, batch {number} ({work}): {parts}. "
            f"The state after step {self._kept} is kept; look at those frames and their gaze, or start anew in another "
            "folder with a smaller rate"
        )

    @contextmanager
    def _room(self, clips: int) -> Iterator[None]:
        """Say what to halve where so many clips at once need more memory than there is."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            half, twice = max(1, clips // 2), 2 * int(self.recipe.options["accumulate"])
            advice = f"--option batch={half} --option accumulate={twice}" if clips > 1 else "--option precision=mixed"
            raise MachineFault(
                f"the memory of {self.device} is full with {clips} clips in a batch; try {advice}"
            ) from error


def threads_of(order: Order) -> int:
    """Return how many threads torch gets: as asked for, else as the run began, else as on this machine."""
    if order.threads:
        return order.threads
    state = read_state(order.out)
    return int(state["threads"]) if state else default_threads()


def _feed(order: Order) -> Feed:
    request = Request(
        order.recipe, order.folders, order.seed, order.limit, order.cache, order.frames, order.ids, order.held_out
    )
    system = order.recipe.settings["system"]
    feed: Feed = import_module(f"vidsal.baselines.training.feeds.{system}").make_feed(request)
    return feed


def _start(order: Order) -> dict[str, Path]:
    """Return the files that the weights start from.

    Raises:
        MissingData: one is not there.
    """
    found = {name: path for name, path in (("init", order.init), ("backbone", order.backbone)) if path is not None}
    for name, path in found.items():
        if not path.is_file():
            raise MissingData(f"--{name} {path}: no such file")
    return found


def _record(order: Order, feed: Feed, threads: int, device: torch.device) -> dict[str, Any]:
    return describe(
        order.recipe,
        feed.sources,
        feed.inputs,
        seed=order.seed,
        threads=threads,
        device=device,
        start=_start(order),
        command=order.command,
        processes=order.together.size,
    )


def _check_same(order: Order, state: Mapping[str, Any], digest: str) -> None:
    """Refuse the state of another training.

    Raises:
        WrongUse: it is.
    """
    if state["input"] != digest:
        raise WrongUse(
            f"{order.out} holds another training (other recipe, options, data, teacher, seed, start or threads); name "
            "another folder, or repeat the command that began it"
        )


def with_epochs(recipe: Recipe, epochs: int | None) -> Recipe:
    """Return a recipe of another length; None keeps its own."""
    if epochs is None:
        return recipe
    if epochs < 1:
        raise WrongUse(f"epochs={epochs}; at least 1 was expected")
    schedule = {**recipe.settings["schedule"], "epochs": epochs}
    return replace(recipe, settings={**recipe.settings, "schedule": schedule})


def _plain(module: nn.Module) -> dict[str, torch.Tensor]:
    """The state_dict on the CPU, in plain memory."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and Ctrl-C set, so that a step is never cut in two."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {s: signal.signal(s, lambda *_: event.set()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
