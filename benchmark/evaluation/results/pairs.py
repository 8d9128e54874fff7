"""Which two runs a gate compares: run folders, or the newest runs of results folders."""

from __future__ import annotations

from pathlib import Path

from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.io.names import shortlist

from .folder import merge, standing
from .store import Run, find_runs, load_run, place


def find_pair(baseline: str | Path, candidate: str | Path) -> tuple[Run, Run]:
    """Read the two runs to compare: run folders, or results folders that hold one matching model each.

    Of several runs of one release, split, protocol and model the newest counts that was not withdrawn. Runs match where
    these four have the same names; a folder with a single such run is that run.

    Raises:
        MissingData: there is none. WrongUse: more than one could be meant. BadData: a run is damaged.
    """
    ours, theirs = _newest(Path(baseline)), _newest(Path(candidate))
    if len(ours) == 1 and len(theirs) == 1:
        return ours[0], theirs[0]
    pairs = [(a, b) for a in ours for b in theirs if place(a.record).parts[:-1] == place(b.record).parts[:-1]]
    if len(pairs) != 1:
        found = shortlist("/".join(place(a.record).parts[:-1]) for a, _ in pairs) or "none in common"
        raise WrongUse(
            f"{baseline} holds {len(ours)} runs, {candidate} {len(theirs)}; {len(pairs)} pairs match ({found}): name "
            "two run folders, RESULTS/RELEASE/SPLIT/PROTOCOL/MODEL/TIME-DIGEST"
        )
    return pairs[0]


def make_baseline(baseline: str | Path, candidate: str | Path) -> Run | None:
    """Copy the candidate where there is no baseline yet.

    Returns:
        The new baseline; None where a run is there already.

    Raises:
        MissingData: there is no candidate either. BadData: it is damaged. WrongUse: several could be meant, or the
            folder holds something else: what is left of a baseline is no reason for a new one.
    """
    folder = Path(baseline)
    if folder.is_file() or (folder.is_dir() and ((folder / "run.json").is_file() or find_runs(folder))):
        return None
    others = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
    if others:
        raise WrongUse(
            f"{baseline}: no run is here, but {shortlist(others)}; a baseline is made only in a folder that is new or "
            "empty: name another one, or bring back the run.json that was here"
        )
    runs = _newest(Path(candidate))
    if len(runs) > 1:
        raise WrongUse(f"{candidate} holds runs of {len(runs)} models: name the one that is to be the baseline")
    merge([Path(str(runs[0].folder))], folder, strict=True)
    return load_run(folder / place(runs[0].record))


def _newest(path: Path) -> list[Run]:
    path = path.parent if path.name == "run.json" else path
    if (path / "run.json").is_file():
        return [load_run(path)]
    found = find_runs(path)
    if not found:
        raise MissingData(f"{path}: no run is here; make one with `vidsal run` or `vidsal score`")
    runs = [load_run(folder) for folder in found]
    standing_runs = standing(runs)
    if not standing_runs:
        raise MissingData(f"{path}: every run here is withdrawn or superseded")
    return standing_runs
