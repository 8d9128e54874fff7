"""DIEM, variant `raw`: where both eyes of each participant looked, one row a frame of the video.

`<participant>_<trial>_<video>.txt`: tabs, no header, nine columns: frame from 1; x, y, pupil and event of the left eye;
the same of the right. Events: -1 lost, 0 blink, 1 fixation, 2 saccade. Positions are pixels of a screen of 1280 x 960.

A row is a point where both eyes have event 1, at the mean of the two eyes. **Saccades are marked in the left column
only**, so the left one decides; a row in which an eye is lost, blinks or lies off the screen is `noise`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...errors import BadData, MissingData
from ...formats.frames import find_video
from ...formats.text_table import read_rows, without_mark
from ...io.folders import any_matching, entries, files, matching
from ...io.names import shortlist
from ...records import LOST, Arrays, Float64Array, Gaze, Report, StimulusRow
from ...schema import categorical
from ..stavis import folds
from . import facts

INFO = replace(
    facts.BASE,
    variant="raw",
    layout=(
        "<video>_<width>x<height>/event_data/<participant>_<trial>_<video>.txt",
        "<video>_<width>x<height>/video/<video>.mp4",
        "fold_lists/DIEM_list_train_fps.txt and DIEM_list_test_fps.txt, if you have the STAViS pack",
    ),
    verified=(
        "eight participants on arctic_bears_1066x710: columns, events, CRLF, one row a frame (2,785), as the fold list",
        "the video is unscaled at the centre of the screen: 97.8 to 100 % of the fixations fall into that rectangle",
    ),
    unverified=(
        "the other 83 videos; decoded frame counts",
        "row 1 is the first frame",
        "the mean of both eyes, which lie 43 px apart at the median, is a choice of this project",
    ),
)

COLUMNS = ("frame", "left x", "left y", "left pupil", "left event", "right x", "right y", "right pupil", "right event")
_FPS = Fraction(30)
_FOLDERS = ("*/event_data", "*/*/event_data", "*/*/*/event_data")
_EVENTS = ("point", "saccade", "noise")
_POINT, _SACCADE, _NOISE = range(3)


def present(source: Path) -> bool:
    """Return whether a video with event texts is here."""
    return any_matching(source, *(f"{folder}/*.txt" for folder in _FOLDERS))


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the videos that have a folder `event_data`, sorted.

    Raises:
        MissingData: there is none.
    """
    if not present(source):
        raise MissingData(f"{source}: no <video>/event_data/*.txt; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    listed = folds.read(source, "DIEM", facts.FOLDS, report)
    found: dict[str, Path] = {}
    for events in matching(source, *_FOLDERS):
        name = events.parent.name
        if found.setdefault(name, events.parent) != events.parent:
            where = events.parent.relative_to(source).as_posix()
            report.add("surplus", where, "a second folder of this video; left out")
    folds.report_unknown(listed, found, report)
    for name, folder in sorted(found.items()):
        size, line = facts.size_in(name), listed.get(name)
        video = next((path for sub in ("video", ".") if (path := find_video(folder / sub, name))), None)
        if size is None:
            report.add(
                "mismatch", name, "its name does not end in <width>x<height>, so its place on the screen is unknown"
            )
        yield StimulusRow(
            stimulus_id=name,
            split=line.splits[0] if line else "all",
            source_file=(video or folder / "video" / f"{name}.mp4").relative_to(source).as_posix(),
            width=size[0] if size else None,
            height=size[1] if size else None,
            n_frames=line.n_frames if line else None,
            fps=None if video else _FPS,
            extra=(folder / "event_data").relative_to(source).as_posix(),
        )


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all participants of one video; a file that cannot be read is reported and left out.

    Raises:
        BadData: none of them can be used, or the size of the video is unknown.
    """
    size = facts.size_in(stimulus.stimulus_id)
    if size is None:
        raise BadData(f"{stimulus.stimulus_id}: expected a name that ends in <width>x<height>")
    if (stimulus.width, stimulus.height) not in (size, (None, None)):
        message = f"the video is {stimulus.width}x{stimulus.height}, its name says {size[0]}x{size[1]}, which was shown"
        raise BadData(f"{stimulus.stimulus_id}: {message}; positions cannot be placed on it")
    parts: list[Arrays] = []
    observers: dict[str, str] = {}
    for path in files(source / stimulus.extra, ".txt"):
        where = path.relative_to(source).as_posix()
        observer = _observer(path.stem, stimulus.stimulus_id)
        if observer is None:
            report.add("surplus", where, f"expected <participant>_<trial>_{stimulus.stimulus_id}.txt; left out")
            continue
        if observer in observers.values():
            report.add("surplus", where, f"a second recording of {observer}; left out")
            continue
        try:
            parts.append(_columns(parse(path), size))
        except BadData as error:
            report.add("unreadable", where, f"{error}; this recording is left out")
            continue
        observers[where] = observer
    if not parts:
        raise BadData(
            f"{stimulus.stimulus_id}: no recording can be used of {len(entries(source / stimulus.extra))} files"
        )
    _compare(stimulus, parts, list(observers), report)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    event = columns.pop("event")
    return Gaze(
        fixations={
            **columns,
            "event": categorical(event, _EVENTS),
            "observer_id": categorical(
                np.repeat(np.arange(len(parts)), [len(p["frame"]) for p in parts]), [*observers.values()]
            ),
            "flags": {LOST: event == _NOISE},
        },
        last_annotated=max(int(part["frame"][-1]) for part in parts),
        n_observers=len(parts),
        source_files=tuple(observers),
        folders=(stimulus.extra,),
    )


def parse(path: Path) -> Float64Array:
    """Read one file.

    Returns:
        float64, shape (9, n): the columns of `COLUMNS`.

    Raises:
        BadData: a line has other columns, an event is unknown, or frames do not count up by one.
    """
    rows = read_rows(path.name, without_mark(path.read_bytes()), COLUMNS)
    if not rows.shape[1]:
        raise BadData(f"{path.name}: holds no row")
    for column in (4, 8):
        strange = ~np.isin(rows[column], (-1, 0, 1, 2))
        if strange.any():
            at = int(strange.argmax())
            raise BadData(f"{path.name}, line {at + 1}: {COLUMNS[column]} is {rows[column, at]:g}, known: -1, 0, 1, 2")
    steps = np.flatnonzero(np.diff(rows[0]) != 1)
    if rows[0, 0] < 1 or rows[0, 0] % 1 or len(steps):
        at = int(steps[0]) + 2 if len(steps) else 1
        raise BadData(
            f"{path.name}, line {at}: frame {rows[0, at - 1]:g}; expected whole numbers from 1, one row a frame"
        )
    return rows


def _observer(stem: str, video: str) -> str | None:
    """Return the participant of a file's name: `diem5s01` of `diem5s01.asc_15_<video>`."""
    head = stem.removesuffix(f"_{video}")
    participant = head.rpartition("_")[0].removesuffix(".asc")
    return participant if head != stem and participant else None


def _columns(rows: Float64Array, size: tuple[int, int]) -> Arrays:
    frame, left, right = rows[0], rows[1:5], rows[5:9]
    offset = [(screen - video) / 2 for screen, video in zip(facts.SCREEN, size, strict=True)]
    tracked = np.ones(len(frame), bool)
    for eye in (left, right):
        tracked &= (eye[3] > 0) & (eye[0] > 0) & (eye[0] < facts.SCREEN[0]) & (eye[1] > 0) & (eye[1] < facts.SCREEN[1])
    event = np.where(~tracked, _NOISE, np.where((left[3] == 2) | (right[3] == 2), _SACCADE, _POINT))
    x, y = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
    return {
        "event": event,
        "order": np.arange(len(frame), dtype=np.int32),
        "frame": (frame - 1).astype(np.int32),
        "onset_ms": (frame - 1) * 1000 / float(_FPS),
        "x_px": x - offset[0],
        "y_px": y - offset[1],
        "x_screen_px": x,
        "y_screen_px": y,
    }


def _compare(stimulus: StimulusRow, parts: list[Arrays], where: list[str], report: Report) -> None:
    """Report recordings that begin late or have other numbers of rows than the video has frames."""
    expected = stimulus.n_frames or int(np.median([part["frame"][-1] + 1 for part in parts]))
    short = [
        f"{Path(name).stem} {int(part['frame'][0]) + 1} to {int(part['frame'][-1]) + 1}"
        for name, part in zip(where, parts, strict=True)
        if part["frame"][0] != 0 or part["frame"][-1] + 1 != expected
    ]
    if short:
        message = f"rows of {len(short)} of {len(parts)} recordings are not those of frames 1 to {expected}"
        report.add("incomplete", stimulus.stimulus_id, f"{message}: {shortlist(short)}", count=len(short))
