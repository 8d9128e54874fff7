"""The script that measures models on a GPU runs; here on the CPU, where nothing may differ."""

from __future__ import annotations

import pytest

from ..speed.gpu_models import main


@pytest.mark.slow
def test_the_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    found = main(["--device", "cpu", "--models", "tinyhd_m", "--frames", "17"])
    assert list(found) == ["tinyhd_m"]
    assert found["tinyhd_m"]["difference"] == 0
    assert found["tinyhd_m"]["predict_fps"] > 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("tinyhd_m")
