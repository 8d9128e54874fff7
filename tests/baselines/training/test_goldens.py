"""Each published step of optimization, made by our recipes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from .steps import Case, check_case

CASES = [
    ("fpn_rim", "pairing_t_minus_1"),
    ("fpn_rim", "pairing_upstream"),
    ("salema", "clip_learned_alpha"),
    pytest.param("salema", "clip_alpha0.1", marks=pytest.mark.slow),
    pytest.param("tinyhd", "S_rc4", marks=pytest.mark.slow),
    ("tinyhd", "S_rc4_real"),
    ("tinyhd", "M_rc4"),
    pytest.param("tinyhd", "M_rc4_real", marks=pytest.mark.slow),
    ("unisal", "joint_dhf1k_epoch0"),
    ("unisal", "joint_dhf1k_salicon_epoch2"),
    ("unisal", "joint_dhf1k_salicon_epoch2_torch1"),
    ("unisal", "joint_hollywood_epoch3"),
    ("unisal", "mit1003_epoch0"),
]


@pytest.mark.data
@pytest.mark.parametrize(("system", "name"), CASES)
def test_a_step_is_the_published_one(system: str, name: str, goldens: Path, samples: Path, recipe: ModuleType) -> None:
    check_case(Case(goldens / "training" / system, name), recipe, samples)
