"""What both forms of MIT1003 share: the photographs, and what the authors state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from ...io import registers
from ...io.folders import files
from ...io.names import natural_key, shortlist
from ...records import DatasetInfo, Report, Screen, StimulusRow, Truth

OBSERVERS = ("CNG", "ajs", "emb", "ems", "ff", "hp", "jcw", "jw", "kae", "krl", "po", "tmj", "tu", "ya", "zb")
ENDINGS = (".jpeg", ".jpg", ".png")
PRESENTATION_MS = 3000.0
SIGMA_PX = 23.99
SCREEN = Screen(
    width_px=1280,
    height_px=1024,
    distance_mm=610,
    px_per_degree=35.0,
    note="as the paper has it (19 inches, 1280 x 1024, about 61 cm); the authors' fixation detection reckons "
    "with 34 px a degree (1024 x 768, 40.5 x 30 cm, 75 cm)",
)
LICENCE = "none stated; research use with citation"
CITATION = (
    "T. Judd, K. Ehinger, F. Durand, A. Torralba. Learning to predict where humans look. "
    "IEEE International Conference on Computer Vision (ICCV), 2009"
)
_AUTHORS = "Gaussian with its cut-off at 8 cycles on a square power-of-two canvas, zero outside; binary pixels"
TRUTHS = {
    "scoring": Truth(
        kernel="fourier",
        sigma_px=SIGMA_PX,
        per="pixel",
        cycles=8,
        note=f"{_AUTHORS}; all fixations but the first, forced one of each scanpath",
    ),
    "authors": Truth(
        kernel="fourier",
        sigma_px=SIGMA_PX,
        per="pixel",
        cycles=8,
        orders=(1, 5),
        note=f"{_AUTHORS}; fixations 2 to 6 of each scanpath, as in the authors' maps",
    ),
}


def info(
    variant: str,
    title: str,
    obtain: str,
    layout: tuple[str, ...],
    verified: tuple[str, ...],
    unverified: tuple[str, ...],
) -> DatasetInfo:
    """Describe one form."""
    return DatasetInfo(
        name="mit1003",
        variant=variant,
        title=title,
        truths=TRUTHS,
        screen=SCREEN,
        licence=LICENCE,
        citation=CITATION,
        obtain=obtain,
        layout=layout,
        observers="15, free viewing, 3 seconds an image, a memory test afterwards; each trial began with a "
        "fixated cross, so the first fixation is forced (flag `forced_start`)",
        splits="none official",
        register="mit1003",
        verified=verified,
        unverified=unverified,
    )


def rows(source: Path, folder: Path, gazed: Mapping[str, Any], report: Report) -> Iterator[StimulusRow]:
    """Yield the registered images that have a picture or gaze, then unregistered pictures in natural order.

    Args:
        source: the folder that paths are relative to.
        folder: where the pictures lie, or would lie.
        gazed: the images that have gaze, with what their rows carry as `extra`.
        report: takes what is missing or surplus.
    """
    pictures = {stem: file.relative_to(source).as_posix() for stem, file in pictures_in(folder).items()}
    absent = []
    registered = set()
    for line in registers.rows("mit1003"):
        stem = Path(line["video"]).stem
        registered.add(stem)
        if stem not in pictures and stem not in gazed:
            absent.append(stem)
            continue
        expected = (folder / line["video"]).relative_to(source).as_posix()
        yield _row(stem, pictures.get(stem, expected), int(line["width"]), int(line["height"]), gazed.get(stem))
    if absent:
        shown = shortlist(absent, 3, counted=False)
        message = f"{len(absent)} of {len(registered)} images have neither a picture nor gaze here: {shown}"
        report.add("missing", folder.name, message, count=len(absent))
    for stem in sorted(set(pictures) - registered, key=natural_key):
        report.add("surplus", pictures[stem], "a picture that the register does not know")
        yield _row(stem, pictures[stem], None, None, gazed.get(stem))
    for stem in sorted(gazed.keys() - registered - set(pictures), key=natural_key):
        report.add("surplus", stem, "gaze on an image that neither the register nor the folder knows; left out")


def pictures_in(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder by their name without suffix."""
    return {f.stem: f for f in files(folder, *ENDINGS)}


def report_missing_observers(found: Set[str], where: str, report: Report) -> None:
    """Report the observers of whom nothing at all is here, and unknown ones."""
    missing = [o for o in OBSERVERS if o not in found]
    if missing:
        report.add("missing", where, f"no files of the observers {', '.join(missing)}", count=len(missing))
    surplus = sorted(found - set(OBSERVERS))
    if surplus:
        report.add("surplus", where, f"observers that the paper does not have: {', '.join(surplus)}")


def _row(stem: str, file: str, width: int | None, height: int | None, extra: Any) -> StimulusRow:
    return StimulusRow(
        stimulus_id=stem,
        split="all",
        source_file=file,
        width=width,
        height=height,
        n_frames=1,
        kind="image",
        duration_ms=PRESENTATION_MS,
        extra=extra,
    )
