"""Fold lists of the STAViS pack: which videos train and which test, as the user's own copy of the pack says.

    fold_lists/AVAD_list_train_1_fps.txt      V20_Singing2 271 29.970030     name, frames, frames a second
    fold_lists/DIEM_list_test_fps.txt         one split instead of three

Blank lines occur, and the last line of some files has no end. The lists are part of the pack and are not shipped here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...formats.text_table import number
from ...io.names import shortlist
from ...records import Report

FOLDERS = ("fold_lists", "data/fold_lists", ".")
_KINDS = ("train", "test")


@dataclass(frozen=True)
class Listed:
    """A video as the lists have it.

    Attributes:
        n_frames: number of frames.
        fps: frames a second as stated: 30 is written 29.9997.
        splits: the lists that name it, `train` or `test_2`.
    """

    n_frames: int
    fps: Fraction
    splits: tuple[str, ...]


def names_of(folds: int) -> tuple[str, ...]:
    """Return the splits of a set of so many folds.

    >>> names_of(1), names_of(2)
    (('train', 'test'), ('train_1', 'test_1', 'train_2', 'test_2'))
    """
    if folds == 1:
        return _KINDS
    return tuple(f"{kind}_{fold}" for fold in range(1, folds + 1) for kind in _KINDS)


def read(source: Path, name: str, folds: int, report: Report) -> dict[str, Listed]:
    """Read the lists of a set; empty where there is none.

    A line that cannot be read, a video listed with other numbers, and one that trains and tests in one fold are
    reported; so is a list that is not there where others are.

    Args:
        source: the pack, or a folder that holds `fold_lists`.
        name: of the set in the pack, `Coutrot_db1`.
        folds: how many splits the set has.
        report: takes the anomalies.
    """
    found: dict[str, Listed] = {}
    absent = []
    for split in names_of(folds):
        path = _file(source, f"{name}_list_{split}_fps.txt")
        if path is None:
            absent.append(f"{name}_list_{split}_fps.txt")
            continue
        where = path.relative_to(source).as_posix()
        for at, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not line.strip():
                continue
            try:
                video, n_frames, fps = _line(line)
            except ValueError:
                report.add("unreadable", f"{where}, line {at}", f"{line[:60]!r}; expected a name, frames and rate")
                continue
            known = found.get(video, Listed(n_frames, fps, ()))
            if (known.n_frames, known.fps) != (n_frames, fps):
                report.add("mismatch", f"{where}, line {at}", f"{video} has other numbers in another list; those stay")
            if split in known.splits:
                report.add("surplus", f"{where}, line {at}", f"{video} is listed twice")
                continue
            found[video] = Listed(known.n_frames, known.fps, (*known.splits, split))
    _report(name, folds, found, absent, report)
    return found


def _file(source: Path, name: str) -> Path | None:
    return next((path for folder in FOLDERS if (path := source / folder / name).is_file()), None)


def _line(line: str) -> tuple[str, int, Fraction]:
    video, n_frames, rate = line.split()
    fps = number(rate)
    if not (n_frames.isascii() and n_frames.isdigit() and int(n_frames) > 0) or not 1 <= fps <= 1000 or "/" in video:
        raise ValueError(line)
    return video, int(n_frames), Fraction(rate)


def _report(name: str, folds: int, found: dict[str, Listed], absent: list[str], report: Report) -> None:
    if not found:
        message = f"no fold list of {name}: its videos are in the split `all`, frame counts and rates are unknown"
        report.add("missing", "fold_lists", message, fatal=False)
        return
    if absent:
        report.add("missing", "fold_lists", f"no {shortlist(absent)}", count=len(absent))
    for fold in [""] if folds == 1 else [f"_{n}" for n in range(1, folds + 1)]:
        both = [video for video, line in found.items() if {f"{kind}{fold}" for kind in _KINDS} <= {*line.splits}]
        if both:
            message = f"in train{fold} and in test{fold}: {shortlist(both)}; kept in both"
            report.add("mismatch", "fold_lists", message, count=len(both))


def report_unknown(listed: Iterable[str], here: Iterable[str], report: Report) -> None:
    """Report videos that the lists name and that are not here, and those that are here and in no list."""
    names, found = set(listed), set(here)
    absent, surplus = sorted(names - found), sorted(found - names)
    if absent:
        message = f"{len(absent)} of the {len(names)} listed videos have neither gaze nor frames here"
        report.add("missing", ".", f"{message}: {shortlist(absent)}", count=len(absent))
    if surplus and names:
        message = f"in no fold list, so in the split `all` only: {shortlist(surplus)}"
        report.add("surplus", "fold_lists", message, count=len(surplus), fatal=False)
