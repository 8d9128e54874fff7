"""Checkpoints: found, recognised by digest, taken out of whatever they are nested in, and fitted strictly.

Nothing is downloaded. A file is looked for at its path and in the folders of `VIDSAL_CHECKPOINTS`, and read by
`weight_files`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidsal.loaders.errors import BadData, MissingData, WrongUse

from .base import KnownCheckpoint, Misfit
from .weight_files import digests, read_object

if TYPE_CHECKING:
    import torch

FOLDERS = "VIDSAL_CHECKPOINTS"
NESTINGS = ("model_state_dict", "student_model", "state_dict")
PREFIXES = ("module.", "_orig_mod.")
_NAMED = 3


class CheckpointWarning(UserWarning):
    """Something about a weight file was assumed or converted; the message says what and how to settle it."""


@dataclass(frozen=True)
class Checkpoint:
    """A weight file that was read.

    Attributes:
        path: where it lies.
        known: the published file that it is; None if no published file has this digest.
        state: the state_dict, prefixes of wrappers removed, on the CPU, dtypes as in the file.
        hyper_parameters: those of a Lightning checkpoint; else empty.
    """

    path: Path
    known: KnownCheckpoint | None
    state: Mapping[str, torch.Tensor]
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)


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
    published = _recognize(path, known)
    content = read_object(path)
    state = _unwrap(path, content)
    parameters = content.get("hyper_parameters", {}) if isinstance(content, Mapping) else {}
    return Checkpoint(path, published, state, dict(parameters) if isinstance(parameters, Mapping) else {})


def fit(module: torch.nn.Module, checkpoint: Checkpoint, model: str) -> None:
    """Put the weights into a module: every key and shape must agree.

    Numbers of another precision (float16, bfloat16, float64) are converted to the module's, which is said in
    a `CheckpointWarning`. Missing `num_batches_tracked` counters (torch before 0.4.1) pass.

    Args:
        module: from `build_module`.
        checkpoint: from `read`.
        model: name, for the message.

    Raises:
        Misfit: keys or shapes differ; the message names the first of them.
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
        raise Misfit(
            f"{checkpoint.path}: these weights do not fit {model}. {'. '.join(faults)}.",
            {key: value.ndim for key, value in found.items()},
            incomplete=not (surplus or shapes),
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
    if other:
        note = f"weights stored as {', '.join(other)} were converted to the model's own precision"
        warnings.warn(f"{checkpoint.path}: {note}", CheckpointWarning, stacklevel=2)


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


def _recognize(path: Path, known: Iterable[KnownCheckpoint]) -> KnownCheckpoint | None:
    published = [entry for entry in known if entry.sha256 is not None or entry.git_blob_sha1 is not None]
    if not published:
        return None
    sha256, blob = digests(path)
    for entry in published:
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


def _unwrap(path: Path, content: Any) -> dict[str, torch.Tensor]:
    import torch

    while isinstance(content, Mapping):
        inner = next((key for key in NESTINGS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
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
    return _without_prefixes(state)


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
