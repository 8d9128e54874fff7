"""`vidsal.metrics`: means of `score_frame` over frames, batches, maps and processes."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vidsal.benchmark import score_frame
from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.metrics import SaliencyMetrics, score_maps

ROOT = Path(__file__).resolve().parents[3]
RNG = np.random.default_rng(5)
MAPS = RNG.random((4, 12, 18))
DENSITIES = RNG.random((4, 12, 18))
POINTS = [RNG.random((n, 2)) * [18, 12] for n in (1, 3, 5, 0)]
OTHERS = RNG.random((30, 2)) * [18, 12]


def _by_hand(protocol: str = "exact-1") -> dict[str, float]:
    rows = [score_frame(m, p, d, OTHERS, protocol) for m, p, d in zip(MAPS, POINTS, DENSITIES, strict=True)]
    return {label: float(np.mean([r[label] for r in rows if r[label] == r[label]] or [math.nan])) for label in rows[0]}


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1", "density-1"])
def test_frames_and_batches_give_the_mean_of_score_frame(protocol: str) -> None:
    single, batch = SaliencyMetrics(protocol), SaliencyMetrics(protocol=protocol)
    for values, points, density in zip(MAPS, POINTS, DENSITIES, strict=True):
        single.update(values, points, density, OTHERS)
    batch.update(torch.from_numpy(MAPS), POINTS, torch.from_numpy(DENSITIES), OTHERS)
    expected = _by_hand(protocol)
    for metrics in (single, batch):
        assert list(metrics.compute()) == list(expected)
        assert metrics.compute() == pytest.approx(expected, abs=1e-14, nan_ok=True)


def _map_of(points: np.ndarray) -> np.ndarray:
    found = np.zeros(MAPS.shape[1:], np.uint8)
    found[points[:, 1].astype(int), points[:, 0].astype(int)] = 255
    return found


def test_fixation_maps_are_the_points_that_they_show() -> None:
    """In the shapes and types in which a DataLoader has them."""
    maps = np.stack([_map_of(points) for points in POINTS])
    centers = [np.argwhere(m)[:, ::-1] + 0.5 for m in maps]
    others = np.argwhere(_map_of(OTHERS))[:, ::-1] + 0.5
    expected, small = SaliencyMetrics(), SaliencyMetrics()
    expected.update(MAPS, centers, DENSITIES, others)
    forms = [
        (MAPS, maps, DENSITIES, _map_of(OTHERS)),
        (
            torch.from_numpy(MAPS)[:, None],
            torch.from_numpy(maps)[:, None] > 0,
            torch.from_numpy(DENSITIES)[:, None],
            others,
        ),
        (torch.from_numpy(MAPS).requires_grad_(), torch.from_numpy(maps / 255.0), torch.from_numpy(DENSITIES), others),
    ]
    for form in forms:
        metrics = SaliencyMetrics()
        metrics.update(*form)
        assert metrics.compute() == pytest.approx(expected.compute(), abs=1e-14, nan_ok=True)
    small.update(MAPS[0, ::2, ::2], maps[0])  # the grid is that of the map, not of the prediction
    assert small.compute()["NSS"] == score_frame(MAPS[0, ::2, ::2], centers[0], shape=maps[0].shape)["NSS"]


def test_maps_that_are_no_fixations_are_refused() -> None:
    metrics = SaliencyMetrics()
    with pytest.raises(WrongUse, match="or a fixation map"):
        metrics.update(MAPS[0], DENSITIES[0])
    with pytest.raises(WrongUse, match="negatives are a map of shape"):
        metrics.update(MAPS[0], _map_of(POINTS[0]), negatives=_map_of(OTHERS)[:6])
    assert metrics.frames == []


def test_reset_forgets_and_nothing_has_no_value() -> None:
    metrics = SaliencyMetrics()
    metrics.update(MAPS[0], POINTS[0])
    metrics.reset()
    assert all(math.isnan(v) for v in metrics.compute().values())
    metrics.update(MAPS[1], POINTS[1])
    assert metrics.compute()["NSS"] == score_frame(MAPS[1], POINTS[1])["NSS"]


def test_a_batch_that_does_not_fit_is_refused_whole() -> None:
    metrics = SaliencyMetrics()
    with pytest.raises(WrongUse, match="fixations has 3 entries, prediction 4 frames"):
        metrics.update(MAPS, POINTS[:3])
    broken = MAPS.copy()
    broken[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        metrics.update(broken, POINTS)
    with pytest.raises(WrongUse, match="1 axes"):
        metrics.update(MAPS[0, 0], POINTS)
    assert metrics.frames == []
    with pytest.raises(UnknownName, match="exact-1"):
        SaliencyMetrics("exact-2")


def test_maps_against_fixation_maps_and_densities() -> None:
    fixated = np.zeros((4, 12, 18), np.uint8)
    for i, points in enumerate(POINTS):
        for x, y in points.astype(int):
            fixated[i, y, x] = 255
    alone, both, only = (
        score_maps(MAPS, fixated),
        score_maps(list(MAPS), fixated.astype(bool), DENSITIES),
        score_maps(MAPS, DENSITIES),
    )
    expected = _by_hand()
    for label in ("AUC-J", "NSS"):
        assert alone[label] == both[label] == pytest.approx(expected[label], abs=1e-14)
        assert math.isnan(only[label])
    for label in ("CC", "SIM", "KLD"):
        assert both[label] == only[label] == pytest.approx(expected[label], abs=1e-14)
        assert math.isnan(alone[label])
    with pytest.raises(WrongUse, match="truths has 2 entries, prediction 4 frames"):
        score_maps(MAPS, fixated[:2])
    with pytest.raises(WrongUse, match="truth 0 is no fixation map"):
        score_maps(MAPS, DENSITIES, DENSITIES)


WORKER = """
import sys; sys.path.insert(0, "src")
import numpy as np, torch.distributed as dist
from vidsal.metrics import SaliencyMetrics
rank, world, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
metrics = SaliencyMetrics()
for i in range(rank, 3, world):
    metrics.update(np.arange(12.0).reshape(3, 4), [(i + 0.5, 0.5)])
print(repr(metrics.compute()["NSS"]))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_share_their_frames(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER]
    workers = [
        subprocess.Popen(
            [*command, str(rank), "2", str(tmp_path / "store")], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    values = np.arange(12.0)
    expected = float(((values[:3] - values.mean()) / values.std()).mean())
    for worker in workers:
        assert float(worker.communicate(timeout=120)[0]) == pytest.approx(expected, abs=1e-14)
