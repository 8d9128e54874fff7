"""What both forms of GazeCom share: the facts, where recordings and videos lie, and how long a clip lasts.

Source: Dorr, Martinetz, Gegenfurtner & Barth, Variability of eye movements when viewing dynamic natural scenes,
Journal of Vision 10(10):28, 2010. 18 clips of 1280 x 720 at 29.97 frames a second; 37 to 52 of 54 observers a clip;
EyeLink II, 250 Hz. Positions are pixels of the clip with one decimal, time is microseconds from its start.
The release holds other experiments too (still images, stop motion, trailers, repetitions): those are other data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from ...errors import MissingData
from ...formats.frames import find_video
from ...io import registers
from ...io.folders import files, folders, matching
from ...io.names import shortlist
from ...records import DatasetInfo, Report, Screen, StimulusRow, Truth
from . import arff

PX_PER_DEGREE = 26.7
SIGMA_DEGREES = 1.2
FPS = Fraction(30000, 1001)
WITHOUT_VIDEO_S = {"koenigstrasse": 19}
USUAL_S = 20
OLD_NAMES = {"welpen": "puppies"}
NATURAL_MOVIES = "natural_movies_gaze"

_OTHERS = (
    "stop_motion_movies_gaze",
    "static_images_gaze",
    "hollywood_movies_gaze",
    "repetitive_gaze",
    "additional_gaze",
)
_VIDEO_FOLDERS = ("movies-m2t", "movies-mpg", "movies", "videos", "video", ".")

BASE = DatasetInfo(
    name="gazecom",
    title="GazeCom: 18 outdoor clips of 1280 x 720, free viewing, 54 observers",
    truths={
        "gazecom": Truth(
            sigma_px=SIGMA_DEGREES * PX_PER_DEGREE,
            per="row",
            note=f"no official density; {SIGMA_DEGREES} degrees of {PX_PER_DEGREE} px, as others chose",
        )
    },
    licence="none stated by the authors; cite the paper (and Startsev et al. 2019 for the hand labels)",
    citation=(
        "M. Dorr, T. Martinetz, K. R. Gegenfurtner, E. Barth. Variability of eye movements when viewing dynamic "
        "natural scenes. Journal of Vision 10(10):28, 2010. Hand labels: M. Startsev, I. Agtzidis, M. Dorr. "
        "Characterizing and automatically detecting smooth pursuit in a large-scale ground-truth data set of dynamic "
        "natural scenes. Journal of Vision 19(14):10, 2019."
    ),
    obtain=(
        "Clips and gaze: the page EyeMovementDataSet of the Institute for Neuro- and Bioinformatics, University of "
        "Luebeck (movies-m2t.zip or movies-mpg.zip, and the gaze archive). ARFF files and hand labels: "
        "gin.g-node.org/ioannis.agtzidis/gazecom_annotations."
    ),
    layout=(
        "gaze/natural_movies_gaze/AAF_beach.coord ... (<observer>_<clip>.coord)",
        "gaze_arff/beach/AAF_beach.arff ... (the same samples)",
        "ground_truth/beach/AAF_beach.arff ... (with hand labels)",
        "movies-m2t/beach.m2t ... (or movies-mpg/, or beside the gaze)",
    ),
    screen=Screen(
        1280, 720, 400.0, 225.0, 450.0, PX_PER_DEGREE, "48 x 27 degrees; px per degree averaged over the width"
    ),
    observers="54 (37 to 52 a clip), free viewing, EyeLink II 250 Hz",
    splits="none official (all); leave-one-clip-out is usual",
    register="gazecom",
)

Recordings = dict[str, dict[str, str]]
"""clip -> observer -> file relative to the source."""


def coord_folder(source: Path) -> Path | None:
    """Return the folder of the natural movies' gaze: below the source, or the source itself."""
    for pattern in (NATURAL_MOVIES, f"*/{NATURAL_MOVIES}", f"*/*/{NATURAL_MOVIES}"):
        found = [p for p in matching(source, pattern) if p.is_dir()]
        if found:
            return found[0]
    if source.name not in _OTHERS and files(source, ".coord"):
        return source
    return source if source.name == NATURAL_MOVIES else None


def arff_folder(source: Path, *, labelled: bool) -> Path | None:
    """Return the folder `ground_truth` (hand labels) or `gaze_arff`: below the source, or the source itself.

    A source of another name counts if the first of its files has, or has not, hand labels.
    """
    name = "ground_truth" if labelled else "gaze_arff"
    for pattern in (name, f"*/{name}"):
        found = [p for p in matching(source, pattern) if p.is_dir()]
        if found:
            return found[0]
    first = next(iter(_files(source, ".arff")), None)
    return source if first is not None and arff.labelled(first) is labelled else None


def has_files(folder: Path | None, suffix: str) -> bool:
    """Return whether a folder, or a folder in it, holds a file of this kind."""
    return folder is not None and bool(_files(folder, suffix))


def recordings(folder: Path | None, suffix: str, source: Path, report: Report) -> Recordings:
    """Return the recordings in a folder by clip and observer; what belongs to no clip is reported.

    The observer's code is what stands before the first underscore; `welpen` is the old name of `puppies`.
    """
    clips = [line["video"] for line in registers.rows("gazecom")]
    found: Recordings = {}
    foreign: list[str] = []
    for path in [] if folder is None else _files(folder, suffix):
        observer, _, name = path.stem.partition("_")
        clip = OLD_NAMES.get(name, name)
        file = path.relative_to(source).as_posix()
        if clip not in clips or not observer:
            foreign.append(path.name)
        elif path.parent != folder and OLD_NAMES.get(path.parent.name, path.parent.name) != clip:
            report.add("mismatch", file, f"the name says {clip}, the folder {path.parent.name}; left out")
        elif observer in found.get(clip, {}):
            report.add("surplus", file, f"a second recording of {observer} on {clip}; left out")
        else:
            found.setdefault(clip, {})[observer] = file
    if foreign and folder is not None:
        message = f"left out {shortlist(foreign, counted=False)}: no clip of these names"
        report.add("surplus", folder.relative_to(source).as_posix(), message, count=len(foreign))
    return found


def report_other_experiments(folder: Path | None, source: Path, report: Report) -> None:
    """Name and count the gaze folders beside that of the natural movies."""
    if folder is None or folder == source or folder.name != NATURAL_MOVIES:
        return
    for other in (p for p in folders(folder.parent) if p != folder):
        count = len(files(other, ".coord"))
        if count:
            message = "recordings of another experiment, not converted"
            report.add("surplus", other.relative_to(source).as_posix(), message, count=count, fatal=False)


def stimuli(source: Path, found: Recordings, info: DatasetInfo, report: Report) -> Iterator[StimulusRow]:
    """Yield every clip that has recordings or a video in `source`; the recordings go into `extra`.

    Raises:
        MissingData: there is neither.
    """
    absent: list[str] = []
    present = 0
    for line in registers.rows("gazecom"):
        clip = line["video"]
        video = _video(source, clip)
        here = found.get(clip, {})
        if not here and video is None:
            absent.append(clip)
            continue
        present += 1
        _compare_observers(clip, here, line["observers"].split(), report)
        yield StimulusRow(
            stimulus_id=clip,
            split=line["split"],
            source_file=video or f"movies-m2t/{clip}.m2t",
            width=int(line["width"]),
            height=int(line["height"]),
            n_frames=None,
            fps=None if video else FPS,
            extra=tuple(sorted(here.items())),
        )
    if not present:
        raise MissingData(
            f"{source}: nothing of GazeCom ({info.variant}) is here; expected {'; '.join(info.layout)}. {info.obtain}"
        )
    if absent:
        report.add("missing", ".", f"neither gaze nor video of {', '.join(absent)}", count=len(absent))


def clip_length(stimulus: StimulusRow, report: Report) -> tuple[Fraction, int, Fraction]:
    """Return frame rate, number of frames and length in seconds of a clip.

    Decoded, or without the video 29.97 frames a second and 20 s (koenigstrasse: 19 s), reported as an assumption.
    """
    usual_s = WITHOUT_VIDEO_S.get(stimulus.stimulus_id, USUAL_S)
    if stimulus.n_frames is None:
        fps = stimulus.fps or FPS
        message = f"no video: taken to last {usual_s} s at {float(fps):.2f} frames a second, gaze is cut there"
        report.add("assumption", stimulus.stimulus_id, message, fatal=False)
        return fps, -(-usual_s * fps.numerator // fps.denominator), Fraction(usual_s)
    fps = stimulus.fps or FPS
    length_s = stimulus.n_frames / fps
    if length_s < usual_s - 1:
        message = (
            f"{stimulus.n_frames} frames decoded, {float(length_s):.1f} s, but the clip lasts about {usual_s} s; "
            "the decoder stopped early, or the file is cut off"
        )
        report.add("mismatch", stimulus.stimulus_id, message)
    if abs(fps - FPS) > Fraction(1, 10):
        message = f"{float(fps):.2f} frames a second decoded, the clips have {float(FPS):.2f}"
        report.add("mismatch", stimulus.stimulus_id, message)
    return fps, stimulus.n_frames, length_s


WITHOUT_VIDEO = (
    "frame counts of the clips: without the video a clip is taken as 20 s, koenigstrasse as 19 s",
    "that time 0 is the start of the first frame",
)


def merged(*sources: Mapping[str, Mapping[str, str]]) -> Recordings:
    """Join recordings; where two have the same clip and observer, the first counts."""
    joined: Recordings = {}
    for source in reversed(sources):
        for clip, recorded in source.items():
            joined.setdefault(clip, {}).update(recorded)
    return joined


def _files(folder: Path, suffix: str) -> list[Path]:
    return [p for p in matching(folder, f"*{suffix}", f"*/*{suffix}") if p.is_file()]


def _video(source: Path, clip: str) -> str | None:
    names = [clip, *(old for old, new in OLD_NAMES.items() if new == clip)]
    for folder in _VIDEO_FOLDERS:
        for name in names:
            path = find_video(source / folder, name)
            if path is not None:
                return path.relative_to(source).as_posix()
    return None


def _compare_observers(clip: str, here: Mapping[str, str], expected: list[str], report: Report) -> None:
    missing = [o for o in expected if o not in here]
    if missing:
        shown = shortlist(missing, 8, counted=False)
        message = f"no recording of {len(missing)} of {len(expected)} observers: {shown}"
        report.add("missing", clip, message, count=len(missing))
    unknown = sorted(here.keys() - set(expected))
    if unknown:
        message = f"recordings of observers that the register does not have: {', '.join(unknown)}"
        report.add("surplus", clip, message, count=len(unknown), fatal=False)
