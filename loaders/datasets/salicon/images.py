"""What the forms of SALICON share: the photographs, their splits, and what the authors state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...io.folders import folders, matching
from ...records import DatasetInfo, Report, Screen, Truth

WIDTH, HEIGHT = 640, 480
PRESENTATION_MS = 5000.0
COUNTS = {"train": 10_000, "val": 5_000, "test": 5_000}
SIGMA_PX = 19.0
_NAME = re.compile(r"COCO_(train|val|test)[0-9]{4}_([0-9]{12})")

CITATION = (
    "M. Jiang, S. Huang, J. Duan, Q. Zhao. SALICON: Saliency in context. "
    "IEEE Conference on Computer Vision and Pattern Recognition (CVPR), 2015"
)
LICENCE = (
    "photographs: each its own Flickr (Creative Commons) licence, several non-commercial; annotations: none stated"
)


def info(
    variant: str,
    title: str,
    truths: Mapping[str, Truth],
    obtain: str,
    layout: tuple[str, ...],
    observers: str,
    verified: tuple[str, ...],
    unverified: tuple[str, ...],
) -> DatasetInfo:
    """Describe one form."""
    return DatasetInfo(
        name="salicon",
        variant=variant,
        title=title,
        truths=truths,
        screen=Screen(note="crowd workers at their own screens; the photograph is blurred away from the mouse"),
        licence=LICENCE,
        citation=CITATION,
        obtain=obtain,
        layout=layout,
        observers=observers,
        splits="train 10,000; val 5,000; test 5,000 (withheld)",
        split_names=tuple(COUNTS),
        withheld=("test",),
        verified=verified,
        unverified=unverified,
    )


def find(source: Path) -> dict[str, str]:
    """Return the photographs by name without suffix, paths relative to `source`."""
    places = [source / "images", *folders(source / "images"), *(source / split for split in COUNTS)]
    found: dict[str, str] = {}
    for folder in places:
        for file in matching(folder, "*.jpg"):
            found.setdefault(file.stem, file.relative_to(source).as_posix())
    return found


def split_of(name: str, folder: str = "") -> str | None:
    """Return the split by the photograph's name, else from the folder's; None if neither says.

    >>> split_of("COCO_val2014_000000000042"), split_of("42", "train2014examples")
    ('val', 'train')
    """
    match = _NAME.match(name)
    if match:
        return match[1]
    return next((split for split in COUNTS if folder.startswith(split)), None)


def coco_id(name: str) -> str | None:
    """Return the twelve digits of a COCO name, None if it has none."""
    match = re.search(r"[0-9]{12}", name)
    return match[0] if match else None


def report_counts(splits: Iterable[str], report: Report) -> None:
    """Report how many images of each split are not here."""
    have = dict.fromkeys(COUNTS, 0)
    for split in splits:
        have[split] += 1
    for split, expected in COUNTS.items():
        if have[split] < expected:
            lacking = expected - have[split]
            message = f"{lacking} of {expected} images of {split} have neither a photograph nor gaze here"
            report.add("missing", split, message, count=lacking)
