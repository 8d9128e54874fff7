"""How busy a command could keep some cores, whoever else uses the machine: `python tests/speed/busy.py 2 vidsal run ...`.

Looks fifty times a second at which threads of the command and of its children can run (Linux). A core for which there is
none would be idle; a thread that waits for its turn counts, so other people's work changes nothing. Run by hand.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

PAUSE_S = 0.02
FAMILY_S = 0.5  # how often new children are looked for


def main(cores: int, command: list[str]) -> int:
    """Run the command; print for which part of its time how many threads could run."""
    begun = looked = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    seen: Counter[int] = Counter()
    members = [process.pid]
    while process.poll() is None:
        if time.monotonic() - looked > FAMILY_S:
            members, looked = family(process.pid), time.monotonic()
        seen[min(cores, sum(runnable(member) for member in members))] += 1
        time.sleep(PAUSE_S)
    samples = seen.total()
    busy = sum(threads * count for threads, count in seen.items()) / (cores * samples)
    parts = ", ".join(f"{threads}: {count / samples:.1%}" for threads, count in sorted(seen.items()))
    sys.stdout.write(
        f"{time.monotonic() - begun:.1f} s, {samples} samples; {cores} cores could be busy {busy:.1%} of the time; "
        f"threads that could run: {parts}\n"
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


def after_name(stat: Path) -> list[str]:
    """The fields of a stat file from the state on; none where the process ended."""
    try:
        return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
