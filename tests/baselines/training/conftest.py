"""What tests of training share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training within a test draws no picture, which takes as long as its steps; those of fixtures do."""
    monkeypatch.setattr("vidsal.baselines.training.trainer.draw_curves", lambda _: None)
