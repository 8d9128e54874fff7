"""What a submission declares, in short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.io.names import shortlist

from . import manifest_file
from .archive import opened_folder
from .faults import refuse
from .layout import check_folder
from .manifest import NAME, Manifest


def declared(path: Path) -> Manifest:
    """Read the manifest of a folder, zip or tar file; nothing else of it is looked at.

    Raises:
        Refused: there is none, or it is not valid. WrongUse: there is no such submission.
    """
    if not path.exists():
        raise WrongUse(f"{path}: no such submission")
    with opened_folder(path, wanted=_is_manifest) as root:
        check_folder(root)
        manifest = manifest_file.read(root)
        if manifest is None:
            raise refuse("manifest-missing", root / NAME, "is not there; `vidsal submit init` writes one to fill in")
        return manifest


def split_of(path: Path) -> str | None:
    """Return the split that the manifest of a submission names, if there is one; faults of it are not reported."""
    if not path.exists():
        return None
    with opened_folder(path, wanted=_is_manifest) as root:
        reading = manifest_file.examine(root) if root.is_dir() else None
    return reading.manifest.split if reading is not None and reading.manifest is not None else None


def _is_manifest(name: str) -> bool:
    return name.count("/") <= 1 and name.rpartition("/")[2] == NAME


def lines(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield what is declared as a name and a text, one fact each; what is not said is `unknown`."""
    release, model, said = manifest.release, manifest.model, manifest.prediction
    yield "data", f"{release.id if release else 'unknown'}, split {manifest.split or 'unknown'}"
    if release and release.digest:
        yield "release digest", release.digest
    if model is None:
        yield "model", "unknown"
    else:
        yield "model", f"{model.name}, version {model.version or 'unknown'}"
        yield "trained on", _list(model.trained_on)
        yield "pre-trained on", _list(model.pretrained_on)
        yield "causal", _word(model.causal) + (f", looks {model.lookahead} frames ahead" if model.lookahead else "")
        yield "audio", _word(model.audio)
        yield "parameters", _word(model.parameters)
        yield "code", _word(model.code) + (f" at {model.commit}" if model.commit else "")
        yield "weights", _word(model.weights or model.checkpoint_sha256)
        yield "paper", _word(model.paper or None)
        yield "licence of the weights", _word(model.licence or None)
    files = said.encoding.files or "any form"
    size = f", {said.size[0]} x {said.size[1]}" if said.size else ""
    yield "maps", f"{said.kind}, {files}{size}" + (f", {said.fit}" if said.fit else "")
    yield "frames without a map", said.missing
    for name, text in (("tuned for", said.tuned_for), ("post-processing", said.post_processing)):
        if text:
            yield name, text
    if manifest.coverage:
        left_out = manifest.coverage.left_out
        yield (
            "stimuli",
            f"{manifest.coverage.predicted}" + (f", left out: {shortlist(left_out, 3)}" if left_out else ""),
        )
    yield "authors", _list(manifest.authors or None)
    yield "licence of the predictions", _word(manifest.licence)
    declarations = manifest.declarations
    yield "no test labels used", _word(declarations.no_test_labels if declarations else None)


def _word(value: Any) -> str:
    return {None: "unknown", True: "yes", False: "no"}.get(value, str(value))


def _list(values: tuple[str, ...] | None) -> str:
    return "unknown" if values is None else shortlist(values) or "nothing"
