"""previews.json, format 1, and the pictures that it lists: written whole, and read as what a stranger may have sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io.files import canonical, naming, parse_json, rule_out_machine, sha256_text

from ...model_card import Digest, faults_in_words
from .sprites import check_sprite

FOLDER, NAME = "previews", "previews.json"
GRID = 10_000
"""Fixations are given in this part of the frame's width and height."""

MOST_FIXATIONS = 300
_MOST_CELLS = 1000
_MOST_BYTES = 1 << 24

Frame = Annotated[int, Field(ge=0)]
_Side = Annotated[int, Field(ge=1, le=512)]
_Fixations = Annotated[str, Field(pattern=r"^(\d{1,5},\d{1,5}( \d{1,5},\d{1,5})*)?$", max_length=12 * MOST_FIXATIONS)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Sprite(_Part):
    """A picture of many cells, row by row, `columns` in a row.

    Attributes:
        file: its name, beside previews.json.
        sha256: of its content.
        width, height: of a cell in pixels.
    """

    file: str = Field(pattern=r"^[0-9a-f]{24}-(even|extreme)-(maps|truth|frames)\.(png|jpg)$")
    sha256: Digest
    width: _Side
    height: _Side

    @property
    def form(self) -> Literal["PNG", "JPEG"]:
        """What kind of picture it is."""
        return "PNG" if self.file.endswith(".png") else "JPEG"


class Group(_Part):
    """Some frames of a stimulus, ascending, and their cells.

    Attributes:
        frames: their numbers.
        scores: their scores by the record's metric, rounded to 4 decimals; None where it is undefined or infinite.
        fixations: of each frame `x,y x,y ...` in parts of its width and height of 1 / `GRID`.
        maps, truth: of the model, and of the gaze.
        pictures: of the video itself, where that was asked for.
    """

    frames: tuple[Frame, ...] = Field(min_length=1, max_length=_MOST_CELLS)
    scores: tuple[float | None, ...]
    fixations: tuple[_Fixations, ...]
    maps: Sprite
    truth: Sprite
    pictures: Sprite | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Group:
        if not len(self.frames) == len(self.scores) == len(self.fixations):
            raise ValueError("frames, scores and fixations are not equally many")
        if any(a >= b for a, b in zip(self.frames, self.frames[1:], strict=False)):
            raise ValueError("its frames do not ascend")
        return self

    @property
    def sprites(self) -> tuple[Sprite, ...]:
        """All of its pictures."""
        return (self.maps, self.truth) if self.pictures is None else (self.maps, self.truth, self.pictures)


class StimulusPreview(_Part):
    """What is kept of a stimulus.

    Attributes:
        width, height: of its frames in pixels.
        even: evenly spaced frames, the same for all models that scored the same ones.
        extreme: those best and worst frames that are not among them; None where all are.
        best, worst: frames, the best and the worst one first; each is in one of the groups.
    """

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    even: Group
    extreme: Group | None = None
    best: tuple[Frame, ...] = ()
    worst: tuple[Frame, ...] = ()

    @model_validator(mode="after")
    def _each_is_there(self) -> StimulusPreview:
        named = [*self.best, *self.worst]
        if len(set(named)) < len(named) or not set(named) <= {f for g in self.groups for f in g.frames}:
            raise ValueError("a best or worst frame is named twice, or has no picture")
        return self

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups that there are."""
        return (self.even,) if self.extreme is None else (self.even, self.extreme)


class PreviewsRecord(_Part):
    """The content of previews.json.

    Attributes:
        metric: label of the score by which frames are best or worst; NSS, or the protocol's first.
        columns: cells in a row of a sprite.
        stimuli: by id.
    """

    format: Literal[1] = 1
    metric: str = Field(min_length=1, max_length=100)
    higher_is_better: bool
    columns: Literal[8] = 8
    stimuli: dict[str, StimulusPreview]


@dataclass(frozen=True)
class Previews:
    """The previews of a run in memory.

    Attributes:
        text: of previews.json.
        files: content of each picture, by name.
    """

    text: str
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """What run.json calls `previews_digest`: SHA-256 of previews.json, which holds those of the pictures."""
        return sha256_text(self.text)

    def write(self, run: Path) -> None:
        """Write them below the folder of a run."""
        folder = run / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        with naming(folder):
            for name, content in self.files.items():
                (folder / name).write_bytes(content)
            (folder / NAME).write_text(self.text, encoding="utf-8")


@dataclass(frozen=True)
class Part:
    """The previews of one stimulus, and the content of its pictures, by name."""

    preview: StimulusPreview
    files: Mapping[str, bytes]


def joined(parts: Mapping[str, Part], metric: str, *, higher_is_better: bool) -> Previews:
    """Join the previews of stimuli to those of a run."""
    record = PreviewsRecord(
        metric=metric, higher_is_better=higher_is_better, stimuli={k: part.preview for k, part in parts.items()}
    )
    files = {name: content for part in parts.values() for name, content in part.files.items()}
    return Previews(canonical(record.model_dump(mode="json", exclude_none=False)), files)


def stem(stimulus_id: str) -> str:
    """Return how the names of a stimulus's pictures begin."""
    return sha256_text(stimulus_id)[:24]


def read_record(run: Path, digest: str) -> PreviewsRecord:
    """Read previews.json of a run's folder.

    Args:
        run: the folder.
        digest: what run.json says of it.

    Raises:
        MissingData: it is not there. BadData: it is not what was written, or not of this format.
    """
    path = run / FOLDER / NAME
    try:
        text = path.read_text(encoding="utf-8")
        if sha256_text(text) != digest:
            raise BadData(f"{path}: not what was written (its SHA-256 is not the one in run.json); score again")
        return PreviewsRecord.model_validate_json(canonical(parse_json(text)))
    except OSError as error:
        rule_out_machine(path)
        raise MissingData(f"{path}: cannot be read ({error.strerror}); score again, or with --no-previews") from error
    except ValidationError as error:
        raise BadData(f"{path}: not of format 1: {faults_in_words(error)[0]}") from error
    except (RecursionError, ValueError) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(f"{path}: {error}") from error


def read_previews(run: Path, digest: str) -> Previews:
    """Read all previews of a run, to write them elsewhere.

    Raises:
        BadData, MissingData: something of them is damaged, or not there.
    """
    record = read_record(run, digest)
    for stimulus_id, preview in record.stimuli.items():
        check_pictures(run, stimulus_id, preview)
    sprites = [s for preview in record.stimuli.values() for group in preview.groups for s in group.sprites]
    content = {s.file: (run / FOLDER / s.file).read_bytes() for s in sprites}
    return Previews((run / FOLDER / NAME).read_text(encoding="utf-8"), content)


def check_pictures(run: Path, stimulus_id: str, preview: StimulusPreview, *, thorough: bool = False) -> None:
    """Compare the pictures of a stimulus with what previews.json says of them.

    Args:
        run: the folder of the run.
        stimulus_id: whose.
        preview: what is said of them.
        thorough: decode every pixel.

    Raises:
        MissingData: one is not there. BadData: one is not what was written, is no such picture, or has another's name.
    """
    for name, group in (("even", preview.even), ("extreme", preview.extreme)):
        for sprite in group.sprites if group else ():
            path = run / FOLDER / sprite.file
            kind = re.sub(r"^.*-|\..*$", "", sprite.file)
            if sprite.file.rpartition("-")[0] != f"{stem(stimulus_id)}-{name}" or (kind == "frames") != (
                sprite.form == "JPEG"
            ):
                raise BadData(f"{path}: the picture of another stimulus or group")
            try:
                if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                    raise BadData(f"{path}: a link, or larger than any picture of ours")
                content = path.read_bytes()
            except OSError as error:
                rule_out_machine(path)
                raise MissingData(f"{path}: cannot be read ({error.strerror}); score again") from error
            if sha256(content).hexdigest() != sprite.sha256:
                raise BadData(f"{path}: damaged on the disk since it was written; score again")
            try:
                size = sprite.width, sprite.height
                check_sprite(content, sprite.form, len(group.frames) if group else 0, size, thorough=thorough)
            except BadData as error:
                raise BadData(f"{path}: {error}") from error


def faults(run: Path, digest: str, rows: pd.DataFrame) -> Iterator[str]:
    """Yield what is wrong with the previews of a run, every pixel decoded; nothing where all is well.

    Args:
        run: its folder.
        digest: `previews_digest` of run.json.
        rows: of its scored frames.
    """
    try:
        record = read_record(run, digest)
    except (BadData, MissingData) as error:
        yield str(error)
        return
    if record.metric not in rows:
        yield f"{run / FOLDER / NAME}: it ranks by {record.metric}, which is no score of this run"
        return
    scored = zip(rows["stimulus_id"], rows["frame"], rows[record.metric], strict=True)
    scores = {(name, frame): rounded(score) for name, frame, score in scored}
    for stimulus_id, preview in record.stimuli.items():
        for group in preview.groups:
            for frame, said in zip(group.frames, group.scores, strict=True):
                if (stimulus_id, frame) not in scores:
                    yield f"{run / FOLDER}: a preview of {stimulus_id}, frame {frame}, which is not scored"
                elif scores[stimulus_id, frame] != said:
                    yield f"{run / FOLDER}: {record.metric} of {stimulus_id}, frame {frame}, is not that of its row"
        try:
            check_pictures(run, stimulus_id, preview, thorough=True)
        except (BadData, MissingData) as error:
            yield str(error)


def rounded(score: float) -> float | None:
    """Return a score as previews.json gives it."""
    return round(float(score), 4) + 0.0 if abs(score) < float("inf") else None
