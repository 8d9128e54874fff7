"""A Dask cluster on loopback: a scheduler and its workers, each a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vidsal.benchmark.evaluation.cluster import Cluster

WAIT_S = 120.0  # of a busy machine


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Machines:
    """A scheduler and its workers; what they say is in files of their own."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-show")
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{what}.log").open("ab"))
        command = [sys.executable, "-m", "dask", what, "--no-dashboard", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def add_worker(self, *options: str) -> None:
        """Start one worker of one thread."""
        few = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--memory-limit", "0")
        self.workers.append(self._start("worker", self.address, *few, *options))

    def restart(self) -> None:
        """Kill everything, and start it again at the same address."""
        for process in [self.scheduler, *self.workers]:
            process.kill()
            process.wait()
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-show")
        for _ in self.workers[:]:
            self.add_worker()


@contextmanager
def machines(folder: Path, workers: int = 2) -> Iterator[Machines]:
    with ExitStack() as stack:
        made = Machines(stack, folder)
        for _ in range(workers):
            made.add_worker()
        if workers:
            with Cluster(made.address) as cluster:
                until(lambda: cluster.count == workers)
        yield made


@contextmanager
def patient() -> Iterator[None]:
    """Processes start slowly on a busy machine: here, and in the commands that are begun meanwhile."""
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": f"{WAIT_S}s"}):
        yield


def until(true: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    end = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.05)
