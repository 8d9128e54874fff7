"""The stand-alone script that measures the device engine runs, and checks what it measures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from vidsal.benchmark import metrics
from vidsal.benchmark.scoring.device import batch as device


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parents[2] / "speed" / "gpu_scoring.py"
    spec = importlib.util.spec_from_file_location("gpu_scoring", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_scoring", module)
    spec.loader.exec_module(module)
    return module


SMALL = ["--device", "cpu", "--frames", "4", "--batch", "2", "4", "--size", "36", "64", "--run-frames", "6"]


def test_it_measures_both_protocols(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "copy_bandwidth", lambda device: 1e9)
    rows, runs = script.main(SMALL)
    assert [(r.protocol, r.batch) for r in rows] == [(p, n) for p in script.PROTOCOLS for n in (2, 4)]
    for row in rows:
        assert row.worst < 1e-6
        assert row.columns_per_s > 0
        # The prediction and the truth at least, each once.
        assert row.bytes_per_frame > 36 * 64 * 12
    assert [r.protocol for r in runs] == list(script.PROTOCOLS)
    for run in runs:
        assert run.worst < 1e-6
        assert run.device_per_s > 0
    assert capsys.readouterr().out.count("\n") == 9


def test_it_stops_at_wrong_scores(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "copy_bandwidth", lambda device: 1e9)
    wrong = {**device.FORMULAS, metrics.cc: lambda b: b.correlation() + 1e-5}
    monkeypatch.setattr(device, "FORMULAS", wrong)
    with pytest.raises(SystemExit, match="exact-1: a score lies 1.0"):
        script.main(SMALL)
    monkeypatch.setattr(script, "worst_difference", lambda *_: 0.0)
    with pytest.raises(SystemExit, match="exact-1: a score of a run lies [01][.]"):
        script.main(SMALL)


def test_traffic_counts_what_is_read_and_written(script: ModuleType) -> None:
    a = torch.zeros(100)
    with script.Traffic() as traffic:
        a.view(10, 10).add_(1)
    assert traffic.bytes == 800
