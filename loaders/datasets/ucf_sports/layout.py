"""What all forms of UCF Sports share: the facts, the names, and where the annotation of a video lies.

Source of the pooled maps: the DHF1K authors (Wang et al., CVPR 2018; TPAMI 2021), computed from the gaze of "Actions
in the Eye" (Mathe & Sminchisescu). 103 training and 47 test videos, 21 to 143 frames, five sizes up to 720 x 576.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ...formats import actions_in_the_eye
from ...formats.actions_in_the_eye import SPLIT_FOLDERS
from ...formats.pooled import numbered_files
from ...io import registers
from ...io.folders import folders, matching
from ...io.names import natural_key

BASE = replace(
    actions_in_the_eye.BASE,
    name="ucf-sports",
    title="UCF Sports: 150 clips of sports actions, 16 observers",
    obtain=(
        "Frames and pooled maps: the drive folder linked from the repository wenguanwang/DHF1K (`UCF`). Raw gaze: "
        "gaze_ucfsa.zip from vision.imar.ro/eyetracking, after a login; videos: crcv.ucf.edu (UCF Sports Action)."
    ),
    layout=(
        "training/Diving-Side-005/{images,maps,fixation,fixation/maps}/Diving-Side_005_001.png (.mat)",
        "or train/Diving-Side_005/{maps,fixation,fixation/maps}/0001.png (.mat); testing/ or test/ likewise",
        "raw: gaze_ucfsa/{samples/001_Diving-Side_001.avi.txt,geometry.txt,resolution.txt}, "
        "videos/Diving-Side/001/<any name>.avi",
    ),
    splits="train 103, test 47",
    register="ucf_sports",
)

_MAT_YEAR = re.compile(rb"Created on: [^,]{0,24}?((?:19|20)[0-9]{2})")


@dataclass(frozen=True)
class Annotation:
    """Where the pooled maps of one video lie.

    Attributes:
        folder: the video's folder, which holds `fixation/`.
        prefix: what stands before the number in the files' names.
        revision: `2017` or `2018`.
        by_date: the revision is that of a MAT header; else that of the naming.
    """

    folder: Path
    prefix: str
    revision: str
    by_date: bool


def underscored(stimulus_id: str) -> str:
    """Return the name with its last hyphen as an underscore, as files have it.

    >>> underscored("Diving-Side-001")
    'Diving-Side_001'
    """
    return "_".join(stimulus_id.rsplit("-", 1))


@lru_cache(maxsize=1)
def ids() -> dict[str, str]:
    """Return the registered stimuli by their name in lower case with hyphens only."""
    return {line["video"].lower(): line["video"] for line in registers.rows("ucf_sports")}


def roots(source: Path) -> list[Path]:
    """Return the folders that hold the splits: the source, or a folder in it."""
    names = [name for folders in SPLIT_FOLDERS.values() for name in folders]
    candidates = [source, *(p for p in folders(source) if p.name not in names)]
    return [c for c in candidates if any((c / name).is_dir() for name in names)]


def folders_of(source: Path, stimulus_id: str, split: str) -> Iterator[Path]:
    """Yield the folders of a video, in either layout."""
    for root in roots(source):
        for name in SPLIT_FOLDERS[split]:
            for video in (stimulus_id, underscored(stimulus_id)):
                if (root / name / video).is_dir():
                    yield root / name / video


def annotation(folder: Path, stimulus_id: str) -> Annotation | None:
    """Return what lies in a video's folder; None if there is no fixation map."""
    long_prefix = f"{underscored(stimulus_id)}_"
    fixation = folder / "fixation"
    for prefix, by_name in ((long_prefix, "2017"), ("", "2018")):
        mat = numbered_files(fixation / "maps", ".mat", prefix=prefix)
        if mat or numbered_files(fixation, ".png", prefix=prefix):
            year = _mat_year(next(iter(mat.values()), None))
            if year in ("2017", "2018"):
                return Annotation(folder, prefix, year, by_date=True)
            return Annotation(folder, prefix, by_name, by_date=False)
    return None


def unregistered(source: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield stimulus id, split and folder of videos with fixation maps that the register does not know, in order."""
    found = [
        (folder.parent.name.replace("_", "-"), split, folder.parent)
        for root in roots(source)
        for split, names in SPLIT_FOLDERS.items()
        for name in names
        for folder in matching(root / name, "*/fixation")
    ]
    strangers = (entry for entry in found if entry[0].lower() not in ids())
    yield from sorted(strangers, key=lambda entry: (natural_key(entry[0]), entry[2]))


def _mat_year(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        with file.open("rb") as stream:
            match = _MAT_YEAR.search(stream.read(116))
    except OSError:
        return None
    return match[1].decode() if match else None
