"""Every fold of a recipe: a training of its own each, one after another or each in a process, here or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from vidsal.benchmark.evaluation.children import Children
from vidsal.loaders.errors import BadData
from vidsal.loaders.io.away import Files, Shared, bring, leave, shared
from vidsal.loaders.io.files import lock_folder, write_json
from vidsal.loaders.io.progress import Note, Progress, resume
from vidsal.loaders.io.workers import Processes, summed_up

from .history import EPOCHS, read_history
from .state import FOLDER
from .trainer import Order, Outcome, finished, run_order, threads_of

TABLE = "folds.json"


def train_folds(
    orders: Sequence[Order],
    out: Path,
    progress: Progress,
    *,
    workers: int = 1,
    children: Processes | None = None,
    fail_fast: bool = False,
    note: Note | None = None,
) -> tuple[Outcome, ...]:
    """Train each fold that is not trained yet, and write their table.

    Args:
        orders: one for each fold; their folders lie in `out`.
        out: folder of all.
        progress: told of each fold that is done; of steps, where one after another is trained in this process.
        workers: processes that take a fold each; 1 = this one. Weights do not depend on it.
        children: the processes that do it, of a cluster; None = `workers` of this machine.
        fail_fast: stop at the first fold that fails; else the others are trained first.
        note: told of a fold that failed while others go on.

    Raises:
        BadData: a fold failed, its process died twice or ended itself; there is no table.
        WrongUse: another command trains them, or a folder holds another training.
    """
    together = orders[0].together
    trained: dict[int, Outcome] = {}
    failed: dict[str, BadData] = {}
    with lock_folder(out / FOLDER) if together.first else nullcontext(), ExitStack() as stack:
        if children is None and workers > 1:
            children = stack.enter_context(Children(min(workers, len(orders))))
        for number, answer in _each(orders, out, children, progress):
            name = orders[number].out.name
            if isinstance(answer, Outcome):
                trained[number] = answer
                continue
            if fail_fast or not isinstance(answer, BadData):
                raise answer
            failed[name] = answer
            if note and len(trained) + len(failed) < len(orders):
                note(f"{name}: {answer}; the other folds go on")
    if failed:
        kept = f"{len(trained)} of {len(orders)} folds are trained and kept, the same command does only the others"
        raise summed_up(failed, f"There is no table; {kept}")
    outcomes = tuple(trained[number] for number in range(len(orders)))
    if together.first:
        write_json(out / TABLE, [{"fold": n, **dict(outcome.epochs[-1])} for n, outcome in enumerate(outcomes)])
    return outcomes


def _each(
    orders: Sequence[Order], out: Path, processes: Processes | None, progress: Progress
) -> Iterator[tuple[int, Outcome | Exception]]:
    """Yield what became of each fold, in any order; those that are trained already come first."""
    todo = []
    for number, order in enumerate(orders):
        if (outcome := finished(order)) is not None:
            yield number, outcome
        else:
            todo.append(number)
    if processes is None:
        for number in todo:
            try:
                yield number, run_order(orders[number], progress)
            except BadData as error:
                yield number, error
        return
    done = len(orders) - len(todo)
    resume(progress, done, len(orders))

    def watch(counts: Mapping[int, int]) -> None:
        progress(done, len(orders), ", ".join(orders[todo[task]].out.name for task in counts))

    with ExitStack() as stack:
        where = stack.enter_context(shared(out)) if processes.away else None
        tasks = [(_train, (replace(orders[n], threads=threads_of(orders[n])), where)) for n in todo]
        for task, answer in processes.each(tasks, watch):
            order = orders[todo[task]]
            if isinstance(answer, Exception):
                yield todo[task], answer
                continue
            bring(answer, out)
            done += 1
            progress(done, len(orders), order.out.name)
            yield todo[task], Outcome(order.out, tuple(read_history(order.out / EPOCHS)))


def _train(order: Order, where: Shared | None) -> Files | None:
    """Train one fold in a process of its own; return what it left, if it could not leave it in the command's folder."""

    def do(home: Path) -> None:
        out, cache = home / order.out.name, order.cache
        if cache and cache.is_relative_to(order.out) and home.resolve() != order.out.parent.resolve():
            cache = None  # it would come back with the weights
        run_order(replace(order, out=out, cache=cache), wait=True)

    if where is None:
        do(order.out.parent)
        return None
    return leave(where, do)
