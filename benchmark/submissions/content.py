"""What is wrong inside the stored maps: each is read and judged as scoring judges it, and every fault is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vidsal.loaders.errors import BadData, MissingData, NonFinite

from ..evaluation.children import busy
from ..metrics.maps import Map
from ..predictor import Kind, StimulusInfo
from ..scoring.inputs import check_is_density, value_range
from .encoding import decoder
from .faults import Fault
from .formats.folder import MapFiles
from .formats.stored import Limits, Read, Stored, check_gaze
from .frame_numbers import settle
from .layout import stored
from .manifest import Manifest
from .reader import StoredPredictions

Decode = Callable[[Map], tuple[Map, Kind]]


def content_faults(reader: StoredPredictions, manifest: Manifest, stimulus: StimulusInfo) -> Iterator[Fault]:
    """Read every map of a stimulus in whose names and headers no fault was seen.

    Args:
        reader: of the submission.
        manifest: of the submission.
        stimulus: one that it predicts.

    Yields:
        Files that cannot be read, maps that are not finite, constant, or no densities where they should be; files that
        are not those that the manifest lists.
    """
    entry = reader.entries[stimulus.id]
    source = stored(reader.root, entry, Limits(stimulus.width, stimulus.height))
    expected = reader.digests.get(stimulus.id)
    if expected is not None and isinstance(source, MapFiles):
        source = source.checked()
    numbers, numbered = source.numbers()
    first = settle(numbers, reader.facts[stimulus.id], reader.asked, numbered).first
    numbers = numbers or list(range(stimulus.n_frames))
    said = manifest.prediction
    decode = None if said.kind == "point" else decoder(said)
    constant_is_meant = manifest.declarations is not None and manifest.declarations.constant_maps is True
    damaged = False
    for found in _each(source, numbers, reader.threads, reader.root):
        busy()
        if isinstance(found, str):
            damaged = True
            yield Fault.of(stimulus.id, found)
            continue
        number, values = found
        if values is None:
            continue
        try:
            flat = _judge(values, decode, entry.name, number - first)
        except NonFinite as fault:
            yield _of_frame(stimulus, number - first, str(fault), "not-finite")
        except BadData as fault:
            yield _of_frame(stimulus, number - first, str(fault), "density" if decode else "not-finite")
        else:
            if flat and not constant_is_meant:
                yield _of_frame(stimulus, number - first, "the map has one value everywhere", "constant")
    if not damaged and expected is not None and source.digest() != expected:
        what = "not the files that submission.json lists (their SHA-256 differs)"
        yield Fault(stimulus.id, what, rule="digest")


def _of_frame(stimulus: StimulusInfo, frame: int, text: str, rule: str) -> Fault:
    return Fault(f"frame {frame}", text.removeprefix("the map: "), stimulus=stimulus.id, rule=rule)


def _each(source: Stored, numbers: list[int], threads: int, root: Path) -> Iterator[Read | str]:
    """Yield every map, or what is wrong with its file; after damage in a folder the other files are read one by one."""
    left = dict.fromkeys(numbers)
    try:
        for number, values in source.read(numbers, threads):
            left.pop(number, None)
            yield number, values
        return
    except (BadData, MissingData) as fault:
        if not isinstance(source, MapFiles):
            yield _short(str(fault), root)
            return
    for number in left:
        try:
            yield from source.read((number,), 1)
        except (BadData, MissingData) as fault:
            yield _short(str(fault), root)


def _short(text: str, root: Path) -> str:
    """Leave the folders out of a message."""
    path, colon, rest = text.partition(": ")
    return f"{Path(path).name}{colon}{rest}" if path.startswith(str(root)) else text


def _judge(numbers: Map, decode: Decode | None, name: str, frame: int) -> bool:
    """Return whether a map is constant.

    Raises:
        NonFinite, BadData: it cannot be scored.
    """
    if decode is None:
        check_gaze(frame, numbers, name)
        return False
    if numbers.dtype.kind == "u":  # decoding is monotone: its ends tell
        numbers = np.array([[numbers.min(), numbers.max()]], numbers.dtype)
    values, kind = decode(numbers)
    low, high = value_range(values, "the map", log=kind == "log_density")
    if kind == "density":
        check_is_density(values, low, "the map")
    return low == high
