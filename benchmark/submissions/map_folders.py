"""Folders of maps against folders of maps: which file belongs to which, and their scores. No release, no manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy.typing as npt

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.io.matching import Ids
from vidsal.loaders.io.names import is_left_behind, natural_key, shortlist

from ..metrics.maps import Map
from ..predictor import Kind
from ..protocols import Protocol
from ..scoring.accumulate import score_arrays
from .formats.folder import MapFiles, is_map_file
from .formats.stored import Limits

_LIMITS = Limits(4096, 4096)
"""Of a map whose stimulus nobody names."""

Maps = Sequence[Any] | npt.NDArray[Any] | str | Path


def score_maps(
    predictions: Maps,
    truths: Maps,
    densities: Maps | None = None,
    *,
    protocol: Protocol | str = "exact-1",
    kind: Kind = "saliency",
) -> dict[str, float]:
    """Score maps against maps, one of each a frame: arrays, or folders of files, or folders of such folders.

    In folders a frame is a PNG, JPEG, TIFF or BMP file, or an array (h, w) in a `.npy`, `.npz`, `.mat` or `.h5` file.
    Files and folders are matched by their names, in whatever way they are written: `0601/0001.png` is
    `pred_601/frame_1.npy`. Each prediction needs its truth, and each truth its prediction.

    Args:
        predictions: T maps (h, w), or a folder.
        truths: T maps (H, W): fixation maps (zero, and one other value at fixated pixels) or densities; or a folder.
        densities: T maps (H, W), or a folder, where `truths` are fixation maps and densities are there too.
        protocol: name or declaration.
        kind: of the predictions: `saliency`, `density` or `log_density`.

    Returns:
        The mean of each score over the frames; NaN where the truths cannot give it (AUC-J, NSS without fixation maps;
        CC, SIM, KLD without densities; sAUC always, as there are no negatives).

    Raises:
        WrongUse: the numbers of maps differ, or arrays and folders are mixed.
        MissingData: there is no such folder, or nothing in it.
        BadData: files do not match, or one is no map; NonFinite: a map holds NaN or infinities.

    >>> import numpy as np
    >>> score_maps([np.eye(2)], [np.eye(2, dtype=bool)])["NSS"]
    1.0
    """
    given = [predictions, truths, *([] if densities is None else [densities])]
    folders = [Path(maps) for maps in given if isinstance(maps, (str, Path))]
    if not folders:
        return score_arrays(predictions, truths, densities, protocol=protocol, kind=kind)  # type: ignore[arg-type]
    if len(folders) < len(given):
        raise WrongUse("predictions and truths are both arrays or both folders; a mixture cannot be matched by names")
    first, *others = folders
    matched = [match_folders(first, other) for other in others]
    frames = [_Files([pair[0] for pair in matched[0]]), *(_Files([pair[1] for pair in pairs]) for pairs in matched)]
    names = [str(path) for path in frames[0].paths]
    return score_arrays(*frames, protocol=protocol, kind=kind, names=names)


@dataclass(frozen=True)
class _Files(Sequence[Map]):
    """Maps in files, each read when it is asked for."""

    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Map: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Map]: ...
    def __getitem__(self, index: int | slice) -> Map | Sequence[Map]:
        if isinstance(index, slice):
            return _Files(self.paths[index])
        return MapFiles(self.paths[index], _LIMITS, single=True).one_map()


def match_folders(predictions: Path, truths: Path) -> list[tuple[Path, Path]]:
    """Return the pairs of files that belong together, in natural order.

    Raises:
        MissingData: there is no such folder, or no map in it. BadData: files do not match; the message lists them.
    """
    faults: list[str] = []
    pairs = list(_pairs(predictions, truths, faults))
    if faults:
        raise BadData(f"{predictions} and {truths} do not match: {shortlist(faults, between='; ')}")
    if not pairs:
        raise MissingData(f"{predictions}: no map is here, of which {truths} has the truth")
    return pairs


def _pairs(predictions: Path, truths: Path, faults: list[str]) -> Iterator[tuple[Path, Path]]:
    (ours, our_folders), (theirs, their_folders) = (_list(folder, faults) for folder in (predictions, truths))
    for a, b in _matched(ours, theirs, faults):
        yield ours[a], theirs[b]
    for a, b in _matched(our_folders, their_folders, faults):
        yield from _pairs(our_folders[a], their_folders[b], faults)


def _list(folder: Path, faults: list[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Maps by their names without suffix, and folders."""
    if not folder.is_dir():
        raise MissingData(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for name in sorted(os.listdir(folder), key=natural_key):
        path = folder / name
        if is_left_behind(name):
            continue
        if path.is_dir():
            folders[name] = path
        elif not is_map_file(name):
            faults.append(f"{path} is no map")
        elif path.stem in files:
            faults.append(f"{path} and {files[path.stem].name} have one name")
        else:
            files[path.stem] = path
    return files, folders


def _matched(ours: dict[str, Path], theirs: dict[str, Path], faults: list[str]) -> Iterator[tuple[str, str]]:
    found = Ids(theirs).match(list(ours))
    taken: dict[str, str] = {}
    for name, path in ours.items():
        if name not in found.found:
            either = f": it may be {found.unknown[name]}" if found.unknown[name] else ""
            faults.append(f"{path} has no truth{either}")
        elif (other := taken.setdefault(found.found[name], name)) != name:
            faults.append(f"{path} and {ours[other].name} have one truth")
        else:
            yield name, found.found[name]
    faults += [f"{path} has no prediction" for name, path in theirs.items() if name not in taken]
