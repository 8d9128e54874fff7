"""The names that a user of the data alone needs, taken from the package itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import vidsal
from vidsal import loaders
from vidsal.loaders import Frame, Release, Stimulus, Truth, load, records
from vidsal.loaders.release import release


def test_the_public_names_are_those_of_their_modules() -> None:
    assert (Frame, Truth) == (records.Frame, records.Truth)
    assert (Release, Stimulus, load) == (release.Release, release.Stimulus, release.load)
    assert load is vidsal.load
    assert dir(loaders) == sorted(loaders.__all__)
    with pytest.raises(AttributeError, match="it has Frame, Release, Stimulus, Truth, load"):
        loaders.open  # noqa: B018


def test_they_cost_nothing_before_they_are_used() -> None:
    code = "import sys, vidsal.loaders; print(sorted({'pyarrow', 'pandas', 'numpy'} & set(sys.modules)))"
    folder = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
