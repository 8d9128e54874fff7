"""What lies beside the maps of an input: what they are, of what, by which model, and the digest of each file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidsal._version import __version__
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.files import rule_out_machine, write_json

from ..evaluation.run import ModelRecord
from ..model_card import Digest, ModelClaims
from ..predictor import ModelInfo
from ..submissions.encoding import encoding
from ..submissions.parts import Encoding, PredictionPart
from ..submissions.safe_files import file_digest
from ..submissions.stimulus_writer import Plan
from .base import Footage

_NAME = Annotated[str, Field(min_length=1, max_length=600)]


class Record(BaseModel):
    """The record of one input.

    Attributes:
        vidsal: version of the program.
        key: digest of everything that the maps depend on.
        input: file name, digest, size, number and rate of the frames.
        model: what the model says of itself.
        prediction: what the numbers in the files mean.
        files: digest of each, by its path in the folder of the record.
        suspicious: what looks wrong about the maps, one sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vidsal: str
    key: Digest
    input: dict[str, Any]
    model: ModelClaims
    prediction: PredictionPart
    files: dict[_NAME, Digest]
    suspicious: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        key: str,
        model: ModelRecord,
        shown: Footage,
        prediction: PredictionPart,
        files: dict[str, str],
        suspicious: Iterable[str] = (),
    ) -> Record:
        """Make the record of what was written."""
        described = {
            "name": shown.path.name if shown.path else shown.id,
            "sha256": shown.digest,
            "kind": shown.kind,
            "width": shown.width,
            "height": shown.height,
            "n_frames": shown.n_frames,
            "fps": None if shown.fps is None else float(shown.fps),
        }
        said = ModelClaims.model_validate(model.card().model_dump(include=set(ModelClaims.model_fields)))
        return cls(
            vidsal=__version__,
            key=key,
            input=described,
            model=said,
            prediction=prediction,
            files=files,
            suspicious=tuple(suspicious),
        )

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        write_json(path, self.model_dump(mode="json", exclude=None if self.suspicious else {"suspicious"}))

    def whole(self, folder: Path) -> bool:
        """Whether every file is there, as it was written."""
        return all((folder / n).is_file() and file_digest(folder / n) == digest for n, digest in self.files.items())


def read_record(path: Path) -> Record | None:
    """Return a record; None where there is none.

    Raises:
        WrongUse: a file of this name is none, or was damaged.
    """
    if not path.exists():
        return None
    try:
        return Record.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        rule_out_machine(path)
        raise WrongUse(
            f"{path}: in the way: not a record of maps, or damaged; name another folder, or remove it"
        ) from error


def prediction_part(info: ModelInfo, kind: Any, plan: Plan) -> PredictionPart:
    """Return what the stored numbers of a kind mean; of no map at all (`kind` None), as the model declares."""
    kind = kind or info.output
    return PredictionPart(
        kind=kind,
        encoding=encoding(kind, plan.files) if kind != "point" else Encoding(files="npz"),
        first_frame=0,
        missing=info.missing,
        as_published=plan.as_published,
        fit=info.fit,
    )
