"""Converting one stimulus: probe its frames, read its gaze, complete and check both, write three small files.

The record (`.json`) is written last; a stimulus that has one is done, unless its sources had an anomaly or
changed since, or one of the three files is no longer what was written.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import registry
from ..errors import BadData
from ..formats import frames
from ..io.away import Files, Shared, leave
from ..io.files import parse_json, read_sealed, sha256, sha256_text, write_json
from ..io.folders import files
from ..records import LOST, DatasetInfo, Form, Gaze, Report, StimulusRow
from ..schema import GAZE, fixations_table, flagged, gaze_table
from . import parts

_PLACED_EVENTS = ("fixation", "pursuit", "mouse")
"""Events that a source places on the stimulus; samples of an eye tracker leave it all the time."""


@dataclass(frozen=True)
class Job:
    """One stimulus to convert: all that a worker needs."""

    name: str
    variant: str | None
    source: Path
    partial: Path
    row: StimulusRow
    own: Form | None = None
    """The form itself where it is none of the registry's; None = that of the name and variant."""
    frames: Path | None = None
    """Where the frames lie, if not in the source."""

    @property
    def form(self) -> Form:
        """The form that reads the stimulus."""
        return registry.form(self.name, self.variant) if self.own is None else self.own

    @property
    def frames_root(self) -> Path:
        """The folder that the row's `source_file` is relative to."""
        return self.source if self.frames is None else self.frames

    @property
    def stem(self) -> Path:
        """Path of the stimulus's files without suffix."""
        return self.partial / hashlib.sha256(self.row.stimulus_id.encode()).hexdigest()[:24]

    @property
    def done(self) -> Path:
        """The record: it is there when the stimulus is done."""
        return self.stem.with_suffix(".json")

    def part(self, table: str) -> Path:
        """File of the stimulus's rows of a table."""
        return self.stem.with_suffix(f".{table}")


def _stamp(path: Path) -> list[Any] | str | None:
    """What changes when a file, or one of a folder's files, does; None where nothing is."""
    if path.is_dir():
        states = [(file.name, *_state(file)) for file in files(path)]
        return sha256_text("".join(f"{name} {size} {time}\n" for name, size, time in states))
    return [*_state(path)] if path.exists() else None


def _state(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def still_valid(job: Job) -> bool:
    """Return whether a stimulus was done before, nothing was odd about it, and its sources have not changed since.

    Where something was odd, a file may have been repaired or added since, which no stamp shows.
    """
    content = read_sealed(job.done)
    if content is None:
        return False
    try:
        record = parse_json(content)
        stamps = record["stamps"]
        return (
            record["row"] == repr(job.row)
            and not any(anomaly["fatal"] for anomaly in record["anomalies"])
            and record["frames"] == _stamp(job.frames_root / job.row.source_file)
            and all(_stamp(job.source / path) == stamp for path, stamp in stamps.items())
            and all(sha256(job.part(table)) == digest for table, digest in record["parts"].items())
        )
    except (ValueError, KeyError, TypeError, OSError):
        return False


def list_one(
    name: str, variant: str | None, own: Form | None, source: Path, report: Report
) -> tuple[list[StimulusRow], Report]:
    """Return the stimuli of a source, and the report with what is odd of them; be it in another process."""
    form = registry.form(name, variant) if own is None else own
    return list(form.stimuli(source, report)), report


def convert_one(job: Job) -> None:
    """Convert one stimulus."""
    form = job.form
    report = Report()
    path = job.frames_root / job.row.source_file
    found = _probe(path, job.row, report) if frames.exists(path) else None
    row = _complete(job.row, found)
    try:
        gaze = form.gaze(job.source, row, report)
    except BadData as error:
        reason = str(error).removeprefix(f"{row.stimulus_id}: ")
        report.add("unreadable", row.stimulus_id, f"{reason}; taken as not annotated")
        gaze = Gaze(annotated=False)
    row = row if row.fps or row.kind == "image" else replace(row, fps=gaze.fps)
    n_frames = _count(row, found, gaze, report)
    unknown = "size" if row.width is None or row.height is None else "" if n_frames else "number of frames"
    if unknown:
        message = f"neither register, frames nor annotation tell its {unknown}; left out"
        report.add("unusable", row.stimulus_id, message)
        write_json(job.done, _record(job, gaze, None, report, {}, {}), sealed=True)
        return
    fixations, samples = _tables(job.name, row, gaze, n_frames, report)
    tables = {"fixations": fixations, "gaze": samples}
    digests = {name: parts.write(job.part(name), table) for name, table in tables.items()}
    stimulus = _stimulus(form.INFO, row, gaze, n_frames, found)
    outside = _outside(fixations, samples, row)
    write_json(job.done, _record(job, gaze, stimulus, report, outside, digests), sealed=True)


def convert_away(job: Job, where: Shared) -> Files | None:
    """Convert one stimulus on a machine that may not see the folder of the command; return its files if so."""
    return leave(where, lambda folder: convert_one(replace(job, partial=folder)))


def _record(
    job: Job,
    gaze: Gaze,
    stimulus: dict[str, Any] | None,
    report: Report,
    outside: dict[str, int],
    digests: dict[str, str],
) -> dict[str, Any]:
    texts = [f"{f} {_digest_of(job.source / f, *_state(job.source / f))}\n" for f in gaze.source_files]
    read = {*gaze.source_files, *gaze.folders, *([job.row.truth_file] if job.row.truth_file else [])}
    return {
        "row": repr(job.row),
        "frames": _stamp(job.frames_root / job.row.source_file),
        "stamps": {path: _stamp(job.source / path) for path in read},
        "stimulus": stimulus,
        "first_frame_number": job.row.first_frame_number,
        "truth_file": _truth_file(job),
        "gaze_digest": sha256_text("".join(texts)) if texts else None,
        "outside": outside,
        "parts": digests,
        "anomalies": [asdict(a) for a in report],
    }


def _truth_file(job: Job) -> dict[str, str] | None:
    """Where the released densities lie, and their digest."""
    file = job.row.truth_file
    if file is None or not (job.source / file).is_file():
        return None
    return {"file": file, "sha256": _digest_of(job.source / file, *_state(job.source / file))}


@lru_cache(maxsize=64)
def _digest_of(path: Path, size: int, modified_ns: int) -> str:
    """Digest of a source file; one file may hold the gaze of many stimuli."""
    return sha256(path)


def _probe(path: Path, row: StimulusRow, report: Report) -> frames.FrameSource | None:
    try:
        found = frames.probe(path, row.first_frame_number)
    except BadData as error:
        report.add("unreadable", row.source_file, f"{error}")
        return None
    for note in found.notes:
        report.add("frames", row.source_file, note)
    for remark in found.remarks:
        report.add("frames", row.source_file, remark, fatal=False)
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
    """Decide n_frames: the loader's exception, decoded, register, annotation; what is annotated past it is surplus."""
    if gaze.n_frames is not None:
        return gaze.n_frames
    last = -1 if gaze.last_annotated is None else gaze.last_annotated
    if row.n_frames is None:
        return last + 1
    if found is None and last >= row.n_frames:
        message = f"annotation runs to frame {last}, the register says {row.n_frames} frames, which is taken"
        report.add("mismatch", row.stimulus_id, message)
    return row.n_frames


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
    frames_past = _frames_past(gaze.annotated_frames, table["frame"].filter(past), n_frames)
    if frames_past:
        message = f"{frames_past} annotated frames lie past the last of {n_frames}; they and their {surplus} rows are"
        report.add("surplus", row.stimulus_id, f"{message} left out", count=frames_past)
        table = table.filter(pc.invert(past))
    samples = (
        GAZE.empty_table()
        if gaze.samples is None
        else gaze_table(gaze.samples, dataset=name, stimulus_id=row.stimulus_id)
    )
    return table, samples


def _frames_past(ranges: tuple[int, ...] | None, frames: pa.ChunkedArray, n_frames: int) -> int:
    """Count the frames past the last: the annotated ones, blank or not, where the source names them."""
    if ranges is None:
        return len(frames.unique())
    return sum(max(last - max(first, n_frames) + 1, 0) for first, last in zip(ranges[::2], ranges[1::2], strict=True))


def _outside(fixations: pa.Table, samples: pa.Table, row: StimulusRow) -> dict[str, int]:
    """Count what lies outside the frame: labelled events, and samples. Lost ones, which have no place, do not count."""
    outside = ~fixations["in_bounds"].to_numpy() & ~flagged(fixations["flags"], LOST)
    is_event = pc.is_in(fixations["event"].cast(pa.string()), pa.array(_PLACED_EVENTS)).to_numpy()
    x, y = (samples[name].to_numpy() for name in ("x_px", "y_px"))
    inside = (x >= 0) & (x < (row.width or 0)) & (y >= 0) & (y < (row.height or 0))
    strays = int((~inside & np.isfinite(x) & np.isfinite(y)).sum())
    return {"events": int((outside & is_event).sum()), "samples": int((outside & ~is_event).sum()) + strays}


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
