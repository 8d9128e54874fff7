"""Checking a release: digests, counts, the rules of the schema, and frame counts against the registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from . import schema
from .errors import BadData
from .files import sha256
from .join import release_digest
from .records import EVENTS, POINT_EVENTS
from .register import rows
from .release import Release

_REGISTERS = {
    "dhf1k": "dhf1k",
    "hollywood2": "hollywood2_shots",
    "ucf-sports": "ucf_sports",
    "ledov": "ledov",
    "gazecom": "gazecom",
    "mit1003": "mit1003",
    "xu-hevc": "xu_hevc",
}
_MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One result of the check.

    Attributes:
        rule: short name of the rule.
        ok: whether it holds.
        message: what was checked; where it does not hold, the first differences.
    """

    rule: str
    ok: bool
    message: str


def verify(root: str | Path) -> list[Finding]:
    """Check a converted folder.

    Returns:
        A finding for every rule, those that fail included.

    Raises:
        MissingData: there is no release.
        BadData: release.json itself is damaged.
    """
    release = Release(root)
    findings = list(_files(release))
    if not all(f.ok for f in findings):
        return findings
    try:
        tables = {name: release.table(name) for name in ("stimuli", "fixations")}
    except (pa.ArrowException, OSError) as error:
        return [*findings, Finding("readable", False, f"{release.root}: {error}")]
    findings += _schemas(release)
    findings += _rows(release, tables["stimuli"], tables["fixations"])
    findings += _counts(release, tables["fixations"])
    findings.append(_register(release))
    return findings


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
    wanted = {"stimuli": schema.STIMULI, "fixations": schema.FIXATIONS, "gaze": schema.GAZE}
    for name, expected in wanted.items():
        path = release.root / f"{name}.parquet"
        if not path.is_file():
            continue
        found = pq.read_schema(path)
        different = [f.name for f in expected if f.name not in found.names or found.field(f.name).type != f.type]
        yield Finding(
            "schema", not different, f"{name}: " + (f"columns differ: {different}" if different else "as in schema 1")
        )
        groups = pq.read_metadata(path)
        most = max((groups.row_group(g).num_rows for g in range(groups.num_row_groups)), default=0)
        yield Finding("row-groups", most <= schema.ROW_GROUP_ROWS, f"{name}: largest row group {most} rows")


def _rows(release: Release, stimuli: pa.Table, fixations: pa.Table) -> Iterator[Finding]:
    ids = stimuli["stimulus_id"].to_pylist()
    yield Finding("ids", len(set(ids)) == len(ids), f"{len(ids)} stimuli, ids are unique")
    size = {r["stimulus_id"]: (r["width"], r["height"], r["n_frames"]) for r in stimuli.to_pylist()}
    named = fixations["stimulus_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    unknown = sorted(set(named.dictionary.to_pylist()) - set(size))
    yield Finding(
        "ids", not unknown, f"rows of unknown stimuli: {_some(unknown)}" if unknown else "every row has a stimulus"
    )
    if unknown or not fixations.num_rows:
        return
    limits = np.array([size[i] for i in named.dictionary.to_pylist()], np.int64)[named.indices.to_numpy()]
    x, y, frame = (fixations[c].to_numpy() for c in ("x_px", "y_px", "frame"))
    inside = (x >= 0) & (x < limits[:, 0]) & (y >= 0) & (y < limits[:, 1])
    wrong = int((inside != fixations["in_bounds"].to_numpy()).sum())
    yield Finding("in_bounds", not wrong, f"{wrong} of {len(x)} rows contradict their coordinates")
    late = int(((frame < 0) | (frame >= limits[:, 2])).sum())
    yield Finding("frame", not late, f"{late} of {len(x)} rows lie outside their stimulus's frames")
    end = pc.coalesce(fixations["frame_end"], fixations["frame"]).to_numpy()
    bad = int(((end < frame) | (end >= limits[:, 2])).sum())
    yield Finding("frame_end", not bad, f"{bad} of {len(x)} rows end before they begin, or after the last frame")
    events = set(fixations["event"].cast(pa.string()).unique().to_pylist())
    yield Finding("event", events <= set(EVENTS), f"events: {', '.join(sorted(events))}")
    order = named.indices.to_numpy().astype(np.int64) * (int(limits[:, 2].max()) + 1) + frame
    yield Finding("sorted", bool((np.diff(order) >= 0).all()), "rows are sorted by stimulus and frame")


def _counts(release: Release, fixations: pa.Table) -> Iterator[Finding]:
    inside = fixations["in_bounds"].to_numpy()
    points = pc.is_in(fixations["event"].cast(pa.string()), pa.array(POINT_EVENTS)).to_numpy()
    counted: dict[str, Any] = {
        "fixations": fixations.num_rows,
        "points_in_bounds": int((inside & points).sum()),
        "out_of_bounds": int((~inside).sum()),
        "stimuli": len(release),
    }
    for name, value in counted.items():
        told = release.record["counts"].get(name)
        yield Finding(
            "counts", told == value, f"{name}: {value}" + ("" if told == value else f", release.json says {told}")
        )


def _register(release: Release) -> Finding:
    name = release.record["dataset"]
    if name not in _REGISTERS:
        return Finding("register", True, f"{name} has no register of frame counts")
    known = {}
    for line in rows(_REGISTERS[name]):
        if line["n_frames"]:
            known[line["video"].rsplit(".jpeg", 1)[0]] = int(line["n_frames"])
    pairs = [(s.id, s.n_frames, known.get(s.id)) for s in release]
    different = [f"{i}: {n} here, {k} in the register" for i, n, k in pairs if k is not None and n != k]
    compared = sum(k is not None for _, _, k in pairs)
    if different:
        return Finding("register", False, f"{len(different)} of {compared} frame counts differ: {_some(different)}")
    absent = len(known) - compared
    return Finding(
        "register",
        True,
        f"{compared} frame counts equal the register" + (f", {absent} of its lines are not here" if absent else ""),
    )


def _some(items: list[str]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def require(findings: list[Finding]) -> None:
    """Raise BadData with all failed findings, if there are any."""
    failed = [f"{f.rule}: {f.message}" for f in findings if not f.ok]
    if failed:
        raise BadData("; ".join(failed))
