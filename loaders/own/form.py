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
from ..formats.frames import IMAGE_SUFFIXES
from ..io.folders import matching
from ..io.names import natural_key, shortlist
from ..records import DatasetInfo, Float64Array, Gaze, Report, Screen, StimulusRow, Truth
from . import events, positions, tables
from .column_map import ColumnMap
from .plausible import (
    checked_numbers,
    report_begun_anew,
    report_numbering,
    report_outside,
    report_stated,
)
from .recording import Recording, recording_of
from .shown import shown

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
            if nameless := sum(stimulus is None for stimulus in ids.tolist()):
                report.add("missing", name, "rows name no stimulus; left out", count=nameless, fatal=False)
            for stimulus in dict.fromkeys(ids.tolist()):
                if stimulus is not None:
                    read.setdefault(str(stimulus), []).append(name)
        if not read:
            raise faults[0] if faults else BadData(f"{source}: no row of the tables names a stimulus")
        found_files = shown(self.videos, list(read), report)
        for stimulus in sorted(read, key=natural_key):
            yield self._row(stimulus, tuple(read[stimulus]), found_files.get(stimulus))

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read all observers of one stimulus.

        Raises:
            BadData: size or rate of the stimulus is unknown, or no table can be used.
        """
        if stimulus.width is None or stimulus.height is None:
            raise BadData(
                f"{stimulus.stimulus_id}: its size is unknown; give its video with --videos, or width and height in "
                "[stimuli] of the map"
            )
        rate = Fraction(1) if stimulus.kind == "image" else stimulus.fps
        if rate is None:
            raise BadData(
                f"{stimulus.stimulus_id}: its frame rate is unknown; give its video with --videos, or fps in "
                "[stimuli] of the map"
            )
        recordings: list[Recording] = []
        for name in stimulus.extra:
            try:
                recordings += self._recordings(source, name, stimulus, rate, report)
            except BadData as error:
                report.add("unreadable", name, f"{_without(error, source / name)}; left out")
        if not recordings:
            raise BadData(f"{stimulus.stimulus_id}: none of its tables can be used")
        report_stated(self.column_map.stimulus(stimulus.stimulus_id), stimulus, report)
        report_outside(recordings, stimulus, report)
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
        return tables.read_columns(path, self.column_map.model_dump_json(exclude_unset=True), tables.state_of(path))

    def _words(self, path: Path, name: str, named: Mapping[str, str]) -> npt.NDArray[np.object_]:
        columns = self._columns(path)
        if name in columns:
            return tables.words(columns[name])
        rows = len(next(iter(columns.values())))
        return np.full(rows, named.get(name), dtype=object)

    def _row(self, stimulus: str, names: tuple[str, ...], file: str | None) -> StimulusRow:
        known = self.column_map.stimulus(stimulus)
        is_image = file is not None and Path(file).suffix.lower() in IMAGE_SUFFIXES
        kind = known.kind or ("image" if is_image else "video")
        return StimulusRow(
            stimulus_id=stimulus,
            split="all",
            source_file=file or f"{stimulus}{'' if Path(stimulus).suffix else '.mp4'}",
            width=known.width if file is None else None,
            height=known.height if file is None else None,
            n_frames=1 if kind == "image" else known.n_frames if file is None else None,
            fps=None if kind == "image" else known.rate,
            kind=kind,
            duration_ms=known.duration_ms,
            extra=names,
        )

    def _recordings(
        self, source: Path, name: str, stimulus: StimulusRow, rate: Fraction, report: Report
    ) -> list[Recording]:
        """The recordings in one file: rows of one observer and trial, by time."""
        path, wanted = source / name, self.column_map
        named = wanted.fields_of(Path(name)) or {}
        own = self._words(path, "stimulus", named) == stimulus.stimulus_id
        columns = tables.fields(self._columns(path), np.flatnonzero(own))
        observer, trial = (self._words(path, field, named)[own] for field in ("observer", "trial"))
        nobody = sum(o is None for o in observer.tolist())
        if 0 < nobody < len(observer):
            report.add("missing", name, f"rows name no observer; taken as {_DEFAULT_OBSERVER}", count=nobody)
        observer = np.array([_DEFAULT_OBSERVER if o is None else o for o in observer.tolist()], dtype=object)
        values: dict[str, Float64Array] = {
            field: tables.numbers(columns[field], path, field, wanted.file.decimal)
            for field in ("x", "y", "time", "duration", "frame", "pupil", "confidence")
            if field in columns
        }
        values = checked_numbers(values, wanted, name, report)
        report_numbering(values, wanted, stimulus, name, report)
        labels = tables.words(columns["event"]) if "event" in columns else None
        size = (stimulus.width or 0, stimulus.height or 0)
        found = []
        keys = [(o, "" if t is None else str(t)) for o, t in zip(observer.tolist(), trial.tolist(), strict=True)]
        codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
        code_of = np.array([codes[key] for key in keys])
        for key, code in codes.items():
            at = np.flatnonzero(code_of == code)
            if "time" in values:
                report_begun_anew(values["time"][at], key[0], wanted, name, report)
            if wanted.units.zero == "first" and "time" in values:
                before = values["time"][at] < values["time"][at[0]]
                if before.any():
                    message = f"rows of {key[0]} lie before the first one in time; left out"
                    report.add("out-of-range", name, message, count=int(before.sum()))
                at = at[~before]
            part = {field: column[at] for field, column in values.items()}
            own_labels = None if labels is None else labels[at]
            found.append(recording_of(key, name, part, own_labels, wanted, size, rate, stimulus.kind))
        return found

    def _samples(self, found: list[Recording], stimulus: StimulusRow, rate: Fraction, report: Report) -> Gaze:
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
        samples = _joined(rest)
        kept = _joined(parts)
        late = sum(int((~recording.within(stimulus.n_frames)).sum()) for recording in found)
        if late:
            message = "samples before the first frame or after the last, kept as gaze"
            most = 2 * late > sum(len(recording.frame) for recording in found)
            message += "; most of them: are time and zero in [units] of the map right?" if most else ""
            report.add("after-end", stimulus.stimulus_id, message, count=late, fatal=most)
        _report_extents(extents, stimulus, report)
        return self._gaze(kept, samples if len(samples["t_us"]) else None, found, stimulus, report)

    def _fixations(self, found: list[Recording], stimulus: StimulusRow, rate: Fraction, report: Report) -> Gaze:
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
        found: list[Recording],
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


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _report_extents(extents: list[Extent], stimulus: StimulusRow, report: Report) -> None:
    known = stimulus.n_frames and stimulus.fps
    length_s = float(stimulus.n_frames / stimulus.fps) if known and stimulus.n_frames and stimulus.fps else None
    if stimulus.kind == "image":
        length_s = None if stimulus.duration_ms is None else stimulus.duration_ms / 1000
    report_incomplete(extents, length_s, stimulus.stimulus_id, report)


def _note_twice(recordings: list[Recording], stimulus_id: str, report: Report) -> None:
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
