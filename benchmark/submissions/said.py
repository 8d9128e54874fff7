"""What is said of a submission: by submission.json, by the options of a command, by a shipped model; settled once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.release.release import Release

from ..predictor import ModelInfo, name_like
from ..protocols import Protocol
from . import manifest_file
from .layout import Layout, scan
from .manifest import NAME, Manifest
from .parts import FirstFrame, ModelPart
from .pattern import scan_pattern


@dataclass(frozen=True)
class Said:
    """What a command says of a submission: what submission.json says, or would say.

    Attributes:
        kind, first_frame, missing, fit: as in `PredictionPart`; None = not said.
        name: of the model.
        pattern: of the paths of the files, see `pattern.py`; None = a known layout.
    """

    kind: str | None = None
    first_frame: FirstFrame | None = None
    missing: str | None = None
    fit: str | None = None
    name: str | None = None
    pattern: str | None = None

    @property
    def prediction(self) -> dict[str, Any]:
        """What is said of the predictions."""
        every = (("kind", self.kind), ("first_frame", self.first_frame), ("missing", self.missing), ("fit", self.fit))
        return {name: value for name, value in every if value is not None}


def as_script_takes(said: Said, root: Path, protocol: Protocol) -> Said:
    """Add what needs no saying of a submission to a challenge: its script asks neither kind nor aspect of a map.

    Args:
        said: what the command says; it stands.
        root: folder of the submission; where it says something of itself, nothing is added.
        protocol: one that stretches every map takes all for saliency, and lays them over the whole frame.
    """
    if protocol.stretch != "minmax-eps32" or manifest_file.read(root) is not None:
        return said
    return replace(said, kind=said.kind or "saliency", fit=said.fit or "stretch")


NOTHING = Said()
"""Nothing is said beside submission.json."""

Declared = Callable[[str], ModelInfo | None]
"""What a shipped model declares, by its name; None for a name that none has."""


def layout_of(root: Path, ids: Sequence[str], said: Said) -> Layout:
    """List the files of a submission, by a known layout or by the pattern that is said."""
    return scan(root, ids) if said.pattern is None else scan_pattern(root, ids, said.pattern)


def manifest_of(root: Path, said: Said) -> Manifest:
    """Read the manifest and add what the command says, or make the smallest one from that."""
    found, name = manifest_file.read(root), said.name
    if found is None:
        if (root / ".partial").is_dir():
            raise BadData(f"{root}: unfinished; start the same `vidsal predict` again, it resumes there")
        if said.kind is None:
            raise WrongUse(
                f"{root}: there is no {NAME}, so the kind of the maps is unknown; give --kind saliency, "
                f'density or log_density, or write {{"prediction": {{"kind": "saliency"}}}} into '
                f"{root / NAME}"
            )
        return _validated({"prediction": said.prediction} | ({} if name is None else {"model": {"name": name}}))
    for key, value in said.prediction.items():
        stated = getattr(found.prediction, key)
        if key in found.prediction.model_fields_set and stated not in (None, value):
            raise WrongUse(f"{root}: {key} {value} was asked for, {NAME} says {stated}")
    if name is not None and found.model is not None and found.model.name != name:
        raise WrongUse(f"{root}: name {name} was asked for, {NAME} says {found.model.name}")
    if said.prediction:
        stated = {k: getattr(found.prediction, k) for k in found.prediction.model_fields_set}
        made = _validated({"prediction": {**stated, **said.prediction}})
        found = found.model_copy(update={"prediction": made.prediction})
    if name is not None:
        found = found.model_copy(update={"model": ModelPart(name=name_like(name))})
    return found


def _validated(content: dict[str, Any]) -> Manifest:
    """Make a manifest of what a command says."""
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise WrongUse(
            f"--kind, --first-frame, --missing, --fit or --name: {manifest_file.faults(error)[0]}"
        ) from error


def inherited(manifest: Manifest, declared: Declared | None) -> Manifest:
    """Take the `fit` of a shipped model that the manifest names, where it says none itself."""
    if declared is None or manifest.model is None or manifest.prediction.fit is not None:
        return manifest
    info = declared(manifest.model.name)
    if info is None or info.fit is None:
        return manifest
    return manifest.model_copy(update={"prediction": manifest.prediction.model_copy(update={"fit": info.fit})})


def check_data_set(manifest: Manifest, data: Release, root: Path) -> None:
    """Raise WrongUse if the predictions are of another data set."""
    release = manifest.release
    if release is None:
        return
    dataset = release.dataset
    if not (dataset == data.record["dataset"] if dataset is not None else release.id == data.id):
        raise WrongUse(f"{root}: predictions of {release.id}, the data is {data.id}")
