"""One loader for AViMoS (AIM 2024), the set of NTIRE 2026, and CrowdSAL, by the video group of Moscow State University.

    TrainTestSplit.json                                   train, public_test, private_test: lists of names
    Videos/<video>.mp4
    SaliencyTest/Test/<video>.mp4                         densities: H.264, 10 bit, stretched to 0..1
    FixationsTest/Test/<video>/fixations.json             see `formats.points_json`
    FixationsTest/Test/<video>/fixations/*.png            lossy: never data
    Train/{Videos,Saliency}/0001.mp4  Train/Fixations/0001.json     CrowdSAL; Test/ likewise

Gaze is **the mouse** of more than 70 crowd workers, resampled to 100 Hz: samples, pooled, several a worker and frame.
Names are given with and without `.mp4`; a folder more or less (`Train/`, `Test/`) makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...errors import BadData, MissingData
from ...formats import points_json
from ...formats.frames import VIDEO_SUFFIXES
from ...formats.video import Header, header
from ...io.folders import any_matching, entries, files
from ...io.names import natural_key, shortlist
from ...records import DatasetInfo, Gaze, Report, StimulusRow, Truth

SPLIT_FILE = "TrainTestSplit.json"
SPLITS = ("train", "public_test", "private_test")
SIGMA_PX = 57.6
RELEASED = "the released video: H.264 of 10 bits, each picture the mean of its channels, as the challenges read it"
OBSERVERS = "more than 70 crowd workers a video, with the mouse instead of the eye; pooled"
LICENCE = "CC BY 4.0 (data card)"
FPS = Fraction(30)
_PARTS = ("Train", "Test")
LAYOUT = (
    SPLIT_FILE,
    "Videos/<video>.mp4",
    "SaliencyTrain/Train/<video>.mp4 and SaliencyTest/Test/<video>.mp4",
    "FixationsTrain/Train/<video>/fixations.json and FixationsTest/Test/<video>/fixations.json",
)
UNVERIFIED = (
    "no real fixations.json or saliency video was available: the layout is that of the authors' README and bench.py",
    "whether workers heard the sound; how many points a worker has in a frame (three or four, from the size of a file)",
    "which frame of the video an entry of fixations.json belongs to: the i-th decoded one, as bench.py pairs them",
)
NO_SIGMA = (
    "sigma of the released densities: not stated. From points it is that of CrowdSAL, by the same group, on trust; "
    "--recipe sigma=PX gives another, and where the saliency videos are there `released` needs none"
)


@dataclass(frozen=True)
class Challenge:
    """What the module of one data set offers as a form.

    Attributes:
        info: the facts.
        by_folder: True where `Train/` and `Test/` are the splits, and there is no split file.
    """

    info: DatasetInfo
    by_folder: bool = False

    def present(self, source: Path) -> bool:
        """Return whether points of this layout are here."""
        if self.by_folder:
            return any_matching(source, *(f"{part}/Fixations/*.json" for part in _PARTS))
        return any(
            any_matching(folder, "*/fixations.json", "*.json")
            for folder in _folders(source, "Fixations")
            if folder.is_dir()
        )

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield the videos that have points or frames: in the order of the splits, then by name.

        Raises:
            MissingData: there are neither, or they are those of a challenge where its split file has no place.
        """
        if self.by_folder and (source / SPLIT_FILE).is_file():
            raise MissingData(
                f"{source}: {SPLIT_FILE} is here, so these are the videos of a challenge (avimos, ntire26); "
                f"{self.info.name} has no split file. Convert them under their own name"
            )
        videos = _named(source, "Videos", *VIDEO_SUFFIXES)
        points = _points(source)
        truths = _named(source, "Saliency", *VIDEO_SUFFIXES)
        if not points and not (videos and (self.by_folder or (source / SPLIT_FILE).is_file())):
            raise MissingData(
                f"{source}: nothing of {self.info.release_id} is here; expected {'; '.join(self.info.layout)}. "
                f"{self.info.obtain}"
            )
        splits = self._splits(source, {**videos, **points}, report)
        order = {split: n for n, split in enumerate(self.info.split_names)}
        here = sorted({*videos, *points}, key=lambda name: (order.get(splits.get(name, "all"), 9), natural_key(name)))
        orphans = sorted({*truths} - {*here}, key=natural_key)
        if orphans:
            report.add(
                "surplus", "Saliency", f"densities of no video that is here: {shortlist(orphans)}", count=len(orphans)
            )
        _without_truth(splits, here, truths, report)
        for name in here:
            size = _header(source / truths[name]) if name in truths and name not in videos else None
            yield StimulusRow(
                stimulus_id=name,
                split=splits.get(name, "all"),
                source_file=videos.get(name, f"Videos/{name}.mp4"),
                width=size.width if size else None,
                height=size.height if size else None,
                n_frames=None,
                fps=None if name in videos else FPS,
                truth_file=truths.get(name),
                extra=points.get(name),
            )

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read the points of one video, and compare their number of frames with the video's and the density's.

        Raises:
            BadData: the points cannot be used.
        """
        if stimulus.extra is None:
            report.add("missing", stimulus.stimulus_id, "no fixations.json; kept as not annotated")
            return Gaze(annotated=False)
        gaze = points_json.read(source / stimulus.extra, stimulus.extra, report)
        entries_ = (gaze.last_annotated or 0) + 1
        if stimulus.n_frames is not None and entries_ < stimulus.n_frames:
            message = f"{entries_} entries for {stimulus.n_frames} frames; the frames after them are not annotated"
            report.add("incomplete", stimulus.extra, message)
        if stimulus.truth_file is not None:
            self._check_truth(source, stimulus, stimulus.n_frames or entries_, report)
        return gaze

    def _check_truth(self, source: Path, stimulus: StimulusRow, n_frames: int, report: Report) -> None:
        file = str(stimulus.truth_file)
        try:
            found = header(source / file)
        except BadData as error:
            report.add("unreadable", file, str(error))
            return
        if found.n_pictures != n_frames:
            report.add("mismatch", file, f"{found.n_pictures} densities for {n_frames} frames")
        if stimulus.width and (found.width, found.height) != (stimulus.width, stimulus.height):
            size = f"{found.width}x{found.height}, the video {stimulus.width}x{stimulus.height}"
            report.add("wrong-size", file, f"densities are {size}; points are pixels of the densities")

    def _splits(self, source: Path, here: dict[str, str], report: Report) -> dict[str, str]:
        """Return the split of each video; report names that the split file and the folders disagree on."""
        if self.by_folder:
            parts = {name: Path(path).parts[0].lower() for name, path in here.items()}
            return {name: part if part in self.info.split_names else "all" for name, part in parts.items()}
        path = source / SPLIT_FILE
        if not path.is_file():
            report.add("missing", SPLIT_FILE, "not here, so every video is in the split `all`")
            return {}
        found: dict[str, str] = {}
        twice = []
        strange = set()
        for name, split in points_json.names_by_split(path, report):
            if split not in self.info.split_names:
                strange.add(split)
            if found.setdefault(name, split) != split:
                twice.append(name)
        if strange:
            report.add(
                "surplus", SPLIT_FILE, f"splits {', '.join(sorted(strange))}; kept under these names", fatal=False
            )
        if twice:
            message = f"in two splits: {shortlist(twice)}; kept in the first"
            report.add("mismatch", SPLIT_FILE, message, count=len(twice))
        absent, surplus = sorted(found.keys() - here.keys(), key=natural_key), sorted(here.keys() - found.keys())
        if absent:
            message = f"{len(absent)} of {len(found)} listed videos have neither points nor a video here"
            report.add("missing", SPLIT_FILE, f"{message}: {shortlist(absent)}", count=len(absent))
        if surplus and found:
            report.add(
                "surplus", SPLIT_FILE, f"not listed, so in the split `all`: {shortlist(surplus)}", count=len(surplus)
            )
        return found


def _folders(source: Path, kind: str) -> tuple[Path, ...]:
    """Where files of a kind may lie, however archives were unpacked."""
    names = [kind]
    for part in _PARTS:
        names += [f"{kind}{part}/{part}", f"{kind}{part}", f"{part}/{kind}", f"{kind}/{part}"]
    return tuple(source / name for name in names)


def _named(source: Path, kind: str, *suffixes: str) -> dict[str, str]:
    """Return files of a kind by their name without suffix, relative to the source."""
    found: dict[str, str] = {}
    for folder in _folders(source, kind):
        for path in files(folder, *suffixes):
            found.setdefault(path.stem, path.relative_to(source).as_posix())
    return found


def _points(source: Path) -> dict[str, str]:
    """Return the JSON files of points by video: `<video>/fixations.json`, or `<video>.json`."""
    found: dict[str, str] = {}
    for folder in _folders(source, "Fixations"):
        for path in entries(folder):
            file = path / "fixations.json" if path.is_dir() else path
            if file.suffix.lower() == ".json" and file.is_file():
                found.setdefault(path.name if path.is_dir() else path.stem, file.relative_to(source).as_posix())
    return found


def _without_truth(splits: dict[str, str], here: list[str], truths: dict[str, str], report: Report) -> None:
    """Report videos without a released density, where others of their split have one."""
    for split in sorted({splits.get(name, "all") for name in truths}):
        absent = [name for name in here if splits.get(name, "all") == split and name not in truths]
        if absent:
            message = f"no saliency video of {len(absent)} in {split}; their densities can only follow from points"
            report.add("missing", "Saliency", f"{message}: {shortlist(absent)}", count=len(absent))


def _header(path: Path) -> Header | None:
    """Return what the head of a saliency video says; None where it cannot be read, which `gaze` reports."""
    try:
        return header(path)
    except BadData:
        return None


def points_recipe(note: str) -> Truth:
    """Return the recipe of the densities: one Gaussian a point, repeated points adding."""
    return Truth(sigma_px=SIGMA_PX, per="row", note=note)
