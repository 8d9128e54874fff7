"""The script that measures models on a GPU runs; here on the CPU, where nothing may differ."""

from __future__ import annotations

import pytest

from vidsal.baselines.unisal import predictor

from ..speed.gpu_models import main


def test_the_script_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "network_size", lambda *_: (64, 96))
    found = main(["--device", "cpu", "--models", "unisal", "--frames", "2"])
    assert list(found) == ["unisal"]
    assert found["unisal"]["difference"] == 0
    assert found["unisal"]["predict_fps"] > 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("unisal")
