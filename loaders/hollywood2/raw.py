"""Hollywood-2, variant `raw`: the tracker's text of every observer on whole clips; see `actions_in_the_eye`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from .. import actions_in_the_eye
from ..errors import MissingData
from ..pooled import some
from ..records import Gaze, Report, StimulusRow
from . import layout

INFO = replace(
    layout.BASE,
    variant="raw",
    verified=(),
    unverified=(*actions_in_the_eye.UNVERIFIED, "24 frames a second where there is no video (films have 23.976 to 25)"),
)

USUAL_FPS = Fraction(24)
_FOLDER = "gaze_hollywood2"
_VIDEO_FOLDERS = ("AVIClips", "Hollywood2/AVIClips", "videos", "video", ".")


def present(source: Path) -> bool:
    """Tell whether the observers' text files are here."""
    return actions_in_the_eye.has_recordings(actions_in_the_eye.root(source, _FOLDER), _stimulus_of)


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the clips that have gaze, or a video, in the order of the register.

    Raises:
        MissingData: there are neither.
        BadData: `geometry.txt` or `resolution.txt` can not be read.
    """
    folder = actions_in_the_eye.root(source, _FOLDER)
    found = actions_in_the_eye.recordings(folder, source, _stimulus_of, report)
    setup = actions_in_the_eye.read_setup(folder, report) if found else None
    absent: list[str] = []
    for clip, (split, width, height) in layout.clips().items():
        video = _video(source, clip)
        files = found.get(clip, ())
        if not files and video is None:
            absent.append(clip)
            continue
        if setup is not None and files:
            width, height = setup.sizes.get(files[0][1], (width, height))
        yield StimulusRow(
            stimulus_id=clip,
            split=split,
            source_file=video or f"AVIClips/{clip}.avi",
            width=width,
            height=height,
            n_frames=None,
            extra=(setup.screen if setup else actions_in_the_eye.SCREEN_PX, files),
        )
    if len(absent) == len(layout.clips()):
        raise MissingData(
            f"{source}: no raw gaze of Hollywood-2 is here; expected "
            f"{_FOLDER}/samples/001_actioncliptrain00001.avi.txt ... {INFO.obtain}"
        )
    if absent:
        message = f"{len(absent)} of {len(layout.clips())} clips have neither gaze nor video: {some(absent)}"
        report.add("missing", ".", message, count=len(absent))


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read all observers of one clip; a file that can not be read is reported and left out.

    Raises:
        BadData: none of the files can be used.
    """
    return actions_in_the_eye.gaze(source, stimulus, report, usual_fps=USUAL_FPS)


def _stimulus_of(video: str) -> str | None:
    stem, dot, suffix = video.rpartition(".")
    return stem if dot and suffix.lower() == "avi" and stem in layout.clips() else None


def _video(source: Path, clip: str) -> str | None:
    for folder in _VIDEO_FOLDERS:
        path = source / folder / f"{clip}.avi"
        if path.is_file():
            return path.relative_to(source).as_posix()
    return None
