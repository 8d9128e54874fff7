"""How busy a command would keep some cores of its own: `python tests/speed/busy.py 2 vidsal run ...`.

Looks fifty times a second at which threads of the command and of its children can run, and how much processor time they
had since (Linux). With cores of its own they would need that time divided by how many could run at once; a thread that
waits for its turn counts, so other people's work changes little. Waiting for a disk is told apart. Run by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PAUSE_S = 0.02
FAMILY_S = 0.5  # how often new children are looked for


def main(cores: int, command: list[str]) -> int:
    """Run the command; print how busy it would keep the cores, and for which part of its work how many threads could run."""
    begun = looked = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    members, before = [process.pid], {process.pid: 0.0}
    worked = [0.0] * (cores + 1)  # processor time, by how many threads could run
    blocked = samples = 0
    while process.poll() is None:
        if time.monotonic() - looked > FAMILY_S:
            members, looked = family(process.pid), time.monotonic()
        at_once = min(cores, sum(runnable(member) for member in members))
        now = {member: seconds(member) for member in members}
        worked[max(1, at_once)] += sum(max(0.0, spent - before.get(member, 0.0)) for member, spent in now.items())
        before = now
        samples += 1
        blocked += at_once == 0
        time.sleep(PAUSE_S)
    alone = sum(spent / number for number, spent in enumerate(worked) if number)
    parts = ", ".join(f"{number}: {spent:.1f} s" for number, spent in enumerate(worked) if number)
    sys.stdout.write(
        f"{sum(worked):.1f} s of processor time, {alone:.1f} s on {cores} cores of its own: busy "
        f"{sum(worked) / (cores * alone):.1%}; with so many threads that could run: {parts}; nothing could run in "
        f"{blocked / samples:.1%} of {time.monotonic() - begun:.1f} s\n"
    )
    return process.returncode


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = after_name(entry / "stat")
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def runnable(pid: int) -> int:
    """Return how many threads of a process run, or wait for a core only."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        return sum(after_name(task / "stat")[:1] == ["R"] for task in tasks.iterdir())
    except OSError:  # it ended
        return 0


def seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = after_name(Path(f"/proc/{pid}/stat"))
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def after_name(stat: Path) -> list[str]:
    """The fields of a stat file from the state on; none where the process ended."""
    try:
        return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
