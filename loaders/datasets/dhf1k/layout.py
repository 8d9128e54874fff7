"""What both forms of DHF1K share: the facts, the register, and where the videos lie.

Source: Wang, Shen, Guo, Cheng & Borji, Revisiting Video Saliency: A Large-Scale Benchmark and a New Model, CVPR 2018.
Frames: 640 x 360 at 30 per second (video 801: 29.97). Splits: train 001-600, val 601-700, test 701-1000; the gaze of
the test split is withheld. Video names have 3 digits (4 for 1000), annotation folders have 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import MissingData
from ...formats.frames import VIDEO_SUFFIXES, exists
from ...io import registers
from ...io.folders import entries
from ...io.names import natural_key, shortlist
from ...records import DatasetInfo, Report, Screen, StimulusRow, Truth

_WITHHELD = "test"
SIGMA_PX = 30 / (2 * (2 * 0.6931471805599453) ** 0.5)

BASE = DatasetInfo(
    name="dhf1k",
    title="DHF1K: 1,000 videos of 640 x 360, free viewing, 17 observers",
    truths={"corrected": Truth(sigma_px=SIGMA_PX)},
    licence="CC BY 4.0 (data set and code, as stated by the authors)",
    citation=(
        "W. Wang, J. Shen, F. Guo, M.-M. Cheng, A. Borji. Revisiting Video Saliency: A Large-Scale Benchmark and a "
        "New Model. CVPR 2018."
    ),
    obtain=(
        "The authors link the archives (video.rar, annotation.rar, exportdata_train.rar) from their repository "
        "wenguanwang/DHF1K. Unpack them side by side."
    ),
    layout=(
        "video/001.AVI ... 1000.AVI",
        "annotation/0001 ... 0700/fixation/0001.png ... (and fixation/maps/0001.mat ...)",
        "exportdata_train/P01 ... P17/P01_Trail001.txt ... P01_Trail700.txt",
    ),
    screen=Screen(1440, 900, px_per_degree=18.6, note="19 inch at 68 cm, from memory of the paper"),
    observers="17, free viewing, sound off, SMI RED 250 Hz",
    splits="train 600, val 100, test 300 (gaze withheld)",
    register="dhf1k",
    withheld=(_WITHHELD,),
)


def frame_rate(text: str) -> Fraction:
    """Read a frame rate of the register; 29.97 is 30000/1001.

    >>> frame_rate("29.970")
    Fraction(30000, 1001)
    """
    value = Fraction(text)
    return Fraction(30000, 1001) if abs(value - Fraction(30000, 1001)) < Fraction(1, 1000) else value


def _videos(source: Path) -> dict[str, str]:
    """Where frames lie, by the video's number without leading zeros: a video file, or a folder of images."""
    found: dict[str, str] = {}
    for folder in ("video", "frames", "images", "."):
        base = source / folder
        for path in entries(base):
            is_video = path.suffix.lower() in VIDEO_SUFFIXES
            if path.stem.isdigit() and (is_video or (folder != "." and path.is_dir() and exists(path))):
                found.setdefault(path.stem.lstrip("0"), path.relative_to(source).as_posix())
    return found


def _frames_of(source: Path, video: str, videos: dict[str, str]) -> str:
    number = f"{int(video):04d}"
    if video.lstrip("0") in videos:
        return videos[video.lstrip("0")]
    for inside in (source / "annotation" / number / "images", source / number / "images"):
        if exists(inside):
            return inside.relative_to(source).as_posix()
    return f"video/{video}.AVI"


def video_of(name: str, digits: int) -> str | None:
    """Return the video of a name that is its number in at least so many digits; None for any other name.

    >>> video_of("0002", 4), video_of("1001", 4), video_of("2", 4)
    ('002', '1001', None)
    """
    number = int(name) if name.isascii() and name.isdigit() else 0
    return f"{number:03d}" if number and name == f"{number:0{digits}d}" else None


def stimuli(
    source: Path, gaze_of: Callable[[str], Any], gazed: Set[str], info: DatasetInfo, report: Report
) -> Iterator[StimulusRow]:
    """Yield every video that has gaze of this form, or frames, in `source`: the registered ones, then others.

    Args:
        source: the folder of the data set.
        gaze_of: returns what gaze of a video is here, nothing true where there is none; the row's `extra`.
        gazed: the videos that have gaze, also those that the register does not know.
        info: of the form.
        report: takes the videos that are missing or surplus.

    Raises:
        MissingData: there is neither.
    """
    found = False
    absent: list[str] = []
    videos = _videos(source)
    known = registers.rows("dhf1k")
    for line in known:
        video = line["video"]
        file = _frames_of(source, video, videos)
        gaze = gaze_of(video)
        if not gaze and not exists(source / file):
            if line["split"] != _WITHHELD:
                absent.append(video)
            continue
        found = True
        yield StimulusRow(
            stimulus_id=video,
            split=line["split"],
            source_file=file,
            width=int(line["width"]),
            height=int(line["height"]),
            n_frames=int(line["n_frames"]),
            fps=frame_rate(line["fps"]),
            first_frame_number=1,
            extra=gaze,
        )
    registered = {line["video"] for line in known}
    framed = {f"{int(number):03d}" for number in videos if number}
    for video in sorted((gazed | framed) - registered, key=natural_key):
        file = _frames_of(source, video, videos)
        report.add("surplus", video, "a video that the register does not know")
        found = True
        yield StimulusRow(video, "all", file, 640, 360, None, Fraction(30), first_frame_number=1, extra=gaze_of(video))
    if not found:
        raise MissingData(
            f"{source}: nothing of DHF1K ({info.variant}) is here; expected {'; '.join(info.layout)}. {info.obtain}"
        )

    if absent:
        annotated = sum(line["split"] != _WITHHELD for line in known)
        message = f"{len(absent)} of the {annotated} videos with public gaze have neither gaze nor frames here"
        report.add("missing", ".", f"{message}: {shortlist(absent)}", count=len(absent))


def note_missing_gaze(stimulus: StimulusRow, expected: str, report: Report) -> None:
    """Report a video without gaze, unless the authors withhold it."""
    if stimulus.split != _WITHHELD:
        report.add("missing", stimulus.stimulus_id, f"no gaze: expected {expected}; kept as not annotated")
