"""Checking a release: digests, counts, the rules of the schema, and its stimuli against the registers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import schema
from ..io.files import sha256
from ..io.names import shortlist
from ..io.progress import Progress, silent
from ..registry import register
from ..release.digests import release_digest
from ..release.release import Release
from .verify_rows import MOST_NAMED, Finding, Fixations, Gaze, Rows, Stimuli, fault_of

__all__ = ["Finding", "verify"]

_TABLES = {"stimuli": schema.STIMULI, "fixations": schema.FIXATIONS, "gaze": schema.GAZE}
_DURATION_MS = 1e-3
_MOST_FRAMES = 1
"""Decoders differ by a frame at the end of a video; more is another video."""


def verify(root: str | Path, progress: Progress = silent) -> list[Finding]:
    """Check a converted folder; a table is read a row group at a time.

    Args:
        root: the folder.
        progress: called with the number of rows that are checked, that of all, and the table.

    Returns:
        A finding for every rule, those that fail included.

    Raises:
        MissingData: there is no release.
        BadData: release.json or stimuli.parquet is damaged.
    """
    release = Release(root, checked=False)
    findings = list(_files(release))
    if not all(f.ok for f in findings):
        return findings
    lines = release.table("stimuli").to_pylist()
    try:
        findings += _schemas(release)
        if all(f.ok for f in findings):
            findings += _rows(release, lines, progress)
    except (pa.ArrowException, OSError) as error:
        return [*findings, Finding("readable", False, f"{release.root}: {error}")]
    return [*findings, *_stimuli(release, lines), *_register(release, lines)]


def _files(release: Release) -> Iterator[Finding]:
    for name, digest in sorted(release.record["files"].items()):
        path = release.root / name
        if not path.is_file():
            yield Finding("digest", False, f"{name} is missing; convert again")
        elif sha256(path) != digest:
            yield Finding("digest", False, f"{name} is not the file that was converted (its SHA-256 differs)")
        else:
            yield Finding("digest", True, f"{name} has its recorded SHA-256")
    surplus = sorted({p.name for p in release.root.glob("*.parquet")} - set(release.record["files"]))
    if surplus:
        yield Finding("digest", False, f"{', '.join(surplus)}: not part of this release; remove it or convert again")
    same = release_digest(release.record) == release.digest
    yield Finding("digest", same, "the release's digest " + ("fits" if same else "does not fit its content"))


def _schemas(release: Release) -> Iterator[Finding]:
    for name, expected in _TABLES.items():
        path = release.root / f"{name}.parquet"
        if not path.is_file():
            continue
        with pq.ParquetFile(path) as file:
            found, groups = file.schema_arrow, file.metadata
        different = [f.name for f in expected if f.name not in found.names or found.field(f.name).type != f.type]
        yield Finding(
            "schema", not different, f"{name}: " + (f"columns differ: {different}" if different else "as in schema 1")
        )
        most = max((groups.row_group(g).num_rows for g in range(groups.num_row_groups)), default=0)
        yield Finding("row-groups", most <= schema.ROW_GROUP_ROWS, f"{name}: largest row group {most} rows")
        nulls = _nulls(groups, [f.name for f in expected if not f.nullable])
        yield Finding(
            "nulls",
            not nulls,
            f"{name}: " + (f"nulls where there are never any: {_listed(nulls)}" if nulls else "none"),
        )


def _nulls(groups: pq.FileMetaData, never: list[str]) -> list[str]:
    """Columns without nulls by the schema that have some by the statistics."""
    count: dict[str, int] = {}
    for g in range(groups.num_row_groups):
        group = groups.row_group(g)
        for c in range(group.num_columns):
            column = group.column(c)
            if column.path_in_schema in never and column.statistics is not None and column.statistics.null_count:
                count[column.path_in_schema] = count.get(column.path_in_schema, 0) + column.statistics.null_count
    return [f"{name} ({number})" for name, number in count.items()]


def _rows(release: Release, lines: list[dict[str, Any]], progress: Progress) -> Iterator[Finding]:
    """Walk the two tables of rows; then compare counts and observers."""
    stimuli = Stimuli(lines)
    dataset = release.record["dataset"]
    fixations, gaze = Fixations(stimuli, dataset), Gaze(stimuli, dataset)
    tables: dict[str, Rows] = {"fixations": fixations, "gaze": gaze}
    files = {name: release.root / f"{name}.parquet" for name in tables if f"{name}.parquet" in release.record["files"]}
    total = sum(pq.read_metadata(file).num_rows for file in files.values())
    for name, file in files.items():
        yield from tables[name].walk(file, partial(_report, progress, tables, total, name))
    seen = [fixations.seen_by.get(i, set()) | gaze.seen_by.get(i, set()) for i in range(len(lines))]
    yield _finding(
        "n_observers",
        f"{len(lines)} stimuli have the observers that they say",
        [
            f"{line['stimulus_id']}: expected {line['n_observers']}, found {len(names)}"
            for line, names in zip(lines, seen, strict=True)
            if line["n_observers"] is not None and line["n_observers"] != len(names)
        ],
    )
    counted = {
        "stimuli": len(lines),
        "annotated": sum(line["annotated"] for line in lines),
        "with_frames": sum(line["source_sha256"] is not None for line in lines),
        "frames": sum(line["n_frames"] for line in lines),
        "fixations": fixations.rows,
        "points_in_bounds": fixations.points,
        "out_of_bounds": fixations.outside,
        "gaze_samples": gaze.rows,
        "observers": len(set().union(*seen)) or None,
    }
    for name, value in counted.items():
        recorded = release.record["counts"].get(name)
        differs = "" if recorded == value else f", release.json says {recorded}"
        yield Finding("counts", recorded == value, f"{name}: {value}{differs}")


def _report(progress: Progress, tables: Mapping[str, Rows], total: int, name: str) -> None:
    progress(sum(table.rows for table in tables.values()), total, name)


def _stimuli(release: Release, lines: list[dict[str, Any]]) -> Iterator[Finding]:
    """The rules of stimuli.parquet by itself."""
    ids = [line["stimulus_id"] for line in lines]
    twice = [i for i, count in Counter(ids).items() if count > 1]
    yield _finding("ids", f"{len(ids)} stimuli, ids are unique", twice)
    for rule, holds, fault in (
        ("annotated_frames", "annotated frames are ascending pairs inside the stimulus", fault_of),
        ("stimuli", "size, number of frames, rate and duration fit one another", _fault_of_size),
        ("dataset", f"the data set is {release.record['dataset']}", _stranger(release.record["dataset"])),
    ):
        faults = [f"{line['stimulus_id']}: {message}" for line in lines if (message := fault(line))]
        yield _finding(rule, holds, faults)


def _stranger(dataset: str) -> Any:
    return lambda line: None if line["dataset"] == dataset else f"expected {dataset}, found {line['dataset']}"


def _fault_of_size(line: Mapping[str, Any]) -> str | None:
    for name in ("width", "height", "n_frames"):
        if line[name] < 1:
            return f"{name}: expected at least 1, found {line[name]}"
    if line["kind"] not in ("video", "image"):
        return f"kind: expected video or image, found {line['kind']}"
    if line["kind"] == "image":
        return None if line["n_frames"] == 1 else f"n_frames of an image: expected 1, found {line['n_frames']}"
    if not line["fps_num"] or not line["fps_den"]:
        return None
    expected = 1000 * line["n_frames"] * line["fps_den"] / line["fps_num"]
    if line["duration_ms"] is None or abs(line["duration_ms"] - expected) > _DURATION_MS:
        return f"duration_ms: expected {expected:g}, found {line['duration_ms']}"
    return None


def _register(release: Release, lines: list[dict[str, Any]]) -> Iterator[Finding]:
    """Compare frame counts, sizes and splits with the register of the data set."""
    name = release.record["dataset"]
    registered = register(name)
    if not registered:
        yield Finding("register", True, f"{name} has no register of frame counts")
        return
    known = {line["video"].removesuffix(".jpeg"): line for line in registered}
    pairs = [(line, known[line["stimulus_id"]]) for line in lines if line["stimulus_id"] in known]
    absent = len(known) - len(pairs)
    for what, columns in (("frame counts", ("n_frames",)), ("sizes", ("width", "height")), ("splits", ("split",))):
        compared = [
            (line["stimulus_id"], [str(line[c]) for c in columns], [expected[c] for c in columns])
            for line, expected in pairs
            if all(expected[c] for c in columns)
        ]
        most = _MOST_FRAMES if columns == ("n_frames",) else 0
        different = [
            (_is_near(here, there, most), f"{i}: {' x '.join(here)} here, {' x '.join(there)} in the register")
            for i, here, there in compared
            if here != there
        ]
        far = [text for near, text in different if not near]
        more = f", {absent} of its lines are not here" if absent else ""
        message = f"{len(compared)} {what} equal the register{more}"
        if far:
            message = f"{len(far)} of {len(compared)} {what} differ: {_listed(far)}"
        elif different:
            texts = _listed([text for _, text in different])
            message = f"{len(compared)} {what} equal the register but for one frame in {len(different)}: {texts}{more}"
        yield Finding("register", not far, message)


def _is_near(here: list[str], there: list[str], most: int) -> bool:
    """Whether numbers differ by no more than `most`."""
    return most > 0 and all(abs(int(a) - int(b)) <= most for a, b in zip(here, there, strict=True))


def _finding(rule: str, holds: str, faults: list[str]) -> Finding:
    return Finding(rule, not faults, f"{len(faults)} stimuli differ: {_listed(faults)}" if faults else holds)


def _listed(faults: list[str]) -> str:
    return shortlist(faults, MOST_NAMED, between="; ")
