"""The weight recipe gives the bits that the goldens were made with."""

from __future__ import annotations

import hashlib
from types import ModuleType

import numpy as np


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_bits(recipe: ModuleType) -> None:
    assert _digest(recipe.fill_array("features.0.weight", (4, 3, 3, 3))) == "9fd93ff521be2de2"
    assert _digest(recipe.make_video(7, 5, 12, 16)) == "5637e47acebfaef1"
    assert _digest(recipe.make_density(3, 6, 8)) == "978227afd57213f6"
