"""LEDOV: 538 videos, free viewing, 32 observers.

Source: Jiang, Xu, Liu, Qiao & Wang, DeepVS: A Deep Learning Based Video Saliency Prediction Approach, ECCV 2018.
Licence: "free to use", with citation; no formal licence.
Frames: 640 x 480 to 3840 x 2160 at 15 to 60 per second, a folder a video with `<video>.mp4`.
Gaze: `Data.mat` beside it, MATLAB 7.3, a struct with one row a fixation: observer, start and duration in
milliseconds of the clip, x and y in pixels of the video, whole and 1-based.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import BadData, MissingData
from ..formats import matlab
from ..formats.frame_spans import frame_span, order_within, starts_past
from ..formats.frames import VIDEO_SUFFIXES
from ..io import registers
from ..io.folders import entries, files, folders
from ..io.names import natural_key, shortlist
from ..records import FORCED_START, DatasetInfo, Float64Array, Gaze, Mask, Report, Screen, StimulusRow, Truth

GAZE_FILE = "Data.mat"
OBSERVERS = 32
SIGMA_PX = 80 / (2 * np.sqrt(2 * np.log(2)))
CENTER = 20
"""An observer is at the center as long as the gaze is within a twentieth of the height of it, across or down."""
META_BENCHMARK = "meta-benchmark-30hz"
"""Attribute of the 77 videos of val and test: Tangemann et al. (ECCV 2020) chose frames of each of them on which motion
matters; their masks number the frames at 30 a second (https://github.com/mtangemann/deepgazemr)."""

INFO = DatasetInfo(
    name="ledov",
    title="538 videos of animals, people and machines, free viewing, 32 observers",
    truths={
        "authors": Truth(
            kernel="gaussian",
            sigma_px=float(SIGMA_PX),
            per="row",
            radius_px=100,
            note="Gaussian of 80 px full width at half maximum, cut to 100 px about its centre, at each video's own "
            "resolution; repeated positions count",
        )
    },
    licence="the authors allow free use with citation; no formal licence",
    citation="L. Jiang, M. Xu, T. Liu, M. Qiao, Z. Wang. DeepVS: A deep learning based video saliency prediction "
    "approach. European Conference on Computer Vision (ECCV), 2018",
    obtain="LEDOV.zip by the links of https://github.com/remega/LEDOV-eye-tracking-database",
    layout=("<video>/<video>.mp4", "<video>/Data.mat"),
    screen=Screen(
        width_px=1920,
        height_px=1080,
        width_mm=509,
        height_mm=286,
        distance_mm=650,
        px_per_degree=40.0,
        note="distance as the authors state; the display (23 inches, 1920 x 1080) is that of the eye tracker, a Tobii "
        "TX300; 40 px a degree as their code has it",
    ),
    observers="32 (18 men, 14 women), free viewing; numbered as in the files",
    splits="train 461, val 36, test 41 (namelist.mat; one index occurs twice in its list of 462)",
    register="ledov",
    verified=(
        "names, splits, frame counts, sizes and rates of the 538 videos, after nine conflicts of the authors' two "
        "tables were resolved; 179,336 frames in all, as the authors state",
    ),
    unverified=(
        "no real Data.mat was available: its layout is that of the authors' code, checked on files built like it",
        "size and resolution of the display",
        "positions are 1-based, as their use as indices in the authors' code says",
    ),
)


@dataclass(frozen=True)
class GazeFile:
    """One Data.mat.

    Attributes:
        name: the video's name in it.
        width, height, n_frames, fps: of the video as the file has them.
        rows: float64, (n, 5): observer, start_ms, duration_ms, x, y as stored.
    """

    name: str
    width: int
    height: int
    n_frames: int
    fps: Fraction
    rows: Float64Array


def present(source: Path) -> bool:
    """Return whether a folder of the source holds a Data.mat beside a video, or bears a registered name."""
    return bool(_folders(source))


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the registered videos that have a video or gaze, then unregistered ones with gaze.

    Raises:
        MissingData: there are none.
    """
    found = _folders(source)
    if not found:
        raise MissingData(f"{source}: no <video>/{GAZE_FILE}; expected {'; '.join(INFO.layout)}. {INFO.obtain}")
    known = registers.rows("ledov")
    absent = [line["video"] for line in known if line["video"] not in found]
    if absent:
        shown = shortlist(absent, 3, counted=False)
        report.add("missing", ".", f"{len(absent)} of {len(known)} videos: {shown}", count=len(absent))
    for line in known:
        if line["video"] in found:
            yield _registered(line, source, found[line["video"]])
    for name in sorted(set(found) - {line["video"] for line in known}, key=natural_key):
        file = _gaze_file(found[name])
        where = found[name].relative_to(source).as_posix()
        report.add("surplus", where, "a video that the register does not know")
        try:
            data = None if file is None else read(file)
        except BadData as error:
            report.add("unreadable", where, f"{error}; left out")
            continue
        if data is not None:
            video = _video(source, found[name], name)
            yield StimulusRow(name, "all", video, data.width, data.height, data.n_frames, data.fps, extra=where)


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Return the fixations of one video; those before the observer leaves the centre are flagged `forced_start`.

    Raises:
        BadData: the file cannot be read, or is another video's.
    """
    folder = source / (stimulus.extra or stimulus.stimulus_id)
    file = _gaze_file(folder) if folder.is_dir() else None
    if file is None:
        report.add("missing", stimulus.stimulus_id, f"no {GAZE_FILE}")
        return Gaze(annotated=False)
    where = file.relative_to(source).as_posix()
    data = read(file)
    _check_name(data, stimulus, file, where, report)
    fps, n_frames = stimulus.fps or data.fps, stimulus.n_frames or data.n_frames
    _compare(data, stimulus, where, report)
    if not len(data.rows):
        report.add("missing", where, "fixdata is empty")
    rows = data.rows[_usable(data.rows, where, report)]
    rows = _sorted(rows, where, report)
    late = starts_past(rows[:, 1], fps, n_frames)
    if late.any():
        message = f"fixations start after the last of {n_frames} frames; left out"
        report.add("out-of-range", where, message, count=int(late.sum()))
    forced = at_center(rows, data.width, data.height)[~late]
    order = order_within(rows[:, 0])[~late]
    rows = rows[~late]
    first, last = frame_span(rows[:, 1], rows[:, 1] + rows[:, 2], fps, n_frames)
    return Gaze(
        fixations={
            "event": "fixation",
            "observer_id": [f"{int(observer):02d}" for observer in rows[:, 0]],
            "order": order,
            "onset_ms": rows[:, 1],
            "duration_ms": rows[:, 2],
            "frame": first,
            "frame_end": last,
            "x_px": rows[:, 3] - 0.5,
            "y_px": rows[:, 4] - 0.5,
            "flags": [[FORCED_START] if f else [] for f in forced],
        },
        annotated=bool(len(rows)),
        n_observers=len(np.unique(rows[:, 0])),
        source_files=(where,),
    )


def at_center(rows: Float64Array, width: int, height: int) -> Mask:
    """Return for each fixation whether its observer has not yet left the centre.

    An observer leaves it with the first fixation inside the frame that is more than a twentieth of the height away
    from it, both across and down. One who never does is at the center throughout, as in the authors' code.

    Args:
        rows: float64, (n, 5), rows of one observer together and in order of start.
        width, height: of the video.
    """
    x, y = rows[:, 3], rows[:, 4]
    away = (np.abs(x - width / 2) > height / CENTER) & (np.abs(y - height / 2) > height / CENTER)
    away &= (x > 0) & (x < width) & (y > 0) & (y < height)
    out = np.ones(len(rows), dtype=bool)
    for observer in np.unique(rows[:, 0]):
        own = rows[:, 0] == observer
        out[own] = ~np.logical_or.accumulate(away[own])
    return out


def read(path: Path) -> GazeFile:
    """Read one Data.mat.

    Raises:
        BadData: it cannot be read, or has another build.
    """
    fields = matlab.struct(matlab.variable(matlab.read(path), "Data", path), path, "Data")
    size = matlab.matrix(_row(matlab.variable(fields, "VideoSize", path)), 2, path, "Data.VideoSize")
    if len(size) != 1:
        raise BadData(f"{path}: Data.VideoSize should be [width, height]")
    fps = matlab.number(matlab.variable(fields, "VideoFrameRate", path), path, "Data.VideoFrameRate")
    numbers = {
        "Data.VideoSize": size.ravel(),
        "Data.VideoFrames": np.array(
            [matlab.number(matlab.variable(fields, "VideoFrames", path), path, "Data.VideoFrames")]
        ),
    }
    for what, values in numbers.items():
        if not (matlab.whole(values) & (values > 0)).all():
            raise BadData(f"{path}: {what} should be whole and positive, found {values.tolist()}")
    if not 1 <= fps <= 1000:
        raise BadData(f"{path}: Data.VideoFrameRate is {fps}")
    return GazeFile(
        name=Path(matlab.text(matlab.variable(fields, "VideoName", path), path, "Data.VideoName")).stem,
        width=int(size[0, 0]),
        height=int(size[0, 1]),
        n_frames=int(numbers["Data.VideoFrames"][0]),
        fps=Fraction(fps).limit_denominator(1_000_000),
        rows=matlab.matrix(matlab.variable(fields, "fixdata", path), 5, path, "Data.fixdata"),
    )


def _row(value: matlab.Value) -> matlab.Value:
    return value.reshape(1, -1) if isinstance(value, np.ndarray) else value


def _usable(rows: Float64Array, where: str, report: Report) -> Mask:
    """Return which rows can be used; report the others, each counted once."""
    observer = rows[:, 0]
    tests = (
        (matlab.whole(observer) & (observer >= 1) & (observer <= OBSERVERS), f"no observer (1 to {OBSERVERS})"),
        (matlab.plausible(rows[:, 1:3]) & (rows[:, 1] >= 0) & (rows[:, 2] >= 0), "no time"),
        (matlab.plausible(rows[:, 3:5]), "no place"),
    )
    good = np.ones(len(rows), dtype=bool)
    for passed, what in tests:
        bad = np.flatnonzero(good & ~passed)
        if len(bad):
            message = f"fixdata row {bad[0] + 1}: rows with {what}; left out"
            report.add("out-of-range", where, message, count=len(bad))
        good &= passed
    return good


def _sorted(rows: Float64Array, where: str, report: Report) -> Float64Array:
    """Sort by observer and start; report where the file's rows of one observer are not in order of start."""
    grouped = rows[np.argsort(rows[:, 0], kind="stable")]
    back = (np.diff(grouped[:, 1]) < 0) & (np.diff(grouped[:, 0]) == 0)
    if back.any():
        message = "rows start before the one above of the same observer; sorted by start"
        report.add("mismatch", where, message, count=int(back.sum()))
    return grouped[np.lexsort((np.arange(len(grouped)), grouped[:, 1], grouped[:, 0]))]


def _check_name(data: GazeFile, stimulus: StimulusRow, file: Path, where: str, report: Report) -> None:
    if data.name == stimulus.stimulus_id:
        return
    if data.name in {line["video"] for line in registers.rows("ledov")}:
        raise BadData(f"{file}: belongs to {data.name} by its content; was it moved?")
    report.add("assumption", where, f"calls its video {data.name!r}; taken by its folder", fatal=False)


def _compare(data: GazeFile, stimulus: StimulusRow, where: str, report: Report) -> None:
    """Report where the file and the video (or the register) differ."""
    if stimulus.n_frames and abs(data.n_frames - stimulus.n_frames) > 1:
        report.add("mismatch", where, f"says {data.n_frames} frames, the video or the register {stimulus.n_frames}")
    if stimulus.width and (data.width, data.height) != (stimulus.width, stimulus.height):
        report.add(
            "wrong-size",
            where,
            f"says {data.width} x {data.height}, the video or the register {stimulus.width} x {stimulus.height}",
        )
    if stimulus.fps and abs(data.fps - stimulus.fps) > Fraction(1, 2):
        report.add(
            "mismatch",
            where,
            f"says {float(data.fps):g} frames a second, the video or the register {float(stimulus.fps):g}",
        )


def _registered(line: dict[str, str], source: Path, folder: Path) -> StimulusRow:
    subset = (META_BENCHMARK,) if line["split"] in ("val", "test") else ()
    return StimulusRow(
        stimulus_id=line["video"],
        split=line["split"],
        source_file=_video(source, folder, line["video"]),
        width=int(line["width"]),
        height=int(line["height"]),
        n_frames=int(line["n_frames"]),
        fps=Fraction(line["fps"]),
        attributes=(line["video"].split("_")[0], *subset),
        extra=folder.relative_to(source).as_posix(),
    )


def _video(source: Path, folder: Path, name: str) -> str:
    """The video of a folder: the one of its name, else the first, else where it should lie."""
    found = sorted(files(folder, *VIDEO_SUFFIXES), key=lambda f: f.stem != name)
    return (found[0] if found else folder / f"{name}.mp4").relative_to(source).as_posix()


def _gaze_file(folder: Path) -> Path | None:
    return next((f for f in entries(folder) if f.name.lower() == GAZE_FILE.lower()), None)


def _folders(source: Path) -> dict[str, Path]:
    """The folders of videos by name: those with gaze, and registered ones with a video."""
    known = {line["video"] for line in registers.rows("ledov")}
    for root in (source, source / "LEDOV"):
        found: dict[str, Path] = {}
        for folder in folders(root):
            holds = {f.name.lower() for f in entries(folder)}
            video = any(name.endswith(tuple(VIDEO_SUFFIXES)) for name in holds)
            if GAZE_FILE.lower() in holds or (folder.name in known and video):
                found[folder.name] = folder
        if found:
            return found
    return {}
