"""Tasks on a Dask cluster: one of this command (`local:N`), or one that runs (`tcp://...`); as `Children` does them.

A worker of the cluster hands each task to a child process of its own, so a crash costs the task and not the worker: the
child is replaced, the task tried once more, and then reported. A worker that dies is Dask's to replace, and its task
goes to another.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import current_process
from multiprocessing.util import Finalize
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from vidsal._version import __version__
from vidsal.loaders.errors import BadData, MachineFault, MissingData, WrongUse
from vidsal.loaders.io.extras import optional_packages
from vidsal.loaders.io.progress import PULSE_S
from vidsal.loaders.io.workers import Processes, Task

from ..scoring.truth_cache import sources_digest
from .children import ChildFault, Children
from .pool import versions

GPU = "GPU"
"""The resource that a worker declares for each GPU: `dask worker --resources GPU=1`."""

_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
_ADDRESS = re.compile(r"[a-z][a-z0-9+]*://\S+")
_AT_ONCE = 1000  # tasks that the scheduler knows of: enough for it to ask for more workers, few enough to be quick
_TRIES = 3  # of a task whose scheduler forgot it
_IDLE_S = 60.0  # after which a worker's child process ends, and gives the memory of its model back


class Cluster(Processes):
    """A Dask cluster, for the time of a `with` block.

    Attributes:
        address: of the scheduler, or `local:N`.
        away: its processes may be on other machines.
    """

    away = True

    def __init__(self, address: str, timeout_s: float | None = None, *, gpu: bool = False) -> None:
        """Remember what to connect to.

        Args:
            address: `local:N`, or that of a scheduler that runs, `tcp://host:8786`.
            timeout_s: how long a child process may show no sign of life, see `Children`.
            gpu: each task needs a GPU: the workers' resource of that name.

        Raises:
            WrongUse: it is no address.
        """
        if not _LOCAL.fullmatch(address) and not _ADDRESS.fullmatch(address):
            raise WrongUse(
                f"--scheduler {address}: no address; give local:N for N processes of this machine, or that of a Dask "
                "scheduler that runs, tcp://HOST:8786"
            )
        self.address = address
        self._timeout_s = timeout_s
        self._gpu = gpu
        self._stack = ExitStack()
        self._client: Any = None
        self._executor: Executor | None = None

    @optional_packages()
    def __enter__(self) -> Self:
        """Connect.

        Raises:
            MissingExtra: `dask.distributed` is not installed.
            MissingData: no scheduler answers, or it has no workers. BadData: they run other versions.
        """
        import dask
        import distributed

        self._patience_s = float(dask.utils.parse_timedelta(dask.config.get("distributed.comm.timeouts.connect")))
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is lost is said here, once
        with self._stack:
            address = self.address
            if local := _LOCAL.fullmatch(address):
                address = self._stack.enter_context(_local_cluster(int(local[1]), gpu=self._gpu)).scheduler_address
            try:
                client: Any = _untyped(distributed.Client)(
                    address, timeout=self._patience_s, set_as_default=False, name="vidsal"
                )
            except (OSError, ValueError) as error:
                raise MissingData(
                    f"--scheduler {address}: no Dask scheduler answers in {self._patience_s:g} s ({error}). Check that "
                    "`dask scheduler` runs there, that this machine reaches its port, and that both have the same "
                    "version of distributed; DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT=120s waits longer"
                ) from error
            self._client = self._stack.enter_context(client)
            self._check_workers()
            resources = {"resources": {GPU: 1}} if self._gpu else {}
            self._executor = client.get_executor(pure=False, **resources)
            self._kept = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what is not done, and of the cluster if it is of this command."""
        assert self._executor is not None
        with self._kept, suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=False)
            if self._client.status == "running":
                self._client.run(_end_children)

    def _check_workers(self) -> None:
        """Refuse a cluster that cannot do the work, or would do it otherwise.

        Raises:
            MissingData: no worker, or none with a GPU. BadData: other versions than here.
        """
        with suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=self._patience_s)
        workers = self._workers()
        if not workers:
            raise MissingData(
                f"--scheduler {self.address}: the scheduler answers, but in {self._patience_s:g} s no worker has "
                "joined it; check that `dask worker` runs and names this scheduler, or that the queue has begun its job"
            )
        if self._gpu and not any(worker.get("resources", {}).get(GPU, 0) >= 1 for worker in workers.values()):
            raise MissingData(
                f"--scheduler {self.address}: none of {len(workers)} workers declares a {GPU}; start those that have "
                f"one with `dask worker --resources {GPU}=1`"
            )
        for worker, found in self._client.run(_versions, on_error="return").items():
            if isinstance(found, OSError):
                continue  # it has just left; one that comes back is asked with its first task
            if isinstance(found, Exception):
                raise BadData(
                    f"--scheduler {self.address}: {worker} cannot import vidsal {__version__} "
                    f"({type(found).__name__}: {found}); install the same version on every worker"
                )
            _compare(found, worker)

    def _workers(self) -> dict[str, Any]:
        return dict(self._client.scheduler_info(n_workers=-1)["workers"])

    @property
    def count(self) -> int:
        """How many tasks can be done at once, now."""
        return max(1, sum(int(worker["nthreads"]) for worker in self._workers().values()))

    def each(
        self, tasks: Sequence[Task], watch: Callable[[Mapping[int, int]], None] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Do tasks at once, begun in their order; see `Children.each`. `watch` learns only that time passes.

        Raises:
            MachineFault: scheduler or workers are gone, and did not come back.
        """
        waiting = deque(range(len(tasks)))
        running: dict[Future[Any], int] = {}
        tries: Counter[int] = Counter()
        sent = _Sent(_versions(), os.getcwd(), self._timeout_s)
        alive, looked, lost_since = True, 0.0, None
        while waiting or running:
            if monotonic() - looked > PULSE_S:  # it asks the scheduler
                alive, looked = self._client.status == "running" and bool(self._workers()), monotonic()
                lost_since = None if alive else lost_since or monotonic()
            if lost_since and monotonic() - lost_since > self._patience_s:
                raise MachineFault(
                    f"{self.address}: the scheduler or all of its workers are gone, and did not come back in "
                    f"{self._patience_s:g} s; what was finished is kept: start the same command again"
                )
            while alive and waiting and len(running) < _AT_ONCE:
                number = waiting.popleft()
                assert self._executor is not None
                running[self._executor.submit(_do, sent, *tasks[number])] = number
                tries[number] += 1
            if not running:
                sleep(PULSE_S)  # until somebody is there
            ended = wait(running, PULSE_S, return_when=FIRST_COMPLETED).done
            if not ended and watch:
                watch({})
            for future in ended:
                number = running.pop(future)
                if future.cancelled() and tries[number] < _TRIES:  # the scheduler was started again
                    waiting.append(number)
                    continue
                yield number, _answer(future)


def _answer(future: Future[Any]) -> Any:
    if future.cancelled():
        return ChildFault("the scheduler forgot it three times; what it says itself stands in its log")
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return ChildFault(
            "the workers that had it died one after another (out of memory, or a time limit of the queue); their logs "
            "say of what"
        )
    return future.result() if error is None else error


def _untyped(name: Any) -> Any:
    """A function of Dask's, which says nothing of its types."""
    return name


def _local_cluster(count: int, *, gpu: bool) -> Any:
    import distributed

    return _untyped(distributed.LocalCluster)(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # of its pages, which are served all the same
        memory_limit=0,  # the work is in child processes, which Dask does not count
        silence_logs=logging.CRITICAL,
        resources={GPU: 1} if gpu else None,
    )


# What follows runs in the workers.


@dataclass(frozen=True)
class _Sent:
    """What a worker learns with each task.

    Attributes:
        versions: of what moves a number, where the command was given.
        folder: in which it was given; relative paths are relative to it.
        timeout_s: see `Children`.
    """

    versions: Mapping[str, str]
    folder: str
    timeout_s: float | None


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """What decides the bytes of a result; a build for another device counts as the same."""
    found = {name: text.partition("+")[0] for name, text in versions("numpy", "scipy", "numba", "torch", "av").items()}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"vidsal": f"{__version__} ({sources_digest()[:8]})", "python": python, **found}


def _compare(found: Mapping[str, str], worker: str) -> None:
    """Refuse a worker with other versions.

    Raises:
        BadData: which they are.
    """
    here = _versions()
    names = sorted(name for name in {*found, *here} if found.get(name) != here.get(name))
    if names:
        what = ", ".join(f"{name} {found.get(name, 'none')} there, {here.get(name, 'none')} here" for name in names)
        raise BadData(f"worker {worker} has other versions, and results must not depend on it: {what}")


_free: dict[float | None, list[Children]] = defaultdict(list)
"""Of a worker: child processes that wait for a task, by the time that they have."""
_busy: set[Children] = set()
_last_used = 0.0
_guard = threading.Lock()


def _do(sent: _Sent, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Let a child process do a task; return its answer or its error."""
    from distributed import get_worker

    if sent.versions != _versions():  # it joined later than the command looked
        try:
            _compare(sent.versions, "of the command, seen from " + str(get_worker().address))
        except BadData as error:
            return error
    with _child(sent.timeout_s) as child:
        ((_, answer),) = child.each([(_in_folder, (sent.folder, function, arguments))])
    return answer


def _in_folder(folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # a machine without it: only full paths work
        os.chdir(folder)
    return function(*arguments)


@contextmanager
def _child(timeout_s: float | None) -> Iterator[Children]:
    """Lend a child process, with the model that it has made."""
    global _last_used
    _let_have_children()
    with _guard:
        free = _free[timeout_s]
        child = free.pop() if free else Children(1, timeout_s)
        _busy.add(child)
    try:
        yield child
    finally:
        with _guard:
            _busy.discard(child)
            _free[timeout_s].append(child)
            _last_used = monotonic()
        timer = threading.Timer(_IDLE_S, _end_idle)
        timer.daemon = True
        timer.start()


@lru_cache(maxsize=1)
def _let_have_children() -> None:
    """Take back that Dask's worker is a daemon, which multiprocessing lets have no children: ours end with it."""
    current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    Finalize(None, _end_children, kwargs={"every": True}, exitpriority=1)  # before it waits for them


def _end_idle() -> None:
    if not _busy and monotonic() - _last_used >= _IDLE_S:
        _end_children()


def _end_children(*, every: bool = False) -> None:
    """End the child processes that wait, or every one; the next task makes new ones."""
    with _guard:
        ended = [child for free in _free.values() for child in free] + (list(_busy) if every else [])
        _free.clear()
    for child in ended:
        child.__exit__(None, None, None)
