"""The converter: from a source folder in any known form to a release, one stimulus at a time.

Each stimulus becomes three small files in `<out>/.partial/<digest>/`; a killed conversion goes on from there. The
release is joined from them while others are still being converted; `release.json` is written last, so a folder that
has one is complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import registry
from ..errors import BadData, MachineFault, MissingData, WrongUse
from ..io.away import bring, shared
from ..io.files import atomic_write, canonical, lock_folder, parse_json, sha256_text, write_json
from ..io.progress import PULSE_S, Progress, Tally, silent
from ..io.workers import Processes, pool, summed_up
from ..records import Anomaly, DatasetInfo, Form, Report, StimulusRow
from ..schema import SCHEMA_VERSION
from .cards import cards
from .job import Job, convert_away, convert_one, list_one, still_valid
from .join import Joiner, first_reason, no_gaze
from .locate import elsewhere


@dataclass(frozen=True)
class Conversion:
    """What a conversion has made.

    Attributes:
        folder: the release.
        release: the content of its release.json.
        anomalies: all anomalies, also in release.json.
    """

    folder: Path
    release: dict[str, Any]
    anomalies: tuple[Anomaly, ...]

    @property
    def fatal(self) -> tuple[Anomaly, ...]:
        """The anomalies that `--strict` does not forgive."""
        return tuple(a for a in self.anomalies if a.fatal)


def choose_form(name: str, variant: str | None, source: Path) -> Form:
    """Find the form of a data set that lies in `source`.

    Raises:
        UnknownName: no such data set or variant.
        WrongUse: the folder holds several variants and none was named.
        MissingData: the folder is not there, or holds none.
    """
    known = registry.variants(name)
    if variant is not None:
        chosen = registry.form(name, variant)
        _check_folder(source, chosen.INFO)
        return chosen
    if len(known) == 1:
        chosen = registry.form(name, known[0])
        _check_folder(source, chosen.INFO)
        return chosen
    every = [registry.form(name, v) for v in known]
    _check_folder(source, every[0].INFO)
    present = [f for f in every if f.present(source)]
    if len(present) == 1:
        return present[0]
    if not present:
        raise MissingData(
            f"{source}: no form of {name} is here; expected {'; '.join(every[0].INFO.layout)}. {every[0].INFO.obtain}"
        )
    names = ", ".join(str(f.INFO.variant) for f in present)
    raise WrongUse(
        f"{source} holds several variants of {name}: {names}; they are different releases, name one with --variant"
    )


def _check_gaze(form: Form, source: Path, rows: Sequence[StimulusRow]) -> None:
    """Refuse frames without any gaze before they are decoded, unless the gaze is withheld from everybody."""
    if form.present(source) or any(row.extra or row.split in form.INFO.withheld for row in rows):
        return
    raise MissingData(no_gaze(form.INFO, len(rows), source))


def _check_folder(source: Path, info: DatasetInfo) -> None:
    if not source.is_dir():
        raise MissingData(f"{source}: no such folder; expected {'; '.join(info.layout)}. {info.obtain}")


def convert(
    name: str,
    source: str | Path,
    out: str | Path,
    *,
    variant: str | None = None,
    workers: int | None = None,
    children: Processes | None = None,
    progress: Progress = silent,
) -> Conversion:
    """Convert one data set.

    Args:
        name: of the data set.
        source: folder in which its files lie as they were distributed.
        out: folder of the release; made if it is not there.
        variant: needed where the source holds several.
        workers: processes; None = one for each core. The result does not depend on it.
        children: the processes that do the work, of a cluster or a sandbox; None = `workers` of this machine.
        progress: called after each stimulus.

    Raises:
        WrongUse: see `choose_form`; or `out` holds another release.
        MissingData: nothing convertible is in `source`.
        MachineFault: the disk is full, or a worker died.
    """
    source, out = Path(source).resolve(), Path(out)
    report = Report()
    try:
        form = choose_form(name, variant, source)
        _check_out(out, form.INFO.release_id)
        rows, report = _list(children, name, form.INFO.variant, None, source, report)
        if not rows:
            reason = first_reason(report)
            raise MissingData(
                f"{source}: nothing of {form.INFO.release_id} can be converted{reason}. {form.INFO.obtain}"
            )
        _check_gaze(form, source, rows)
    except MissingData as error:
        raise MissingData(f"{error}{elsewhere(name, variant, source)}") from error
    return _convert_rows(form, None, rows, source, None, out, workers, children, report, progress)


def convert_own(
    form: Form,
    source: str | Path,
    out: str | Path,
    *,
    frames: str | Path | None = None,
    workers: int | None = None,
    children: Processes | None = None,
    progress: Progress = silent,
) -> Conversion:
    """Convert by a form that is none of the registry's.

    Args:
        form: can be pickled, for it is sent to worker processes.
        source: folder of the gaze.
        out: folder of the release; made if it is not there.
        frames: folder of the videos or images; None = the source.
        workers: processes; None = one for each core. The result does not depend on it.
        children: the processes that do the work, of a cluster or a sandbox; None = `workers` of this machine.
        progress: called after each stimulus.

    Raises:
        WrongUse: `out` holds another release.
        MissingData: there is nothing to convert.
        BadData: the form cannot read it.
        MachineFault: the disk is full, or a worker died.
    """
    source, out = Path(source).resolve(), Path(out)
    root = None if frames is None else Path(frames).resolve()
    for folder in (source, *(() if root is None else (root,))):
        if not folder.is_dir():
            raise MissingData(f"{folder}: no such folder")
    _check_out(out, form.INFO.release_id)
    report = Report()
    rows, report = _list(children, form.INFO.name, None, form, source, report)
    if not rows:
        raise MissingData(f"{source}: nothing of {form.INFO.release_id} is here{first_reason(report)}")
    return _convert_rows(form, form, rows, source, root, out, workers, children, report, progress)


def _list(
    children: Processes | None, name: str, variant: str | None, own: Form | None, source: Path, report: Report
) -> tuple[list[StimulusRow], Report]:
    """Return the stimuli of a source, and the report with what is odd of them; in a sandbox, that is where it is read.

    Raises:
        BadData: the process that read it ended.
    """
    if children is None or children.away:
        return list_one(name, variant, own, source, report)
    try:
        found: tuple[list[StimulusRow], Report] = children.call(list_one, name, variant, own, source, report)
    except BadData as error:
        raise error if str(source) in str(error) else BadData(f"{source}: {error}") from error
    return found


def _convert_rows(
    form: Form,
    own: Form | None,
    rows: Sequence[StimulusRow],
    source: Path,
    frames: Path | None,
    out: Path,
    workers: int | None,
    children: Processes | None,
    report: Report,
    progress: Progress,
) -> Conversion:
    info = form.INFO
    made_of = [info.release_id, info.version, SCHEMA_VERSION, str(source)]
    if own is not None:
        made_of += [repr(own), str(frames)]
    partial = out / ".partial" / sha256_text(canonical(made_of))[:16]
    jobs = [Job(info.name, info.variant, source, partial, row, own, frames) for row in rows]
    count = min(workers or os.cpu_count() or 1, len(jobs))
    with lock_folder(partial):
        release, files, anomalies = _convert_and_join(info, jobs, count, children, partial, report, progress)
        _publish(release, files, frames or source, out)
        shutil.rmtree(partial)
    with suppress(OSError):
        (out / ".partial").rmdir()  # unless other unfinished work lies there
    return Conversion(out, release, anomalies)


def _convert_and_join(
    info: DatasetInfo,
    jobs: list[Job],
    workers: int,
    children: Processes | None,
    partial: Path,
    report: Report,
    progress: Progress,
) -> tuple[dict[str, Any], list[Path], tuple[Anomaly, ...]]:
    joiner = Joiner(info, jobs, partial)
    try:
        if workers > 1 or children:
            joiner.start()
        tally = Tally(progress, {job.row.stimulus_id: job.row.n_frames for job in jobs})
        with closing(_run(jobs, workers, children, tally)) as indices:
            for index in indices:
                joiner.turnstile.finish(index)
                tally.finish(jobs[index].row.stimulus_id)
        if workers <= 1 and not children:
            joiner.start()
        return joiner.finish(report)
    except BaseException:
        joiner.stop()
        for half in partial.glob(".*.tmp"):  # of workers that were ended
            half.unlink(missing_ok=True)
        raise


def _publish(release: dict[str, Any], files: list[Path], frames_root: Path, out: Path) -> None:
    """Move finished tables into place; a folder with release.json is always a complete release."""
    (out / "release.json").unlink(missing_ok=True)
    (out / "gaze.parquet").unlink(missing_ok=True)
    for file in files:
        os.replace(file, out / file.name)
    write_json(out / "local.json", {"frames_root": str(frames_root)})
    for name, text in cards(release, out).items():
        with atomic_write(out / name) as file:
            file.write_text(text, encoding="utf-8")
    write_json(out / "release.json", release)


def _check_out(out: Path, release_id: str) -> None:
    if out.is_file():
        raise WrongUse(f"{out} is a file; name a folder for the release")
    record = out / "release.json"
    if record.is_file():
        try:
            found = parse_json(record.read_bytes()).get("release")
        except (ValueError, AttributeError):
            found = "a damaged release"
        if found != release_id:
            raise WrongUse(f"{out} already holds {found}; releases are never mixed, name another folder")


def _run(jobs: list[Job], workers: int, children: Processes | None, tally: Tally) -> Generator[int]:
    """Do the jobs, in any order; yield the index of each that is done."""
    todo = []
    for index, job in enumerate(jobs):
        if still_valid(job):
            yield index
        else:
            todo.append(index)
    tally.begin()
    if children is not None:
        yield from _run_away(jobs, todo, children, tally)
        return
    if workers <= 1 or len(todo) <= 1:
        for index in todo:
            with tally.listening(jobs[index].row.stimulus_id):
                convert_one(jobs[index])
            yield index
        return
    waiting = iter(todo)
    running: dict[Future[None], int] = {}
    try:
        with pool(workers) as processes:
            while True:
                while len(running) < 2 * workers and (coming := next(waiting, None)) is not None:
                    running[processes.submit(convert_one, jobs[coming])] = coming
                if not running:
                    return
                ended = wait(running, PULSE_S, return_when=FIRST_COMPLETED).done
                if not ended:
                    tally.at_hand({})
                for future in ended:
                    future.result()
                    yield running.pop(future)
    except BrokenProcessPool as error:
        raise MachineFault(
            "a worker process died (killed, or out of memory); what was done is kept: start again with fewer --workers"
        ) from error


def _run_away(jobs: list[Job], todo: list[int], children: Processes, tally: Tally) -> Generator[int]:
    """Do some of the jobs on other machines; those that end their process come last, as an error.

    Raises:
        BadData: a stimulus ended its process; the others are done and kept.
    """
    failed: dict[str, BadData] = {}
    with shared(jobs[0].partial) as where:
        tasks = [(convert_away, (jobs[index], where)) for index in todo]
        for number, answer in children.each(tasks, lambda _: tally.at_hand({})):
            job = jobs[todo[number]]
            if isinstance(answer, BadData):
                failed[job.row.stimulus_id] = answer
            elif isinstance(answer, Exception):
                raise answer
            else:
                bring(answer, job.partial)
                yield todo[number]
    if failed:
        raise summed_up(failed, "There is no release; what was done is kept, the same command does only the rest")
