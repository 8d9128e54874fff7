"""A recipe: everything that decides how a network is trained, as data, under a name.

A recipe is a TOML file in `baselines/recipes`. Its table `smoke` changes others to a size for a minute on a CPU; what
comes out is a recipe of its own, with its own name and digest.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vidsal.loaders.errors import MissingData, UnknownName, WrongUse

from ..base import Option

if TYPE_CHECKING:
    import torch

    from .systems.base import Batch, System, Terms

FOLDER = Path(__file__).resolve().parents[1] / "recipes"
_HEAD = ("model", "system", "summary", "origin", "departs")
_TABLES = ("options", "dropout", "network", "module", "optimizer", "schedule", "loss", "clip", "data")
_CHECKED = ("network", "optimizer", "schedule", "loss", "clip", "data", "dropout")
_COMMON: dict[str, Option] = {
    "batch": Option("int", None, "samples in a batch; none: the recipe's", optional=True),
    "accumulate": Option("int", 1, "batches whose gradients are added up before a step"),
    "train_split": Option(
        "text", None, "split to train on, all = every stimulus; none: as the recipe says", optional=True
    ),
    "validation_split": Option("text", None, "split that is held out; none: as the recipe says", optional=True),
    "precision": Option("text", "float32", "mixed: forward in half precision where it is safe", ("float32", "mixed")),
}


@dataclass(frozen=True)
class Recipe:
    """One way to train one network.

    Attributes:
        name: of the recipe; one in smoke size ends in `-smoke`.
        model: registered name of the network.
        summary: one line.
        origin: whose training it is.
        departs: where it departs from its origin, in sentences.
        settings: the tables of the file with the options' values in `options`.
        declared: the options that it takes.
    """

    name: str
    model: str
    summary: str
    origin: str
    departs: tuple[str, ...]
    settings: Mapping[str, Any]
    declared: Mapping[str, Option]

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data."""
        head = {"name": self.name, "model": self.model, "summary": self.summary, "origin": self.origin}
        return {**head, "departs": list(self.departs), **copy.deepcopy(dict(self.settings))}

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the recipe, its options' values included."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def options(self) -> Mapping[str, Any]:
        """Values of the options."""
        return cast(Mapping[str, Any], self.settings["options"])

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return int(self.settings["schedule"]["epochs"])

    @property
    def system(self) -> System:
        """What is particular to the network in training."""
        module = import_module(f"vidsal.baselines.training.systems.{self.settings['system']}")
        return cast("System", module.SYSTEM)

    def with_options(self, **values: Any) -> Recipe:
        """Return the recipe with other values of some options, which must be legal."""
        return replace(self, settings={**self.settings, "options": {**self.options, **values}})

    def module_options(self) -> dict[str, Any]:
        """Return the options of the network, as `build_module` takes them."""
        chosen = {name: self.options[name] for name in self.settings["network"].get("options", ())}
        return {**chosen, **self.settings.get("module", {})}

    def prepare(self, module: torch.nn.Module) -> None:
        """Set a network to train: modes, dropouts, and what is never trained. Call it again after an evaluation."""
        import torch

        network = self.settings["network"]
        module.train()
        for name in network.get("eval", ()):
            module.get_submodule(name).eval()
        if network.get("frozen"):
            for name, parameter in module.named_parameters():
                if re.search(network["frozen"], name):
                    parameter.requires_grad_(False)
        if network.get("norm_momentum"):
            for part in module.modules():
                if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                    part.momentum = network["norm_momentum"]
        self.system.prepare(module, self.settings)

    def optimizer(self, module: torch.nn.Module) -> torch.optim.Optimizer:
        """Make the optimizer with the recipe's groups, frozen parameters included."""
        from .optimization import make_optimizer

        return make_optimizer(module, self.settings["optimizer"])

    def begin_epoch(self, module: torch.nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        """Set rates, and what is frozen, for an epoch (0-based)."""
        from .optimization import freeze, rate_factor, set_rates

        schedule = self.settings["schedule"]
        set_rates(optimizer, rate_factor(epoch, schedule))
        freeze(module, epoch, schedule.get("freeze", ()))

    def loss(self, module: torch.nn.Module, batch: Batch) -> Terms:
        """Run the network on a batch and return the terms of its loss, scalars, `total` among them."""
        return self.system.terms(self.system.forward(module, batch, self.settings), batch, self.settings)

    def clip(self, module: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Clip the gradients by their total norm, where the recipe does, and return the norm before it."""
        import torch

        clip = self.settings["clip"]
        limit = float(clip.get("max_norm", math.inf)) * (len(batch["frames"]) if clip.get("per_frame") else 1)
        return torch.nn.utils.clip_grad_norm_(module.parameters(), limit)


def names() -> tuple[str, ...]:
    """Return the names of the recipes, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_recipe(name: str, *, smoke: bool = False, **options: Any) -> Recipe:
    """Return a recipe.

    Args:
        name: one of `names()`; with `-smoke` at its end as with `smoke=True`.
        smoke: its size for a minute on a CPU.
        options: values of its options; those of all recipes are `batch`, `accumulate`, `precision`.

    Raises:
        UnknownName: no such recipe or option; the message names the nearest.
        WrongUse: a wrong value.
    """
    name, smoke = name.removesuffix("-smoke"), smoke or name.endswith("-smoke")
    if name not in names():
        raise UnknownName("recipe", name, names())
    return read_recipe(FOLDER / f"{name}.toml", smoke=smoke, **options)


def find_recipe(name: str | Path, *, smoke: bool = False, **options: Any) -> Recipe:
    """Return the recipe of a name, or of a TOML file where the name ends in `.toml`; see `load_recipe`.

    Raises:
        MissingData: no such file.
    """
    path = Path(name)
    if path.suffix != ".toml":
        return load_recipe(str(name), smoke=smoke, **options)
    if not path.is_file():
        raise MissingData(f"{path}: no such recipe; write one like those in baselines/recipes, or name one of theirs")
    return read_recipe(path, smoke=smoke, **options)


def read_recipe(path: Path, *, smoke: bool = False, **options: Any) -> Recipe:
    """Return the recipe of a TOML file.

    Raises:
        UnknownName: an unknown key or option; the message names the nearest.
        WrongUse: it is no TOML, lacks a key, or an option has a wrong value.
    """
    name = path.stem + ("-smoke" if smoke else "")
    data = _read(path)
    _check_keys(path, data)
    small = data.pop("smoke", {})
    declared = {**_COMMON, **{key: _option(key, value) for key, value in data["options"].items()}}
    values = {key: option.default for key, option in declared.items()}
    if smoke:
        values.update({key: declared[key].check(key, value) for key, value in small.pop("options", {}).items()})
        data = _merge(data, small)
    for key, value in options.items():
        if key not in declared:
            raise UnknownName(f"option of {path.stem}", key, declared)
        numbered = declared[key].kind == "text" and isinstance(value, int) and not isinstance(value, bool)
        values[key] = declared[key].check(key, str(value) if numbered else value)
    _check_values(path.stem, values, data)
    settings = {key: data.get(key, {}) for key in _TABLES} | {"options": values, "system": data["system"]}
    model = data["model"].format(**values)
    return Recipe(name, model, data["summary"], data["origin"], tuple(data["departs"]), settings, declared)


def parse_options(recipe: Recipe, pairs: tuple[str, ...]) -> dict[str, Any]:
    """Convert `K=V` texts of the command line by the options that a recipe declares.

    Raises:
        UnknownName: no such option; WrongUse: a text without `=`, or a wrong value.
    """
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise WrongUse(f"option {pair!r} has no value; write it as NAME=VALUE")
        if key not in recipe.declared:
            raise UnknownName(f"option of {recipe.name}", key, recipe.declared)
        found[key] = recipe.declared[key].parse(key, text)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path}: not a recipe in TOML ({error})") from error
    known = {*_HEAD, *_TABLES, "smoke"}
    for key in data:
        if key not in known:
            raise UnknownName(f"key of the recipe {path.name}", key, known)
    lacking = [key for key in {*_HEAD, *_TABLES} - {"module"} if key not in data]
    if lacking:
        raise WrongUse(f"{path}: the recipe lacks {', '.join(sorted(lacking))}")
    return data


def _check_keys(path: Path, data: Mapping[str, Any]) -> None:
    """Refuse a key inside a table that no shipped recipe of the same network has: else nobody would hear of it."""
    known = _known_keys(str(data["system"]))
    for table in ({k: v for k, v in data.items() if k in _CHECKED}, data.get("smoke", {})):
        for place, key in _keys({k: v for k, v in table.items() if k in _CHECKED}):
            if place and key not in known.get(place, ()):
                raise UnknownName(f"key of {'.'.join(place)} in the recipe {path.name}", key, known.get(place, ()))


@cache
def _known_keys(system: str) -> Mapping[tuple[str, ...], set[str]]:
    """The keys of each table of the shipped recipes; those of data and losses of this system's recipes alone."""
    found: dict[tuple[str, ...], set[str]] = {}
    for path in FOLDER.glob("*.toml"):
        data = _read(path)
        for table in (data, data.get("smoke", {})):
            for place, key in _keys({k: v for k, v in table.items() if k in _CHECKED}):
                if data["system"] == system or place[:1] in (("schedule",), ("optimizer",), ("clip",), ("network",)):
                    found.setdefault(place, set()).add(key)
    return found


def _keys(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each key with the table it is in; tables in a list, and domains, are one table."""
    if isinstance(value, list):
        for item in value:
            yield from _keys(item, place)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            domain = place == ("data", "domains")
            if not domain:
                yield place, key
            yield from _keys(inner, (*place, "*" if domain else key))


def _option(name: str, table: Mapping[str, Any]) -> Option:
    known = {"kind", "default", "help", "choices", "optional"}
    for key in table:
        if key not in known:
            raise UnknownName(f"key of the option {name}", key, known)
    default = table.get("default")
    return Option(
        table["kind"],
        tuple(default) if isinstance(default, list) else default,
        table["help"],
        tuple(table.get("choices", ())),
        bool(table.get("optional", False)),
    )


def _merge(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Replace values by values, and tables by tables key by key."""
    merged = dict(data)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _check_values(name: str, values: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    dropout = values.get("dropout")
    if dropout is not None and not 0 <= dropout < 1:
        raise WrongUse(f"option dropout={dropout}: a share from 0 to below 1 was expected")
    for key in ("batch", "accumulate"):
        if values[key] is not None and values[key] < 1:
            raise WrongUse(f"option {key}={values[key]}: at least 1 was expected")
    folds = data["data"].get("folds")
    if folds and values["fold"] not in (None, "all") and values["fold"] not in map(str, range(folds["n"])):
        raise WrongUse(f"option fold={values['fold']}: {name} has the folds 0 to {folds['n'] - 1}, and all")
