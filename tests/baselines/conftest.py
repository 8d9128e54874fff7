"""What the tests of the models share: the weight recipe, and how close to a golden is close enough."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

RECIPE = Path(__file__).resolve().parents[1] / "golden" / "fill_weights.py"


def _cache_of_one_model(function: Callable[..., Any], model_of: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a function returned until it is asked for another model: those of all models take gigabytes."""
    kept, last = cache(function), None

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal last
        if (model := model_of(*arguments, **options)) != last:
            kept.cache_clear()
            last = model
        return kept(*arguments, **options)

    return call


@pytest.fixture(scope="session")
def recipe() -> ModuleType:
    """The module tests/golden/fill_weights.py: `fill_state_dict`, `make_video`, `make_density`.

    Weights of a model are drawn once: the recipe of a large network takes seconds, and several tests want the same.
    """
    spec = importlib.util.spec_from_file_location("vidsal_tests_fill_weights", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.fill_array = _cache_of_one_model(  # type: ignore[attr-defined]
        module.fill_array, lambda key, shape, model=None, salt="": model
    )
    return module


@pytest.fixture(scope="session")
def fill(recipe: ModuleType) -> Callable[..., Any]:
    """Return `fill(module, model, salt="")`: load recipe weights into a torch module and put it in eval mode."""
    import torch

    def fill_module(module: torch.nn.Module, model: str, salt: str = "") -> torch.nn.Module:
        state = module.state_dict()
        filled = recipe.fill_state_dict(state, model=model, salt=salt, convert=torch.from_numpy)
        module.load_state_dict(filled)
        return module.eval()

    return fill_module


@pytest.fixture(scope="session")
def filled(fill: Callable[..., Any]) -> Callable[..., Any]:
    """Return `filled(name, model, salt="", **options)`: a network with recipe weights, built once for all its tests.

    It is shared: a test that changes one builds its own.
    """
    from vidsal.baselines import build_module
    from vidsal.baselines.runtime import undrawn

    def make(name: str, model: str, salt: str = "", **options: Any) -> Any:
        with undrawn():
            module = build_module(name, **options)
        return fill(module, model, salt)

    return _cache_of_one_model(make, lambda name, model, *_, **__: model)


@pytest.fixture(scope="module")
def rewritten_once() -> Iterator[None]:
    """Rewrite a weight for the convolutions with fewer products once a module: for shared networks that takes longer
    than their forward passes."""
    from vidsal.baselines.nn import fast_convolutions

    plain, kept = fast_convolutions._mix_taps, {}

    def mix(weight: Any, rows: Any) -> Any:
        key = (weight.data_ptr(), tuple(weight.shape), weight.dtype, str(rows))
        if key not in kept:
            kept[key] = weight, plain(weight, rows)  # with the weight, so that its memory has no second owner
        return kept[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_convolutions, "_mix_taps", mix)
        yield


@pytest.fixture(scope="session")
def golden_cases(goldens: Path) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return `golden_cases(folder)`: the records of that model's cases.json by their id."""

    def read(folder: str) -> dict[str, dict[str, Any]]:
        text = (goldens / "models" / folder / "cases.json").read_text()
        return {case["id"]: case for case in json.loads(text)["cases"]}

    return read


@pytest.fixture(scope="session")
def assert_golden() -> Callable[..., None]:
    """Return `assert_golden(ours, golden, floor)`: the goldens' own tolerance, `floor` = f32_vs_f64_max_abs."""

    def check(ours: Any, golden: Any, floor: float) -> None:
        found, wanted = np.asarray(ours), np.asarray(golden)
        assert found.shape == wanted.shape
        difference = np.abs(found.astype(np.float64) - wanted)
        excess = difference - (max(20.0 * floor, 1e-5) + 1e-5 * np.abs(wanted))
        assert excess.max() <= 0, f"off by {difference.max():.3g}, beyond the tolerance by {excess.max():.3g}"

    return check
