"""The converter: from a source folder in any known form to a release, one stimulus at a time.

Each stimulus becomes three small files in `<out>/.partial/<digest>/`; a killed conversion goes on from there. The
release is joined from them, in the order of the register, and appears whole: `release.json` is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from . import frames, parquet, registry
from .errors import BadData, MachineFault, MissingData, WrongUse
from .files import canonical, sha256, sha256_text, whole, write_json
from .records import POINT_EVENTS, Anomaly, DatasetInfo, Form, Gaze, Report, StimulusRow
from .schema import FIXATIONS, GAZE, SCHEMA_VERSION, STIMULI, fixations_table, gaze_table, with_metadata

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Conversion:
    """What a conversion has made.

    Attributes:
        folder: the release.
        release: the content of its release.json.
        anomalies: everything odd, also in release.json.
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
    raise WrongUse(f"{source} holds several variants of {name}: {names}; they are different releases, name one")


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
    progress: Progress | None = None,
) -> Conversion:
    """Convert one data set.

    Args:
        name: of the data set.
        source: folder in which its files lie as they were distributed.
        out: folder of the release; made if it is not there.
        variant: needed where the source holds several.
        workers: processes; None = one for each core. The result does not depend on it.
        progress: called with (done, total, stimulus id) after each stimulus.

    Raises:
        WrongUse: see `choose_form`; or `out` holds another release.
        MissingData: nothing convertible is in `source`.
        MachineFault: the disk is full, or a worker died.
    """
    source, out = Path(source).resolve(), Path(out)
    form = choose_form(name, variant, source)
    _check_out(out, form.INFO.release_id)
    report = Report()
    rows = list(form.stimuli(source, report))
    if not rows:
        raise MissingData(f"{source}: nothing of {form.INFO.release_id} can be converted. {form.INFO.obtain}")
    key = sha256_text(canonical([form.INFO.release_id, form.INFO.version, SCHEMA_VERSION, str(source)]))[:16]
    partial = out / ".partial" / key
    partial.mkdir(parents=True, exist_ok=True)
    jobs = [_Job(name, form.INFO.variant, source, partial, row) for row in rows]
    count = min(workers or os.cpu_count() or 1, len(jobs))
    for done, stimulus_id in enumerate(_run(jobs, count), 1):
        if progress:
            progress(done, len(jobs), stimulus_id)
    result = _join(form.INFO, source, out, jobs, report)
    shutil.rmtree(partial)
    if not any((out / ".partial").iterdir()):
        (out / ".partial").rmdir()
    return result


def _check_out(out: Path, release_id: str) -> None:
    if out.is_file():
        raise WrongUse(f"{out} is a file; name a folder for the release")
    record = out / "release.json"
    if record.is_file():
        try:
            found = json.loads(record.read_text(encoding="utf-8")).get("release")
        except (ValueError, AttributeError):
            found = "a damaged release"
        if found != release_id:
            raise WrongUse(f"{out} already holds {found}; releases are never mixed, name another folder")


@dataclass(frozen=True)
class _Job:
    """One stimulus to convert: all that a worker needs."""

    name: str
    variant: str | None
    source: Path
    partial: Path
    row: StimulusRow

    @property
    def stem(self) -> Path:
        return self.partial / hashlib.sha256(self.row.stimulus_id.encode()).hexdigest()[:24]

    @property
    def done(self) -> Path:
        return self.stem.with_suffix(".json")


def _run(jobs: list[_Job], workers: int) -> Iterator[str]:
    """Do the jobs, in any order; yield the id of each that is done."""
    open_jobs = []
    for job in jobs:
        if _still_valid(job):
            yield job.row.stimulus_id
        else:
            open_jobs.append(job)
    if workers <= 1 or len(open_jobs) <= 1:
        for job in open_jobs:
            _convert_one(job)
            yield job.row.stimulus_id
        return
    waiting = iter(open_jobs)
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            running: dict[Future[None], _Job] = {}
            try:
                while True:
                    while len(running) < 2 * workers and (coming := next(waiting, None)) is not None:
                        running[pool.submit(_convert_one, coming)] = coming
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        future.result()
                        yield running.pop(future).row.stimulus_id
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool as error:
        raise MachineFault(
            "a worker process died (killed, or out of memory); what was done is kept: start again with fewer --workers"
        ) from error


def _stamp(path: Path) -> list[Any]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _still_valid(job: _Job) -> bool:
    """Tell whether a stimulus was done before and its sources have not changed since."""
    if not job.done.is_file():
        return False
    try:
        record = json.loads(job.done.read_text(encoding="utf-8"))
        stamps = record["stamps"]
        return record["row"] == repr(job.row) and all(
            (job.source / f).exists() and _stamp(job.source / f) == s for f, s in stamps.items()
        )
    except (ValueError, KeyError, OSError):
        return False


def _convert_one(job: _Job) -> None:
    form = registry.form(job.name, job.variant)
    report = Report()
    path = job.source / job.row.source_file
    found = _probe(path, job.row, report) if frames.exists(path) else None
    row = _complete(job.row, found)
    try:
        gaze = form.gaze(job.source, row, report)
    except BadData as error:
        report.add("unreadable", row.stimulus_id, f"{error}; kept as not annotated")
        gaze = Gaze(annotated=False)
    if row.width is None or row.height is None:
        report.add("unusable", row.stimulus_id, "neither register, frames nor annotation tell its size; left out")
        write_json(job.done, _record(job, gaze, [], None, report))
        return
    n_frames = _count(row, found, gaze, report)
    fixations, samples = _tables(job.name, row, gaze, n_frames, report)
    for suffix, table in ((".fixations", fixations), (".gaze", samples)):
        with whole(job.stem.with_suffix(suffix)) as temporary:
            # Parts live for one conversion, so they are compressed lightly.
            pq.write_table(table, temporary, compression="lz4")
    files = sorted({*gaze.source_files, *([row.source_file] if found else [])})
    write_json(job.done, _record(job, gaze, files, _stimulus(form.INFO, row, gaze, n_frames, found), report))


def _record(job: _Job, gaze: Gaze, files: list[str], stimulus: dict[str, Any] | None, report: Report) -> dict[str, Any]:
    texts = [f"{f} {_digest_of(job.source / f, *_stamp(job.source / f))}\n" for f in gaze.source_files]
    return {
        "row": repr(job.row),
        "stamps": {f: _stamp(job.source / f) for f in files},
        "stimulus": stimulus,
        "gaze_digest": sha256_text("".join(texts)) if texts else None,
        "anomalies": [asdict(a) for a in report],
    }


@lru_cache(maxsize=64)
def _digest_of(path: Path, size: int, modified_ns: int) -> str:
    """Digest of a source file; one file may hold the gaze of many stimuli."""
    return sha256(path)


def _probe(path: Path, row: StimulusRow, report: Report) -> frames.FrameSource | None:
    try:
        found = frames.probe(path)
    except BadData as error:
        report.add("unreadable", row.source_file, f"{error}")
        return None
    for note in found.notes:
        report.add("frames", row.source_file, note)
    if row.n_frames is not None and found.n_frames != row.n_frames:
        report.add("mismatch", row.source_file, f"{found.n_frames} frames decoded, the register says {row.n_frames}")
    if row.width is not None and (found.width, found.height) != (row.width, row.height):
        report.add(
            "wrong-size",
            row.source_file,
            f"frames are {found.width}x{found.height}, the register says {row.width}x{row.height}",
        )
    return found


def _complete(row: StimulusRow, found: frames.FrameSource | None) -> StimulusRow:
    if found is None:
        return row
    return replace(
        row,
        width=found.width,
        height=found.height,
        n_frames=found.n_frames,
        fps=None if row.kind == "image" else (found.fps or row.fps),
    )


def _count(row: StimulusRow, found: frames.FrameSource | None, gaze: Gaze, report: Report) -> int:
    """Decide n_frames: the loader's exception, decoded, register, annotation; a higher last annotated frame wins
    where there are no frames."""
    if gaze.n_frames is not None:
        return gaze.n_frames
    last = gaze.last_annotated
    annotated = 0 if last is None else last + 1
    if found is None and row.n_frames is not None and annotated > row.n_frames:
        report.add(
            "mismatch",
            row.stimulus_id,
            f"annotation runs to frame {last}, the register says {row.n_frames} frames",
        )
        return annotated
    return row.n_frames if row.n_frames is not None else annotated


def _tables(name: str, row: StimulusRow, gaze: Gaze, n_frames: int, report: Report) -> tuple[pa.Table, pa.Table]:
    table = fixations_table(
        gaze.fixations,
        dataset=name,
        stimulus_id=row.stimulus_id,
        split=row.split,
        width=row.width or 0,
        height=row.height or 0,
    )
    past = pc.greater_equal(table["frame"], n_frames)
    surplus = pc.sum(past).as_py() or 0
    if surplus:
        report.add(
            "surplus",
            row.stimulus_id,
            f"rows annotate frames past the last of {n_frames}; left out",
            count=surplus,
        )
        table = table.filter(pc.invert(past))
    samples = (
        GAZE.empty_table()
        if gaze.samples is None
        else gaze_table(gaze.samples, dataset=name, stimulus_id=row.stimulus_id)
    )
    return table, samples


def _stimulus(
    info: DatasetInfo, row: StimulusRow, gaze: Gaze, n_frames: int, found: frames.FrameSource | None
) -> dict[str, Any]:
    fps = row.fps
    duration = row.duration_ms
    if duration is None and fps:
        duration = float(n_frames / fps * 1000)
    return {
        "dataset": info.name,
        "stimulus_id": row.stimulus_id,
        "split": row.split,
        "group_id": row.group_id or row.stimulus_id,
        "kind": row.kind,
        "source_file": row.source_file,
        "source_sha256": found.sha256 if found else None,
        "width": row.width,
        "height": row.height,
        "n_frames": n_frames,
        "fps_num": fps.numerator if fps else None,
        "fps_den": fps.denominator if fps else None,
        "duration_ms": duration,
        "n_observers": gaze.n_observers,
        "annotated": gaze.annotated,
        "annotated_frames": _within(gaze.annotated_frames, n_frames),
        "attributes": list(row.attributes),
        "parent_id": row.parent_id,
        "parent_start_frame": row.parent_start_frame,
    }


def _within(ranges: tuple[int, ...] | None, n_frames: int) -> list[int] | None:
    """Cut ranges at the last frame; all frames is null."""
    if ranges is None:
        return None
    pairs = [(a, min(b, n_frames - 1)) for a, b in zip(ranges[::2], ranges[1::2], strict=True) if a < n_frames]
    if pairs == [(0, n_frames - 1)]:
        return None
    return [edge for pair in pairs for edge in pair]


def _join(info: DatasetInfo, source: Path, out: Path, jobs: list[_Job], report: Report) -> Conversion:
    read = [json.loads(job.done.read_text(encoding="utf-8")) for job in jobs]
    anomalies = [*report, *(Anomaly(**a) for record in read for a in record["anomalies"])]
    jobs = [job for job, record in zip(jobs, read, strict=True) if record["stimulus"]]
    records = [record for record in read if record["stimulus"]]
    if not records:
        raise MissingData(f"{source}: no stimulus of {info.release_id} can be used: {anomalies[0].message}")
    stimuli = [record["stimulus"] for record in records]
    anomalies += _frames_missing(stimuli)
    provenance = {"dataset": info.name, "variant": info.variant, "version": info.version}
    out.mkdir(parents=True, exist_ok=True)
    tally = _Tally()
    tables: dict[str, tuple[pa.Schema, Iterator[pa.Table]]] = {
        "stimuli": (STIMULI, iter([pa.Table.from_pylist(stimuli, schema=STIMULI)])),
        "fixations": (
            FIXATIONS,
            (tally.fixations(pq.read_table(j.stem.with_suffix(".fixations"))) for j in jobs),
        ),
        "gaze": (GAZE, (tally.gaze(pq.read_table(j.stem.with_suffix(".gaze"))) for j in jobs)),
    }
    (out / "release.json").unlink(missing_ok=True)
    digests = {}
    for table, (schema, parts) in tables.items():
        path = out / f"{table}.parquet"
        rows = parquet.write(path, with_metadata(schema, info.release_id, provenance), parts)
        if table == "gaze" and not rows:
            path.unlink()
        else:
            digests[path.name] = sha256(path)
    release: dict[str, Any] = {
        "release": info.release_id,
        "dataset": info.name,
        "variant": info.variant,
        "version": info.version,
        "schema_version": SCHEMA_VERSION,
        "title": info.title,
        "licence": info.licence,
        "citation": info.citation,
        "screen": asdict(info.screen),
        "truth": {
            "default": next(iter(info.truths)),
            "recipes": {k: asdict(v) for k, v in info.truths.items()},
        },
        "counts": {
            "stimuli": len(stimuli),
            "annotated": sum(s["annotated"] for s in stimuli),
            "with_frames": sum(s["source_sha256"] is not None for s in stimuli),
            "frames": sum(s["n_frames"] for s in stimuli),
            **tally.counts(),
        },
        "sources": {s["stimulus_id"]: r["gaze_digest"] for s, r in zip(stimuli, records, strict=True)},
        "files": digests,
        "anomalies": [asdict(a) for a in anomalies],
    }
    release["digest"] = release_digest(release)
    write_json(out / "local.json", {"frames_root": str(source)})
    write_json(out / "release.json", release)
    return Conversion(out, release, tuple(anomalies))


def _frames_missing(stimuli: list[dict[str, Any]]) -> list[Anomaly]:
    """One anomaly for all stimuli with gaze whose frames are not here."""
    missing = [s["stimulus_id"] for s in stimuli if s["source_sha256"] is None and s["annotated"]]
    if not missing:
        return []
    names = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
    message = f"no frames for {len(missing)} of {len(stimuli)} stimuli: {names}"
    return [Anomaly("missing", "frames", message, len(missing))]


def release_digest(release: dict[str, Any]) -> str:
    """Digest of a release: SHA-256 over the sorted digests of its Parquet files and of release.json without it."""
    content = {k: v for k, v in release.items() if k != "digest"}
    return sha256_text("\n".join(sorted([*release["files"].values(), sha256_text(canonical(content))])))


class _Tally:
    """Counts rows while they are written."""

    def __init__(self) -> None:
        self.rows = self.points = self.outside = self.samples = 0
        self.observers: set[str] = set()

    def fixations(self, table: pa.Table) -> pa.Table:
        """Count a table of fixations and hand it on."""
        self.rows += table.num_rows
        inside = table["in_bounds"].to_numpy()
        self.outside += int((~inside).sum())
        events = pc.is_in(table["event"].cast(pa.string()), pa.array(POINT_EVENTS)).to_numpy()
        self.points += int(np.sum(inside & events))
        self.observers |= set(table["observer_id"].cast(pa.string()).drop_null().unique().to_pylist())
        return table

    def gaze(self, table: pa.Table) -> pa.Table:
        """Count a table of samples and hand it on."""
        self.samples += table.num_rows
        self.observers |= set(table["observer_id"].cast(pa.string()).unique().to_pylist())
        return table

    def counts(self) -> dict[str, int | None]:
        """What was counted."""
        return {
            "fixations": self.rows,
            "points_in_bounds": self.points,
            "out_of_bounds": self.outside,
            "gaze_samples": self.samples,
            "observers": len(self.observers) or None,
        }
