"""The gaze of "Actions in the Eye" as its authors distribute it: one text file an observer and video.

Source: Mathe & Sminchisescu, ECCV 2012 and PAMI 37 (2015), vision.imar.ro/eyetracking. SMI iView X HiSpeed 1250,
500 Hz, dominant eye, display of 1280 x 1024 at 60 cm; 12 observers named the actions, 4 viewed freely. Both
Hollywood-2 and UCF Sports come in this form:

    gaze_hollywood2/samples/001_actioncliptrain00001.avi.txt      observer, video
    gaze_hollywood2/geometry.txt                                  3 numbers, then width and height of the screen
    gaze_hollywood2/resolution.txt                                video, width, height, a number

    4000 3.1 3.2 640.5 512.3 F        time in microseconds, two numbers, x and y on the screen, event letter

A video is scaled to the width of the screen and centred: x = a X, y = a (Y - b), with a = width / 1280 and
b = (1024 - height / a) / 2. A sample belongs to frame round(n t / duration), as two independent readers have it.
Observer numbers run to 019 although there are 16 observers: they are taken from the names of the files.
No real file was available when this was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import BadData, MissingData
from ..io.files import rule_out_machine
from ..io.folders import matching
from ..io.names import shortlist
from ..records import (
    Arrays,
    DatasetInfo,
    Float64Array,
    Gaze,
    Int64Array,
    Mask,
    Report,
    Samples,
    Screen,
    StimulusRow,
    Truth,
)
from .completeness import Extent, extent_of, report_incomplete
from .text_table import line_of, number, read_rows, without_mark

SCREEN_PX = (1280, 1024)
SCREEN = Screen(
    *SCREEN_PX,
    width_mm=475.0,
    height_mm=295.0,
    distance_mm=600.0,
    note="the authors state 38.4 degrees across, so width / 38.4 px of a video per degree; "
    "the stated width and distance would give 43.2 degrees, both can not hold",
)
LICENCE = "gaze: free for academic use only, not transferable, both papers must be cited"
CITATION = (
    "S. Mathe, C. Sminchisescu. Dynamic Eye Movement Datasets and Learnt Saliency Models for Visual Action "
    "Recognition. ECCV 2012. S. Mathe, C. Sminchisescu. Actions in the Eye: Dynamic Gaze Datasets and Learnt "
    "Saliency Models for Visual Recognition. IEEE PAMI 37(7), 2015."
)
OBSERVERS = "16 (12 with the task to name the action, 4 free viewing), SMI HiSpeed 500 Hz, dominant eye"
UNVERIFIED = (
    "everything: no real file was available; layout and columns are those of two independent readers",
    "event letters F (fixation) and S (saccade); B (blink) is used by those readers",
    "the two numbers after the time (pupil?), the three of geometry.txt and the last of resolution.txt: not read",
)

SPLIT_FOLDERS = {"train": ("training", "train"), "test": ("testing", "test")}
"""Folders of the splits among the pooled maps, in either naming."""

BASE = DatasetInfo(
    name="",
    title="",
    truths={
        "window": Truth(
            kernel="window",
            sigma_px=20.0,
            per="pixel",
            size_px=150,
            anchor_px=74,
            note="the authors' imfilter(points, fspecial('gaussian', 150, 20), 'replicate'); an even kernel has no "
            "centre; met on real maps of UCF Sports",
        )
    },
    licence=f"pooled maps: CC BY 4.0 as stated by those who released them; {LICENCE}; videos: terms of their authors",
    citation=(
        f"{CITATION} Maps: W. Wang, J. Shen, J. Xie, M.-M. Cheng, H. Ling, A. Borji. Revisiting Video Saliency "
        "Prediction in the Deep Learning Era. IEEE PAMI 43(1), 2021."
    ),
    obtain="",
    layout=(),
    screen=SCREEN,
    observers=OBSERVERS,
)
"""What both data sets say of themselves, in all their forms."""

_COLUMNS = ("time", "first number", "second number", "x", "y", "event")
_WORDS = {"F": "fixation", "S": "saccade", "B": "blink"}
_LARGEST_PX = 1e6


@dataclass(frozen=True)
class Setup:
    """What the two files beside the samples say.

    Attributes:
        screen: width and height in pixels.
        sizes: width and height of each video, by the file name of the video.
    """

    screen: tuple[int, int]
    sizes: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class LetteredSamples(Samples):
    """One file: time from the start of the video, screen pixels; beside them event letters (code points)."""

    event: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Clips:
    """What differs between the two data sets, and what their modules offer as a form.

    Attributes:
        info: of the form.
        folder: holds `samples/`; the source may be this folder.
        known: the clips of the register, in its order, without their gaze; `source_file` is where a video should lie.
        clip_of: gives the clip of a video's file name, None if it is not of this data set.
        video_of: finds the video of a clip below the source, relative to it.
        usual_fps: taken where there is no video.
    """

    info: DatasetInfo
    folder: str
    known: Callable[[], Iterable[StimulusRow]]
    clip_of: Callable[[str], str | None]
    video_of: Callable[[Path, str], str | None]
    usual_fps: Fraction

    def present(self, source: Path) -> bool:
        """Return whether the observers' text files are here."""
        files = _sample_files(root(source, self.folder))
        return any(self.clip_of(p.name.removesuffix(".txt").partition("_")[2]) for p in files)

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the clips that have gaze, or a video, in the order of the register.

        Raises:
            MissingData: there are neither.
            BadData: `geometry.txt` or `resolution.txt` cannot be read.
        """
        folder = root(source, self.folder)
        found = recordings(folder, source, self.clip_of, report)
        setup = read_setup(folder, report) if found else Setup(SCREEN_PX, {})
        known = list(self.known())
        absent: list[str] = []
        for row in known:
            video = self.video_of(source, row.stimulus_id)
            files = found.get(row.stimulus_id, ())
            if not files and video is None:
                absent.append(row.stimulus_id)
                continue
            width, height = setup.sizes.get(files[0][1] if files else "", (row.width, row.height))
            file = video or row.source_file
            yield replace(row, source_file=file, width=width, height=height, extra=(setup.screen, files))
        if len(absent) == len(known):
            title, layout, obtain = self.info.title.split(":")[0], self.info.layout[-1], self.info.obtain
            raise MissingData(f"{source}: no raw gaze of {title} is here; expected {layout}. {obtain}")
        if absent:
            message = f"{len(absent)} of {len(known)} clips have neither gaze nor video: {shortlist(absent)}"
            report.add("missing", ".", message, count=len(absent))

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read all observers of one clip; see `gaze` of this module."""
        return gaze(source, stimulus, report, usual_fps=self.usual_fps)


def root(source: Path, name: str) -> Path:
    """Return the folder that holds `samples/`: `<source>/<name>`, else the source itself."""
    return source / name if (source / name / "samples").is_dir() else source


def recordings(
    folder: Path, source: Path, stimulus_of: Callable[[str], str | None], report: Report
) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """Return (observer, video file name, file relative to the source) of each recording, by stimulus.

    Args:
        folder: holds `samples/`.
        source: root of the data set.
        stimulus_of: gives the stimulus of a video's file name, None if it is not of this data set.
        report: names files that belong to no stimulus.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    foreign: list[str] = []
    for path in _sample_files(folder):
        observer, _, video = path.name.removesuffix(".txt").partition("_")
        stimulus = stimulus_of(video) if observer.isdecimal() else None
        file = path.relative_to(source).as_posix()
        if stimulus is None:
            foreign.append(path.name)
        elif observer in {other for other, _, _ in found.get(stimulus, ())}:
            report.add("surplus", file, f"a second recording of observer {observer} on {stimulus}; left out")
        else:
            found.setdefault(stimulus, []).append((observer, video, file))
    if foreign:
        shown = shortlist(foreign, 5, counted=False)
        message = f"left out {shown}: not <observer>_<video>.avi.txt of this data set"
        report.add("surplus", (folder / "samples").relative_to(source).as_posix(), message, count=len(foreign))
    return {stimulus: tuple(files) for stimulus, files in found.items()}


def read_setup(folder: Path, report: Report) -> Setup:
    """Read `geometry.txt` and `resolution.txt`; where one is missing, the documented screen and the register serve.

    Raises:
        BadData: a line is not as expected; the message names it.
    """
    screen, sizes = SCREEN_PX, {}
    for line_number, words in _lines(folder / "geometry.txt", report):
        where = f"geometry.txt, line {line_number}"
        if len(words) != 5:
            raise BadData(f"{where}: {len(words)} fields, expected three numbers, screen width and height")
        screen = (_pixels(where, words[3]), _pixels(where, words[4]))
    for line_number, words in _lines(folder / "resolution.txt", report):
        where = f"resolution.txt, line {line_number}"
        if len(words) != 4:
            raise BadData(f"{where}: {len(words)} fields, expected video, width, height, a number")
        sizes[words[0]] = (_pixels(where, words[1]), _pixels(where, words[2]))
    if screen != SCREEN_PX:
        report.add("mismatch", "geometry.txt", f"a screen of {screen}, documented is {SCREEN_PX}", fatal=False)
    return Setup(screen, sizes)


def parse(file: Path) -> LetteredSamples:
    """Read one recording.

    Raises:
        BadData: the file cannot be opened, is empty, or a line is not as expected; the message names the line.
    """
    try:
        data = without_mark(file.read_bytes())
    except OSError as error:
        rule_out_machine(file)
        raise BadData(f"{file.name}: cannot be read: {error.strerror or error}") from error
    t, _, _, x, y, event = read_rows(file.name, data, _COLUMNS, letter=True)
    if not len(t):
        raise BadData(f"{file.name}: no gaze sample is there; fetch the file again")
    faults = (
        (t != np.floor(t), "the time is no whole number of microseconds"),
        (np.diff(t, prepend=t[0]) < 0, "the time runs backwards"),
        ((np.abs(x) > _LARGEST_PX) | (np.abs(y) > _LARGEST_PX), f"the position is beyond {_LARGEST_PX:.0f} px"),
    )
    for fault, message in faults:
        if fault.any():
            raise BadData(f"{file.name}, line {line_of(data, 0, int(fault.argmax()))}: {message}")
    return LetteredSamples(t.astype(np.int64), x, y, event.astype(np.uint8))


def to_video(
    x: Float64Array, y: Float64Array, size: tuple[int, int], screen: tuple[int, int]
) -> tuple[Float64Array, Float64Array]:
    """Map screen pixels to pixels of a video of (width, height) that fills the width of the screen.

    >>> to_video(np.array([640.0]), np.array([512.0]), (720, 404), (1280, 1024))
    (array([360.]), array([202.]))
    """
    scale = size[0] / screen[0]
    bar = (screen[1] - size[1] / scale) / 2
    return scale * x, scale * (y - bar)


def frame_of(t_us: Int64Array, fps: Fraction) -> Int64Array:
    """Return the 0-based frame of each time: round(n t / duration), halves upwards, in integers.

    >>> frame_of(np.array([0, 19_999, 20_000, 60_000]), Fraction(25)).tolist()
    [0, 0, 1, 2]
    """
    period = 1_000_000 * fps.denominator
    return (2 * t_us * fps.numerator + period) // (2 * period)


def gaze(source: Path, stimulus: StimulusRow, report: Report, *, usual_fps: Fraction) -> Gaze:
    """Read all observers of one video: samples of event F are points, all others go to the gaze samples.

    Args:
        source: root of the data set.
        stimulus: its `extra` holds the screen, and the (observer, video, file) of each recording.
        report: takes the anomalies.
        usual_fps: taken, and reported as an assumption, where there is no video.

    Raises:
        BadData: the size of the video is unknown, or none of the recordings can be used.
    """
    screen, files = stimulus.extra
    if not files:
        report.add("missing", stimulus.stimulus_id, "no recording of this video; kept as not annotated")
        return Gaze(annotated=False)
    if stimulus.width is None or stimulus.height is None:
        raise BadData(f"{stimulus.stimulus_id}: its size is unknown: neither resolution.txt nor a video gives it")
    size = (stimulus.width, stimulus.height)
    if size[1] * screen[0] > screen[1] * size[0]:
        message = f"a video of {size} is taller than the screen {screen}: scaled to its width all the same"
        report.add("assumption", stimulus.stimulus_id, message, fatal=False)
    fps = stimulus.fps or usual_fps
    if stimulus.fps is None:
        message = f"no video: taken as {float(usual_fps):g} frames a second, frames follow from that"
        report.add("assumption", stimulus.stimulus_id, message, fatal=False)
    points: list[Arrays] = []
    others: list[Arrays] = []
    read: list[str] = []
    extents: list[Extent] = []
    for observer, _, file in files:
        try:
            recording = parse(source / file)
        except BadData as error:
            report.add("unreadable", file, f"{error}; this recording is left out")
            continue
        read.append(file)
        extents.append(extent_of(observer, file, recording.t_us))
        columns, is_point = _columns(observer, recording, size, screen, fps, stimulus.n_frames)
        points.append({name: column[is_point] for name, column in columns.items()})
        others.append({name: column[~is_point] for name, column in columns.items()})
    if not read:
        raise BadData(f"{stimulus.stimulus_id}: none of the {len(files)} recordings can be used")
    length_s = float(stimulus.n_frames / stimulus.fps) if stimulus.n_frames and stimulus.fps else None
    report_incomplete(extents, length_s, stimulus.stimulus_id, report)
    joined = _joined(stimulus, points, others, tuple(read), report)
    return replace(joined, fps=usual_fps if stimulus.fps is None else None)


def _columns(
    observer: str,
    recording: LetteredSamples,
    size: tuple[int, int],
    screen: tuple[int, int],
    fps: Fraction,
    n_frames: int | None,
) -> tuple[Arrays, Mask]:
    """Return the columns of all samples, and which of them are points."""
    x, y = to_video(recording.x, recording.y, size, screen)
    frame = frame_of(recording.t_us, fps)
    is_point = (recording.event == ord("F")) & (recording.t_us >= 0)
    if n_frames is not None:
        is_point &= frame < n_frames
    columns: Arrays = {
        "observer_id": np.full(len(x), observer),
        "order": np.arange(len(x), dtype=np.int32),
        "t_us": recording.t_us,
        "frame": frame,
        "x_px": x,
        "y_px": y,
        "x_screen_px": recording.x,
        "y_screen_px": recording.y,
        "event": recording.event,
    }
    return columns, is_point


def _joined(
    stimulus: StimulusRow, points: list[Arrays], others: list[Arrays], files: tuple[str, ...], report: Report
) -> Gaze:
    point = {name: np.concatenate([part[name] for part in points]) for name in points[0]}
    other = {name: np.concatenate([part[name] for part in others]) for name in others[0]}
    for letter, count in zip(*np.unique(other["event"], return_counts=True), strict=True):
        if chr(letter) == "F":
            message = "fixation samples before the first frame or after the last, kept as gaze"
            report.add("after-end", stimulus.stimulus_id, message, count=int(count), fatal=False)
        elif chr(letter) not in _WORDS:
            message = f"samples of the unknown event {chr(letter)!r}, kept as gaze under that letter"
            report.add("assumption", stimulus.stimulus_id, message, count=int(count), fatal=False)
    if not len(point["frame"]):
        report.add("mismatch", stimulus.stimulus_id, "no sample within the video is of event F (fixation)")
    labels = np.array([_WORDS.get(chr(code), chr(code)) for code in range(128)])
    lost = (point["x_screen_px"] == 0) & (point["y_screen_px"] == 0)
    shared = ("observer_id", "x_px", "y_px", "x_screen_px", "y_screen_px")
    last = int(point["frame"].max()) if len(point["frame"]) else None
    return Gaze(
        fixations={
            **{name: point[name] for name in (*shared, "order")},
            "event": "point",
            "onset_ms": point["t_us"].astype(np.int64) / 1000,
            "frame": point["frame"].astype(np.int32),
            "flags": [["lost"] if missing else [] for missing in lost.tolist()],
        },
        samples={
            **{name: other[name] for name in (*shared, "t_us")},
            "label": labels[other["event"].astype(np.int64)],
        },
        annotated=last is not None,
        last_annotated=last if stimulus.n_frames is None else None,
        n_observers=len(files),
        source_files=files,
    )


def _sample_files(folder: Path) -> list[Path]:
    return matching(folder / "samples", "*.txt")


def _lines(file: Path, report: Report) -> Iterator[tuple[int, list[str]]]:
    if not file.is_file():
        message = "the file is missing: the documented screen and the register's sizes are taken"
        report.add("missing", file.name, message)
        return
    text = without_mark(file.read_bytes()).decode("utf-8", "backslashreplace")
    for line_number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield line_number, line.split()


def _pixels(where: str, text: str) -> int:
    try:
        value = number(text)
    except ValueError as error:
        raise BadData(f"{where}: {text[:40]!r} is not a number of pixels") from error
    if value != int(value) or not 0 < value <= 1 << 15:
        raise BadData(f"{where}: {text[:40]!r} is not a number of pixels")
    return int(value)
