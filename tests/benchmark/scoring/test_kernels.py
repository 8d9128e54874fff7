"""The fast bodies agree with the definitions: on random maps, on maps made to break them, and part by part."""

from __future__ import annotations

import ast
import importlib
import itertools
import logging
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings, strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from vidsal.benchmark import PROTOCOLS, FrameScores, Negatives, prepare_truth, score_frame
from vidsal.benchmark.metrics import find
from vidsal.benchmark.metrics.base import NOT_SCORED, Metric
from vidsal.benchmark.metrics.float32 import float32_groups
from vidsal.benchmark.scoring import quantize as quantize, resize
from vidsal.benchmark.scoring.frame import score
from vidsal.benchmark.scoring.kernels import available as compiled

kernels = pytest.importorskip("vidsal.benchmark.scoring.kernels.pixels", reason="numba does not work here")
roc = pytest.importorskip("vidsal.benchmark.scoring.kernels.roc")
FORMULAS = pytest.importorskip("vidsal.benchmark.scoring.cpu.formulas").FORMULAS


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
    "cancelling": lambda rng, h, w: rng.integers(-2, 3, (h, w)).astype(float),
    "zero or vast": lambda rng, h, w: rng.integers(0, 3, (h, w)) * 1e29,
    "constant": lambda rng, h, w: np.full((h, w), rng.choice([0.0, 1.0, 1 / 255, -2.0, 1e-40, 3e20])),
}
TRUTHS = {k: KINDS[k] for k in ("smooth", "sparse", "one hot", "offset", "four levels")}
TRUTHS["constant"] = lambda rng, h, w: np.full((h, w), rng.choice([0.0, 0.3, 1.0]))
DTYPES = (np.uint8, np.float16, np.float32, np.float64)


def as_type(values: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype == np.uint8:
        low, high = values.min(), values.max()
        if low == high:
            return np.full(values.shape, int(abs(low) * 7) % 256, np.uint8)
        return np.rint(255 * (values - low) / (high - low)).astype(np.uint8)
    with np.errstate(over="ignore"):
        made = values.astype(dtype)
    return np.where(np.isfinite(made), made, np.finfo(dtype).max).astype(dtype) if dtype == np.float16 else made


def negatives_of(rng: np.random.Generator, m: int, shape: tuple[int, int], protocol: str) -> Negatives:
    if m < 0:
        return Negatives(rng.random(shape) * (rng.random(shape) < 0.7))
    points = rng.random((m, 2)) * (shape[1], shape[0])
    return Negatives.from_points(points, shape, distinct=PROTOCOLS[protocol].negatives != "others-list")


@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    dtype=st.sampled_from(DTYPES),
    truth_kind=st.sampled_from(sorted(TRUTHS)),
    truth_dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    n=st.one_of(st.integers(0, 60), st.just(3000)),
    m=st.sampled_from([-1, 0, 1, 7, 4000]),
    protocol=st.sampled_from(sorted(PROTOCOLS)),
    encode=st.booleans(),
    seed=st.integers(0, 2**20),
)
@example("smooth", np.float32, "smooth", np.float32, (33, 37), 40, 4000, "exact-1", True, 1)
@example("knife", np.float32, "smooth", np.uint8, (33, 37), 40, 4000, "dhf1k-1", False, 2)
@example("knife", np.float64, "smooth", np.uint8, (33, 37), 40, 4000, "dhf1k-1", False, 3)
@example("edges", np.float32, "sparse", np.float64, (40, 40), 60, 4000, "tuebingen-1", False, 4)
@example("cancelling", np.float64, "smooth", np.float32, (38, 22), 40, -1, "dhf1k-1", False, 5)
@example("cancelling", np.float64, "sparse", np.float64, (11, 31), 60, 4000, "dhf1k-1", False, 507777)
@example("constant", np.uint8, "smooth", np.uint8, (33, 37), 40, 7, "salema-1", True, 6)
@example("constant", np.float32, "smooth", np.float32, (33, 37), 40, 7, "exact-1", True, 7)
@example("smooth", np.float32, "constant", np.float32, (33, 37), 40, 7, "tuebingen-1", True, 8)
@example("smooth", np.float32, "smooth", np.float32, (3, 4), 3000, 7, "msu-1", False, 9)
@example("smooth", np.uint8, "smooth", np.float32, (33, 37), 40, 7, "msu-1", True, 12)
def test_fast_and_definitions_agree(
    kind: str, dtype: Any, truth_kind: str, truth_dtype: Any, shape: tuple[int, int], n: int, m: int, protocol: str,
    encode: bool, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    h, w = shape
    p = as_type(KINDS[kind](rng, h, w), dtype)
    if dtype == np.uint8 and seed % 3 == 0:
        p = (p // 3 + 50).astype(np.uint8)  # 8-bit maps without a black pixel
    p = np.asfortranarray(p) if seed % 2 else p
    g = as_type(TRUTHS[truth_kind](rng, h, w), truth_dtype)
    xy = np.concatenate([rng.random((n, 2)) * (w, h), rng.random((n // 3, 2)) * (w / 4, h / 4)])
    others = negatives_of(rng, m, shape, protocol)
    truth = prepare_truth(xy, shape, g, others, protocol, encode=encode)
    fast = score(p, "saliency", truth, protocol, encode=encode)
    slow = score(p, "saliency", truth, protocol, encode=encode, fast=False)
    agree(fast, slow)


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


def test_every_score_of_every_protocol_has_a_formula() -> None:
    for rules in PROTOCOLS.values():
        for entry in map(find, rules.metrics.values()):
            # Those that read logarithms are as fast by their definitions.
            known = entry.function in FORMULAS or "log_density" in entry.needs
            assert known or entry.params == NOT_SCORED, entry.id


def every_pixel(h: int, w: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1).reshape(-1, 2) + 0.5


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("encode", [False, True])
def test_degenerate_frames_agree(protocol: str, dtype: Any, encode: bool) -> None:
    """Constant predictions, constant truths, everything fixated, one pixel: with the same reasons, too."""
    rng = np.random.default_rng(11)
    for h, w in ((6, 9), (1, 1)):
        predictions = [np.full((h, w), c) for c in (0, 1, 7)] + [
            rng.integers(0, 5, (h, w)),
            np.arange(h * w).reshape(h, w),
        ]
        densities = [None, np.zeros((h, w)), np.ones((h, w)), rng.random((h, w))]
        points = [every_pixel(h, w), [(0.5, 0.5)] * 3, [(99.0, 0.0)], rng.random((5, 2)) * (w, h)]
        for p, g, xy in itertools.product(predictions, densities, points):
            truth = prepare_truth(xy, (h, w), g, negatives_of(rng, -1, (h, w), protocol), protocol, encode=encode)
            values = p.astype(dtype)
            fast = score(values, "saliency", truth, protocol, encode=encode)
            agree(fast, score(values, "saliency", truth, protocol, encode=encode, fast=False), 1e-12)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_a_constant_prediction_is_scored_without_the_definitions(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(12)
    g, xy = rng.random((20, 30)), rng.random((9, 2)) * (30, 20)
    truth = prepare_truth(xy, (20, 30), g, Negatives(rng.random((20, 30))), protocol, encode=True)
    p = np.full((20, 30), 1 / 600, np.float32)
    expected = score(p, "density", truth, protocol, encode=True, fast=False)

    def unasked(self: Metric, **maps: Any) -> float:
        assert "log_density" in self.needs, self.id
        return self.function(**{name: maps[name] for name in self.needs})

    monkeypatch.setattr(Metric, "__call__", unasked)
    agree(score(p, "density", truth, protocol, encode=True), expected, 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_cancel_exactly_leave_the_map_undivided(dtype: Any) -> None:
    rng = np.random.default_rng(13)
    for _ in range(20):
        p = rng.integers(-3, 4, (12, 16)).astype(dtype) / 5
        p[6:] = -p[:6]
        truth = prepare_truth([(1, 1)], (12, 16), rng.random((12, 16)), None, "dhf1k-1", encode=False)
        fast = score(p, "saliency", truth, "dhf1k-1", encode=False)
        agree(fast, score(p, "saliency", truth, "dhf1k-1", encode=False, fast=False))


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


@pytest.mark.parametrize("shape", [(40, 64), (61, 67), (23, 50), (300, 400)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_truth_that_is_mostly_0_scores_the_same_bytes_by_its_blocks(
    shape: tuple[int, int], dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(shape[0])
    density, last = np.zeros(shape, dtype), np.zeros(shape, dtype)
    density[2:5, 7:20] = rng.random((3, 13))
    last[-1, -3:] = 1, 2, 3  # in the block that the map's end cuts off
    offered = [smooth(rng, *shape).astype(dtype), np.where(rng.random(shape) < 0.5, 0, 0.3).astype(dtype)]
    offered += [offered[0] - dtype(0.4), np.eye(*shape, dtype=dtype), density]

    def scores() -> list[str]:
        return [
            repr(
                (dict(score(p, "saliency", truth, protocol, encode=False)), truth.truth_map and truth.truth_map.squares)
            )
            for protocol in ("exact-1", "tuebingen-1", "unisal-1", "density-1")
            for d in (density, last)
            for truth in [prepare_truth([(9.5, 3.5), (12, 1)], shape, d, None, protocol, encode=False)]
            for p in offered
        ]

    by_blocks = scores()
    sparse = prepare_truth([], shape, density, None, "exact-1", encode=False).truth_map
    assert sparse is not None
    assert sparse.blocks is not None, "it is what is compared"
    monkeypatch.setattr("vidsal.benchmark.scoring.truth.TruthMap.blocks", None)
    assert scores() == by_blocks


@pytest.mark.parametrize("size", [1, 255, 256, 257, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_regions_and_extents_are_those_of_comparisons(size: int, dtype: Any) -> None:
    rng = np.random.default_rng(size)
    p = np.round(rng.normal(size=size), 1).astype(dtype)
    for k in range(1, kernels.FEW + 1):
        thresholds = np.unique(rng.choice(p, k))
        expected = np.bincount(
            np.searchsorted(thresholds, p, "left") + np.searchsorted(thresholds, p, "right"),
            minlength=2 * thresholds.size + 1,
        )
        assert kernels.count_few_regions(p, thresholds).tolist() == expected.tolist()
    low, high, total = kernels.extent(p)
    assert (low, high, total) == (p.min(), p.max(), pytest.approx(p.sum(dtype=np.float64), abs=1e-9))
    for value in (np.nan, np.inf, -np.inf):
        at = rng.integers(size)
        assert not math.isfinite(kernels.extent(np.where(np.arange(size) == at, value, p).astype(dtype))[2])


def test_more_fixated_values_than_the_table_holds() -> None:
    rng = np.random.default_rng(3)
    p = rng.random((90, 120)).astype(np.float32)
    xy = rng.random((9000, 2)) * (120, 90)
    truth = prepare_truth(xy, (90, 120), rng.random((90, 120)), None, "exact-1", encode=False)
    assert truth.n_fixated > kernels.MOST_THRESHOLDS
    for protocol in PROTOCOLS:
        truth = prepare_truth(
            xy, (90, 120), rng.random((90, 120)), Negatives(rng.poisson(0.1, (90, 120))), protocol, encode=False
        )
        fast = score(p, "saliency", truth, protocol, encode=False)
        agree(fast, score(p, "saliency", truth, protocol, encode=False, fast=False))


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.floats(-300, 300, width=32), st.integers(0, 255).map(lambda i: i / 255)))
def test_jitter_falls_into_the_same_float32_numbers(level: float) -> None:
    shares = np.empty(2048)
    count = roc.jitter_shares(np.float32(level), shares)
    expected = float32_groups(np.float32(level))
    if expected is None:
        assert count == 0
    else:
        np.testing.assert_allclose(shares[:count], expected, atol=1e-15)


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
    counts = kernels.count_regions(p, exact, table, low, scale)
    cuts = (
        np.searchsorted(np.sort(p.astype(np.float64)), exact, "left"),
        np.searchsorted(np.sort(p.astype(np.float64)), exact, "right"),
    )
    expected = np.diff(np.concatenate(([0], np.stack(cuts, 1).ravel(), [p.size])))
    np.testing.assert_array_equal(counts, expected)
    weights = rng.random(p.size)
    every = kernels.weigh_all_regions(p, weights, exact, table, low, scale)
    listed = kernels.weigh_regions(p, np.arange(p.size), weights, exact, table, low, scale)
    np.testing.assert_allclose(every, listed, atol=1e-9)
    assert every.sum() == pytest.approx(weights.sum())


@settings(max_examples=80, deadline=None)
@given(
    low=st.sampled_from([-2.0, -1.0, 0.0, 1000.0, -1e6]),
    width=st.sampled_from([4.0, 1.0, 0.3, 1e-3, 1e6]),
    levels=st.sampled_from([2, 10, 20, 255, 10**6]),
    dtype=st.sampled_from([np.float32, np.float64]),
    top=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_weights_by_steps_are_those_of_comparisons(
    low: float, width: float, levels: int, dtype: Any, top: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    p = (low + width * rng.integers(0, levels + 1, 4567) / levels).astype(dtype)
    p[:2] = low, low + width
    weight = rng.integers(0, 5, p.size) / 4
    steps = np.arange(11 if top else 10) * 0.1
    low, high = float(p.min()), float(p.max())
    assume(low < high)
    stretched = (p.astype(np.float64) - low) / (high - low)
    sums = kernels.weigh_steps(p, weight, low, high, steps)
    assert sums[::-1].cumsum()[:-1][::-1].tolist() == [weight[stretched >= t].sum() for t in steps]
    assert sums.sum() == weight.sum()


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
            resize.bilinear_half_pixel(p, new), resize.bicubic_antialias(p, new), quantize.prediction_to_uint8(p),
            quantize.truth_to_uint8(p),
        ]  # fmt: skip

    fast = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resize, "map_kernels", lambda: None)
        patch.setattr(quantize, "map_kernels", lambda: None)
        plain = made()
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


_QUICK_TO_COMPILE = {
    "range", "abs", "min", "max", "np.float32", "np.float64", "np.int32", "np.int64", "np.intp", "np.uintp", "np.uint8",
    "np.uint32", "np.uint64", "np.rint", "np.nextafter",
}  # fmt: skip


@pytest.mark.parametrize("name", ["pixels", "blocks", "roc", "maps"])
def test_what_is_compiled_calls_only_what_is_quick_to_compile(name: str) -> None:
    """A fresh machine compiles at its first frame: one `np.zeros` or `sum` in a kernel costs more than the kernel."""
    module = importlib.import_module(f"vidsal.benchmark.scoring.kernels.{name}")
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    known = _QUICK_TO_COMPILE | {function.name for function in functions}
    called = {
        (function.name, ast.unparse(node.func))
        for function in functions
        for part in function.body
        for node in ast.walk(part)
        if isinstance(node, ast.Call)
    }
    assert functions
    assert {(function, callee) for function, callee in called if callee not in known} == set()


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


def test_scores_are_the_same_bytes_whatever_the_blas_threads() -> None:
    rng = np.random.default_rng(1)
    p, xy, q = rng.random((180, 320), np.float32), rng.random((30, 2)) * (320, 180), rng.random((180, 320))
    found = set()
    for threads in (1, 4):
        with threadpool_limits(threads, user_api="blas"):
            assert {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"} == {threads}
            scores = [score_frame(p, xy, q, xy[:9] / 2, name) for name in ("exact-1", "dhf1k-1", "tuebingen-1")]
        found.add(tuple(v.hex() for each in scores for v in each.values()))
    assert len(found) == 1


def test_without_numba_the_definitions_score_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    p, truth = frames()[1]
    expected = score(p, "saliency", truth, "exact-1", encode=True, fast=False)
    monkeypatch.setitem(sys.modules, "vidsal.benchmark.scoring.kernels.pixels", None)
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


@pytest.mark.parametrize("shape", [(2, 2), (6, 10), (5, 7), (360, 640)])
def test_halved_maps_are_the_same_to_the_bit(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    p = np.random.default_rng(6).integers(0, 256, shape).astype(np.uint8)
    fast = resize.half_uint8(p), resize.half_uint8(np.asfortranarray(p))
    monkeypatch.setattr(resize, "map_kernels", lambda: None)
    for halved in fast:
        np.testing.assert_array_equal(halved, resize.half_uint8(p))


def test_nan_is_never_lost() -> None:
    """A NaN in the last, incomplete block is seen as one in the first."""
    truth = prepare_truth([(1, 1)], (7, 300), np.ones((7, 300)), None, "exact-1", encode=False)
    for where in (0, 7 * 300 - 1):
        p = np.random.default_rng(0).random((7, 300)).astype(np.float32)
        p.flat[where] = math.nan
        with pytest.raises(ValueError, match="1 NaN"):
            score(p, "saliency", truth, "exact-1", encode=False)
