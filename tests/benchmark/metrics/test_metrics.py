"""The definitions against answers worked by hand or by other code, their laws, and what they declare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, stats

from vidsal.benchmark import metrics
from vidsal.benchmark.metrics import find
from vidsal.benchmark.metrics.base import MAP_AGAINST_MAP, REGISTRY, Family, metric
from vidsal.loaders.errors import UnknownName, WrongUse

SIX = (
    "auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]",
    "shuffled_auc[mw;pos=fixated_pixels;neg=other_list]",
    "nss[ddof=0;pos=fixated_pixels]",
    "cc[pearson]",
    "sim[sum]",
    "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16]",
)


def pixels(shape: tuple[int, int], *flat: int) -> np.ndarray:
    fixated = np.zeros(shape, bool)
    fixated.flat[list(flat)] = True
    return fixated


def logs_of(saliency: np.ndarray) -> np.ndarray:
    """Natural logarithms of a map as a density, negative values lifted as everywhere."""
    with np.errstate(divide="ignore"):
        return np.log(metrics.as_density(saliency))


@pytest.fixture(scope="module")
def frame() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "saliency": rng.integers(0, 12, (14, 17)).astype(float),
        "fixated": rng.random((14, 17)) < 0.06,
        "negatives": rng.poisson(0.4, (14, 17)),
        "density": rng.random((14, 17)) ** 3,
        "baseline": rng.random((14, 17)) + 0.1,
    }


# Independent answers ------------------------------------------------------------------------------------------------


def test_auc_judd_is_the_mann_whitney_statistic_of_scipy(frame: dict[str, np.ndarray]) -> None:
    s, f = frame["saliency"], frame["fixated"]
    u = stats.mannwhitneyu(s[f], s[~f]).statistic
    assert metrics.auc_judd(s, f) == pytest.approx(u / (f.sum() * (~f).sum()), abs=1e-12)


def test_shuffled_auc_counts_every_pair_by_weight(frame: dict[str, np.ndarray]) -> None:
    s, f, w = (frame[k].ravel() for k in ("saliency", "fixated", "negatives"))
    won = sum(w[j] * ((s[i] > s[j]) + 0.5 * (s[i] == s[j])) for i in np.flatnonzero(f) for j in range(len(s)))
    assert metrics.shuffled_auc(frame["saliency"], frame["fixated"], frame["negatives"]) == pytest.approx(
        won / (f.sum() * w.sum()), abs=1e-12
    )


def test_auc_judd_jittered_is_the_mean_of_the_published_procedure(frame: dict[str, np.ndarray]) -> None:
    """Draw the jitter, run the procedure as its paper tells it, and average."""
    rng = np.random.default_rng(1)
    s, f = frame["saliency"].ravel(), frame["fixated"].ravel()
    n, areas = f.sum(), []
    for _ in range(4000):
        jittered = s + rng.random(s.size) * 1e-7
        fp, tp = [0.0], [0.0]
        for i, t in enumerate(sorted(jittered[f], reverse=True), 1):
            fp.append(((jittered >= t).sum() - i) / (s.size - n))
            tp.append(i / n)
        areas.append(integrate.trapezoid([*tp, 1.0], [*fp, 1.0]))
    error = np.std(areas) / math.sqrt(len(areas))
    assert abs(metrics.auc_judd_jittered(frame["saliency"], frame["fixated"]) - np.mean(areas)) < 5 * error


def test_shuffled_auc_step_is_the_mean_over_random_splits(frame: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(2)
    s = frame["saliency"].ravel() / frame["saliency"].max()
    tp_values, others = s[frame["fixated"].ravel()], s[frame["negatives"].ravel() > 0]
    areas = []
    for _ in range(4000):
        drawn = rng.permutation(others)[: len(tp_values)]
        steps = np.arange(11)[::-1] * 0.1
        tp = [0.0, *[(tp_values >= t).mean() for t in steps], 1.0]
        fp = [0.0, *[(drawn >= t).mean() for t in steps], 1.0]
        areas.append(integrate.trapezoid(tp, fp))
    error = np.std(areas) / math.sqrt(len(areas))
    found = metrics.shuffled_auc_step(frame["saliency"], frame["fixated"], frame["negatives"] > 0)
    assert abs(found - np.mean(areas)) < 5 * error


def test_cc_nss_and_kld_against_scipy(frame: dict[str, np.ndarray]) -> None:
    s, f, g = frame["saliency"] + 0.5, frame["fixated"], frame["density"]
    assert metrics.cc(s, g) == pytest.approx(stats.pearsonr(s.ravel(), g.ravel()).statistic, abs=1e-12)
    assert metrics.nss(s, f) == pytest.approx(stats.zscore(s, axis=None)[f].mean(), abs=1e-12)
    assert metrics.nss_sample(s, f) == pytest.approx(stats.zscore(s, axis=None, ddof=1)[f].mean(), abs=1e-12)
    assert metrics.kld_plain(s, g) == pytest.approx(stats.entropy(g.ravel(), s.ravel()), abs=1e-12)
    assert metrics.kld(s, g) == pytest.approx(stats.entropy(g.ravel(), s.ravel()), abs=1e-9)
    assert metrics.kld_of_logs(np.log(s), g) == pytest.approx(metrics.kld_plain(s, g), abs=1e-12)


def test_values_worked_by_hand() -> None:
    s = np.array([[0.0, 1.0], [2.0, 5.0]])
    g = np.array([[0.0, 0.0], [1.0, 3.0]])
    assert metrics.sim(s, g) == 0.25 + 0.625
    assert metrics.kld_plain(s, g) == pytest.approx(0.75 * math.log(0.75 / 0.625))
    assert metrics.nss(s, pixels((2, 2), 3)) == pytest.approx(3 / math.sqrt(3.5))
    assert metrics.nss_sample(s, pixels((2, 2), 3)) == pytest.approx(3 / math.sqrt(14 / 3))
    assert metrics.auc_judd(s, pixels((2, 2), 2)) == pytest.approx(2 / 3)
    assert metrics.auc_judd_jittered(s, pixels((2, 2), 2)) == pytest.approx(2 / 3 + 1 / 6)
    assert metrics.log_likelihood(s, pixels((2, 2), 3)) == pytest.approx(math.log2(0.625 * 4))
    assert metrics.information_gain(s, pixels((2, 2), 3), np.ones((2, 2))) == pytest.approx(math.log2(2.5))


def test_duplicates_count_where_the_name_says_list() -> None:
    s = np.array([[0.0, 1.0, 2.0]])
    once, twice = np.array([[0, 1, 1]]), np.array([[0, 1, 2]])
    assert metrics.nss(s, twice) == metrics.nss(s, once) < metrics.nss_list(s, twice)
    assert metrics.auc_judd(s, twice) == metrics.auc_judd(s, once)
    assert metrics.auc_all_pixels(s, twice) > metrics.auc_all_pixels(s, once)
    assert metrics.shuffled_auc(s, twice, np.ones((1, 3))) == metrics.shuffled_auc(s, once, np.ones((1, 3)))
    assert metrics.shuffled_auc_list(s, twice, np.ones((1, 3))) > metrics.shuffled_auc(s, once, np.ones((1, 3)))


# The corners --------------------------------------------------------------------------------------------------------

FLAT = np.full((3, 4), 2.5)
TRUTH = np.arange(12.0).reshape(3, 4)


def test_constant_prediction() -> None:
    one = pixels((3, 4), 5)
    assert metrics.auc_judd(FLAT, one) == 0.5
    assert metrics.auc_judd_jittered(FLAT, one) == pytest.approx(0.5 + 1 / 4)
    assert metrics.shuffled_auc(FLAT, one, np.ones((3, 4))) == 0.5
    assert metrics.nss(FLAT, one) == 0.0
    assert metrics.cc(FLAT, TRUTH) == 0.0
    for flat in (FLAT, FLAT * 0, -FLAT):
        assert metrics.sim(flat, TRUTH) == pytest.approx(np.minimum(TRUTH / 66, 1 / 12).sum())
        assert metrics.kld(flat, TRUTH) == pytest.approx(stats.entropy(TRUTH.ravel(), np.ones(12)))
    for name in ("nss_sample", "auc_judd_untied", "auc_borji"):
        assert math.isnan(getattr(metrics, name)(FLAT, one))
    assert math.isnan(metrics.sim_stretched(FLAT, TRUTH))
    assert metrics.sim_stretched(FLAT * 0, TRUTH) == 0.0
    assert metrics.sim_stretched(TRUTH, FLAT * 0) == 0.0
    assert math.isnan(metrics.sim_stretched(FLAT * 0, FLAT))


def test_constant_and_empty_truth() -> None:
    assert math.isnan(metrics.cc(TRUTH, FLAT))
    assert math.isnan(metrics.cc(FLAT, FLAT))
    assert metrics.sim(TRUTH, FLAT) > 0
    assert math.isnan(metrics.sim(TRUTH, FLAT * 0))
    assert math.isnan(metrics.kld(TRUTH, FLAT * 0))
    assert metrics.kld_undivided(TRUTH, FLAT * 0) == 0.0
    assert metrics.kld_undivided(FLAT * 0, TRUTH) > 20


def test_no_fixation_or_nothing_but_fixations() -> None:
    none, every = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    for entry in REGISTRY.values():
        if "fixated" in entry.needs:
            value = entry(
                saliency=TRUTH, log_density=logs_of(TRUTH), fixated=none, negatives=every, density=TRUTH,
                baseline=np.ones((3, 4)),
            )  # fmt: skip
            assert value == 1 if entry.scores_no_fixation else math.isnan(value), entry.id
    for name in ("auc_judd", "auc_judd_jittered", "auc_judd_untied", "auc_judd_levels"):
        assert math.isnan(getattr(metrics, name)(TRUTH, every))
    assert metrics.nss(TRUTH, every) == pytest.approx(0, abs=1e-12)


def test_negative_values_are_lifted_to_zero_for_densities() -> None:
    assert metrics.sim(TRUTH - 5, TRUTH) == metrics.sim(TRUTH, TRUTH) == pytest.approx(1.0)
    assert metrics.sim(TRUTH + 5, TRUTH) < 1


def test_steps_are_double_products() -> None:
    """6 * 0.1 lies above 0.6, so level 153 of 255 ties with 140; 8 * 0.1 is 0.8, so level 204 beats 180."""
    s = np.array([[0, 140, 153, 180, 204, 255]], np.uint8)
    assert metrics.shuffled_auc_step(s, pixels((1, 6), 2), pixels((1, 6), 1)) == pytest.approx(0.5)
    assert metrics.shuffled_auc_step(s, pixels((1, 6), 4), pixels((1, 6), 3)) == pytest.approx(1.0)
    assert metrics.shuffled_auc_step(s, pixels((1, 6), 5), pixels((1, 6), 4)) == pytest.approx(1.0)
    assert metrics.shuffled_auc_step_open(s, pixels((1, 6), 5), pixels((1, 6), 4)) == pytest.approx(1.0)


def test_information_from_logarithms_loses_no_digits(frame: dict[str, np.ndarray]) -> None:
    s, counts = frame["density"], frame["fixated"] * frame["negatives"]
    for of_map, of_logs, rest in (
        (metrics.information_gain, metrics.information_gain_of_logs, {"baseline": frame["baseline"]}),
        (metrics.log_likelihood, metrics.log_likelihood_of_logs, {}),
    ):
        assert of_logs(np.log(s) + 7, counts, **rest) == pytest.approx(of_map(s, counts, **rest), abs=1e-12)
    # By hand: all but the second pixel have no mass to speak of; 1000 nats are 1442.695 bits, and log2(4) is 2.
    logs = np.array([[-1000.0, 0.0], [-np.inf, -2000.0]])
    assert metrics.log_likelihood_of_logs(logs, pixels((2, 2), 0)) == pytest.approx(2 - 1000 / math.log(2))
    assert metrics.log_likelihood_of_logs(logs, np.array([[1, 3], [0, 0]])) == pytest.approx(2 - 250 / math.log(2))
    assert metrics.log_likelihood_of_logs(logs, pixels((2, 2), 2)) == -math.inf
    assert metrics.information_gain_of_logs(logs, pixels((2, 2), 1), np.array([[3.0, 1], [2, 2]])) == pytest.approx(3)


# Laws ---------------------------------------------------------------------------------------------------------------

maps = hnp.arrays(np.float64, (5, 7), elements=st.integers(0, 9).map(float))
varied = maps.filter(lambda m: m.min() < m.max())
fixations = hnp.arrays(np.bool_, (5, 7)).filter(lambda m: 0 < m.sum() < m.size)
weights = hnp.arrays(np.int64, (5, 7), elements=st.integers(0, 3)).filter(lambda m: m.sum() > 0)


@settings(max_examples=60, deadline=None)
@given(varied, fixations, weights)
def test_areas_ignore_monotone_maps(s: np.ndarray, f: np.ndarray, w: np.ndarray) -> None:
    bent = np.exp(s / 3) - 40
    for name in ("auc_judd", "auc_judd_jittered", "auc_judd_untied", "auc_judd_levels", "auc_all_pixels"):
        area = getattr(metrics, name)
        assert area(s, f) == pytest.approx(area(bent, f), abs=1e-12)
    assert metrics.shuffled_auc(s, f, w) == pytest.approx(metrics.shuffled_auc(bent, f, w), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(varied, fixations, weights)
def test_reversing_the_map_reflects_the_exact_areas(s: np.ndarray, f: np.ndarray, w: np.ndarray) -> None:
    """Half ties: what is lost one way is won the other."""
    assert metrics.auc_judd(s, f) + metrics.auc_judd(-s, f) == pytest.approx(1, abs=1e-12)
    assert metrics.shuffled_auc(s, f, w) + metrics.shuffled_auc(-s, f, w) == pytest.approx(1, abs=1e-12)
    assert metrics.nss(s, f) == pytest.approx(-metrics.nss(-s, f), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(varied, fixations, varied, st.floats(0.1, 50), st.floats(-20, 20))
def test_nss_and_cc_ignore_scale_and_offset(s: np.ndarray, f: np.ndarray, g: np.ndarray, a: float, b: float) -> None:
    assert metrics.nss(a * s + b, f) == pytest.approx(metrics.nss(s, f), abs=1e-9)
    assert metrics.cc(a * s + b, g) == pytest.approx(metrics.cc(s, g), abs=1e-9)
    assert metrics.cc(s, a * g + b) == pytest.approx(metrics.cc(s, g), abs=1e-9)
    assert metrics.sim(a * s, g) == pytest.approx(metrics.sim(s, g), abs=1e-12)
    assert metrics.kld(a * s, g) == pytest.approx(metrics.kld(s, g), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(varied, varied)
def test_sim_and_cc_are_symmetric(s: np.ndarray, g: np.ndarray) -> None:
    assert metrics.sim(s, g) == pytest.approx(metrics.sim(g, s), abs=1e-12)
    assert metrics.cc(s, g) == pytest.approx(metrics.cc(g, s), abs=1e-12)
    assert metrics.sim_stretched(s, g) == pytest.approx(metrics.sim_stretched(g, s), abs=1e-12)
    assert metrics.sim(s, s) == pytest.approx(1)
    assert metrics.kld(s, s) == pytest.approx(0, abs=1e-12)
    assert metrics.kld_plain(s + 1, g) >= 0


@settings(max_examples=40, deadline=None)
@given(varied, fixations, weights, varied, st.permutations(range(35)))
def test_pixels_may_be_permuted(s: np.ndarray, f: np.ndarray, w: np.ndarray, g: np.ndarray, order: list[int]) -> None:
    named = {"saliency": s, "log_density": logs_of(s), "fixated": f, "negatives": w, "density": g, "baseline": g + 1}
    mixed = {k: v.ravel()[order].reshape(7, 5) for k, v in named.items()}
    for entry in REGISTRY.values():
        if "unique=columns" in entry.params:  # a fault that looks at coordinates
            continue
        assert entry(**mixed) == pytest.approx(entry(**named), abs=1e-9, nan_ok=True), entry.id


@settings(max_examples=40, deadline=None)
@given(varied, fixations, weights, varied)
def test_doubling_every_pixel_changes_no_ratio(s: np.ndarray, f: np.ndarray, w: np.ndarray, g: np.ndarray) -> None:
    """Each pixel twice: the exact areas, NSS, CC, SIM and KLD are means over pixels."""
    # Where a prediction is 0 the KLD depends on eps, which is no ratio.
    named = {"saliency": s + 1, "fixated": f, "negatives": w, "density": g}
    doubled = {k: np.concatenate((v, v)) for k, v in named.items()}
    for name in SIX:
        assert find(name)(**doubled) == pytest.approx(find(name)(**named), abs=1e-9), name


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'cc\[pearson\]'"):
        find("cc[persona]")


def test_a_label_belongs_to_one_metric_and_an_id_to_one_definition() -> None:
    """A metric of another name that calls itself KLD is not published as KLD."""

    def other(saliency: Any, density: Any) -> float:
        return 0.0

    def family(short: str, name: str = "moved_mass") -> Family:
        return Family(
            name, short, MAP_AGAINST_MAP, higher_is_better=False, range=(0.0, 1.0), chance=0.5, ceiling=0.0, unit="mass"
        )

    for wrong, said in (
        (lambda: metric(family("KLD"), "sum", degenerate="-", source="-")(other), "kld has 'KLD'"),
        (lambda: metric(family("ABS", "kld"), "sum", degenerate="-", source="-")(other), "kld has 'KLD'"),
        (lambda: metric(family("CC", "cc"), "pearson", degenerate="-", source="-")(other), "registered already"),
        (lambda: family("status"), "cannot be a label"),
        (lambda: family("a, b"), "cannot be a label"),
    ):
        before = dict(REGISTRY)
        with pytest.raises(WrongUse, match=said):
            wrong()
        assert before == REGISTRY
