"""Where the tests find real files: beside the checkout, else they skip."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no real files here: the folder shared/{name} does not lie beside the checkout")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real files of the data sets."""
    return _folder("samples")


@pytest.fixture(scope="session")
def goldens() -> Path:
    """Reference numbers."""
    return _folder("goldens")
