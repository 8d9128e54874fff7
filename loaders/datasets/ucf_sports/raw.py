"""UCF Sports, variant `raw`: the tracker's text of every observer; see `actions_in_the_eye`.

Videos lie as UCF distributes them, `<class>/<number>/<any name>.avi`; their gaze files are named from the two
folders: `gaze_ucfsa/samples/001_Diving-Side_001.avi.txt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from ...formats import actions_in_the_eye
from ...formats.frames import VIDEO_SUFFIXES, find_video
from ...io import registers
from ...io.folders import files
from ...records import StimulusRow
from . import layout

INFO = replace(
    layout.BASE,
    variant="raw",
    verified=(),
    unverified=(*actions_in_the_eye.UNVERIFIED, "10 frames a second where there is no video"),
)

_VIDEO_FOLDERS = (".", "videos", "ucf action", "ucf_sports_actions/ucf action", "UCF Sports")


def _known() -> Iterator[StimulusRow]:
    for line in registers.rows("ucf_sports"):
        name = line["video"]
        yield StimulusRow(
            stimulus_id=name,
            split=line["split"],
            source_file=f"{'/'.join(name.rsplit('-', 1))}/{layout.underscored(name)}.avi",
            width=int(line["width"]),
            height=int(line["height"]),
            n_frames=int(line["n_frames"]),
            first_frame_number=1,
        )


def _clip_of(video: str) -> str | None:
    """Return the stimulus of a gaze file's video name, `Diving-Side_001.avi`."""
    stem, dot, suffix = video.rpartition(".")
    if not dot or suffix.lower() != "avi":
        return None
    return layout.ids().get(stem.replace("_", "-").lower())


def _video_of(source: Path, name: str) -> str | None:
    action, number = name.rsplit("-", 1)
    for folder in _VIDEO_FOLDERS:
        base = source / folder
        inside = base / action / number
        videos = files(inside, *VIDEO_SUFFIXES)
        for path in (find_video(base, name), find_video(base, layout.underscored(name)), *videos):
            if path is not None:
                return path.relative_to(source).as_posix()
    return None


_CLIPS = actions_in_the_eye.Clips(INFO, "gaze_ucfsa", _known, _clip_of, _video_of, Fraction(10))
present, stimuli, gaze = _CLIPS.present, _CLIPS.stimuli, _CLIPS.gaze
