"""What scoring a frame costs: milliseconds and ratios to a straightforward NumPy body, one run, one thread, 360 x 640.

`pytest tests/speed/test_scoring.py --benchmark-enable -s` prints the table; the same figures are in `extra_info`.
Asserted is only that the numbers agree. The plain body is what one writes with NumPy and some care: float64, one sort
of the frame, no loop over thresholds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark import PROTOCOLS, Negatives, prepare_truth, score_frame
from vidsal.benchmark.scoring.frame import score
from vidsal.loaders.records import Truth

pytestmark = pytest.mark.slow
H, W = 360, 640
EPS = 2.220446049250313e-16


def maps(n: int) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    y, x = np.mgrid[:H, :W]

    def blobs(k: int) -> np.ndarray:
        return sum(
            rng.random() * np.exp(-((x - rng.uniform(0, W)) ** 2 + (y - rng.uniform(0, H)) ** 2) / 2 / s**2)
            for s in rng.uniform(25, 90, k)
        )

    g = blobs(5)
    flat = rng.choice(H * W, n, p=(g / g.sum()).ravel())
    p = g**0.7 + 0.4 * blobs(6)
    return {
        "u8": np.rint(255 * (p - p.min()) / np.ptp(p)).astype(np.uint8),
        "f32": (p / p.max()).astype(np.float32),
        "g8": np.rint(255 * g / g.max()).astype(np.uint8),
        "g32": (g / g.sum()).astype(np.float32),
        "xy": np.stack([flat % W, flat // W], 1) + 0.5,
        "others": rng.normal((W / 2, H / 2), (W / 6, H / 6), (10 * n, 2)).clip(0, (W - 1, H - 1)),
    }


def plain(p: np.ndarray, xy: np.ndarray, g: np.ndarray, others: np.ndarray) -> list[float]:
    """The six scores of exact-1, written down with NumPy."""
    s, q = p.astype(np.float64), g / g.sum(dtype=np.float64)
    fixated = np.zeros((H, W), bool)
    fixated[xy[:, 1].astype(int), xy[:, 0].astype(int)] = True
    positive = np.sort(s[fixated])
    ranked = np.sort(s, axis=None)
    negative = np.sort(s[others[:, 1].astype(int), others[:, 0].astype(int)])

    def area(pool: np.ndarray) -> float:
        return (np.searchsorted(pool, positive, "left") + np.searchsorted(pool, positive, "right")).mean() / 2

    n, inner = len(positive), (np.arange(len(positive)) * 2 + 1).mean() / 2
    auc = (area(ranked) - inner) / (s.size - n)
    z = (s - s.mean()) / s.std()
    d = s / s.sum()
    return [
        auc, area(negative) / len(negative), float(z[fixated].mean()), float(np.corrcoef(s.ravel(), q.ravel())[0, 1]),
        float(np.minimum(d, q).sum()), float((q * np.log(EPS + q / (d + EPS))).sum()),
    ]  # fmt: skip


def milliseconds(work: Callable[[], Any], seconds: float) -> float:
    """Least processor time of the calls that fit into a time, after two to warm up."""
    work()
    work()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best * 1e3


@pytest.mark.parametrize("n", [20, 300])
def test_every_protocol(benchmark: Any, capsys: pytest.CaptureFixture[str], n: int) -> None:
    """What a frame costs in a run (8-bit stage included, truth prepared) under each protocol."""
    m = maps(n)
    kinds = {
        "8-bit": (m["u8"], "saliency"),
        "float32": (m["f32"], "saliency"),
        "constant": (np.full((H, W), 1 / (H * W), np.float32), "density"),
    }
    lines = [f"all scores of a protocol, {n} fixations, ms   " + "".join(f"{k:>10}" for k in kinds)]
    for name, rules in PROTOCOLS.items():
        negatives = Negatives.from_points(m["others"], (H, W), distinct=rules.negatives != "others-list")
        truth = prepare_truth(m["xy"], (H, W), m["g32"], negatives, name, encode=True)
        costs = []
        for values, kind in kinds.values():

            def work(values: Any = values, kind: Any = kind, truth: Any = truth, name: str = name) -> Any:
                return score(values, kind, truth, name, encode=True)

            expected = score(values, kind, truth, name, encode=True, fast=False)
            assert list(work().values()) == pytest.approx(list(expected.values()), abs=1e-9, nan_ok=True)
            costs.append(milliseconds(work, 1.0) if benchmark.enabled else 0.0)
        benchmark.extra_info[name] = dict(zip(kinds, costs, strict=True))
        lines.append(f"{name:<46}" + "".join(f"{cost:>10.3f}" for cost in costs))
    benchmark.pedantic(work, rounds=20, warmup_rounds=3)
    if benchmark.enabled:
        with capsys.disabled():
            sys.stdout.write("\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize("n", [20, 300])
def test_scoring_a_frame(benchmark: Any, capsys: pytest.CaptureFixture[str], n: int) -> None:
    m = maps(n)
    xy, others = m["xy"], m["others"]
    dense = Negatives(np.random.default_rng(1).poisson(0.7, (H, W)))

    def engine(p: str, g: str, protocol: str, negatives: Negatives | None = None) -> Callable[[], Any]:
        listed = Negatives.from_points(others, (H, W), distinct=protocol == "dhf1k-1")
        truth = prepare_truth(xy, (H, W), m[g], negatives or listed, protocol, encode=False)
        return lambda: score(m[p], "saliency", truth, protocol, encode=False)

    def whole(p: str, g: str | None, protocol: str = "exact-1", recipe: Truth | None = None) -> Callable[[], Any]:
        points = xy if recipe is None else m["recipe_xy"]
        return lambda: score_frame(m[p], points, None if g is None else m[g], others, protocol, truth=recipe)

    m["recipe_xy"] = np.concatenate([xy, xy[:1]])[np.arange(67) % n]
    for p, g in (("u8", "g8"), ("f32", "g32")):
        expected = plain(m[p], xy, m[g], others)
        assert list(engine(p, g, "exact-1")().values()) == pytest.approx(expected, abs=1e-9)
        assert list(whole(p, g)().values()) == pytest.approx(expected, abs=1e-9)
    if not benchmark.enabled:
        return
    by_definition = Negatives.from_points(others, (H, W), distinct=False)
    prepared = prepare_truth(xy, (H, W), m["g32"], by_definition, "exact-1", encode=False)
    rows = {
        "8-bit, 8-bit truth, statistics kept": engine("u8", "g8", "exact-1"),
        "8-bit, 8-bit truth, statistics kept, dhf1k-1": engine("u8", "g8", "dhf1k-1"),
        "8-bit, float32 truth, statistics kept": engine("u8", "g32", "exact-1"),
        "8-bit, 8-bit truth, negatives of a whole data set": engine("u8", "g8", "exact-1", dense),
        "float32, float32 truth, statistics kept": engine("f32", "g32", "exact-1"),
        "float32, float32 truth, statistics kept, dhf1k-1": engine("f32", "g32", "dhf1k-1"),
        "float32, float32 truth, negatives of a whole data set": engine("f32", "g32", "exact-1", dense),
        "score_frame, 8-bit, 8-bit truth": whole("u8", "g8"),
        "score_frame, 8-bit, 8-bit truth, dhf1k-1": whole("u8", "g8", "dhf1k-1"),
        "score_frame, 8-bit, float32 truth": whole("u8", "g32"),
        "score_frame, 8-bit, truth made from 67 points": whole("u8", None, recipe=Truth(sigma_px=12.74)),
        "score_frame, float32, float32 truth": whole("f32", "g32"),
        "the definitions, float32": lambda: score(
            m["f32"], "saliency", prepared, "exact-1", encode=False, fast=False
        ),
    }  # fmt: skip
    benchmark.pedantic(rows["8-bit, 8-bit truth, statistics kept"], rounds=50, warmup_rounds=3)
    base = {
        p: milliseconds(lambda p=p, g=g: plain(m[p], xy, m[g], others), 1.5) for p, g in (("u8", "g8"), ("f32", "g32"))
    }
    lines = [f"all six scores, 360 x 640, {n} fixations, {len(others)} negatives          ms    plain / it"]
    for name, work in rows.items():
        cost = milliseconds(work, 1.0)
        ratio = base["f32" if "float32," in name else "u8"] / cost
        benchmark.extra_info[name] = {"ms": cost, "ratio": ratio}
        lines.append(f"{name:<58}{cost:8.3f}{ratio:10.1f}")
    lines.append(f"plain NumPy, 8-bit {base['u8']:.2f} ms, float32 {base['f32']:.2f} ms")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
