"""A results folder as a whole: its runs verified, found by a model's name, joined with those of others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vidsal.loaders.errors import BadData, MissingData, UnknownName, VidsalError, WrongUse
from vidsal.loaders.io.files import lock_folder
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.io.progress import Progress, silent

from ..previews.record import faults
from .log import add_to_log, check_log, read_log, scored, told
from .notices import KINDS, MOST_REASON, Notice, write_notice
from .store import PARTIAL, Run, find_runs, load_run, now, place, read_runs


def verify(results: Path) -> Iterator[Run | VidsalError]:
    """Yield every run of a results folder, checked; in place of a faulty one, what is wrong with it.

    Beyond what every reading of a run checks: that it lies where its record says, that its previews are whole and those
    of its rows, that its log fits what lies beside it, and that no rows lie without record.

    Raises:
        MissingData: there is no such folder.
    """
    for run in read_runs(results):
        wrong = _misplaced(run) or _unseeable(run) or _mislogged(run) if isinstance(run, Run) else None
        yield wrong or run
    for rows in sorted(results.rglob("frames.parquet")):
        if PARTIAL not in rows.parts and not (rows.parent / "run.json").is_file():
            yield BadData(f"{rows.parent}: rows without run.json, so its scoring was cut off; score it again")


def _misplaced(run: Run) -> BadData | None:
    expected = place(run.record).parts
    if run.folder is None or run.folder.resolve().parts[-len(expected) :] == expected:
        return None
    return BadData(f"{run.folder}: this run was moved or renamed; its place in a results folder is {Path(*expected)}")


def _unseeable(run: Run) -> BadData | None:
    """What is wrong with the previews of a run."""
    digest = run.typed.previews_digest
    if digest is None or run.folder is None:
        return None
    found = list(faults(run.folder, digest, run.frames[run.frames["status"] == "scored"]))
    more = f" ({len(found) - 1} more such)" if len(found) > 1 else ""
    return BadData(f"{found[0]}{more}; its scores are whole") if found else None


def _mislogged(run: Run) -> BadData | None:
    """What is wrong with the log of a run."""
    try:
        check_log(Path(str(run.folder)), run.record, run.notices)
    except BadData as error:
        return BadData(f"{error}; the scores beside it are whole")
    return None


def standing(runs: Iterable[Run]) -> list[Run]:
    """Return the newest run of each release, split, protocol and model name that was not withdrawn or superseded."""
    newest: dict[tuple[str, ...], Run] = {}
    for run in sorted((r for r in runs if not r.notices), key=lambda r: (r.record["time"], r.record["digest"])):
        newest[place(run.record).parts[:-1]] = run
    return [newest[key] for key in sorted(newest)]


def of_model(runs: Sequence[Run], name: str, where: Path) -> list[Run]:
    """Return the newest run of a model for each release, split and protocol.

    Raises:
        UnknownName: no run is of a model of this name.
    """
    names = {str(run.record["model"]["name"]) for run in runs}
    if name not in names:
        raise UnknownName(f"model in {where}", name, names)
    found = [run for run in runs if run.record["model"]["name"] == name]
    return standing(found) or found[-1:]


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        added: folders of the runs that are new in the joint folder.
        doubles: folders of runs that were there already.
        faults: a sentence for each damaged run, which was left out.
    """

    added: list[Path] = field(default_factory=list)
    doubles: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def merge(sources: Sequence[Path], out: Path, *, strict: bool = False, progress: Progress = silent) -> Merged:
    """Join results folders: copy every run that is not there yet, byte for byte.

    Two runs are one result where their digests are equal: they differ in their time and duration at most. The first
    one stays. What was said of either (withdrawn, superseded) holds for both, and the logs are joined.

    Args:
        sources: results folders, in this order.
        out: the joint folder; it may hold runs already, and is checked too.
        strict: a damaged run is an error.
        progress: called after each run with the number done, their total, and its folder.

    Raises:
        MissingData: a source is no folder. BadData: a run is damaged, with `strict`. WrongUse: another process merges
            into the same folder.
    """
    for source in sources:
        if not source.is_dir():
            raise MissingData(f"{source}: no such results folder")
    with lock_folder(out / _MERGING):
        try:
            return _merge(sources, out, strict, progress)
        finally:
            shutil.rmtree(out / _MERGING, ignore_errors=True)
            with suppress(OSError):
                (out / PARTIAL).rmdir()  # unless unfinished work lies there


_MERGING = Path(PARTIAL) / "merge"


def _merge(sources: Sequence[Path], out: Path, strict: bool, progress: Progress) -> Merged:
    merged = Merged()
    kept: dict[str, Run] = {}
    folders = [out, *sources] if out.is_dir() else sources
    total = sum(len(find_runs(folder)) for folder in folders)
    done = 0
    for source in folders:
        for run in read_runs(source):
            done += 1
            progress(done, total, str(run.folder) if isinstance(run, Run) else "")
            try:
                if not isinstance(run, Run):
                    raise run
                digest = str(run.record["digest"])
                if digest not in kept:
                    kept[digest] = run if source == out else load_run(_copied(run, out))
                    merged.added.extend([] if source == out else [Path(str(kept[digest].folder))])
                elif source != out:
                    merged.doubles.append(Path(str(run.folder)))
                    _join_notices(run, kept[digest])
            except (BadData, MissingData) as error:
                if strict:
                    raise
                merged.faults.append(str(error))
    return merged


def _copied(run: Run, out: Path) -> Path:
    """Copy a run's folder to its place; it appears there whole or not at all.

    Raises:
        BadData: it holds a link, its log is none, or another run lies in its place.
    """
    source, target = Path(str(run.folder)), out / place(run.record)
    read_log(source)
    if any(p.is_symlink() for p in source.rglob("*")):
        raise BadData(f"{source}: this run holds a link; nothing of it was copied")
    if target.exists():
        raise BadData(f"{target}: something else lies here, so {source} was not copied")
    made = out / _MERGING / target.name
    shutil.rmtree(made, ignore_errors=True)  # of a merge that was killed
    for path in [source, *sorted(source.rglob("*"))]:
        name = path.relative_to(source)
        if not any(part.startswith(".") for part in name.parts):
            (made / name).mkdir(parents=True) if path.is_dir() else shutil.copyfile(path, made / name)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(made, target)
    return target


def _join_notices(double: Run, kept: Run) -> None:
    known = {notice.kind for notice in kept.notices}
    for notice in double.notices:
        if notice.kind not in known and not (Path(str(kept.folder)) / f"{notice.kind}.json").exists():
            write_notice(Path(str(kept.folder)), notice)
    add_to_log(Path(str(kept.folder)), read_log(Path(str(double.folder))))


def withdraw(folder: Path, reason: str, by: Path | None = None) -> Notice:
    """Say beside a run that it is withdrawn, or that another one takes its place. The run itself stays as it is.

    Args:
        folder: of the run.
        reason: in words.
        by: folder of the run that takes its place; None = withdrawn.

    Raises:
        MissingData, BadData: a run is not there, or damaged.
        WrongUse: no reason, or one that cannot be kept; it was said before; or the other run is of another release,
            split, protocol or model name, is itself, or is withdrawn.
    """
    run = load_run(folder)
    before = [scored(run.record), *map(told, run.notices)]  # of a command that was killed, or a run that had no log
    if not reason.strip():
        raise WrongUse("give a reason; readers of the board will see it")
    if len(reason) > MOST_REASON or any("\ud800" <= c <= "\udfff" for c in reason):
        raise WrongUse(f"the reason has {len(reason)} characters; at most {MOST_REASON} are kept, and only in UTF-8")
    other = None if by is None else load_run(by)
    if other is not None:
        wrong = [k for k in ("release", "split", "protocol") if other.record[k] != run.record[k]]
        wrong += ["model"] if other.record["model"]["name"] != run.record["model"]["name"] else []
        same = other.record["digest"] == run.record["digest"]
        if wrong or same or other.notices:
            what = f"it is of another {shortlist(wrong)}" if wrong else "it is the same run"
            what = what if wrong or same else f"it is {other.notices[0].kind} itself"
            raise WrongUse(f"{by} cannot take the place of {folder}: {what}")
    notice = Notice(
        kind=KINDS[other is not None],
        run=run.record["digest"],
        reason=reason,
        time=now(),
        by=None if other is None else other.record["digest"],
    )
    add_to_log(folder, before)
    write_notice(folder, notice)
    add_to_log(folder, [told(notice)])
    return notice
