"""xu-hevc: 33 standard video coding sequences, free viewing, 32 observers.

Source: Xu, Jiang, Sun, Ye & Wang, Learning to Detect Video Saliency With HEVC Features, IEEE TIP 26 (2017).
Licence: free to use with citation; the sequences belong to their owners.
Frames: 416 x 240 to 1920 x 1080 at 20 to 60 per second, 5 to 25 seconds, H.264 in AVI.
Gaze: one MATLAB 7.3 file, `video_database.mat`, with one row a fixation: observer, video, start and duration
in milliseconds of the clip, x and y in pixels of the stimulus, whole and 0-based.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import BadData, MissingData
from ..formats import matlab
from ..formats.frame_spans import frame_span, order_within
from ..formats.frames import VIDEO_SUFFIXES
from ..io import registers
from ..io.folders import files
from ..io.names import natural_key
from ..records import DatasetInfo, Float64Array, Gaze, Mask, Report, Screen, StimulusRow, Truth

GAZE_FILE = "video_database.mat"
# The same scene in two sizes, or with and without a line of text: never on two sides of a split.
SAME_SCENE = {
    "RaceHorsesC": "RaceHorses",
    "RaceHorsesD": "RaceHorses",
    "BasketballDrill": "BasketballDrill",
    "BasketballDrillText": "BasketballDrill",
}
_FILE_NAME = re.compile(r"\w[\w .+-]*")
SIGMA_PX = 30 / (2 * np.sqrt(2 * np.log(2)))

INFO = DatasetInfo(
    name="xu-hevc",
    title="33 HEVC test sequences and others, free viewing, 32 observers",
    truths={
        "authors": Truth(
            kernel="gaussian",
            sigma_px=float(SIGMA_PX),
            per="row",
            note="Gaussian of 30 px full width at half maximum, in pixels of each stimulus whatever its "
            "size, as in the authors' demo; one kernel a fixation",
        )
    },
    licence="the authors allow free use with citation; no licence file; the sequences remain their owners'",
    citation="M. Xu, L. Jiang, X. Sun, Z. Ye, Z. Wang. Learning to detect video saliency with HEVC features. "
    "IEEE Transactions on Image Processing 26(1), 2017",
    obtain="clone https://github.com/remega/video_database (62 MB) and give its folder",
    layout=("video_database.mat", "videos/<name>.avi"),
    screen=Screen(note="the file does not tell the display; positions are in pixels of the stimulus"),
    observers="32, free viewing; numbered as in the file, whose names and persons' data are left out",
    splits="none official",
    register="xu_hevc",
    verified=(
        "26,914 rows; every observer has fixations on every video",
        "positions whole, inside the frame; origin top left by agreement with the picture on nine videos",
        "one row without a video (observer 9, start 3 ms)",
        "136 fixations of Lee and one of Tennis start after the end of the clip",
        "BQTerrace has 601 frames although the table says 600; size and rate of all videos equal the table",
    ),
    unverified=("time 0 of the gaze is the first frame",),
)


@dataclass(frozen=True)
class Database:
    """What is used of the MAT file.

    Attributes:
        rows: float64, (n, 6): observer, video (both 1-based), start_ms, duration_ms, x_px, y_px; only
            plausible ones, sorted by video, observer, start, and the place in the file.
        names: the videos; video index i is names[i - 1].
        listed: name to width, height, frames and frames a second as the file's own table has them.
        rejected: kind and message of what is wrong with the other rows, and their number.
    """

    rows: Float64Array
    names: tuple[str, ...]
    listed: dict[str, tuple[int, int, int, Fraction]]
    rejected: tuple[tuple[str, str, int], ...]


_UNREADABLE = Database(np.empty((0, 6)), (), {}, ())


def present(source: Path) -> bool:
    """Return whether the folder holds the gaze file."""
    return (source / GAZE_FILE).is_file()


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the registered videos, then others that the file or the folder has.

    Raises:
        MissingData: no gaze file.
    """
    if not present(source):
        raise MissingData(f"{source}: no {GAZE_FILE} here. {INFO.obtain}")
    database = _database(source, report)
    for kind, message, count in database.rejected:
        report.add(kind, GAZE_FILE, message, count=count)
    videos = _videos(source)
    known = registers.rows("xu_hevc")
    for line in known:
        if line["video"] in database.names or _plain(line["video"]) in videos:
            yield _registered(line, database, videos, report)
    registered = {line["video"] for line in known}
    used = {_plain(name) for name in (*database.names, *registered)}
    unknown = {Path(videos[name]).stem: videos[name] for name in videos if name not in used}
    for name in sorted((set(database.names) - registered) | unknown.keys(), key=natural_key):
        if name in unknown:
            report.add("surplus", unknown[name], "a video of which neither the register nor the gaze file knows")
            yield StimulusRow(name, "all", unknown[name], None, None, None)
        elif name not in database.listed:
            report.add("mismatch", name, "neither the register nor the file's table of videos has it; left out")
        else:
            width, height, n_frames, fps = database.listed[name]
            file = videos.get(_plain(name), f"videos/{name}.avi")
            yield StimulusRow(name, "all", file, width, height, n_frames, fps)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Return the fixations of one video.

    Each ends at the start of the observer's next one and at the clip's end; the flag `cut` marks those
    that this shortened.

    Raises:
        BadData: the clip's rate or length is unknown.
    """
    database = _database(source)
    if database is _UNREADABLE:  # reported once, not for every video
        return Gaze(annotated=False, source_files=(GAZE_FILE,))
    if stimulus.stimulus_id not in database.names:
        report.add("missing", stimulus.stimulus_id, f"no fixations in {GAZE_FILE}")
        return Gaze(annotated=False, source_files=(GAZE_FILE,))
    if not stimulus.fps or not stimulus.n_frames:
        raise BadData(
            f"{stimulus.stimulus_id}: frame rate or number of frames unknown, so times have no frames; "
            f"put its video into videos/ or complete the table in {GAZE_FILE}"
        )
    number = database.names.index(stimulus.stimulus_id) + 1
    rows = database.rows[database.rows[:, 1] == number]
    late = _at_or_after_end(rows[:, 2], stimulus.fps, stimulus.n_frames)
    if late.any():
        message = f"fixations start at or after the end of the clip ({_clip_ms(stimulus):.0f} ms); left out"
        report.add("out-of-range", stimulus.stimulus_id, message, count=int(late.sum()))
    rows = rows[~late]
    end_ms = _ends(rows, _clip_ms(stimulus))
    first, last = frame_span(rows[:, 2], end_ms, stimulus.fps, stimulus.n_frames)
    cut = end_ms < rows[:, 2] + rows[:, 3]
    return Gaze(
        fixations={
            "event": "fixation",
            "observer_id": [f"{int(observer):02d}" for observer in rows[:, 0]],
            "order": order_within(rows[:, 0]),
            "onset_ms": rows[:, 2],
            "duration_ms": end_ms - rows[:, 2],
            "frame": first,
            "frame_end": last,
            "x_px": rows[:, 4] + 0.5,
            "y_px": rows[:, 5] + 0.5,
            "flags": [["cut"] if c else [] for c in cut],
        },
        annotated=bool(len(rows)),
        n_observers=len(np.unique(rows[:, 0])),
        source_files=(GAZE_FILE,),
    )


def _database(source: Path, report: Report | None = None) -> Database:
    """Read the gaze file; one that cannot be read is reported, and counts as one without a video."""
    try:
        return load(source / GAZE_FILE)
    except BadData as error:
        if report is not None:
            report.add("unreadable", GAZE_FILE, f"{error}; the videos are taken as not annotated")
        return _UNREADABLE


def load(path: Path) -> Database:
    """Read the MAT file, once as long as it does not change.

    Raises:
        BadData: it cannot be read, or has another build.
    """
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _load(path: Path, _mtime_ns: int, _size: int) -> Database:
    root = matlab.variable(matlab.read(path), "video_database", path)
    fields = matlab.struct(root, path, "video_database")
    names = tuple(matlab.texts(matlab.variable(fields, "video_names_list", path), path, "video_names_list"))
    observers = matlab.texts(matlab.variable(fields, "subj_names_list", path), path, "subj_names_list")
    if len(set(names)) != len(names) or not all(_FILE_NAME.fullmatch(name) for name in names):
        raise BadData(f"{path}: video_names_list repeats a name or holds one that cannot be a file's")
    rows = matlab.matrix(matlab.variable(fields, "fixdata", path), 6, path, "fixdata")
    info = matlab.struct(matlab.variable(fields, "videos_info", path), path, "videos_info")
    good, rejected = _sift(rows, len(observers), len(names))
    kept = rows[good]
    order = np.lexsort((np.arange(len(kept)), kept[:, 2], kept[:, 0], kept[:, 1]))
    return Database(kept[order], names, _listed(info, path), rejected)


def _sift(rows: Float64Array, observers: int, videos: int) -> tuple[Mask, tuple[tuple[str, str, int], ...]]:
    """Return which rows can be used, and for the others why not, each row counted once."""
    tests = (
        (_index(rows[:, 1], videos), "mismatch", f"rows without a video (1 to {videos}); left out"),
        (_index(rows[:, 0], observers), "mismatch", f"rows without an observer (1 to {observers}); left out"),
        (matlab.plausible(rows[:, 2:4]), "out-of-range", "rows whose start or duration is no time; left out"),
        (
            (rows[:, 2] >= 0) & (rows[:, 3] >= 0),
            "out-of-range",
            "rows with a negative start or duration; left out",
        ),
        (
            matlab.whole(rows[:, 4]) & matlab.whole(rows[:, 5]),
            "out-of-range",
            "rows whose x or y is no pixel; left out",
        ),
    )
    good = np.ones(len(rows), dtype=bool)
    rejected = []
    for passed, kind, message in tests:
        bad = np.flatnonzero(good & ~passed)
        if len(bad):
            rejected.append((kind, f"fixdata row {bad[0] + 1}: {message}", len(bad)))
        good &= passed
    return good, tuple(rejected)


def _index(values: Float64Array, largest: int) -> Mask:
    return np.asarray(matlab.whole(values) & (values >= 1) & (values <= largest))


def _listed(info: dict[str, matlab.Value], path: Path) -> dict[str, tuple[int, int, int, Fraction]]:
    """Return the file's own table of its videos."""
    names = matlab.texts(matlab.variable(info, "name_list", path), path, "videos_info.name_list")
    numbers = []
    for field, columns in (("size", 2), ("frames", 1), ("framerate_fps", 1)):
        value = matlab.variable(info, field, path)
        if isinstance(value, np.ndarray) and value.shape[:1] != (len(names),):
            value = value.T
        table = matlab.matrix(value, columns, path, f"videos_info.{field}")
        if len(table) != len(names) or not matlab.plausible(table).all() or (table <= 0).any():
            raise BadData(f"{path}: videos_info.{field} should hold {columns} positive numbers a video")
        numbers.append(table)
    table = np.hstack(numbers)
    return {
        name: (int(w), int(h), int(n), Fraction(float(fps)).limit_denominator(1001))
        for name, (w, h, n, fps) in zip(names, table, strict=True)
    }


def _registered(line: dict[str, str], database: Database, videos: dict[str, str], report: Report) -> StimulusRow:
    name = line["video"]
    n_frames = int(line["n_frames"])
    if name in database.listed and database.listed[name][2] != n_frames:
        listed = database.listed[name][2]
        message = f"the file's table says {listed} frames, the register {n_frames}, which is taken"
        report.add("mismatch", name, message, fatal=False)
    return StimulusRow(
        stimulus_id=name,
        split="all",
        source_file=videos.get(_plain(name), line["file"]),
        width=int(line["width"]),
        height=int(line["height"]),
        n_frames=n_frames,
        fps=Fraction(line["fps"]),
        group_id=SAME_SCENE.get(name),
        attributes=(f"class {line['class']}",),
    )


def _videos(source: Path) -> dict[str, str]:
    """Return the video files by their plain name; `videos/` goes before the folder itself."""
    found: dict[str, str] = {}
    for folder in (source / "videos", source):
        for file in files(folder, *VIDEO_SUFFIXES):
            found.setdefault(_plain(file.stem), file.relative_to(source).as_posix())
    return found


def _plain(name: str) -> str:
    """A name without blanks, in small letters: the file of BasketballDrive is `Basketball Drive.avi`."""
    return name.replace(" ", "").lower()


def _clip_ms(stimulus: StimulusRow) -> float:
    assert stimulus.fps
    assert stimulus.n_frames
    return float(1000 * stimulus.n_frames / stimulus.fps)


def _at_or_after_end(start_ms: Float64Array, fps: Fraction, n_frames: int) -> Mask:
    return np.asarray(start_ms * fps.numerator >= 1000 * n_frames * fps.denominator)


def _ends(rows: Float64Array, clip_ms: float) -> Float64Array:
    """Return when each fixation ends; rows of one video, sorted by observer and start."""
    end = np.minimum(rows[:, 2] + rows[:, 3], clip_ms)
    same = rows[1:, 0] == rows[:-1, 0]
    end[:-1][same] = np.minimum(end[:-1], rows[1:, 2])[same]
    return end
