"""Weight files: found, recognised by digest, read without running code, and fitted strictly.

Nothing is downloaded. A file is looked for at its path and in the folders of `VIDSAL_CHECKPOINTS`; it is read
with `torch.load(weights_only=True)` and never otherwise.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidsal.loaders.errors import BadData, MissingData, WrongUse

from .base import KnownCheckpoint

if TYPE_CHECKING:
    import torch

FOLDERS = "VIDSAL_CHECKPOINTS"
NESTINGS = ("model_state_dict", "student_model", "state_dict")
PREFIXES = ("module.", "_orig_mod.")
MOST_EXPANSION = 64
_NAMED = 3
_LIKE = 0.5
"""Share of a model's signature by which a file is recognised."""


class CheckpointWarning(UserWarning):
    """Something about a weight file was assumed or converted; the message says what and how to settle it."""


@dataclass(frozen=True)
class Checkpoint:
    """A weight file that was read.

    Attributes:
        path: where it lies.
        sha256, git_blob_sha1: its digests, hex.
        known: the published file that it is; None if no published file has this digest.
        state: the state_dict, prefixes of wrappers removed, on the CPU, dtypes as in the file.
        nesting: the keys that led to it, such as `student_model`; empty for a bare state_dict.
        hyper_parameters: those of a Lightning checkpoint; else empty.
        notes: what was converted or assumed, in words.
    """

    path: Path
    sha256: str
    git_blob_sha1: str
    known: KnownCheckpoint | None
    state: Mapping[str, torch.Tensor]
    nesting: str = ""
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def digests(path: Path) -> tuple[str, str]:
    """Return the SHA-256 and the git blob SHA-1 (`git hash-object`) of a file, in hex.

    Raises:
        BadData: the file can not be read.
    """
    try:
        size = path.stat().st_size
        sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
                blob.update(block)
    except OSError as error:
        raise BadData(f"{path} can not be read: {error.strerror}") from error
    return sha256.hexdigest(), blob.hexdigest()


def identify(path: Path, known: Iterable[KnownCheckpoint]) -> KnownCheckpoint | None:
    """Return the published checkpoint whose bytes these are; None if there is none.

    Raises:
        BadData: the file can not be read.
    """
    sha256, blob = digests(path)
    return _recognise(sha256, blob, known)


def find(path: Path | None, model: str, known: Sequence[KnownCheckpoint]) -> Path:
    """Return where a weight file lies: as given, else in the folders of `VIDSAL_CHECKPOINTS`.

    Args:
        path: as the user gave it; None = the first of the published files that is in those folders.
        model: name, for the message.
        known: published files of the model.

    Raises:
        MissingData: nowhere; the message says where it was looked for and how to get it.
        WrongUse: `path` is a folder.
    """
    folders = [Path(part) for part in os.environ.get(FOLDERS, "").split(os.pathsep) if part]
    if path is not None and path.is_dir():
        raise WrongUse(f"{path} is a folder; the checkpoint of {model} is one file. To search it, set {FOLDERS}")
    if path is not None and path.is_file():
        return path
    wanted = [path.name] if path is not None else [entry.file for entry in known]
    for name in wanted:
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    looked = " and ".join([*([str(path)] if path is not None else []), *(str(folder) for folder in folders)])
    raise MissingData(
        f"no checkpoint of {model} found (looked for {looked or 'none: no path was given'}"
        f"{'' if folders else f'; {FOLDERS} is not set'}). {_how_to_get(model, wanted, known)} "
        f"Then give its path (--checkpoint FILE), or put it into a folder and set {FOLDERS} to that folder"
    )


def read(path: Path, known: Iterable[KnownCheckpoint] = ()) -> Checkpoint:
    """Read the weights of a file, however they are nested, without running any code in it.

    Raises:
        BadData: unreadable, cut off, holding pickled code, or no weights in it.
    """
    sha256, blob = digests(path)
    content = read_object(path)
    state, nesting = _unwrap(path, content)
    parameters = content.get("hyper_parameters", {}) if isinstance(content, Mapping) else {}
    return Checkpoint(
        path=path,
        sha256=sha256,
        git_blob_sha1=blob,
        known=_recognise(sha256, blob, known),
        state=state,
        nesting=nesting,
        hyper_parameters=dict(parameters) if isinstance(parameters, Mapping) else {},
    )


def read_object(path: Path) -> Any:
    """Read what `torch.save` wrote: tensors and plain containers only.

    Raises:
        BadData: unreadable, cut off, not such a file, or holding anything else; nothing in it was run.
    """
    import torch

    _refuse_other_files(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadData(_why_refused(path, str(error))) from error
    except (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        if "TorchScript" in str(error):
            raise BadData(
                f"{path} is a TorchScript archive: a program, not weights; it was not run. "
                "Ask for the state_dict instead"
            ) from error
        raise BadData(
            f"{path} is cut off or damaged, or no file that torch.save wrote ({path.stat().st_size} bytes); "
            "fetch it again and compare its size and checksum"
        ) from error
    except OSError as error:
        raise BadData(f"{path} can not be read: {error.strerror or error}") from error


def fit(module: torch.nn.Module, checkpoint: Checkpoint, model: str) -> Checkpoint:
    """Put the weights into a module: every key and shape must agree.

    Numbers of another precision (float16, bfloat16, float64) are converted to the module's, which is said in
    a `CheckpointWarning` and in the notes. Missing `num_batches_tracked` counters (torch before 0.4.1) pass.

    Args:
        module: from `build_module`.
        checkpoint: from `read`.
        model: name, for the message.

    Returns:
        The checkpoint with its notes completed.

    Raises:
        BadData: keys or shapes differ; the message names the first of them and what the file looks like.
    """
    import torch

    wanted = module.state_dict()
    found = checkpoint.state
    missing = [key for key in wanted if key not in found and not key.endswith("num_batches_tracked")]
    surplus = [key for key in found if key not in wanted]
    shapes = [
        f"{key} is {_shape(found[key])}, expected {_shape(wanted[key])}"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    if missing or surplus or shapes:
        faults = [
            f"{word}: {_first(keys)}"
            for word, keys in (("Missing", missing), ("Not expected", surplus), ("Other shape", shapes))
            if keys
        ]
        raise BadData(
            f"{checkpoint.path}: these weights do not fit {model}. {'. '.join(faults)}. "
            + _likeness(found, model, incomplete=not (surplus or shapes))
        )
    other = sorted(
        {
            str(value.dtype).removeprefix("torch.")
            for key, value in found.items()
            if value.is_floating_point() and value.dtype != wanted[key].dtype
        }
    )
    state = {key: found[key].to(wanted[key].dtype) if key in found else wanted[key] for key in wanted}
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise BadData(f"{checkpoint.path}: {key} holds NaN or infinity; the file is damaged")
    module.load_state_dict(state, strict=True)
    if not other:
        return checkpoint
    note = f"weights stored as {', '.join(other)} were converted to the model's own precision"
    warnings.warn(f"{checkpoint.path}: {note}", CheckpointWarning, stacklevel=2)
    return replace(checkpoint, notes=(*checkpoint.notes, note))


def hidden_setting(name: str, given: Mapping[str, Any], checkpoint: Checkpoint, default: Any) -> Any:
    """Decide a setting that shapes do not show: as given, else as the known file needs, else the default.

    A `CheckpointWarning` names the default if the file is unknown, and says so if what was given is not what
    belongs to a known file.
    """
    known = checkpoint.known
    settled = known is not None and name in known.options
    if name in given:
        if known is not None and settled and given[name] != known.options[name]:
            warnings.warn(
                f"{checkpoint.path} is the published {known.file}, which belongs with "
                f"{name}={known.options[name]}; {name}={given[name]} is used, as given",
                CheckpointWarning,
                stacklevel=2,
            )
        return given[name]
    if known is not None and settled:
        return known.options[name]
    warnings.warn(
        f"{checkpoint.path} is none of the published files and its shapes do not show {name}; "
        f"{name}={default} is assumed. Give it as an option to settle it (--option {name}=...)",
        CheckpointWarning,
        stacklevel=2,
    )
    return default


def shown_setting(name: str, given: Mapping[str, Any], checkpoint: Checkpoint, shown: Any) -> Any:
    """Return a setting that the shapes show.

    Raises:
        WrongUse: something else was given.
    """
    if name in given and given[name] != shown:
        raise WrongUse(
            f"{name}={given[name]} was given, but the shapes in {checkpoint.path} show {name}={shown}; "
            "leave the option out"
        )
    return shown


def _recognise(sha256: str, blob: str, known: Iterable[KnownCheckpoint]) -> KnownCheckpoint | None:
    for entry in known:
        if entry.sha256 == sha256 or (entry.sha256 is None and entry.git_blob_sha1 == blob):
            return entry
    return None


def _how_to_get(model: str, wanted: Iterable[str], known: Sequence[KnownCheckpoint]) -> str:
    names = set(wanted)
    entries = [entry for entry in known if entry.file in names] or list(known)
    if not entries:
        return f"No weights of {model} were published."
    files = "; ".join(f"{entry.file} from {entry.source} (licence: {entry.licence})" for entry in entries)
    return f"Get {files}."


def _refuse_other_files(path: Path) -> None:
    """Name the usual things that lie under a checkpoint's name without being one."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise BadData(f"{path} can not be read: {error.strerror}") from error
    text = head.lstrip().lower()
    if not head:
        raise BadData(f"{path} is empty; fetch it again")
    if text.startswith(b"version https://git-lfs"):
        raise BadData(f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` where it comes from")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadData(f"{path} is a web page, not a weight file; fetch the raw file")
    if head.startswith(b"PK\x03\x04"):
        _refuse_bomb(path)


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            expanded = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as error:
        raise BadData(
            f"{path} is cut off ({path.stat().st_size} bytes): its table of contents is missing; fetch it "
            "again and compare its size and checksum"
        ) from error
    if expanded > MOST_EXPANSION * max(path.stat().st_size, 1 << 20):
        raise BadData(f"{path} would expand to {expanded} bytes, far beyond its size; it was not read")


def _why_refused(path: Path, error: str) -> str:
    named = re.search(r"(?:Unsupported global: GLOBAL|Unsupported class) ([\w.]+)", error)
    if named is None:
        return f"{path} is no weight file: it holds more than tensors, numbers and texts; nothing was run"
    return (
        f"{path} holds pickled code or objects ({named[1]}) and was refused; nothing in it was run. Where "
        'you trust it, save its state_dict alone: torch.save({"state_dict": model.state_dict()}, FILE)'
    )


def _unwrap(path: Path, content: Any) -> tuple[dict[str, torch.Tensor], str]:
    import torch

    nesting: list[str] = []
    while isinstance(content, Mapping):
        inner = next((key for key in NESTINGS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        nesting.append(inner)
        content = content[inner]
    if not isinstance(content, Mapping) or not content:
        raise BadData(
            f"{path} holds {_describe(content)}, no weights by name; a state_dict was expected, bare "
            f"or under {', '.join(NESTINGS)}"
        )
    state: dict[str, torch.Tensor] = {}
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            raise BadData(
                f"{path}: the entry {key!r} is {_describe(value)}, not a plain tensor; a state_dict was "
                f"expected, bare or under {', '.join(NESTINGS)}"
            )
        state[key] = value.detach()
    return _without_prefixes(state), ".".join(nesting)


def _without_prefixes(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    while prefix := next((word for word in PREFIXES if all(key.startswith(word) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dict of {len(value)} entries"
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")


def _shape(value: torch.Tensor) -> str:
    return "x".join(str(size) for size in value.shape) or "a scalar"


def _first(words: Sequence[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _likeness(state: Mapping[str, torch.Tensor], model: str, *, incomplete: bool) -> str:
    """Say which of our models the keys belong to: the one of whose signature most fits, the longer one of two."""
    from . import registry

    shares = {}
    for name in registry.names("network"):
        signature = registry.baseline(name).signature
        fits = sum(key in state and state[key].ndim == ndim for key, ndim in signature.items())
        shares[name] = (fits / max(1, len(signature)), len(signature), name == model)
    best = max(shares, key=lambda name: shares[name])
    if shares[best][0] < _LIKE:
        return "The file looks like none of our models"
    if best != model:
        return f"The file looks like {best}: load it under that name"
    return f"The file looks like {model}, {'but incomplete' if incomplete else 'with other settings'}"
