"""Hollywood-2, variant `raw`: the tracker's text of every observer on whole clips; see `actions_in_the_eye`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from ...formats import actions_in_the_eye
from ...formats.frames import find_video
from ...records import StimulusRow
from . import layout

INFO = replace(
    layout.BASE,
    variant="raw",
    verified=(),
    unverified=(*actions_in_the_eye.UNVERIFIED, "24 frames a second where there is no video (films have 23.976 to 25)"),
)

_VIDEO_FOLDERS = ("AVIClips", "Hollywood2/AVIClips", "videos", "video", ".")


def _known() -> Iterator[StimulusRow]:
    for clip, (split, width, height) in layout.clips().items():
        yield StimulusRow(clip, split, f"AVIClips/{clip}.avi", width, height, None)


def _clip_of(video: str) -> str | None:
    """Return the clip of a gaze file's video name, `actioncliptrain00001.avi`."""
    stem, dot, suffix = video.rpartition(".")
    return stem if dot and suffix.lower() == "avi" and stem in layout.clips() else None


def _video_of(source: Path, clip: str) -> str | None:
    for folder in _VIDEO_FOLDERS:
        path = find_video(source / folder, clip)
        if path is not None:
            return path.relative_to(source).as_posix()
    return None


_CLIPS = actions_in_the_eye.Clips(INFO, "gaze_hollywood2", _known, _clip_of, _video_of, Fraction(24))
present, stimuli, gaze = _CLIPS.present, _CLIPS.stimuli, _CLIPS.gaze
