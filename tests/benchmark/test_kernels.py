"""The fast bodies agree with the definitions: on random maps, on maps made to break them, and part by part."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vidsal.benchmark import PROTOCOLS, FrameScores, Negatives, compiled, prepare_truth, quantise, resize
from vidsal.benchmark.scoring import score

kernels = pytest.importorskip("vidsal.benchmark.kernels", reason="numba does not work here")


def agree(found: FrameScores, expected: FrameScores, tolerance: float = 1e-9) -> None:
    assert found.reasons == expected.reasons
    for name in expected:
        assert found[name] == pytest.approx(expected[name], abs=tolerance, rel=tolerance, nan_ok=True), name


def smooth(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    out = np.zeros((h, w))
    for _ in range(4):
        cy, cx, s = rng.uniform(0, h), rng.uniform(0, w), rng.uniform(0.1, 0.4) * max(h, w)
        out += rng.random() * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * s * s))
    return out


KINDS: dict[str, Any] = {
    "smooth": smooth,
    "noise": lambda rng, h, w: rng.normal(size=(h, w)),
    "four levels": lambda rng, h, w: rng.integers(0, 4, (h, w)) / 3,
    "sparse": lambda rng, h, w: np.where(rng.random((h, w)) < 0.1, rng.random((h, w)), 0),
    "one hot": lambda rng, h, w: np.eye(1, h * w, rng.integers(h * w)).reshape(h, w),
    "peaked": lambda rng, h, w: np.exp(-np.minimum(rng.random((h, w)) * 600, 600)),
    "offset": lambda rng, h, w: 1000 + rng.random((h, w)),
    "huge offset": lambda rng, h, w: 2.0**23 + rng.integers(0, 3, (h, w)),
    "tiny": lambda rng, h, w: smooth(rng, h, w) * 1e-7,
    "vanishing": lambda rng, h, w: smooth(rng, h, w) * 1e-36,
    "vast": lambda rng, h, w: smooth(rng, h, w) * 1e37,
    "negative": lambda rng, h, w: -1 - rng.random((h, w)),
    "edges": lambda rng, h, w: np.where(rng.random((h, w)) < 0.5, 1.0, 1 + 2.0**-23),
    "knife": lambda rng, h, w: rng.integers(0, 11, (h, w)) / 10,
}
DTYPES = (np.uint8, np.float16, np.float32, np.float64)


def as_type(values: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype == np.uint8:
        low, high = values.min(), values.max()
        return np.rint(255 * (values - low) / (high - low if high > low else 1)).astype(np.uint8)
    with np.errstate(over="ignore"):
        made = values.astype(dtype)
    return np.where(np.isfinite(made), made, np.finfo(dtype).max).astype(dtype) if dtype == np.float16 else made


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    dtype=st.sampled_from(DTYPES),
    truth_kind=st.sampled_from(["smooth", "sparse", "one hot", "offset", "four levels"]),
    truth_dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    n=st.integers(0, 60),
    m=st.sampled_from([0, 1, 7, 4000]),
    protocol=st.sampled_from(sorted(PROTOCOLS)),
    encode=st.booleans(),
    seed=st.integers(0, 2**20),
)
@example("smooth", np.float32, "smooth", np.float32, (33, 37), 40, 4000, "exact-1", True, 1)
@example("knife", np.float32, "smooth", np.uint8, (33, 37), 40, 4000, "dhf1k-1", False, 2)
@example("knife", np.float64, "smooth", np.uint8, (33, 37), 40, 4000, "dhf1k-1", False, 3)
@example("edges", np.float32, "sparse", np.float64, (40, 40), 60, 4000, "tuebingen-1", False, 4)
def test_fast_and_definitions_agree(
    kind: str, dtype: Any, truth_kind: str, truth_dtype: Any, shape: tuple[int, int], n: int, m: int, protocol: str,
    encode: bool, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    h, w = shape
    p = as_type(KINDS[kind](rng, h, w), dtype)
    g = as_type(KINDS[truth_kind](rng, h, w), truth_dtype)
    xy = np.concatenate([rng.random((n, 2)) * (w, h), rng.random((n // 3, 2)) * (w / 4, h / 4)])
    others = Negatives.from_points(rng.random((m, 2)) * (w, h), shape, distinct=protocol != "exact-1")
    truth = prepare_truth(xy, shape, g, others, protocol, encode=encode)
    fast = score(p, "saliency", truth, protocol, encode=encode)
    slow = score(p, "saliency", truth, protocol, encode=encode, fast=False)
    agree(fast, slow, 1e-9 if "offset" not in kind else 1e-7)


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from([np.float32, np.float64]),
    depth=st.sampled_from([0.1, 30.0, 700.0, 5000.0]),
    holes=st.booleans(),
    protocol=st.sampled_from(sorted(PROTOCOLS)),
    seed=st.integers(0, 2**20),
)
def test_they_agree_on_log_densities(dtype: Any, depth: float, holes: bool, protocol: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logs = (-depth * rng.random((21, 30)) ** 2).astype(dtype)
    if holes:
        logs[rng.random(logs.shape) < 0.2] = -np.inf
    others = Negatives(rng.poisson(0.5, (21, 30)))
    truth = prepare_truth(rng.random((12, 2)) * (30, 21), (21, 30), rng.random((21, 30)), others, protocol, encode=True)
    fast = score(logs, "log_density", truth, protocol, encode=True)
    agree(fast, score(logs, "log_density", truth, protocol, encode=True, fast=False))


@settings(max_examples=30, deadline=None)
@given(
    dtype=st.sampled_from([np.uint8, np.float32]),
    old=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    protocol=st.sampled_from(sorted(PROTOCOLS)),
    seed=st.integers(0, 2**20),
)
def test_they_agree_on_resized_maps(dtype: Any, old: tuple[int, int], protocol: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = as_type(rng.random(old), dtype)
    truth = prepare_truth(
        rng.random((12, 2)) * (26, 20), (20, 26), rng.random((20, 26)), Negatives(np.ones((20, 26))), protocol,
        encode=True,
    )  # fmt: skip
    fast = score(p, "saliency", truth, protocol, encode=True)
    agree(fast, score(p, "saliency", truth, protocol, encode=True, fast=False))


def test_weighted_negatives_agree_dense_and_sparse() -> None:
    rng = np.random.default_rng(2)
    p = rng.random((30, 40)).astype(np.float32)
    for share in (0.02, 0.9):
        weights = np.where(rng.random((30, 40)) < share, rng.random((30, 40)), 0)
        negatives = Negatives(weights)
        assert negatives.many == (share == 0.9)
        for protocol in ("exact-1", "dhf1k-1"):
            truth = prepare_truth(rng.random((9, 2)) * (40, 30), (30, 40), None, negatives, protocol, encode=False)
            for values in (p, (p * 255).astype(np.uint8), p.astype(np.float64)):
                fast = score(values, "saliency", truth, protocol, encode=False)
                agree(fast, score(values, "saliency", truth, protocol, encode=False, fast=False), 1e-12)


def test_more_fixated_values_than_the_table_holds() -> None:
    rng = np.random.default_rng(3)
    p = rng.random((90, 120)).astype(np.float32)
    xy = rng.random((9000, 2)) * (120, 90)
    truth = prepare_truth(xy, (90, 120), rng.random((90, 120)), None, "exact-1", encode=False)
    assert truth.n_fixated > kernels.MOST_THRESHOLDS
    agree(score(p, "saliency", truth, "exact-1", encode=False),
          score(p, "saliency", truth, "exact-1", encode=False, fast=False))  # fmt: skip


# Parts --------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    dtype=st.sampled_from([np.float32, np.float64]),
    k=st.integers(1, 80),
    seed=st.integers(0, 2**20),
)
def test_regions_are_counted_exactly(kind: str, dtype: Any, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = as_type(KINDS[kind](rng, 31, 67), dtype).ravel()
    low, high = p.min(), p.max()
    if not 1e-30 < float(high) - float(low) < 1e30:
        return
    thresholds = np.unique(np.concatenate([rng.choice(p, k), rng.uniform(low, high, 3)]))
    scale = p.dtype.type(kernels.BINS / (high - low))
    table = kernels.bin_table(thresholds.astype(dtype), low, scale)
    exact = thresholds.astype(np.float64)
    counts = kernels.count_regions(p, exact, *table, low, scale)
    cuts = (
        np.searchsorted(np.sort(p.astype(np.float64)), exact, "left"),
        np.searchsorted(np.sort(p.astype(np.float64)), exact, "right"),
    )
    expected = np.diff(np.concatenate(([0], np.stack(cuts, 1).ravel(), [p.size])))
    np.testing.assert_array_equal(counts, expected)
    weights = rng.random(p.size)
    every = kernels.weigh_all_regions(p, weights, exact, *table, low, scale)
    listed = kernels.weigh_regions(p, np.arange(p.size), weights, exact, *table, low, scale)
    np.testing.assert_allclose(every, listed, atol=1e-9)
    assert every.sum() == pytest.approx(weights.sum())


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_step_values_are_the_lowest_that_reach_their_step(low: float, width: float) -> None:
    steps = np.arange(11) * 0.1
    high = low + width
    for v, step in zip(kernels.step_values(low, high, steps), steps, strict=True):
        assert (v - low) / (high - low) >= step
        below = np.nextafter(v, -np.inf)
        assert (below - low) / (high - low) < step


def test_packed_levels_count_and_sum() -> None:
    rng = np.random.default_rng(4)
    for n in (1, 3, 4, 5, 1000, 100_003):
        p, g = rng.integers(0, 256, (2, n)).astype(np.uint8)
        counts, sums = kernels.packed_levels(p, g)
        np.testing.assert_array_equal(counts, np.bincount(p, minlength=256))
        np.testing.assert_array_equal(sums, np.bincount(p, g, minlength=256))
        counts, sums = kernels.summed_levels(p, g.astype(np.float32))
        np.testing.assert_array_equal(counts, np.bincount(p, minlength=256))
        np.testing.assert_allclose(sums, np.bincount(p, g, minlength=256))


@pytest.mark.slow
def test_packed_levels_do_not_overflow_on_large_frames() -> None:
    p, g = np.full((1 << 24) + 5, 7, np.uint8), np.full((1 << 24) + 5, 255, np.uint8)
    counts, sums = kernels.packed_levels(p, g)
    assert counts[7] == (1 << 24) + 5
    assert sums[7] == 255 * ((1 << 24) + 5)


@settings(max_examples=60, deadline=None)
@given(
    old=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    new=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**20),
)
def test_maps_are_made_to_the_bit(old: tuple[int, int], new: tuple[int, int], dtype: Any, seed: int) -> None:
    """Resizing and the 8-bit stage: the compiled loops do what the NumPy bodies do, in their order."""
    p = as_type(np.random.default_rng(seed).random(old), dtype)
    p = np.asfortranarray(p) if seed % 2 else p

    def made() -> list[np.ndarray]:
        return [
            resize.bilinear_half_pixel(p, new), resize.bicubic_antialias(p, new), quantise.prediction_to_uint8(p),
            quantise.truth_to_uint8(p),
        ]  # fmt: skip

    fast = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resize, "map_kernels", lambda: None)
        patch.setattr(quantise, "map_kernels", lambda: None)
        plain = made()
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


# Repeatability ------------------------------------------------------------------------------------------------------


def frames() -> list[tuple[np.ndarray, Any]]:
    rng = np.random.default_rng(5)
    out = []
    for dtype in (np.uint8, np.float32, np.float64) * 4:
        p = as_type(smooth(rng, 90, 160), dtype)
        truth = prepare_truth(
            rng.random((30, 2)) * (160, 90), (90, 160), smooth(rng, 90, 160).astype(np.float32),
            Negatives(rng.poisson(0.3, (90, 160))), "exact-1", encode=True,
        )  # fmt: skip
        out.append((p, truth))
    return out


def test_scores_are_the_same_bytes_in_any_number_of_threads() -> None:
    def one(frame: tuple[np.ndarray, Any]) -> bytes:
        return np.array(list(score(frame[0], "saliency", frame[1], "exact-1", encode=True).values())).tobytes()

    alone = [one(f) for f in frames()]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, frames())) == alone
    assert [one(f) for f in frames()] == alone


@pytest.mark.slow
def test_scores_are_the_same_bytes_whatever_the_blas_threads() -> None:
    program = (
        "import numpy as np; from vidsal.benchmark import score_frame\n"
        "r = np.random.default_rng(1); p = r.random((90, 160), np.float32); xy = r.random((30, 2)) * (160, 90)\n"
        "for name in ('exact-1', 'dhf1k-1', 'tuebingen-1'):\n"
        "    s = score_frame(p, xy, r.random((90, 160)), xy[:9] / 2, name); print([v.hex() for v in s.values()])\n"
    )
    found = set()
    for threads in ("1", "4"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


def test_without_numba_the_definitions_score_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    p, truth = frames()[1]
    expected = score(p, "saliency", truth, "exact-1", encode=True, fast=False)
    monkeypatch.setitem(sys.modules, "vidsal.benchmark.kernels", None)
    compiled.kernels.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            found = score(p, "saliency", truth, "exact-1", encode=True)
        assert dict(found) == dict(expected)
        fresh = prepare_truth([(3, 4)], (90, 160), p, None, "exact-1", encode=False)
        assert fresh.truth_map.total == pytest.approx(float(p.sum(dtype=float)))
        assert fresh.truth_map.squares == pytest.approx(float(((p - p.mean(dtype=float)) ** 2).sum(dtype=float)))
        assert "numba does not work here" in caplog.text
    finally:
        compiled.kernels.cache_clear()


def test_nan_is_never_lost() -> None:
    """A NaN in the last, incomplete block is seen as one in the first."""
    truth = prepare_truth([(1, 1)], (7, 300), np.ones((7, 300)), None, "exact-1", encode=False)
    for where in (0, 7 * 300 - 1):
        p = np.random.default_rng(0).random((7, 300)).astype(np.float32)
        p.flat[where] = math.nan
        with pytest.raises(ValueError, match="1 NaN"):
            score(p, "saliency", truth, "exact-1", encode=False)
