"""Joining finished stimuli, in the order of the register, to the tables and the record of a release."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import MissingData
from ..io import parquet
from ..io.files import parse_json, sha256
from ..io.names import shortlist
from ..records import POINT_EVENTS, RELEASED, Anomaly, DatasetInfo, Report, Truth
from ..release.digests import release_digest
from ..schema import FIXATIONS, GAZE, SCHEMA_VERSION, STIMULI, with_metadata
from . import parts
from .job import Job


class Stopped(Exception):
    """The conversion ended before this stimulus was done."""


class Turnstile:
    """Lets the threads that join tables pass stimulus by stimulus, in order, as each is done."""

    def __init__(self, count: int) -> None:
        self._done = [False] * count
        self._stopped = False
        self._changed = Condition()

    def finish(self, index: int) -> None:
        """Say that a stimulus is done."""
        with self._changed:
            self._done[index] = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Say that no further stimulus will be done."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self, index: int) -> None:
        """Return when a stimulus is done.

        Raises:
            Stopped: it will never be.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._done[index] or self._stopped)
            if not self._done[index]:
                raise Stopped


class Joiner:
    """Joins the tables of a release while stimuli are still being converted, or afterwards.

    Args:
        info: the data set.
        jobs: its stimuli, in order.
        folder: where the tables are written; they are moved to the release when they are complete.
    """

    def __init__(self, info: DatasetInfo, jobs: list[Job], folder: Path) -> None:
        self._info, self._jobs, self._folder = info, jobs, folder
        self.turnstile = Turnstile(len(jobs))
        self._pool = ThreadPoolExecutor(2, "vidsal-join")
        self._fixations, self._gaze = FixationTally(), GazeTally()
        self._tables: dict[str, Any] = {}

    def start(self) -> None:
        """Begin to join in two threads; they wait for stimuli that are not done."""
        for name, schema, count in (
            ("fixations", FIXATIONS, self._fixations.count),
            ("gaze", GAZE, self._gaze.count),
        ):
            self._tables[name] = self._pool.submit(self._write, name, schema, self._parts(name, count))

    def _parts(self, name: str, count: Callable[[pa.Table], pa.Table]) -> Iterator[pa.Table]:
        for index, job in enumerate(self._jobs):
            self.turnstile.wait(index)
            if job.part(name).is_file():
                yield count(parts.read(job.part(name)))

    def _write(self, name: str, schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
        provenance = {"dataset": self._info.name, "variant": self._info.variant, "version": self._info.version}
        path = self._folder / f"{name}.parquet"
        return parquet.write(path, with_metadata(schema, self._info.release_id, provenance), tables)

    def stop(self) -> None:
        """End the threads without a result."""
        self.turnstile.stop()
        self._pool.shutdown()

    def finish(self, report: Report) -> tuple[dict[str, Any], list[Path], tuple[Anomaly, ...]]:
        """Wait for the tables and make the record of the release.

        Returns:
            The content of release.json, the files that belong to it, and the anomalies.

        Raises:
            MissingData: not one stimulus can be used, or none has gaze that is not withheld from everybody.
        """
        read = [parse_json(job.done.read_bytes()) for job in self._jobs]
        found = [*report, *(Anomaly(**a) for record in read for a in record["anomalies"])]
        # Where the source lies on this machine is no part of a release.
        anomalies = [replace(a, message=_placeless(a.message, self._jobs[0])) for a in found]
        records = [record for record in read if record["stimulus"]]
        stimuli = [record["stimulus"] for record in records]
        if not any(s["annotated"] or s["source_sha256"] for s in stimuli):
            raise MissingData(
                f"no stimulus of {self._info.release_id} can be used, none has gaze or frames that can be read"
                f"{first_reason(anomalies)}"
            )
        gazed = any(s["annotated"] or s["split"] in self._info.withheld for s in stimuli)
        if not gazed and not any(a.kind == "unreadable" for a in anomalies):  # what is damaged is told as such
            raise MissingData(no_gaze(self._info, len(stimuli), self._jobs[0].source))
        anomalies += [*_frames_missing(stimuli), *_outside(records)]
        rows = {name: future.result() for name, future in self._tables.items()}
        self._pool.shutdown()
        self._write("stimuli", STIMULI, iter([pa.Table.from_pylist(stimuli, schema=STIMULI)]))
        names = ["stimuli", "fixations", *(["gaze"] if rows["gaze"] else [])]
        files = [self._folder / f"{name}.parquet" for name in names]
        release = self._release(stimuli, records, anomalies, {file.name: sha256(file) for file in files})
        return release, files, tuple(anomalies)

    def _release(
        self,
        stimuli: list[dict[str, Any]],
        records: list[dict[str, Any]],
        anomalies: list[Anomaly],
        digests: dict[str, str],
    ) -> dict[str, Any]:
        info = self._info
        fixations, gaze = self._fixations, self._gaze
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
            "truth": _truths(info, records),
            "counts": {
                "stimuli": len(stimuli),
                "annotated": sum(s["annotated"] for s in stimuli),
                "with_frames": sum(s["source_sha256"] is not None for s in stimuli),
                "frames": sum(s["n_frames"] for s in stimuli),
                **fixations.counts(),
                **gaze.counts(),
                "observers": len(fixations.observers | gaze.observers) or None,
            },
            "sources": {s["stimulus_id"]: r["gaze_digest"] for s, r in zip(stimuli, records, strict=True)},
            **_first_frame_numbers(records),
            **_truth_files(records),
            **({"processing": dict(info.processing)} if info.processing else {}),
            "files": digests,
            "anomalies": [asdict(a) for a in anomalies],
        }
        return {**release, "digest": release_digest(release)}


def _placeless(message: str, job: Job) -> str:
    return message.replace(f"{job.source}/", "").replace(f"{job.frames_root}/", "")


def _first_frame_numbers(records: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Numbers of the image of frame 0, where the data set's frames may be images with given numbers."""
    numbers = {r["stimulus"]["stimulus_id"]: r["first_frame_number"] for r in records}
    known = {name: number for name, number in numbers.items() if number is not None}
    return {"first_frame_numbers": known} if known else {}


def _truth_files(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Videos of released densities and their digests, by stimulus."""
    known = {r["stimulus"]["stimulus_id"]: r["truth_file"] for r in records if r["truth_file"] is not None}
    return {"truth_files": known} if known else {}


def _truths(info: DatasetInfo, records: list[dict[str, Any]]) -> dict[str, Any]:
    """The truth recipes; released densities come first, where there are any."""
    truths = dict(info.truths)
    if _truth_files(records):
        truths = {RELEASED: Truth(kernel=RELEASED, note=info.released_truth), **truths}
    return {"default": next(iter(truths)), "recipes": {k: asdict(v) for k, v in truths.items()}}


def _frames_missing(stimuli: list[dict[str, Any]]) -> list[Anomaly]:
    """One anomaly for all stimuli with gaze whose frames are not here."""
    missing = [s["stimulus_id"] for s in stimuli if s["source_sha256"] is None and s["annotated"]]
    if not missing:
        return []
    message = f"no frames for {len(missing)} of {len(stimuli)} stimuli: {shortlist(missing, 10)}"
    return [Anomaly("missing", "frames", message, len(missing))]


def _outside(records: list[dict[str, Any]]) -> list[Anomaly]:
    """One anomaly for all fixations outside their frame, and a note for samples: trackers see the eye leave it."""
    found = []
    for kind, where, what in (("events", "fixations", "fixations"), ("samples", "samples", "gaze samples")):
        counts = {r["stimulus"]["stimulus_id"]: r["outside"][kind] for r in records if r["outside"][kind]}
        if counts:
            names = shortlist([f"{name} ({count})" for name, count in counts.items()], 10)
            message = f"{what} lie outside the frame in {len(counts)} stimuli: {names}; kept, but no points"
            found.append(Anomaly("out-of-range", where, message, sum(counts.values()), fatal=kind == "events"))
    return found


def no_gaze(info: DatasetInfo, count: int, source: Path) -> str:
    """Say that there are stimuli, but not the gaze on one of them."""
    return (
        f"{source}: frames of {count} stimuli of {info.name}, but no gaze of {info.release_id} is here; expected "
        f"{'; '.join(info.layout)}. {info.obtain}"
    )


def first_reason(anomalies: Sequence[Anomaly]) -> str:
    """Name the first anomaly, an unreadable file before all others; empty without one."""
    why = next((a for a in anomalies if a.kind == "unreadable"), next(iter(anomalies), None))
    return f": {why.where}: {why.message}" if why else ""


class FixationTally:
    """Counts rows of the fixations table while they are joined."""

    def __init__(self) -> None:
        self.rows = self.points = self.outside = 0
        self.observers: set[str] = set()

    def count(self, table: pa.Table) -> pa.Table:
        """Count a table and hand it on."""
        self.rows += table.num_rows
        inside = table["in_bounds"].to_numpy()
        self.outside += int((~inside).sum())
        events = pc.is_in(table["event"].cast(pa.string()), pa.array(POINT_EVENTS)).to_numpy()
        self.points += int(np.sum(inside & events))
        self.observers |= set(table["observer_id"].cast(pa.string()).drop_null().unique().to_pylist())
        return table

    def counts(self) -> dict[str, int]:
        """What was counted."""
        return {"fixations": self.rows, "points_in_bounds": self.points, "out_of_bounds": self.outside}


class GazeTally:
    """Counts rows of the gaze table while they are joined."""

    def __init__(self) -> None:
        self.rows = 0
        self.observers: set[str] = set()

    def count(self, table: pa.Table) -> pa.Table:
        """Count a table and hand it on."""
        self.rows += table.num_rows
        self.observers |= set(table["observer_id"].cast(pa.string()).unique().to_pylist())
        return table

    def counts(self) -> dict[str, int]:
        """What was counted."""
        return {"gaze_samples": self.rows}
