"""Hollywood-2, variant `released`: pooled fixation maps of shots, as used in video saliency.

    training/actioncliptrain00001_1/fixation/actioncliptrain00001_00003.png    and fixation/maps/....mat

The shot number has no leading zeros, so the order of names is not the order of shots; it can begin above 1 and leave
gaps. Frame 0 of a shot is the file with the register's `first_frame_number`; shots of the training clips 748 to 823
are registered by name only, so there the lowest number is frame 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...errors import MissingData
from ...formats.actions_in_the_eye import SPLIT_FOLDERS
from ...formats.frames import exists, numbered_images
from ...formats.pooled import numbered_files, read_maps, size_of_png
from ...io import registers
from ...io.folders import folders, matching
from ...io.names import natural_key, shortlist
from ...records import Gaze, Report, StimulusRow
from . import layout

INFO = replace(
    layout.BASE,
    variant="released",
    verified=("nothing: no real file was available",),
    unverified=(
        "layout, names and numbering: those of the registers and readers of people who use the data",
        "whether these maps hold pixels where nobody looked, as those of UCF Sports of 2017 do",
        "frame rate: none is stored with the frames; the films had 23.976 to 25 a second",
    ),
)


def present(source: Path) -> bool:
    """Return whether a shot with fixation maps is here."""
    return any(
        name.startswith("actionclip") and (folder / "fixation").is_dir()
        for _, name, folder in sorted(_shot_folders(source))
    )


def stimuli(source: Path, report: Report) -> Iterator[StimulusRow]:
    """Yield the shots that have fixation maps or frames: the registered ones in their order, then others.

    Raises:
        MissingData: there are none.
    """
    shots: dict[str, tuple[str, Path]] = {}
    for split, name, folder in sorted(_shot_folders(source)):
        if name in shots:
            report.add("surplus", folder.relative_to(source).as_posix(), f"a second folder of {name}; left out")
        elif (folder / "fixation").is_dir() or exists(folder / "images"):
            shots[name] = (split, folder)
    absent: list[str] = []
    found = 0
    for line in registers.rows("hollywood2_shots"):
        if line["video"] not in shots:
            absent.append(line["video"])
            continue
        split, folder = shots.pop(line["video"])
        if split != line["split"]:
            where = folder.relative_to(source).as_posix()
            report.add("mismatch", where, f"lies with the {split} shots, the register says {line['split']}")
        found += 1
        yield _row(source, folder, line, report)
    for name in sorted(shots, key=natural_key):
        split, folder = shots[name]
        clip, _, shot = name.rpartition("_")
        report.add("surplus", folder.relative_to(source).as_posix(), "a shot that the register does not know")
        unknown = dict.fromkeys(("n_frames", "width", "height", "first_frame_number"), "")
        found += 1
        yield _row(
            source, folder, {"video": name, "split": split, "clip": clip or name, "shot": shot, **unknown}, report
        )
    if not found:
        raise MissingData(
            f"{source}: no shots of Hollywood-2 are here; expected {'; '.join(INFO.layout)}. {INFO.obtain}"
        )
    if absent:
        message = f"{len(absent)} of {len(registers.rows('hollywood2_shots'))} shots are not here: {shortlist(absent)}"
        report.add("missing", ".", message, count=len(absent))


def gaze(source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
    """Read the maps of one shot; what cannot be read is reported and left out.

    Raises:
        BadData: none of the maps can be used.
    """
    folder, prefix = stimulus.extra
    if not (source / folder).is_dir():
        report.add("missing", stimulus.stimulus_id, "frames, but no fixation maps; kept as not annotated")
        return Gaze(annotated=False)
    size = None if stimulus.width is None or stimulus.height is None else (stimulus.height, stimulus.width)
    first = stimulus.first_frame_number or 0
    return read_maps(source / folder, source, report, first_number=first, prefix=prefix, size=size).gaze()


def _shot_folders(source: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield split, name and folder of every shot, in the source or one folder below it."""
    for split, names in SPLIT_FOLDERS.items():
        for name in names:
            for parent in (source / name, *matching(source, f"*/{name}")):
                yield from ((split, p.name, p) for p in folders(parent))


def _row(source: Path, folder: Path, line: dict[str, str], report: Report) -> StimulusRow:
    clip = line["clip"]
    prefix = f"{clip}_"
    fixation = folder / "fixation"
    maps = _maps(fixation, prefix)
    if not maps and (bare := _maps(fixation, "")):
        prefix, maps = "", bare
    numbers = [*maps, *(number for number, _ in _images(folder))]
    first = layout.integer(line["first_frame_number"])
    size = (layout.integer(line["width"]), layout.integer(line["height"]))
    where = folder.relative_to(source).as_posix()
    if first is None and numbers:
        first = min(numbers)
        report.add("assumption", where, f"not in the register: frame 0 is the lowest number, {first}", fatal=False)
    if None in size:
        size = next(((s[1], s[0]) for path in maps.values() if (s := size_of_png(path))), (None, None))
    return StimulusRow(
        stimulus_id=line["video"],
        split=line["split"],
        source_file=f"{where}/images",
        width=size[0],
        height=size[1],
        n_frames=layout.integer(line["n_frames"]),
        group_id=clip,
        parent_id=clip,
        parent_start_frame=None if first is None else max(first - 1, 0),
        first_frame_number=first,
        extra=(f"{where}/fixation", prefix),
    )


def _maps(fixation: Path, prefix: str) -> dict[int, Path]:
    """Return the maps by number, whether PNG or MAT."""
    return {
        **numbered_files(fixation / "maps", ".mat", prefix=prefix),
        **numbered_files(fixation, ".png", prefix=prefix),
    }


def _images(folder: Path) -> list[tuple[int, Path]]:
    return numbered_images(folder / "images") if (folder / "images").is_dir() else []
