"""A metric that is not one of the six enters a protocol and is shown under its own name, everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidsal
from vidsal.benchmark.evaluation.results.gate import compare
from vidsal.benchmark.evaluation.results.store import load_run
from vidsal.benchmark.metrics import base, find
from vidsal.benchmark.metrics.maps import as_density
from vidsal.benchmark.protocols import PROTOCOLS, Protocol
from vidsal.cli import app
from vidsal.leaderboard.site import build

from ..benchmark.runs import Brightness, small_release

MOVED = base.Family(
    "moved_mass", "Moved", base.MAP_AGAINST_MAP, higher_is_better=False, range=(0.0, 2.0), chance="of uniform",
    ceiling=0.0, unit="mass",
)  # fmt: skip


def moved_mass(saliency: Any, density: Any) -> float:
    """Sum of absolute differences of the two densities."""
    return float(np.abs(as_density(saliency) - as_density(density)).sum())


@pytest.fixture
def toy() -> Iterator[Protocol]:
    before = dict(base.REGISTRY)
    base.metric(MOVED, "sum", degenerate="of the uniform density", source="a test")(moved_mass)
    find.cache_clear()
    exact = PROTOCOLS["exact-1"]
    ids = {k: v for k, v in exact.metrics.items() if k != "KLD"} | {"Moved": "moved_mass[sum]"}
    made = dataclasses.replace(exact, name="toy-1", metrics=ids | {"KLD": exact.metrics["KLD"]})
    PROTOCOLS["toy-1"] = made
    yield made
    del PROTOCOLS["toy-1"]
    base.REGISTRY.clear()
    base.REGISTRY.update(before)
    find.cache_clear()


def test_a_seventh_column(toy: Protocol, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ds: Any = vidsal.load(small_release(tmp_path, videos=2))
    run = vidsal.evaluate(Brightness(), ds, protocol=toy).save(tmp_path / "results")
    assert run.metrics == ("AUC-J", "sAUC", "NSS", "CC", "SIM", "Moved", "KLD")
    six = vidsal.evaluate(Brightness(), ds)
    assert {k: run.scores[k] for k in six.scores} == six.scores
    assert 0 < run.scores["Moved"] < 2
    # By hand: the sum of |a - b| of two densities is 2 (1 - their overlap), which is SIM.
    assert run.scores["Moved"] == pytest.approx(2 * (1 - run.scores["SIM"]), abs=1e-6)
    again = load_run(str(run.folder))
    assert again.scores == run.scores
    assert compare(run, again).passed
    moved = compare(run, dataclasses.replace(again, record=_with_mean(again.record, "Moved", 0.5)))
    assert [m.what for m in moved.moved] == ["Moved"]

    assert app._run(["results", "show", str(run.folder)]) == 0
    shown = capsys.readouterr().out
    assert f"{run.scores['Moved']:.4f}" in next(line for line in shown.splitlines() if line.split()[:1] == ["Moved"])
    assert app._run(["protocol", "show", "toy-1", "--json"]) == 0
    assert '"Moved": "moved_mass[sum]"' in capsys.readouterr().out
    index = build(tmp_path / "results", tmp_path / "site").index.read_text(encoding="utf-8")
    assert "Moved" in index
    assert f"{run.scores['Moved']:.10g}"[:8] in index


def _with_mean(record: dict[str, Any], label: str, mean: float) -> dict[str, Any]:
    metrics = {**record["metrics"], label: {**record["metrics"][label], "mean": mean}}
    return {**record, "metrics": metrics}
