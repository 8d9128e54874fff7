"""Flat areas, ranges of one rounding step, large offsets and extreme magnitudes: in every body the same scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vidsal.benchmark import FrameTruth, Negatives, prepare_truth, score_frame
from vidsal.benchmark.predictor import Kind
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.benchmark.scoring.device.batch import covers, score_batch
from vidsal.benchmark.scoring.device.truths import upload
from vidsal.benchmark.scoring.frame import score

STEP = 2.0**-52
"""Spacing of float64 from 1 to 2."""
ULP = np.random.default_rng(0).random((12, 16)) > 0.9


def bodies(p: np.ndarray, protocol: str, shape: tuple[int, int] | None = None) -> list[dict[str, float]]:
    """Scores of one map by the formulas and by the definitions; torch agrees with them as a run computes them."""
    rng = np.random.default_rng(3)
    h, w = shape or p.shape
    xy, others = rng.random((9, 2)) * (w, h), Negatives(rng.poisson(0.3, (h, w)))
    density = rng.random((h, w)) ** 3
    truth, of_run = (prepare_truth(xy, (h, w), density, others, protocol, encode=encode) for encode in (False, True))
    torch_agrees(p, "saliency", of_run, protocol)
    return [dict(score(p, "saliency", truth, protocol, encode=False, fast=fast)) for fast in (True, False)]


def torch_agrees(p: np.ndarray, kind: Kind, truth: FrameTruth, protocol: str) -> None:
    """Compare the batch engine with the definitions, where it knows the protocol."""
    rules = PROTOCOLS[protocol]
    if covers(rules):
        (found,) = score_batch(torch.from_numpy(p[None].copy()), upload([truth], "cpu"), rules, kind, ["here"])
        close(dict(found), dict(score(p, kind, truth, protocol, encode=True, fast=False)))


def close(found: dict[str, float], expected: dict[str, float], tolerance: float = 1e-9) -> None:
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance, nan_ok=True)


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1", "tuebingen-1"])
@pytest.mark.parametrize("new", [(12, 16), (29, 40), (7, 9), (12, 40)])
def test_ties_of_resized_maps_are_the_same_everywhere(protocol: str, new: tuple[int, int]) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        for p in (rng.integers(0, 3, (19, 23)) / 2, rng.integers(0, 2, (19, 1)) * np.ones(23)):
            fast, slow = bodies(p, protocol, new)
            close(fast, slow)


# Ranges and offsets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1", "tuebingen-1"])
@pytest.mark.parametrize("base", [1.0, -1.0, -1.0 - 2 * STEP])
def test_a_range_of_one_rounding_step_is_a_range(protocol: str, base: float) -> None:
    """NSS and CC ignore scale and offset, so they are those of zeros and ones."""
    p = np.where(ULP, base + STEP, base)
    assert len(np.unique(p)) == 2
    expected = bodies(ULP.astype(float), protocol)[1]
    found = bodies(p, protocol)
    for scores in found:
        assert scores["NSS"] == pytest.approx(expected["NSS"], abs=1e-9)
        assert scores["CC"] == pytest.approx(expected["CC"], abs=1e-9)
        assert scores["AUC-J"] == pytest.approx(expected["AUC-J"], abs=1e-12)
        close(scores, found[1])
    if base < 0 and protocol == "exact-1":
        close(found[0], expected)


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])
def test_one_pixel_one_rounding_step_above_all_others(protocol: str) -> None:
    p = np.full((4, 5), -1.0)
    p[0, 0] += STEP
    density = np.random.default_rng(1).random((4, 5))
    one = score_frame(p - -1.0, [(1.5, 1.5)], density, protocol=protocol)
    found = score_frame(p, [(1.5, 1.5)], density, protocol=protocol)
    assert [found[k] for k in ("NSS", "CC")] == pytest.approx([one[k] for k in ("NSS", "CC")], abs=1e-12)


def test_a_line_that_is_averaged_is_constant() -> None:
    """Every output is made of the same pixels with the same weights."""
    line = np.where(np.arange(7) == 3, 1 + STEP, 1.0)[None]
    scores = score_frame(line, [(0, 1)], np.eye(8, 1), protocol="dhf1k-1")
    assert scores.reasons["NSS"] == scores.reasons["CC"] == "constant prediction"
    assert math.isnan(scores["NSS"])


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("offset", [1e9, -1e9, 1e12, -1e12, 2.0**50])
def test_large_offsets_cost_no_digits(protocol: str, offset: float) -> None:
    p = np.random.default_rng(5).random((36, 40)) + offset
    fast, slow = bodies(p, protocol)
    close(fast, slow)
    lifted = bodies(p - offset, protocol)[1]  # exact: neighbours in float64
    single = protocol in ("salema-1", "tinyhd-1", "unisal-1")  # rank in float32
    for name in ["NSS", "CC"] + ["AUC-J"] * (not single) + ["SIM"] * (protocol == "dhf1k-1"):
        assert slow[name] == pytest.approx(lifted[name], abs=1e-9), name
    if protocol == "exact-1" and offset < 0:
        # The minimum is subtracted there.
        close(slow, bodies(p - p.min(), protocol)[1])


# Magnitudes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1", "tuebingen-1"])
@pytest.mark.parametrize("scale", [1e300, 1.7e308, 1e160, 1e-160, 1e-307, 1e-315])
@pytest.mark.parametrize("shape", [(12, 16), (20, 31)])
def test_extreme_magnitudes_change_nothing(protocol: str, scale: float, shape: tuple[int, int]) -> None:
    p = np.random.default_rng(6).integers(0, 1 << 20, (12, 16)) / 2.0**20
    expected = bodies(p, protocol, shape)[1]
    for found in bodies(p * scale, protocol, shape):
        close(found, expected, 1e-9 if scale > 1e-310 else 1e-3)


@pytest.mark.parametrize("protocol", ["exact-1", "tuebingen-1"])
@pytest.mark.parametrize("kind", ["log_density", "saliency"])
def test_the_pixel_that_set_the_scale_may_be_lost_in_resizing(protocol: str, kind: Kind) -> None:
    """Every third pixel in either direction is what is left of them."""
    logs = np.random.default_rng(0).uniform(-600, -590, (9, 9))
    p = logs if kind == "log_density" else np.exp(logs)
    lost, kept = p.copy(), p[1::3, 1::3].copy()
    lost[0, 0] = 0 if kind == "log_density" else 1.0
    xy, density = [(1.5, 1.5)], np.random.default_rng(1).random((3, 3))
    truth = prepare_truth(xy, (3, 3), density, None, protocol, encode=False)
    expected = dict(score(kept, kind, truth, protocol, encode=False, fast=False))
    for fast in (True, False):
        close(dict(score(lost, kind, truth, protocol, encode=False, fast=fast)), expected)
    torch_agrees(lost, kind, truth, protocol)


# Truths -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("offset", [1.0, 1e9])
def test_truths_that_are_nearly_constant(protocol: str, offset: float) -> None:
    """CC ignores the truth's offset as well; no score divides by a range that was rounded away."""
    rng = np.random.default_rng(8)
    g = np.where(ULP, 1 + STEP, 1.0) if offset == 1 else rng.random((12, 16)) + offset
    p = rng.random((12, 16)).astype(np.float32)
    truth, lifted = (
        prepare_truth([(2, 3), (9, 9)], (12, 16), d, None, protocol, encode=False) for d in (g, g - offset)
    )
    fast, slow = (dict(score(p, "saliency", truth, protocol, encode=False, fast=f)) for f in (True, False))
    close(fast, slow)
    of_run = prepare_truth([(2, 3), (9, 9)], (12, 16), g, None, protocol, encode=True)
    torch_agrees(p, "saliency", of_run, protocol)
    if protocol != "msu-1":  # adds a constant to deviations, and stretches the truth beforehand
        expected = score(p, "saliency", lifted, protocol, encode=False, fast=False)["CC"]
        assert slow["CC"] == pytest.approx(expected, abs=1e-9)
