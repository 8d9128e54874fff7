"""DHF1K, variant `raw`: the tracker's text of every observer.

17 observers, SMI, 250 Hz, microseconds of the tracker's own clock: time counts from a file's first sample. Screen of
1440 x 900, the video scaled to its width and letterboxed. A sample belongs to frame i when i < 30 t < i + 1, as in the
authors' mapping code; the recording runs on after the video. Points are the samples whose event begins with F, each
at its own (x, y), so none of the grid artefacts of the released maps arise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from ...errors import BadData
from ...formats.completeness import Extent, extent_of, report_incomplete
from ...io.folders import any_matching, folders, matching
from ...records import Arrays, Float64Array, Gaze, Report, Samples, StimulusRow
from . import layout

INFO = replace(
    layout.BASE,
    variant="raw",
    verified=(
        "raw text of 17 observers of video 002: columns, clock, events, 1440 x 900 letterbox, frame rule",
        "decoded frame counts of videos 002 (783) and 068 (540)",
    ),
    unverified=("all other videos", "screen size and distance (from memory of the paper)"),
)

_SCALE = 640 / 1440
_BAR_PX = (900 - 360 / _SCALE) / 2
_FPS = 30
_OBSERVERS = tuple(f"P{number:02d}" for number in range(1, 18))
_PATTERN = "P[0-9][0-9]/P[0-9][0-9]_Trail*.txt"
_RECORDING = re.compile(r"(P[0-9]{2})/\1_Trail([0-9]+)\.txt")
_NUMBERS = ("Time", "L Dia X [px]", "L POR X [px]", "L POR Y [px]")
_EVENT = "L Event Info"
_LARGEST = 1e6
_ENDLESS = np.iinfo(np.int64).max


@dataclass(frozen=True)
class TrackerText(Samples):
    """One file: time from its first sample, screen pixels; beside them pupil pixels and event words."""

    pupil: Float64Array
    event: npt.NDArray[np.str_]


def _root(source: Path) -> Path:
    """The folder that holds those of the observers: `exportdata_train`, the source itself, or another one in it."""
    inside = folders(source)
    for folder in (source / "exportdata_train", source / "exportdata_train" / "exportdata_train", source, *inside):
        if any_matching(folder, _PATTERN):
            return folder
    return source


def _files(source: Path, video: str) -> list[Path]:
    found = matching(_root(source), f"P[0-9][0-9]/P[0-9][0-9]_Trail{int(video):03d}.txt")
    return [file for file in found if file.name.startswith(f"{file.parent.name}_")]


def _strays(folder: Path) -> list[Path]:
    """Text files among the recordings that are not named as one of their folder's observer on a video."""
    near = matching(folder, "P*/**/*.txt", "*_Trail*.txt", "*/*_Trail*.txt")
    return [file for file in near if _video(file.relative_to(folder)) is None]


def present(source: Path) -> bool:
    """Return whether the observers' text files are here."""
    return any_matching(_root(source), _PATTERN)


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the videos that have raw gaze, or frames: those of the register in its order, then others.

    Raises:
        MissingData: there are neither.
    """
    folder = _root(source)
    recorded: Counter[str] = Counter()
    for file in matching(folder, _PATTERN):
        if video := _video(file.relative_to(folder)):
            recorded[video] += 1
    for stray in _strays(folder):
        where = stray.relative_to(source).as_posix()
        report.add("surplus", where, "not named Pxx/Pxx_TrailNNN.txt after its folder's observer; left out")
    return layout.stimuli(source, recorded.__getitem__, recorded.keys(), INFO, report)


def _video(file: Path) -> str | None:
    """The video of a recording `P01/P01_Trail002.txt`; None for a file of another name."""
    match = _RECORDING.fullmatch(file.as_posix())
    return layout.video_of(match[2], 3) if match else None


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all observers of one video; a file that cannot be read is reported and left out."""
    files = _files(source, stimulus.stimulus_id)
    if not files:
        layout.note_missing_gaze(stimulus, f"exportdata_train/Pxx/Pxx_Trail{int(stimulus.stimulus_id):03d}.txt", report)
        return Gaze(annotated=False)
    points: list[Arrays] = []
    others: list[Arrays] = []
    read: list[str] = []
    extents: list[Extent] = []
    outside = boundary = 0
    for file in files:
        name = file.relative_to(source).as_posix()
        try:
            recording = parse(file)
        except BadData as error:
            report.add("unreadable", name, f"{error}; this recording is left out")
            continue
        read.append(name)
        extents.append(extent_of(file.parent.name, name, recording.t_us))
        fixated = np.char.startswith(recording.event, "F")
        ticks = recording.t_us * _FPS
        frame = ticks // 1_000_000
        on_boundary = ticks % 1_000_000 == 0
        after = frame >= (_ENDLESS if stimulus.n_frames is None else stimulus.n_frames)
        boundary += int((fixated & on_boundary & ~after).sum())
        outside += int((fixated & after).sum())
        stored = fixated & ~on_boundary & ~after
        columns = _columns(file.stem.split("_")[0], recording)
        points.append({**{k: v[stored] for k, v in columns.items()}, "frame": frame[stored]})
        others.append({k: v[~stored] for k, v in columns.items()} | {"label": np.char.lower(recording.event[~stored])})
    if boundary:
        report.add(
            "boundary",
            stimulus.stimulus_id,
            "fixation samples on a frame boundary, kept as gaze",
            count=boundary,
            fatal=False,
        )
    if stimulus.n_frames is None:
        message = "neither video nor register tells its length: taken to last to the last fixation sample"
        report.add("assumption", stimulus.stimulus_id, message, fatal=False)
    if outside:
        report.add(
            "after-end",
            stimulus.stimulus_id,
            "fixation samples after the last frame, kept as gaze",
            count=outside,
            fatal=False,
        )
    length_s = None if stimulus.n_frames is None else float(stimulus.n_frames / (stimulus.fps or _FPS))
    report_incomplete(extents, length_s, stimulus.stimulus_id, report)
    seen = {Path(name).parent.name for name in read}
    absent = [observer for observer in _OBSERVERS if observer not in seen]
    if absent:
        message = f"no usable recording of {len(absent)} of {len(_OBSERVERS)} observers: {', '.join(absent)}"
        report.add("missing", stimulus.stimulus_id, message, count=len(absent))
    if not read:
        return Gaze(annotated=False)
    joined = {k: np.concatenate([p[k] for p in points]) for k in points[0]}
    rest = {k: np.concatenate([p[k] for p in others]) for k in others[0]}
    order = np.concatenate([np.arange(len(p["frame"]), dtype=np.int32) for p in points])
    lost = (joined["x_screen_px"] == 0) & (joined["y_screen_px"] == 0)
    return Gaze(
        fixations={
            "observer_id": joined["observer_id"],
            "event": "point",
            "order": order,
            "onset_ms": joined["t_us"] / 1000,
            "frame": joined["frame"],
            "x_px": joined["x_px"],
            "y_px": joined["y_px"],
            "x_screen_px": joined["x_screen_px"],
            "y_screen_px": joined["y_screen_px"],
            "eye": "left",
            "flags": [["lost"] if missing else [] for missing in lost],
        },
        samples={k: rest[k] for k in (*_COLUMNS, "label")},
        last_annotated=int(joined["frame"].max(initial=-1)) if stimulus.n_frames is None else None,
        n_observers=len(read),
        source_files=tuple(read),
    )


_COLUMNS = ("observer_id", "t_us", "x_px", "y_px", "x_screen_px", "y_screen_px", "pupil")


def _columns(observer: str, recording: TrackerText) -> Arrays:
    values = (
        np.full(len(recording.t_us), observer),
        recording.t_us,
        _SCALE * recording.x,
        _SCALE * (recording.y - _BAR_PX),
        recording.x,
        recording.y,
        recording.pupil,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def parse(file: Path) -> TrackerText:
    """Read one recording.

    Raises:
        BadData: the header or a line is not as expected; the message names the line.
    """
    data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    header = data.split(b"\n", 1)[0].decode("utf-8", "replace").strip("\r").split("\t")
    missing = [c for c in (*_NUMBERS, _EVENT) if c not in header]
    if missing:
        raise BadData(f"{file.name}, line 1: the header lacks {', '.join(missing)}; is this an SMI text export?")
    types = {c: pa.float64() for c in _NUMBERS} | {_EVENT: pa.string(), "Time": pa.int64()}
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            pa_csv.ReadOptions(use_threads=False),
            pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            pa_csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[]),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise BadData(_bad_line(file.name, data, header) or f"{file.name}: {error}") from error
    if not table.num_rows:
        raise BadData(f"{file.name}: a header and no sample")
    x, y, pupil = (table[c].to_numpy() for c in ("L POR X [px]", "L POR Y [px]", "L Dia X [px]"))
    time = table["Time"].to_numpy()
    strange = ~(np.isfinite(x) & np.isfinite(y) & (np.abs(x) < _LARGEST) & (np.abs(y) < _LARGEST))
    if strange.any():
        raise BadData(f"{file.name}, line {int(strange.argmax()) + 2}: the position is not a screen pixel")
    back = np.diff(time) < 0
    if back.any():
        raise BadData(f"{file.name}, line {int(back.argmax()) + 3}: the clock runs backwards")
    events = table[_EVENT].to_numpy(zero_copy_only=False).astype(np.str_)
    known = np.char.startswith(events, "F") | np.isin(events, ["Saccade", "Blink", "-"])
    if not known.all():
        line = int((~known).argmax())
        raise BadData(f"{file.name}, line {line + 2}: unknown event {str(events[line])!r}")
    return TrackerText(time - time[0], x, y, pupil, events)


def _bad_line(name: str, data: bytes, header: list[str]) -> str | None:
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines()[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(header):
            return f"{name}, line {number}: {len(cells)} columns, the header has {len(header)}"
        for column in _NUMBERS:
            cell = cells[header.index(column)]
            try:
                int(cell) if column == "Time" else float(cell)
            except ValueError:
                return f"{name}, line {number}: {column} is {cell[:40]!r}, not a number"
    return None
