"""Tables of gaze as a form of a data set: stimuli, and the gaze of one, by a column map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import BadData, MissingData
from ..formats.completeness import Extent, extent_of, report_incomplete
from ..formats.frames import IMAGE_SUFFIXES, VIDEO_SUFFIXES, numbered_images
from ..io.folders import entries, files, matching
from ..io.matching import Ids
from ..io.names import natural_key, shortlist
from ..records import Arrays, DatasetInfo, Float64Array, Gaze, Int64Array, Mask, Report, Screen, StimulusRow, Truth
from . import events, positions, tables
from .column_map import ColumnMap

_SIGMA_PX = 25.0
_DEFAULT_OBSERVER = "1"


@dataclass(frozen=True)
class TableForm:
    """Recordings in tables.

    Attributes:
        column_map: what the columns mean.
        only: the one file of the source that is meant; None = all of them.
        videos: folder of the stimuli; None = there are none.
    """

    column_map: ColumnMap
    only: str | None = None
    videos: Path | None = None
    INFO: DatasetInfo = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "INFO", _info(self.column_map))

    def present(self, source: Path) -> bool:
        """Return whether a table is here."""
        return bool(self._files(source, Report()))

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the stimuli that the tables name, in natural order.

        Raises:
            MissingData: no table is there.
            BadData: not one of them can be read.
        """
        read: dict[str, list[str]] = {}
        faults: list[BadData] = []
        found = self._files(source, report)
        if not found:
            pattern = f" named {self.column_map.file.pattern}" if self.column_map.file.pattern else ""
            raise MissingData(f"{source}: no table{pattern} is here; tables end in {', '.join(tables.SUFFIXES)}")
        for name, named in found.items():
            try:
                ids = self._words(source / name, "stimulus", named)
            except BadData as error:
                faults.append(error)
                report.add("unreadable", name, f"{_without(error, source / name)}; left out")
                continue
            for stimulus in dict.fromkeys(ids.tolist()):
                if stimulus is not None:
                    read.setdefault(str(stimulus), []).append(name)
        if not read:
            raise faults[0] if faults else BadData(f"{source}: no row of the tables names a stimulus")
        shown = self._shown(list(read), report)
        for stimulus in sorted(read, key=natural_key):
            yield self._row(stimulus, tuple(read[stimulus]), shown.get(stimulus))

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read all observers of one stimulus.

        Raises:
            BadData: size or rate of the stimulus is unknown, or no table can be used.
        """
        if stimulus.width is None or stimulus.height is None:
            raise BadData(
                f"{stimulus.stimulus_id}: nothing tells its size; give its video with --videos, or width and height in "
                "[stimuli] of the map"
            )
        rate = Fraction(1) if stimulus.kind == "image" else stimulus.fps
        if rate is None:
            raise BadData(
                f"{stimulus.stimulus_id}: nothing tells its frame rate; give its video with --videos, or fps in "
                "[stimuli] of the map"
            )
        recordings: list[_Recording] = []
        for name in stimulus.extra:
            try:
                recordings += self._recordings(source, name, stimulus, rate, report)
            except BadData as error:
                report.add("unreadable", name, f"{_without(error, source / name)}; left out")
        if not recordings:
            raise BadData(f"{stimulus.stimulus_id}: none of its tables can be used")
        _note_twice(recordings, stimulus.stimulus_id, report)
        read = self._samples if self.column_map.kind == "samples" else self._fixations
        return read(recordings, stimulus, rate, report)

    def _files(self, source: Path, report: Report) -> dict[str, dict[str, str]]:
        """Tables below the source, with what their names tell."""
        every = [source / self.only] if self.only else matching(source, "**/*")
        named = [p for p in every if p.is_file() and (self.only or p.suffix.lower() in tables.SUFFIXES)]
        found = {p.relative_to(source): self.column_map.fields_of(p.relative_to(source)) for p in named}
        foreign = [path.as_posix() for path, told in found.items() if told is None]
        if foreign:
            message = f"left out {shortlist(foreign, 3)}: not named {self.column_map.file.pattern}"
            report.add("surplus", ".", message, count=len(foreign), fatal=False)
        return {path.as_posix(): told for path, told in found.items() if told is not None}

    def _columns(self, path: Path) -> dict[str, pa.Array]:
        return tables.read_columns(path, self.column_map.model_dump_json(), tables.state_of(path))

    def _words(self, path: Path, name: str, named: Mapping[str, str]) -> npt.NDArray[np.object_]:
        columns = self._columns(path)
        if name in columns:
            return tables.words(columns[name])
        rows = len(next(iter(columns.values())))
        return np.full(rows, named.get(name), dtype=object)

    def _shown(self, ids: list[str], report: Report) -> dict[str, str]:
        """Videos and images by the stimulus that they are; relative to their folder."""
        if self.videos is None:
            return {}
        suffixes = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
        here = files(self.videos, *suffixes)
        here += [p for p in entries(self.videos) if p.is_dir() and numbered_images(p)]
        by_name = {(p.name if p.name in ids else p.stem if p.is_file() else p.name): p.name for p in here}
        stems = {name: name for name in ids} | {Path(name).stem: name for name in ids if Path(name).suffix in suffixes}
        matched = Ids(stems).match(list(by_name))
        shown = {stems[stem]: by_name[name] for name, stem in matched.found.items()}
        absent = [name for name in ids if name not in shown]
        if not shown:
            raise MissingData(
                f"{self.videos}: no video or image is named as a stimulus; the tables name {shortlist(ids)}, the files "
                f"are {shortlist(by_name.values())}"
            )
        unknown = [by_name[name] for name in by_name if name not in matched.found]
        if unknown:
            message = f"no gaze on {shortlist(unknown)}; left out"
            report.add("surplus", "videos", message, count=len(unknown), fatal=False)
        if absent:
            report.add("missing", "videos", f"no video or image of {shortlist(absent)}", count=len(absent))
        return shown

    def _row(self, stimulus: str, names: tuple[str, ...], shown: str | None) -> StimulusRow:
        known = self.column_map.stimulus(stimulus)
        is_image = shown is not None and Path(shown).suffix.lower() in IMAGE_SUFFIXES
        kind = known.kind or ("image" if is_image else "video")
        return StimulusRow(
            stimulus_id=stimulus,
            split="all",
            source_file=shown or f"{stimulus}{'' if Path(stimulus).suffix else '.mp4'}",
            width=known.width if shown is None else None,
            height=known.height if shown is None else None,
            n_frames=1 if kind == "image" else known.n_frames if shown is None else None,
            fps=None if kind == "image" else known.rate,
            kind=kind,
            duration_ms=known.duration_ms,
            extra=names,
        )

    def _recordings(
        self, source: Path, name: str, stimulus: StimulusRow, rate: Fraction, report: Report
    ) -> list[_Recording]:
        """The recordings in one file: rows of one observer and trial, by time."""
        path, wanted = source / name, self.column_map
        named = wanted.fields_of(Path(name)) or {}
        own = self._words(path, "stimulus", named) == stimulus.stimulus_id
        columns = tables.fields(self._columns(path), np.flatnonzero(own))
        observer, trial = (self._words(path, field, named)[own] for field in ("observer", "trial"))
        observer = np.array([_DEFAULT_OBSERVER if o is None else o for o in observer.tolist()], dtype=object)
        values: dict[str, Float64Array] = {
            field: tables.numbers(columns[field], path, field, wanted.file.decimal)
            for field in ("x", "y", "time", "duration", "frame", "pupil", "confidence")
            if field in columns
        }
        labels = tables.words(columns["event"]) if "event" in columns else None
        size = (stimulus.width or 0, stimulus.height or 0)
        found = []
        keys = [(o, "" if t is None else str(t)) for o, t in zip(observer.tolist(), trial.tolist(), strict=True)]
        codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
        code_of = np.array([codes[key] for key in keys])
        for key, code in codes.items():
            at = np.flatnonzero(code_of == code)
            if wanted.units.zero == "first" and "time" in values:
                before = values["time"][at] < values["time"][at[0]]
                if before.any():
                    message = f"rows of {key[0]} lie before the first one in time; left out"
                    report.add("out-of-range", name, message, count=int(before.sum()))
                at = at[~before]
            part = {field: column[at] for field, column in values.items()}
            own_labels = None if labels is None else labels[at]
            found.append(_recording(key, name, part, own_labels, wanted, size, rate, stimulus.kind))
        return found

    def _samples(self, found: list[_Recording], stimulus: StimulusRow, rate: Fraction, report: Report) -> Gaze:
        wanted = self.column_map
        parts, rest, extents = [], [], []
        degree = positions.px_per_degree(wanted.screen, (stimulus.width or 0, stimulus.height or 0))
        for recording in found:
            label, begins = recording.event, None
            if wanted.events.detector != "none":
                label, begins = events.detect(recording.t_us, recording.x, recording.y, wanted.events, degree)
            seen = np.isfinite(recording.x) & np.isfinite(recording.y)
            if label is None:
                parts.append(recording.points(seen & recording.within(stimulus.n_frames)))
                rest.append(recording.samples(~(seen & recording.within(stimulus.n_frames)), None))
            else:
                parts.append(recording.runs(label, begins, rate, stimulus))
                rest.append(recording.samples(np.ones(len(seen), bool), label))
            extents.append(extent_of(recording.observer, recording.name, recording.t_us))
        _report_extents(extents, stimulus, report)
        samples = _joined(rest)
        kept = _joined(parts)
        late = sum(int((~recording.within(stimulus.n_frames)).sum()) for recording in found)
        if late:
            message = "samples before the first frame or after the last, kept as gaze"
            report.add("after-end", stimulus.stimulus_id, message, count=late, fatal=False)
        return self._gaze(kept, samples if len(samples["t_us"]) else None, found, stimulus, report)

    def _fixations(self, found: list[_Recording], stimulus: StimulusRow, rate: Fraction, report: Report) -> Gaze:
        parts = [recording.fixations(rate, stimulus.n_frames) for recording in found]
        placeless = sum(int((~(np.isfinite(r.x) & np.isfinite(r.y))).sum()) for r in found)
        late = sum(len(r.x) for r in found) - placeless - sum(len(part["frame"]) for part in parts)
        for count, what in ((placeless, "have no position"), (late, "begin before the first frame or after the last")):
            if count:
                report.add("out-of-range", stimulus.stimulus_id, f"fixations {what}; left out", count=count)
        return self._gaze(_joined(parts), None, found, stimulus, report)

    def _gaze(
        self,
        columns: dict[str, Any],
        samples: dict[str, Any] | None,
        found: list[_Recording],
        stimulus: StimulusRow,
        report: Report,
    ) -> Gaze:
        last = int(columns["frame"].max(initial=-1))
        ends = columns.get("frame_end")
        last = last if ends is None else max(last, int(ends.max(initial=-1)))
        if stimulus.n_frames is None and last >= 0:
            message = f"nothing tells its length: taken to last to the last fixation, {last + 1} frames"
            report.add("assumption", stimulus.stimulus_id, message, fatal=False)
        if last < 0:
            report.add(
                "mismatch", stimulus.stimulus_id, "no row lies within the stimulus; are time and its unit right?"
            )
        return Gaze(
            fixations=columns if len(columns["frame"]) else {},
            samples=samples,
            annotated=bool(len(columns["frame"])),
            last_annotated=last if stimulus.n_frames is None and last >= 0 else None,
            n_observers=len({recording.observer for recording in found}),
            source_files=tuple(dict.fromkeys(recording.name for recording in found)),
        )


@dataclass(frozen=True)
class _Recording:
    """Rows of one observer and trial on one stimulus, by time; arrays of length n."""

    observer: str
    trial: str | None
    name: str
    t_us: Int64Array
    frame: Int64Array
    x: Float64Array
    y: Float64Array
    more: Arrays
    event: npt.NDArray[np.object_] | None
    duration_us: Float64Array | None
    timed: bool

    def within(self, n_frames: int | None) -> Mask:
        """Which rows begin on a frame of the stimulus."""
        return (self.frame >= 0) & (self.frame < (n_frames or np.iinfo(np.int64).max))

    def points(self, chosen: Mask) -> dict[str, Any]:
        """Samples as points."""
        return {
            **self._who(int(chosen.sum())),
            "event": np.full(int(chosen.sum()), "point", dtype=object),
            "order": np.flatnonzero(chosen).astype(np.int32),
            "onset_ms": self.t_us[chosen] / 1000,
            "frame": self.frame[chosen].astype(np.int32),
            "x_px": self.x[chosen],
            "y_px": self.y[chosen],
            **{k: v[chosen] for k, v in self.more.items() if k in ("x_screen_px", "y_screen_px")},
        }

    def samples(self, chosen: Mask, label: npt.NDArray[np.object_] | None) -> dict[str, Any]:
        """Samples as gaze."""
        lost = ~(np.isfinite(self.x) & np.isfinite(self.y))
        words = np.where(lost, "lost", "point").astype(object) if label is None else label
        return {
            **self._who(int(chosen.sum())),
            "t_us": self.t_us[chosen],
            "x_px": self.x[chosen],
            "y_px": self.y[chosen],
            **{k: v[chosen] for k, v in self.more.items()},
            "label": words[chosen],
        }

    def runs(
        self, label: npt.NDArray[np.object_], begins: Mask | None, rate: Fraction, stimulus: StimulusRow
    ) -> dict[str, Any]:
        """Runs of one label, those that begin on a frame of the stimulus."""
        made = events.runs_of(label, self.t_us, self.x, self.y, begins)
        start_us, end_us = made["t_us"].astype(np.int64), made["end_us"].astype(np.int64)
        frame, end = _frame_of(start_us, rate, stimulus.kind), _frame_of(end_us, rate, stimulus.kind)
        kept = (frame >= 0) & (frame < (stimulus.n_frames or np.iinfo(np.int64).max))
        last = (stimulus.n_frames or np.iinfo(np.int32).max) - 1
        return {
            **self._who(int(kept.sum())),
            **{k: made[k][kept] for k in ("event", "order", "x_px", "y_px")},
            "onset_ms": start_us[kept] / 1000,
            "duration_ms": (end_us - start_us)[kept] / 1000,
            "frame": frame[kept].astype(np.int32),
            "frame_end": np.minimum(end, last)[kept].astype(np.int32),
        }

    def fixations(self, rate: Fraction, n_frames: int | None) -> dict[str, Any]:
        """Rows as fixations, those with a place that begin on a frame of the stimulus."""
        kept = self.within(n_frames) & np.isfinite(self.x) & np.isfinite(self.y)
        event = np.full(len(kept), "fixation", dtype=object) if self.event is None else self.event
        made: dict[str, Any] = {
            **self._who(int(kept.sum())),
            "event": event[kept],
            "order": np.flatnonzero(kept).astype(np.int32),
            "frame": self.frame[kept].astype(np.int32),
            "x_px": self.x[kept],
            "y_px": self.y[kept],
            **{k: v[kept] for k, v in self.more.items() if k in ("x_screen_px", "y_screen_px")},
        }
        if self.timed:
            made["onset_ms"] = self.t_us[kept] / 1000
        if self.duration_us is not None:
            last = (n_frames or np.iinfo(np.int32).max) - 1
            end = np.maximum(np.ceil((self.t_us + self.duration_us) * float(rate) / 1e6) - 1, self.frame)
            end = np.where(np.isfinite(self.duration_us), end, self.frame)
            made["duration_ms"] = self.duration_us[kept] / 1000
            made["frame_end"] = np.minimum(end, last)[kept].astype(np.int32)
        return made

    def _who(self, rows: int) -> dict[str, Any]:
        who = {"observer_id": np.full(rows, self.observer, dtype=object)}
        return who if self.trial is None else {**who, "trial_id": np.full(rows, self.trial, dtype=object)}


def _recording(
    key: tuple[str, str],
    name: str,
    part: Mapping[str, Float64Array],
    labels: npt.NDArray[np.object_] | None,
    wanted: ColumnMap,
    size: tuple[int, int],
    rate: Fraction,
    kind: str,
) -> _Recording:
    units = wanted.units
    x, y = part["x"], part["y"]
    if units.lost is not None:
        lost = (x == units.lost[0]) & (y == units.lost[1])
        x, y = np.where(lost, np.nan, x), np.where(lost, np.nan, y)
    placed = positions.place(x, y, units, wanted.screen, size)
    t_us, timeless = _times(part, wanted, rate)
    if np.isnan(t_us).any():
        raise BadData(f"row {int(np.isnan(t_us).argmax()) + 1} of {key[0]}: no time; every row needs one")
    order = np.argsort(t_us, kind="stable")
    whole = np.rint(t_us[order]).astype(np.int64)
    frame = _frame_of(whole, rate, kind)
    if "frame" in part and kind != "image":
        if np.isnan(part["frame"]).any():
            raise BadData(f"row {int(np.isnan(part['frame']).argmax()) + 1} of {key[0]}: no frame; every row needs one")
        frame = (part["frame"][order] - units.first_frame).astype(np.int64)
    more: Arrays = {k: part[k][order] for k in ("pupil", "confidence") if k in part}
    if placed.x_screen_px is not None and placed.y_screen_px is not None:
        more |= {"x_screen_px": placed.x_screen_px[order], "y_screen_px": placed.y_screen_px[order]}
    event = None if labels is None else events.event_of(labels, wanted.events.labels(), name)[order]
    duration = (
        part["duration"][order] * _microseconds(units.duration or units.time, rate) if "duration" in part else None
    )
    return _Recording(
        key[0],
        key[1] or None,
        name,
        whole,
        frame,
        placed.x_px[order],
        placed.y_px[order],
        more,
        event,
        duration,
        not timeless,
    )


def _times(part: Mapping[str, Float64Array], wanted: ColumnMap, rate: Fraction) -> tuple[Float64Array, bool]:
    """Microseconds from the start of the stimulus, and whether they come from frames only."""
    units = wanted.units
    if "time" in part:
        time = part["time"] - (units.first_frame if units.time == "frame" else 0)
        if units.zero == "first" and len(time):
            time = time - time[0]
        return time * _microseconds(units.time, rate), False
    if "frame" in part:
        return np.ceil((part["frame"] - units.first_frame) * _microseconds("frame", rate)), True
    return np.zeros(len(part["x"])), True


def _microseconds(unit: str, rate: Fraction) -> float:
    return {"us": 1.0, "ms": 1e3, "s": 1e6, "frame": float(1_000_000 / rate)}[unit]


def _frame_of(t_us: Int64Array, rate: Fraction, kind: str) -> Int64Array:
    """The frame on the screen at each time: floor(t fps), in integers; an image has frame 0 only."""
    if kind == "image":
        return np.zeros(len(t_us), np.int64)
    return t_us * rate.numerator // (rate.denominator * 1_000_000)


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _report_extents(extents: list[Extent], stimulus: StimulusRow, report: Report) -> None:
    known = stimulus.n_frames and stimulus.fps
    length_s = float(stimulus.n_frames / stimulus.fps) if known and stimulus.n_frames and stimulus.fps else None
    if stimulus.kind == "image":
        length_s = None if stimulus.duration_ms is None else stimulus.duration_ms / 1000
    report_incomplete(extents, length_s, stimulus.stimulus_id, report)


def _note_twice(recordings: list[_Recording], stimulus_id: str, report: Report) -> None:
    """Report two recordings of one observer on one stimulus that nothing tells apart."""
    seen: dict[tuple[str, str | None], list[str]] = {}
    for recording in recordings:
        seen.setdefault((recording.observer, recording.trial), []).append(recording.name)
    twice = {key: names for key, names in seen.items() if len(names) > 1}
    if twice:
        observer, names = next((key[0], names) for key, names in twice.items())
        message = (
            f"{len(twice)} observers have several recordings that no trial tells apart: {observer} in "
            f"{shortlist(names, 3)}; is it one recording twice?"
        )
        report.add("surplus", stimulus_id, message, count=len(twice))


def _without(error: BadData, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")


def _info(column_map: ColumnMap) -> DatasetInfo:
    about, screen = column_map.about, column_map.screen
    degree = screen.px_per_degree or positions.px_per_degree(screen, (screen.width_px or 1, screen.height_px or 1))
    sigma = about.sigma_px or (degree if screen.px_per_degree or screen.show == "center" else None) or _SIGMA_PX
    note = "[about] sigma_px of the map" if about.sigma_px else "no recipe was given; one degree, or 25 px"
    detector = column_map.events.detector
    return DatasetInfo(
        name=about.name,
        title=about.title,
        truths={"gaussian": Truth(sigma_px=float(sigma), note=note)},
        licence=about.licence,
        citation=about.citation,
        obtain="",
        layout=("tables as the column map says",),
        screen=Screen(
            screen.width_px,
            screen.height_px,
            screen.width_mm,
            screen.height_mm,
            screen.distance_mm,
            screen.px_per_degree or (degree if screen.show == "center" else None),
        ),
        processing={
            "column_map": column_map.model_dump(mode="json", exclude_unset=True),
            **({"events": events.parameters(column_map.events, screen.px_per_degree)} if detector != "none" else {}),
        },
    )
