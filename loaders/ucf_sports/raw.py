"""UCF Sports, variant `raw`: the tracker's text of every observer; see `actions_in_the_eye`.

Videos lie as UCF distributes them, `<class>/<number>/<any name>.avi`; their gaze files are named from the two
folders: `gaze_ucfsa/samples/001_Diving-Side_001.avi.txt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from .. import actions_in_the_eye
from ..errors import MissingData
from ..pooled import some
from ..records import Gaze, Report, StimulusRow
from ..register import rows
from . import layout

INFO = replace(
    layout.BASE,
    variant="raw",
    verified=(),
    unverified=(*actions_in_the_eye.UNVERIFIED, "10 frames a second where there is no video"),
)

USUAL_FPS = Fraction(10)
_FOLDER = "gaze_ucfsa"
_VIDEO_FOLDERS = (".", "videos", "ucf action", "ucf_sports_actions/ucf action", "UCF Sports")


def present(source: Path) -> bool:
    """Tell whether the observers' text files are here."""
    return actions_in_the_eye.has_recordings(actions_in_the_eye.root(source, _FOLDER), _stimulus_of)


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the videos that have gaze, or a video file, in the order of the register.

    Raises:
        MissingData: there are neither.
        BadData: `geometry.txt` or `resolution.txt` can not be read.
    """
    folder = actions_in_the_eye.root(source, _FOLDER)
    found = actions_in_the_eye.recordings(folder, source, _stimulus_of, report)
    setup = actions_in_the_eye.read_setup(folder, report) if found else None
    absent: list[str] = []
    for line in rows("ucf_sports"):
        name = line["video"]
        video = _video(source, name)
        files = found.get(name, ())
        if not files and video is None:
            absent.append(name)
            continue
        size = (int(line["width"]), int(line["height"]))
        if setup is not None and files:
            size = setup.sizes.get(files[0][1], size)
        yield StimulusRow(
            stimulus_id=name,
            split=line["split"],
            source_file=video or f"{'/'.join(name.rsplit('-', 1))}/{layout.underscored(name)}.avi",
            width=size[0],
            height=size[1],
            n_frames=int(line["n_frames"]),
            first_frame_number=1,
            extra=(setup.screen if setup else actions_in_the_eye.SCREEN_PX, files),
        )
    if len(absent) == len(rows("ucf_sports")):
        raise MissingData(
            f"{source}: no raw gaze of UCF Sports is here; expected {_FOLDER}/samples/001_Diving-Side_001.avi.txt ... "
            f"{INFO.obtain}"
        )
    if absent:
        message = f"{len(absent)} of {len(rows('ucf_sports'))} videos have neither gaze nor frames: {some(absent)}"
        report.add("missing", ".", message, count=len(absent))


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all observers of one video; a file that can not be read is reported and left out.

    Raises:
        BadData: none of the files can be used.
    """
    return actions_in_the_eye.gaze(source, stimulus, report, usual_fps=USUAL_FPS)


def _stimulus_of(video: str) -> str | None:
    """Return the stimulus of a gaze file's video name, `Diving-Side_001.avi`."""
    stem, dot, suffix = video.rpartition(".")
    if not dot or suffix.lower() != "avi":
        return None
    return layout.ids().get(stem.replace("_", "-").lower())


def _video(source: Path, name: str) -> str | None:
    action, number = name.rsplit("-", 1)
    for folder in _VIDEO_FOLDERS:
        base = source / folder
        flat = [base / f"{name}.avi", base / f"{layout.underscored(name)}.avi"]
        for path in [*flat, *sorted((base / action / number).glob("*.avi"))]:
            if path.is_file():
                return path.relative_to(source).as_posix()
    return None
