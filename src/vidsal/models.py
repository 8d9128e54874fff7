"""From the name on the command line to a model: a baseline, a human reference, or a user's own class in a file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from importlib.abc import Loader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from vidsal.baselines import registry
from vidsal.benchmark.evaluation.run import Model, ModelRecord
from vidsal.benchmark.human import HUMANS, HumanReference, human_reference
from vidsal.benchmark.predictor import Fit, ModelInfo, Predictor
from vidsal.benchmark.submissions.score import score as _score
from vidsal.loaders.errors import MACHINE, BadData, MissingData, MissingExtra, VidsalError, WrongUse
from vidsal.loaders.io.extras import lacking
from vidsal.loaders.io.files import sha256, sha256_text
from vidsal.loaders.io.names import is_left_behind

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class ModelSpec:
    """How a model is made; picklable, so that worker processes can make their own.

    Attributes:
        name: registered name, or `path/to/file.py:ClassName`.
        checkpoint: weight file.
        device: `cpu`, `cuda`, `cuda:1`.
        options: settings of the model.
        fit: how its maps lie on the frame, where it does not declare that itself.
    """

    name: str
    checkpoint: Path | None = None
    device: str = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)
    fit: Fit | None = None

    @property
    def own_class(self) -> tuple[Path, str] | None:
        """File and class of a user's own predictor; None for a registered name."""
        file, colon, name = self.name.rpartition(":")
        return (Path(file), name) if colon and file.endswith(".py") else None

    def __call__(self) -> Model:
        """Make the model.

        Raises:
            WrongUse: it declares another fit than the one asked for.
        """
        model = self._made()
        if self.fit is not None and model.info.fit != self.fit:
            if model.info.fit is not None or isinstance(model, HumanReference):
                raise WrongUse(f"--fit {self.fit} was asked for; {model.info.name} declares {model.info.fit}")
            model.info = replace(model.info, fit=self.fit)
        return model

    def _made(self) -> Model:
        if self.own_class:
            return own_predictor(self)
        if self.name in HUMANS:
            if self.checkpoint or self.options:
                raise WrongUse(f"{self.name} takes neither a checkpoint nor options")
            return human_reference(self.name)
        return registry.load_model(self.name, self.checkpoint, self.device, **self.options)

    def record(self, model: Model, command: str | None = None) -> ModelRecord:
        """Describe the model for a result."""
        options = dict(self.options)
        if self.own_class:
            file, name = self.own_class
            options |= {"class": name, "file": file.name, "file_sha256": sha256(file)}
            package = package_sha256(file)
            options |= {"package_sha256": package} if package else {}
        found = _file_of(model, self.checkpoint)
        return ModelRecord.of(
            model,
            "custom" if self.own_class else registry.entry(self.name).kind,
            checkpoint=found.name if found else None,
            checkpoint_sha256=sha256(found) if found else None,
            options=options,
            device=choose_device(self.device) if not self.own_class or _takes(type(model), "device") else "cpu",
            command=command,
        )


def declared(name: str) -> ModelInfo:
    """Return what a registered model says of itself, without its weights.

    Raises:
        UnknownName: no such model.
    """
    return HUMANS[name].info if name in HUMANS else registry.baseline(name).info


def shipped(name: str) -> ModelInfo | None:
    """Return what a shipped model says of itself; None if there is none of this name."""
    return declared(name) if name in HUMANS or name in registry.TABLE else None


def _aware_of_shipped(function: Callable[P, R]) -> Callable[P, R]:
    """Let stored predictions that name a shipped model be read as that model declares."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        kwargs.setdefault("declared", shipped)
        return function(*args, **kwargs)

    return call


score = _aware_of_shipped(_score)
"""`vidsal.score`."""


def choose_device(asked: str) -> str:
    """Return the device to use; `auto` is a GPU where there is one.

    Raises:
        WrongUse: CUDA is asked for and there is none, or something else is.
    """
    if asked == "cpu":
        return asked
    if asked == "auto" and find_spec("torch") is None:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda" if asked == "auto" else asked
    if asked == "auto":
        return "cpu"
    if not asked.startswith("cuda"):
        raise WrongUse(f"--device {asked}: no such kind of device; auto, cpu, cuda or cuda:1 was expected")
    raise WrongUse(f"--device {asked}: torch finds no CUDA device here; use --device cpu")


def parse_spec(
    name: str,
    checkpoint: Path | None,
    device: str,
    pairs: tuple[str, ...],
    fit: Fit | None = None,
    *,
    away: bool = False,
) -> ModelSpec:
    """Read the model part of a command line; `away` means that the model runs on other machines than this one.

    Raises:
        UnknownName: no such model; WrongUse: an option is wrong.
    """
    spec = ModelSpec(name, checkpoint, device)
    if spec.own_class:
        options: dict[str, Any] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals:
                raise WrongUse(f"option {pair!r} has no value; write it as NAME=VALUE")
            options[key] = value
        return ModelSpec(name, checkpoint, device, options, fit)
    if name in HUMANS:
        if pairs:
            raise WrongUse(f"{name} takes no options")
        options = {}
    else:
        kind = registry.entry(name).kind
        options = registry.parse_options(name, pairs)
        if not away:
            device = choose_device(device) if kind == "network" or device != "auto" else "cpu"
    return ModelSpec(name, checkpoint, device if device != "auto" else "cpu", options, fit)


def _file_of(model: Model, asked: Path | None) -> Path | None:
    """The weight file that was loaded: the one that the model reports, else the one asked for."""
    reported = getattr(model, "checkpoint", None)
    path = Path(reported) if isinstance(reported, (str, Path)) else asked
    return path if path is not None and path.is_file() else None


def package_sha256(file: Path) -> str | None:
    """Digest of the package that a file is part of: of lines `path, tab, SHA-256` of all of its Python files.

    A package is a folder with `__init__.py`; the outermost one counts. None where the file is part of none.
    """
    folder = _package_of(file)
    if folder is None:
        return None
    found = {path.relative_to(folder): path for path in folder.rglob("*.py") if path.is_file()}
    names = {name.as_posix(): path for name, path in found.items() if not any(map(is_left_behind, name.parts))}
    return sha256_text("".join(f"{name}\t{sha256(names[name])}\n" for name in sorted(names)))


def _package_of(file: Path) -> Path | None:
    """The folder of the outermost package that a file is part of."""
    folder = file.resolve().parent
    if not (folder / "__init__.py").is_file():
        return None
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _executed(module: ModuleType, loader: Loader, file: Path) -> ModuleType:
    """Run a file as a module of its own, or, where it imports its neighbors (`from . import`), as part of its package.

    Such a package has a name of its own, too, so that it hides none that is installed.
    """
    try:
        loader.exec_module(module)
    except ImportError as error:
        folder = _package_of(file)
        if folder is None or "no known parent package" not in str(error):
            raise
        top = f"vidsal_own_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        for known in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[known]  # as it was before its files changed
        source = importlib.util.spec_from_file_location(
            top, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert source is not None
        assert source.loader is not None
        sys.modules[top] = importlib.util.module_from_spec(source)
        source.loader.exec_module(sys.modules[top])
        return importlib.import_module(".".join((top, *file.resolve().relative_to(folder).with_suffix("").parts)))
    return module


def own_predictor(spec: ModelSpec) -> Predictor:
    """Import and make a class of one's own.

    Raises:
        MissingData: there is no such file; BadData: its code fails; WrongUse: it is no predictor, or takes no such
            option.
    """
    assert spec.own_class is not None
    file, name = spec.own_class
    if not file.is_file():
        raise MissingData(f"{file}: no such file; a predictor of your own is named as path/to/file.py:ClassName")
    module_name = f"vidsal_own_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    source = importlib.util.spec_from_file_location(module_name, file)
    if source is None or source.loader is None:
        raise BadData(f"{file}: cannot be imported as Python")
    module = importlib.util.module_from_spec(source)
    sys.modules[module_name] = module
    try:
        module = _executed(module, source.loader, file)
    except (Exception, SystemExit) as error:
        if isinstance(error, ImportError) and (needed := lacking(error)) is not None:
            raise MissingExtra(f"{file}: {needed}") from error
        raise BadData(f"{file}: importing it fails: {type(error).__name__}: {error}") from error
    made = getattr(module, name, None)
    if made is None:
        classes = [n for n, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
        raise WrongUse(f"{file} has no class {name!r}; it has {', '.join(classes) or 'none'}")
    where = f"{file}:{name}"
    arguments = {**spec.options, **_where_to_run(made, where, spec.checkpoint, spec.device)}
    try:
        model = made(**arguments)
    except TypeError as error:
        raise WrongUse(f"{where} cannot be made: {error}") from error
    except (VidsalError, FileNotFoundError, PermissionError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in MACHINE:
            raise
        raise BadData(f"{where} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(model, Predictor) or not isinstance(model.info, ModelInfo):
        raise WrongUse(f"{where} is no predictor: it needs `info: ModelInfo` and `predict(frames, stimulus)`")
    return model


def _where_to_run(made: Any, where: str, checkpoint: Path | None, device: str) -> dict[str, Any]:
    """The checkpoint and the device for a class that takes them.

    Raises:
        WrongUse: one was asked for, and the class does not take it, or the device is not here.
    """
    found: dict[str, Any] = {}
    if _takes(made, "device"):
        found["device"] = choose_device(device)
    elif device not in ("auto", "cpu"):
        raise WrongUse(f"{where} takes no device: give its constructor an argument `device`, or leave --device out")
    if checkpoint is not None:
        if not _takes(made, "checkpoint"):
            raise WrongUse(
                f"{where} takes no checkpoint: give its constructor an argument `checkpoint`, or leave --checkpoint out"
            )
        found["checkpoint"] = checkpoint
    return found


def _takes(made: Any, argument: str) -> bool:
    """Whether a class is made with an argument of this name."""
    try:
        return argument in inspect.signature(made).parameters
    except (TypeError, ValueError):
        return False
