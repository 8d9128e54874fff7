"""Convert, run, kill and resume in a loop, for a given time: `make soak`, or `python tests/speed/soak.py SECONDS`.

Each round converts a data set, runs two predictors over it and stores predictions, in processes that are killed (SIGKILL)
at times drawn from a seed until they are let finish. What comes out must equal, byte by byte, what an undisturbed command
wrote; nothing unfinished and no process may be left. This process evaluates a model in each round, and its memory and
descriptors must stay flat.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

import vidsal
from vidsal.baselines.registry import load_model
from vidsal.loaders.datasets.synthetic.write import generate

PATIENCE = 3  # kills of one command before it is let finish
WARM = 3  # rounds before memory is judged
GROWTH = 1.05
SLACK = 16 << 20  # bytes that allocators keep


@dataclass
class Soak:
    """What was seen so far.

    Attributes:
        folder: of the work.
        rounds, kills, resumes: how many; a resume is a command that began with unfinished work.
        wrong: what broke an invariant.
        memory, descriptors: of this process after each round.
    """

    folder: Path
    random: random.Random
    rounds: int = 0
    kills: int = 0
    resumes: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Name the output of each command, and its words."""
        yield "release", ["data", "convert", "synthetic", "--src", "source", "--out", "release", "--workers", "2"]
        yield "center", ["run", "center_prior", "--data", "release", "-o", "center"]
        yield "motion", ["run", "motion_energy", "--data", "release", "-o", "motion", "--workers", "2"]
        yield "submission", ["predict", "center_prior", "--data", "release", "-o", "submission"]
        yield "scored", ["score", "submission", "--data", "release", "-o", "scored"]

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "vidsal", *words, "--quiet"],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def undisturbed(self) -> dict[str, tuple[float, dict[str, str]]]:
        """Do every command once; return how long it took, and what it wrote."""
        found = {}
        for name, words in self.commands():
            begun = time.monotonic()
            self.finish(name, self.start(words))
            found[name] = time.monotonic() - begun, content(self.folder / name)
        return found

    def finish(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for a command that must succeed."""
        said = process.communicate()[1].decode(errors="replace")
        if process.returncode:
            self.wrong.append(f"{name} ended with {process.returncode}: {said.strip()[-300:]}")

    def disturbed(self, name: str, words: list[str], seconds: float) -> None:
        """Do a command that is killed again and again."""
        for _ in range(PATIENCE):
            process = self.start(words)
            try:
                process.wait(self.random.uniform(0, 1.1 * seconds))
            except subprocess.TimeoutExpired:
                process.kill()  # its workers must end by themselves
                self.kills += 1
            self.finish_killed(name, process)
            if process.returncode == 0:
                return
            self.resumes += (self.folder / name).exists()
        self.finish(name, self.start(words))

    def finish_killed(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a command and of its workers."""
        said = process.communicate()[1].decode(errors="replace")
        if process.returncode not in (0, -signal.SIGKILL):
            self.wrong.append(f"{name} ended with {process.returncode}: {said.strip()[-300:]}")
        end = time.monotonic() + 20
        while group_lives(process.pid):
            if time.monotonic() > end:
                self.wrong.append(f"{name}: a worker outlived its command")
                os.killpg(process.pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    def round(self, expected: dict[str, tuple[float, dict[str, str]]]) -> None:
        """Do all commands from nothing, and evaluate in this process."""
        for name in expected:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name, words in self.commands():
            seconds, files = expected[name]
            self.disturbed(name, words, seconds)
            found = content(self.folder / name)
            if found != files:
                differing = sorted(set(found.items()) ^ set(files.items()))
                self.wrong.append(f"round {self.rounds}, {name}: {', '.join(sorted({f for f, _ in differing}))}")
        vidsal.evaluate(load_model("center_prior"), vidsal.load(self.folder / "release"))
        self.rounds += 1
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.descriptors.append(len(os.listdir("/proc/self/fd")))

    def judge(self) -> None:
        """Compare memory and descriptors of the last rounds with those of the first."""
        warm, last = self.memory[WARM : WARM + 3], self.memory[-3:]
        if len(self.memory) > WARM + 3 and min(last) > GROWTH * max(warm) + SLACK:
            self.wrong.append(f"memory grew from {max(warm) >> 20} to {min(last) >> 20} MiB")
        if len(set(self.descriptors[1:])) > 1:
            self.wrong.append(f"descriptors: {self.descriptors}")


def content(folder: Path) -> dict[str, str]:
    """Digest of every file by its name without the date of a run; what is dated inside counts by its name only."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = "/".join(part for part in path.relative_to(folder).parts if "Z-" not in part)
            dated = path.name in ("run.json", "local.json") or path.suffix == ".tmp" and path.name.startswith(".")
            found[name] = "dated" if dated else hashlib.sha256(path.read_bytes()).hexdigest()
    return {name: digest for name, digest in found.items() if not name.endswith(".tmp")}


def group_lives(leader: int) -> bool:
    """Whether a process of the session is left."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def main(seconds: float, folder: Path) -> int:
    """Soak; print one line of figures, and what was wrong."""
    begun = time.monotonic()
    generate(folder / "source", videos=3, frames=24, width=96, height=64, observers=4, seed=1, val=0)
    soak = Soak(folder, random.Random(1))
    expected = soak.undisturbed()
    while not soak.wrong:
        soak.round(expected)
        if time.monotonic() - begun > seconds:
            break
    soak.judge()
    memory = [size >> 20 for size in soak.memory[WARM:] or soak.memory or [0]]
    files = soak.descriptors or [0]
    click.echo(
        f"{time.monotonic() - begun:.0f} s: {soak.rounds} rounds of {len(expected)} commands, {soak.kills} kills, "
        f"{soak.resumes} resumes; all equal byte by byte: {'no' if soak.wrong else 'yes'}; memory "
        f"{memory[0]} -> {memory[-1]} MiB, descriptors {files[0]} -> {files[-1]}"
    )
    for fault in soak.wrong:
        click.echo(fault)
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vidsal-soak-") as place:
        sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0, Path(place)))
