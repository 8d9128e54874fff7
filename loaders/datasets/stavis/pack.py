"""One loader for the six data sets of the STAViS pack, which differ in names and numbers only.

Source: Tsiami, Koutras & Maragos, STAViS: Spatio-Temporal AudioVisual Saliency Network, CVPR 2020.

    data/video_frames/AVAD/<video>/img_00001.jpg ...       from 1, five digits
    data/annotations/AVAD/<video>/fixMap_00001.mat ...     variable `eyeMap`: 0 and 1, all observers together
    data/annotations/AVAD/<video>/maps/eyeMap_00001.jpg    densities: a check, never data
    data/annotations/AVAD/<video>/eye_tracks.mat           raw tracks, in AVAD by frame, else by observer: not read
    data/fold_lists/AVAD_list_train_1_fps.txt ...          see `folds`

A video takes part in several folds, so its split is `all`, and the folds it is in are attributes `split:test_1`;
`--split test_1` finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import MissingData
from ...formats.frames import exists
from ...formats.pooled import read_mat_maps
from ...io.folders import any_matching, folders
from ...io.names import natural_key
from ...records import OTHER_SPLIT, DatasetInfo, Gaze, Report, StimulusRow, Truth
from . import folds

ROOTS = ("data", ".")
PREFIX = "fixMap_"
TRUTHS = {
    "sigma-20": Truth(
        sigma_px=20.0, per="pixel", note="the sigma of the released maps is not stated: a choice, --recipe sigma=PX"
    )
}
OBTAIN = "one tar.gz for each set and kind at cvsp.cs.ntua.gr/research/stavis/data; unpack them side by side"
UNVERIFIED = (
    "no real map was available: the layout is that of the authors' download script and of four readers",
    "the variable of fixMap_*.mat is `eyeMap`, as four readers have it; a file with one variable is read "
    "whatever its name",
    "sigma of the released densities: not stated, so densities follow from the points; --recipe sigma=PX gives another",
)
BY_SOUND = (
    "which conditions of sound, each with observers of its own, the pooled maps hold: not stated",
    "the number of observers is not from the files",
)
_CITE = "Pack: A. Tsiami, P. Koutras, P. Maragos. STAViS: Spatio-Temporal AudioVisual Saliency Network. CVPR 2020."


@dataclass(frozen=True)
class PackSet:
    """What the module of one data set offers as a form.

    Attributes:
        folder: its name in the pack.
        n_folds: how many splits it has.
        info: the facts.
    """

    folder: str
    n_folds: int
    info: DatasetInfo

    def present(self, source: Path) -> bool:
        """Return whether fixation maps of this data set are here."""
        return any_matching(source, *(f"{root}/annotations/{self.folder}/*/{PREFIX}*.mat" for root in ROOTS))

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the videos that have fixation maps or frames, sorted; see `folds` for their splits.

        Raises:
            MissingData: there are neither.
        """
        gaze = self._folders(source, "annotations")
        frames = self._folders(source, "video_frames")
        if not gaze and not frames:
            raise MissingData(
                f"{source}: nothing of {self.info.release_id} is here; expected {'; '.join(self.info.layout)}. "
                f"{self.info.obtain}"
            )
        listed = folds.read(source, self.folder, self.n_folds, report)
        folds.report_unknown(listed, {*gaze, *frames}, report)
        for name in sorted({*gaze, *frames}, key=natural_key):
            line = listed.get(name)
            several = line is not None and self.n_folds > 1
            yield StimulusRow(
                stimulus_id=name,
                split=line.splits[0] if line and not several else "all",
                source_file=frames.get(name, f"data/video_frames/{self.folder}/{name}"),
                width=None,
                height=None,
                n_frames=line.n_frames if line else None,
                fps=line.fps if line else None,
                attributes=tuple(f"{OTHER_SPLIT}{split}" for split in line.splits) if line and several else (),
                first_frame_number=1,
                extra=gaze.get(name),
            )

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read the fixation maps of one video; what cannot be read is reported and left out.

        Raises:
            BadData: none of the maps can be used.
        """
        if stimulus.extra is None:
            report.add("missing", stimulus.stimulus_id, "frames, but no fixation maps; kept as not annotated")
            return Gaze(annotated=False)
        size = None if stimulus.width is None or stimulus.height is None else (stimulus.height, stimulus.width)
        maps = read_mat_maps(source / stimulus.extra, source, report, first_number=1, prefix=PREFIX, size=size)
        blank = len(maps.annotated) - len(np.unique(maps.frame))
        if blank:
            report.add("blank", stimulus.stimulus_id, "frames whose map has no fixation", count=blank, fatal=False)
        if stimulus.n_frames is not None and len(maps.annotated) < stimulus.n_frames:
            message = f"{len(maps.annotated)} of {stimulus.n_frames} frames are annotated"
            report.add("incomplete", stimulus.stimulus_id, message)
        return maps.gaze()

    def _folders(self, source: Path, kind: str) -> dict[str, str]:
        """Return the folders of videos that hold something of a kind, by name, relative to the source."""
        for root in ROOTS:
            found = {
                folder.name: folder.relative_to(source).as_posix()
                for folder in folders(source / root / kind / self.folder)
                if (any_matching(folder, f"{PREFIX}*.mat") if kind == "annotations" else exists(folder))
            }
            if found:
                return found
        return {}


def info(
    name: str,
    folder: str,
    n_folds: int,
    *,
    title: str,
    observers: str,
    splits: str,
    licence: str,
    citation: str,
    unverified: tuple[str, ...] = (),
) -> DatasetInfo:
    """Return the facts of one data set of the pack; `unverified` beside what is so of all."""
    return DatasetInfo(
        name=name,
        title=title,
        truths=TRUTHS,
        licence=licence,
        citation=f"{citation} {_CITE}",
        obtain=OBTAIN,
        layout=layout(folder, n_folds),
        observers=observers,
        splits=splits,
        split_names=folds.names_of(n_folds),
        verified=("names, frame counts, rates and folds of the lists as another project carries them",),
        unverified=(*UNVERIFIED, *unverified),
    )


def layout(folder: str, n_folds: int) -> tuple[str, ...]:
    """Return the tree of one data set."""
    number = "" if n_folds == 1 else "_1"
    return (
        f"data/video_frames/{folder}/<video>/img_00001.jpg ...",
        f"data/annotations/{folder}/<video>/fixMap_00001.mat ...",
        f"data/fold_lists/{folder}_list_train{number}_fps.txt ...",
    )
