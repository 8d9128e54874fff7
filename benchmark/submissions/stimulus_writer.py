"""The predictions of one stimulus into one file of arrays or one folder of pictures, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.io.files import atomic_write, canonical, naming, parse_json, sealed_write
from vidsal.loaders.io.names import shortlist
from vidsal.loaders.io.progress import Note

from ..evaluation.pool import Model
from ..evaluation.stimulus import gap, info_of, predictions
from ..evaluation.suspicious import Looks
from ..human import HumanReference
from ..metrics.maps import Map
from ..predictor import Kind, Prediction, Predictor, Shown, StimulusInfo
from ..prefetch import prefetch_items
from ..scoring.inputs import as_map
from .encoding import Files, encode, stored_kind
from .formats.npz import NpzWriter
from .manifest import ranges
from .safe_files import file_digest, folder_digest

_PNG_LEVEL = 3  # of deflate: 4 % larger than the usual 6, twice as fast


@dataclass(frozen=True)
class Plan:
    """What a submission was asked for, beside the model.

    Attributes:
        out: its folder.
        files: name of the encoding.
        as_published: write the model's own 8-bit maps.
        with_frames_only: only stimuli whose frames are present, whatever the model needs.
        limit: at most this number of stimuli.
        threads: of torch in each process; recorded, because a network's bits may depend on it.
    """

    out: Path
    files: Files = "npz"
    as_published: bool = False
    with_frames_only: bool = False
    limit: int | None = None
    threads: int = 1

    @property
    def encodes(self) -> bool:
        """Whether less is stored than the model gives, by choice of an encoding."""
        return self.files != "npz" and not self.as_published


def predictor(model: Model) -> Predictor:
    """Return the model, if it predicts.

    Raises:
        WrongUse: it is a human reference.
    """
    if isinstance(model, HumanReference):
        raise WrongUse(f"{model.info.name} is handed the gaze itself and predicts nothing; score it with `vidsal run`")
    return model


def published_map(model: Predictor) -> Callable[[Any, StimulusInfo], Any]:
    """Return the method that makes the 8-bit map which the model's authors would have written.

    Raises:
        WrongUse: the model has none.
    """
    found: Any = getattr(model, "published_map", None)
    if not callable(found):
        raise WrongUse(f"{model.info.name}: nobody published 8-bit maps of this model; leave out --as-published")
    return cast("Callable[[Any, StimulusInfo], Any]", found)


@dataclass(frozen=True)
class StoredPart:
    """The note of a finished stimulus.

    `constant` says whether the model gave a map of one value, `suspicious` what else looks wrong about what was stored.
    """

    stimulus: str
    kind: str | None
    frames: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    sha256: str
    sums: dict[str, str]
    constant: bool = False
    suspicious: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write the note."""
        with sealed_write(path) as temporary:
            temporary.write_text(canonical(self.__dict__), encoding="utf-8")

    @classmethod
    def parse(cls, content: bytes) -> StoredPart:
        """Read the note."""
        found = parse_json(content)
        shapes = tuple((h, w) for h, w in found["shapes"])
        lists = {name: tuple(found.get(name, ())) for name in ("frames", "suspicious")}
        return cls(**found | lists | {"shapes": shapes})


def warn(said: Iterable[tuple[str, Sequence[str]]], *, encoded: bool, note: Note | None) -> None:
    """Say once what looks wrong about the stored maps of some stimuli.

    Args:
        said: name, and what looks wrong.
        encoded: an encoding was chosen for them that keeps less than the model gives.
        note: called with a sentence.
    """
    where: dict[str, list[str]] = {}
    for name, texts in said:
        for text in texts:
            where.setdefault(text, []).append(name)
    mend = "; --encoding npz keeps the numbers as the model gives them" if encoded else ""
    for text, names in where.items():
        if note:
            note(f"suspicious: {shortlist(names, 3)}: {text}{mend}")


@dataclass
class _Tally:
    """What was stored so far of a stimulus."""

    kind: str | None = None
    frames: list[int] = field(default_factory=list)
    shapes: set[tuple[int, int]] = field(default_factory=set)
    constant: bool = False
    looks: Looks = field(default_factory=Looks)
    flattened: int = 0

    def add(self, frame: int, kind: str, numbers: Map | None, given: Map | None, where: str) -> None:
        if self.kind not in (None, kind):
            raise BadData(f"{where}: the prediction is of kind {kind}, those before it of kind {self.kind}")
        self.kind = kind
        self.frames.append(frame)
        if numbers is not None:
            self.shapes.add((numbers.shape[0], numbers.shape[1]))
            self.looks.look(numbers)
            if numbers.min() == numbers.max():
                self.constant = True
                self.flattened += given is not None and bool(given.min() < given.max())

    def part(self, stimulus: str, digest: str, sums: dict[str, str]) -> StoredPart:
        shapes, odd = tuple(sorted(self.shapes)), self.looks.suspicious()
        if self.flattened:
            odd.append(f"constant: {self.flattened} of {len(self.frames)} maps vary, but are stored as one value")
        return StoredPart(stimulus, self.kind, ranges(self.frames), shapes, digest, sums, self.constant, tuple(odd))


def in_order(model: Predictor, stimulus: Shown) -> Iterator[Prediction]:
    """Yield the model's predictions, checked for their order."""
    expected, missing = 0, model.info.missing
    for prediction in predictions(model, stimulus):
        frame = int(prediction.frame)
        if not expected <= frame < stimulus.n_frames:
            raise BadData(
                f"{model.info.name}, {stimulus.id}: got a prediction of frame {frame}, expected {expected} of "
                f"{stimulus.n_frames}; predictions come once for each frame, in order"
            )
        if frame > expected and (missing == "error" or (missing == "first-available" and expected)):
            raise gap(model.info, stimulus, expected)
        yield prediction
        expected = frame + 1
    if expected < stimulus.n_frames and missing in ("error", "first-available"):
        raise gap(model.info, stimulus, expected)


def _numbers(
    model: Predictor, stimulus: Shown, plan: Plan, tally: _Tally
) -> Iterator[tuple[int, Map | tuple[float, float]]]:
    """Yield what is to be stored of each prediction; one that equals the prediction before it is the same object."""
    before: tuple[Map, Kind] | None = None
    published = published_map(model) if plan.as_published else None
    for prediction in in_order(model, stimulus):
        where = f"{model.info.name}, {stimulus.id}, frame {prediction.frame}"
        if prediction.xy is not None:
            if plan.files != "npz" or plan.as_published:
                raise WrongUse(f"{model.info.name} predicts gaze points, which are stored as npz only")
            tally.add(prediction.frame, "point", None, None, where)
            yield prediction.frame, prediction.xy
            continue
        kind: Kind = "saliency" if published else prediction.kind
        values = published(prediction.values, info_of(stimulus)) if published else prediction.values
        array = as_map(values, where)
        if before is None or kind != before[1] or not _same(array, before[0]):
            before, numbers = (array, kind), encode(array, kind, plan.files, where)
        tally.add(prediction.frame, stored_kind(kind, plan.files), numbers, array, where)
        yield prediction.frame, numbers


def _same(values: Map, before: Map) -> bool:
    """Whether two maps are equal to the bit: a prior is the same for every frame, and need not be encoded again."""
    if values is before:
        return True
    if values.dtype != before.dtype or values.shape != before.shape:
        return False
    bits, middle = f"u{values.dtype.itemsize}", values.shape[0] // 2
    one, other = values.view(bits), before.view(bits)  # the row of the middle first: other maps differ there
    return np.array_equal(one[middle], other[middle]) and np.array_equal(one, other)


def store_npz(model: Predictor, stimulus: Shown, plan: Plan, path: Path, place: str | None = None) -> StoredPart:
    """Store what a model predicts for a stimulus as arrays.

    Args:
        model, stimulus, plan: who predicts what, and how it is stored.
        path: the file to write.
        place: name that it will have in `plan.out`, for the note; None = as `path` has it.
    """
    tally = _Tally()
    points: list[tuple[float, float]] = []
    with atomic_write(path) as temporary:
        with NpzWriter(temporary) as file:
            for frame, numbers in _numbers(model, stimulus, plan, tally):
                if isinstance(numbers, tuple):
                    points.append(numbers)
                else:
                    file.add(f"{frame:06d}", numbers)
            if points:
                file.add("frames", np.array(tally.frames, np.int32))
                file.add("xy", np.array(points, np.float64))
        digest = file_digest(temporary)
    return tally.part(stimulus.id, digest, {place or path.relative_to(plan.out).as_posix(): digest})


def store_images(model: Predictor, stimulus: Shown, plan: Plan, path: Path, place: str | None = None) -> StoredPart:
    """Store what a model predicts for a stimulus as PNG files, one a frame; see `store_npz`."""
    tally = _Tally()
    digests = write_images(path, _images(model, stimulus, plan, tally))
    place = place or path.relative_to(plan.out).as_posix()
    sums = {f"{place}/{name}": digest for name, digest in digests.items()}
    return tally.part(stimulus.id, folder_digest(digests), sums)


def write_images(path: Path, images: Generator[tuple[str, bytes]]) -> dict[str, str]:
    """Write files into a folder, whole or not at all, while the next ones are made.

    Args:
        path: the folder; what it held is replaced.
        images: name and content of each file.

    Returns:
        The SHA-256 of each file by its name.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    digests: dict[str, str] = {}
    try:
        with naming(path):
            for name, data in prefetch_items(images):
                (temporary / name).write_bytes(data)
                digests[name] = sha256(data).hexdigest()
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digests


def _images(model: Predictor, stimulus: Shown, plan: Plan, tally: _Tally) -> Generator[tuple[str, bytes]]:
    before, data = None, b""
    for frame, numbers in _numbers(model, stimulus, plan, tally):
        assert not isinstance(numbers, tuple)
        if before is None or not _same(numbers, before):
            before, data = numbers, image_bytes(numbers)
        yield f"{frame:06d}.png", data


def image_bytes(numbers: Map, form: Literal["PNG", "JPEG"] = "PNG") -> bytes:
    """Return a gray image file of uint8 or uint16 numbers, shape (h, w)."""
    from PIL import Image

    file = BytesIO()
    settings = {"compress_level": _PNG_LEVEL} if form == "PNG" else {"quality": 100}
    Image.fromarray(numbers).save(file, form, **settings)
    return file.getvalue()
