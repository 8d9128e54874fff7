"""`score_frame` and what is below it: the checks of inputs, the pins of `exact-1` and `dhf1k-1`, the 8-bit stage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from vidsal.benchmark import FrameScores, Negatives, NonFinite, prepare_truth, score_frame
from vidsal.benchmark.scoring.frame import score
from vidsal.benchmark.scoring.negatives import pixel_indices, union_probability
from vidsal.benchmark.scoring.quantize import prediction_to_uint8, truth_to_uint8
from vidsal.loaders.errors import BadData, UnknownName, WrongUse

KEYS = ["AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD"]
BOTH = pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def frame(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "prediction": rng.random((12, 20)).astype(np.float32),
        "fixations": rng.random((7, 2)) * (20, 12),
        "density": rng.random((12, 20)) ** 4,
        "negatives": rng.random((30, 2)) * (20, 12),
    }


def same(a: FrameScores, b: FrameScores, tolerance: float = 0.0) -> None:
    assert list(a) == list(b) == KEYS
    for k in KEYS:
        assert a[k] == pytest.approx(b[k], abs=tolerance, rel=tolerance, nan_ok=True), k


# The checks -----------------------------------------------------------------------------------------------------------


@BOTH
def test_the_result_is_a_dict_of_six_floats_in_order(frame: dict[str, Any], protocol: str) -> None:
    scores = score_frame(**frame, protocol=protocol)
    assert isinstance(scores, dict)
    assert list(scores) == KEYS
    assert all(type(v) is float and math.isfinite(v) for v in scores.values())
    assert scores.reasons == {}
    assert scores.n_out_of_bounds == 0


@BOTH
def test_numpy_and_torch_of_any_float_type_agree(frame: dict[str, Any], protocol: str) -> None:
    half = frame["prediction"].astype(np.float16)
    rest = {k: v for k, v in frame.items() if k != "prediction"}
    expected = score_frame(half, **rest, protocol=protocol)
    for dtype in (np.float32, np.float64):
        same(score_frame(half.astype(dtype), **rest, protocol=protocol), expected)
    for tensor in (torch.from_numpy(half), torch.from_numpy(half).double().requires_grad_()):
        same(score_frame(tensor, **rest, protocol=protocol), expected)
    same(score_frame(np.asfortranarray(half), **rest, protocol=protocol), expected)
    same(score_frame(half[::-1][::-1], **rest, protocol=protocol), expected)


def test_bfloat16_is_read_as_what_it_holds(frame: dict[str, Any]) -> None:
    rest = {k: v for k, v in frame.items() if k != "prediction"}
    tensor = torch.from_numpy(frame["prediction"]).bfloat16()
    same(score_frame(tensor, **rest), score_frame(tensor.float().numpy(), **rest))


@BOTH
def test_integer_predictions_are_scored_as_numbers(
    frame: dict[str, Any], rng: np.random.Generator, protocol: str
) -> None:
    rest = {k: v for k, v in frame.items() if k != "prediction"}
    levels = rng.integers(0, 256, (12, 20))
    expected = score_frame(levels.astype(np.float64), **rest, protocol=protocol)
    for dtype in (np.uint8, np.uint16, np.int32, np.int64):
        same(score_frame(levels.astype(dtype), **rest, protocol=protocol), expected, 1e-12)


@BOTH
def test_the_inputs_are_not_changed(frame: dict[str, Any], protocol: str) -> None:
    before = {k: v.copy() for k, v in frame.items()}
    score_frame(**frame, protocol=protocol)
    for k, v in frame.items():
        np.testing.assert_array_equal(v, before[k])


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["saliency", "density", "log_density"])
def test_values_that_are_not_finite_are_refused(frame: dict[str, Any], bad: float, protocol: str, kind: Any) -> None:
    if kind == "log_density" and bad == -np.inf:
        return
    frame["prediction"][3, 4] = bad
    with pytest.raises(NonFinite, match="prediction"):
        score_frame(**frame, protocol=protocol, kind=kind)
    with pytest.raises(ValueError, match="prediction"):
        score_frame(**{**frame, "prediction": torch.from_numpy(frame["prediction"])}, protocol=protocol, kind=kind)


def test_a_log_density_of_nothing_but_minus_infinity_is_refused(frame: dict[str, Any]) -> None:
    frame["prediction"][:] = -np.inf
    with pytest.raises(NonFinite, match="not everywhere"):
        score_frame(**frame, kind="log_density")


def test_errors_name_the_stimulus_and_the_frame(frame: dict[str, Any]) -> None:
    truth = prepare_truth(frame["fixations"], (12, 20), frame["density"], None, "exact-1", encode=False)
    with pytest.raises(NonFinite, match="stimulus 0601, frame 17"):
        score(np.full((12, 20), np.nan), "saliency", truth, "exact-1", encode=False, where="stimulus 0601, frame 17")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"prediction": np.zeros((2, 3, 4))}, WrongUse, r"found \(2, 3, 4\)"),
        ({"prediction": np.zeros((0, 4))}, WrongUse, "at least 1"),
        ({"prediction": np.zeros((12, 20), complex)}, WrongUse, "complex"),
        ({"prediction": np.full((12, 20), "x")}, WrongUse, "real numbers"),
        ({"fixations": np.zeros((3, 3))}, WrongUse, r"shape \(3, 3\)"),
        ({"fixations": [("a", "b")]}, WrongUse, "numbers"),
        ({"negatives": np.zeros(4)}, WrongUse, r"shape \(4,\)"),
        ({"density": -np.ones((12, 20))}, BadData, "negative"),
        ({"density": np.full((12, 20), np.nan)}, NonFinite, "density"),
        ({"shape": (12, 21)}, WrongUse, "asked for"),
        ({"shape": 5}, WrongUse, "shape is 5; expected"),
        ({"shape": (12.5, 20)}, WrongUse, "whole numbers"),
        ({"shape": (12, 20, 3)}, WrongUse, "expected"),
        ({"prediction": [[1.0, 2.0], [3.0]]}, WrongUse, "two-dimensional array of numbers"),
        ({"density": [[1.0, 2.0], [3.0]]}, WrongUse, "density: .*two-dimensional"),
        ({"fixations": np.ones((2, 2), complex)}, WrongUse, "complex"),
        ({"negatives": np.ones((2, 2), complex)}, WrongUse, "complex"),
        ({"fixations": np.ones((3, 4)), "density": None, "truth": "dhf1k"}, WrongUse, r"shape \(3, 4\)"),
        ({"protocol": "exact-2"}, UnknownName, "did you mean 'exact-1'"),
        ({"kind": "logits"}, WrongUse, "log_density"),
        ({"kind": "density"}, BadData, "sums to 1"),
    ],
)
def test_wrong_input_is_refused_with_its_own_error(
    frame: dict[str, Any], change: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        score_frame(**{**frame, **change})


def test_a_density_must_be_one() -> None:
    p = np.full((4, 5), 1 / 20)
    p[0, 0] += 0.0009
    score_frame(p, [(1, 1)], kind="density")
    p[0, 0] += 0.0002
    with pytest.raises(BadData, match=r"a sum of 1\.0011"):
        score_frame(p, [(1, 1)], kind="density")
    p[0, 0] -= 0.1
    with pytest.raises(BadData, match="non-negative"):
        score_frame(p, [(1, 1)], kind="density")


def test_points_fall_on_the_pixel_that_covers_them() -> None:
    inside = [(0, 0), (4.999, 2.999), (1.0, 0.999), (4.2, 2.7)]
    outside = [(-1e-9, 0), (5, 1), (2, 3), (np.nan, 1), (1, np.inf)]
    index, n_outside = pixel_indices(inside + outside, (3, 5))
    assert index.tolist() == [0, 14, 1, 14]
    assert n_outside == 5
    scores = score_frame(np.eye(3, 5), inside + outside)
    assert scores.n_out_of_bounds == 5
    assert pixel_indices([], (3, 5))[1] == 0
    counts = Negatives.from_points(inside, (3, 5), distinct=False).weights.ravel()
    np.testing.assert_array_equal(counts[[0, 1, 14]], [1, 1, 2])


def test_the_grid_is_the_density_s_else_the_shape_s_else_the_prediction_s() -> None:
    p = np.arange(12.0).reshape(3, 4)
    assert score_frame(p, [(7.5, 5.5)]).n_out_of_bounds == 1
    assert score_frame(p, [(7.5, 5.5)], shape=(6, 8)).n_out_of_bounds == 0
    assert score_frame(p, [(7.5, 5.5)], np.ones((6, 8))).n_out_of_bounds == 0
    assert score_frame(p, [(7.5, 5.5)], np.ones((6, 8)), shape=(6, 8))["AUC-J"] > 0.9


# The pins of exact-1 ------------------------------------------------------------------------------------------------


def test_what_is_absent_is_said(frame: dict[str, Any]) -> None:
    scores = score_frame(frame["prediction"], frame["fixations"])
    assert scores.reasons == dict.fromkeys(("CC", "SIM", "KLD"), "no density") | {"sAUC": "no negatives"}
    assert [k for k in KEYS if math.isnan(scores[k])] == ["sAUC", "CC", "SIM", "KLD"]


@BOTH
def test_without_fixations_the_maps_are_still_compared(frame: dict[str, Any], protocol: str) -> None:
    full = score_frame(**frame, protocol=protocol)
    for none in ([], np.zeros((0, 2)), [(-1.0, 3.0)]):
        scores = score_frame(**{**frame, "fixations": none}, protocol=protocol)
        assert scores.reasons == dict.fromkeys(("AUC-J", "sAUC", "NSS"), "no fixation")
        assert all(math.isnan(scores[k]) for k in scores.reasons)
        assert [scores[k] for k in ("CC", "SIM", "KLD")] == [full[k] for k in ("CC", "SIM", "KLD")]


def test_negatives_out_of_bounds_are_none(frame: dict[str, Any]) -> None:
    scores = score_frame(**{**frame, "negatives": [(-1, 2), (20, 3)]})
    assert scores.reasons == {"sAUC": "no negatives"}
    assert score_frame(**{**frame, "negatives": []}).reasons == {"sAUC": "no negatives"}


def test_duplicate_negatives_count_in_exact_1_and_collapse_in_dhf1k_1(frame: dict[str, Any]) -> None:
    frame["negatives"] = np.concatenate([frame["negatives"], np.repeat(frame["fixations"][:2], 40, axis=0)])
    distinct = np.unique(np.floor(frame["negatives"]), axis=0) + 0.5
    for protocol, equal in (("exact-1", False), ("dhf1k-1", True)):
        a = score_frame(**frame, protocol=protocol)["sAUC"]
        b = score_frame(**{**frame, "negatives": distinct}, protocol=protocol)["sAUC"]
        assert (a == b) == equal


@BOTH
def test_duplicate_fixations_count_once(frame: dict[str, Any], protocol: str) -> None:
    twice = np.concatenate([frame["fixations"], frame["fixations"][:3]])
    same(score_frame(**frame, protocol=protocol), score_frame(**{**frame, "fixations": twice}, protocol=protocol))


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0, 128])
@pytest.mark.parametrize("shape", [(12, 20), (5, 9)])
def test_a_constant_prediction_in_exact_1(frame: dict[str, Any], value: float, shape: tuple[int, int]) -> None:
    scores = score_frame(**{**frame, "prediction": np.full(shape, value)})
    q = frame["density"] / frame["density"].sum()
    assert scores["AUC-J"] == scores["sAUC"] == 0.5
    assert scores["NSS"] == scores["CC"] == 0.0
    assert scores["SIM"] == pytest.approx(np.minimum(q, 1 / 240).sum(), abs=1e-12)
    assert scores["KLD"] == pytest.approx(stats.entropy(q.ravel(), np.ones(240)), abs=1e-9)
    assert scores.reasons == dict.fromkeys(KEYS, "constant prediction")


def test_a_constant_log_density_in_exact_1(frame: dict[str, Any]) -> None:
    flat = np.full((6, 10), -math.log(60.0))
    same(score_frame(**{**frame, "prediction": flat}, kind="log_density"),
         score_frame(**{**frame, "prediction": flat * 0}))  # fmt: skip


def test_a_constant_or_empty_truth_in_exact_1(frame: dict[str, Any]) -> None:
    flat = score_frame(**{**frame, "density": np.full((12, 20), 3.0)})
    assert math.isnan(flat["CC"])
    assert flat.reasons == {"CC": "constant truth"}
    assert 0 < flat["SIM"] < 1
    empty = score_frame(**{**frame, "density": np.zeros((12, 20))})
    assert all(math.isnan(empty[k]) for k in ("CC", "SIM", "KLD"))
    assert empty.reasons == dict.fromkeys(("CC", "SIM", "KLD"), "truth without mass")
    both = score_frame(**{**frame, "density": np.ones((12, 20)), "prediction": np.ones((12, 20))})
    assert math.isnan(both["CC"])
    assert both["SIM"] == pytest.approx(1)


@BOTH
def test_all_pixels_fixated(frame: dict[str, Any], protocol: str) -> None:
    every = np.stack(np.meshgrid(np.arange(20), np.arange(12)), -1).reshape(-1, 2) + 0.5
    scores = score_frame(**{**frame, "fixations": every}, protocol=protocol)
    assert math.isnan(scores["AUC-J"])
    assert scores.reasons == {"AUC-J": "all pixels fixated"}
    assert scores["NSS"] == pytest.approx(0, abs=1e-12)


def test_negative_saliency_is_lifted_and_said(frame: dict[str, Any]) -> None:
    scores = score_frame(**{**frame, "prediction": frame["prediction"].astype(float) - 0.4})
    lifted = frame["prediction"].astype(float) - 0.4
    lifted -= lifted.min()
    expected = score_frame(**{**frame, "prediction": lifted})
    same(scores, expected, 1e-9)
    assert scores.reasons == dict.fromkeys(("SIM", "KLD"), "negative values: minimum subtracted")
    assert expected.reasons == {}


def test_a_log_density_is_its_density(frame: dict[str, Any], rng: np.random.Generator) -> None:
    logs = rng.normal(0, 3, (12, 20)) - 900
    p = np.exp(logs - logs.max())
    p /= p.sum()
    same(score_frame(**{**frame, "prediction": logs}, kind="log_density"),
         score_frame(**{**frame, "prediction": p}, kind="density"), 1e-9)  # fmt: skip


def test_areas_rank_logs_that_would_vanish(frame: dict[str, Any]) -> None:
    """exp(-2000) is 0, but the order of the logarithms is still known."""
    logs = -2000.0 * np.argsort(np.argsort(frame["prediction"].ravel())[::-1]).reshape(12, 20)
    ranked = score_frame(**{**frame, "prediction": logs}, kind="log_density")
    plain = score_frame(**{**frame, "prediction": logs})
    assert ranked["AUC-J"] == plain["AUC-J"]
    assert ranked["sAUC"] == plain["sAUC"]
    assert all(math.isfinite(v) for v in ranked.values())


def test_minus_infinity_is_probability_zero(frame: dict[str, Any]) -> None:
    p = frame["prediction"].astype(float)
    p[:3] = 0
    p /= p.sum()
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    same(score_frame(**{**frame, "prediction": logs}, kind="log_density"),
         score_frame(**{**frame, "prediction": p}, kind="density"), 1e-9)  # fmt: skip


@pytest.mark.parametrize("depth", [-700.0, -40.0])
def test_deep_log_densities_have_finite_scores(frame: dict[str, Any], depth: float) -> None:
    logs = np.linspace(depth, 0, 240).reshape(12, 20)
    for protocol in ("exact-1", "dhf1k-1"):
        scores = score_frame(**{**frame, "prediction": logs}, kind="log_density", protocol=protocol)
        assert all(math.isfinite(v) for v in scores.values())
        small = score_frame(**{**frame, "prediction": logs[::2, ::2]}, kind="log_density", protocol=protocol)
        assert all(math.isfinite(v) for v in small.values())


@BOTH
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_extreme_magnitudes_change_nothing(frame: dict[str, Any], scale: float, protocol: str) -> None:
    big = {**frame, "prediction": frame["prediction"].astype(float) * scale, "density": frame["density"] * scale}
    same(score_frame(**big, protocol=protocol), score_frame(**frame, protocol=protocol), 1e-9)


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])
def test_one_pixel(protocol: str) -> None:
    scores = score_frame([[3.0]], [(0.5, 0.5)], [[1.0]], [(0.2, 0.2)], protocol=protocol)
    assert math.isnan(scores["AUC-J"])
    assert scores.reasons["AUC-J"] == "all pixels fixated"
    assert math.isnan(scores["CC"])
    assert set(scores.reasons) == {k for k in KEYS if math.isnan(scores[k])} | (
        set(KEYS) if protocol == "exact-1" else {"KLD"}
    )


def test_a_map_of_4k(rng: np.random.Generator) -> None:
    p = rng.random((2160, 3840), np.float32)
    xy = rng.random((300, 2)) * (3840, 2160)
    scores = score_frame(p, xy, rng.random((2160, 3840), np.float32), xy[:50])
    assert scores["NSS"] == pytest.approx(stats.zscore(p.astype(float), axis=None)[
        np.floor(xy[:, 1]).astype(int), np.floor(xy[:, 0]).astype(int)].mean(), abs=1e-9)  # fmt: skip
    assert scores["AUC-J"] == pytest.approx(0.5, abs=0.1)


def test_truth_recipes_make_the_density(rng: np.random.Generator) -> None:
    truth_module = pytest.importorskip("vidsal.loaders.release.truth")
    from vidsal.loaders.records import Truth

    recipe = Truth(sigma_px=2.0)
    xy = rng.random((5, 2)) * (20, 12)
    p = rng.random((12, 20))
    made = truth_module.density(xy.astype(np.float32), (12, 20), recipe)
    same(score_frame(p, xy, truth=recipe), score_frame(p, xy, made))
    same(score_frame(p, [*xy, (50, 50)], truth=recipe, shape=(12, 20)), score_frame(p, xy, made))
    nothing = score_frame(p, [(50, 50)], truth=recipe)
    assert all(math.isnan(v) for v in nothing.values())
    with pytest.raises(UnknownName, match="release"):
        score_frame(p, xy, truth="no-such-release")


@pytest.mark.parametrize("release", ["ucf-sports-2018", "dhf1k"])
def test_a_point_at_the_edge_of_a_pixel_stays_in_it(release: str, rng: np.random.Generator) -> None:
    """In float32, in which fixations are stored, it would lie in the next pixel or outside."""
    p = rng.random((90, 160))
    for x, inside in ((159.99999999, 159.9999), (80 - 1e-9, 79.9999)):
        near, at = (score_frame(p, [(v, 5.0)], truth=release) for v in (x, inside))
        assert near.n_out_of_bounds == 0
        same(near, at, 1e-4)


def test_a_release_names_its_recipe(rng: np.random.Generator) -> None:
    truth_module = pytest.importorskip("vidsal.loaders.release.truth")
    from vidsal.loaders.registry import form

    xy, p = rng.random((5, 2)) * (64, 36), rng.random((36, 64))
    recipe = next(iter(form("dhf1k", "raw").INFO.truths.values()))
    made = truth_module.density(xy.astype(np.float32), (36, 64), recipe)
    same(score_frame(p, xy, truth="dhf1k-raw"), score_frame(p, xy, made))


# The pins of dhf1k-1 ------------------------------------------------------------------------------------------------


def test_a_zero_prediction_in_dhf1k_1(frame: dict[str, Any]) -> None:
    scores = score_frame(**{**frame, "prediction": np.zeros((12, 20))}, protocol="dhf1k-1")
    n = len(np.unique(np.floor(frame["fixations"]), axis=0))
    assert scores["AUC-J"] == pytest.approx(0.5 + 1 / (2 * (n + 1)))
    assert scores["SIM"] == 0.0
    assert 25 < scores["KLD"] < 36
    assert all(math.isnan(scores[k]) for k in ("sAUC", "NSS", "CC"))
    assert scores.reasons == dict.fromkeys(KEYS, "constant prediction")


def test_another_constant_prediction_in_dhf1k_1(frame: dict[str, Any]) -> None:
    scores = score_frame(**{**frame, "prediction": np.full((3, 5), 7.0)}, protocol="dhf1k-1")
    assert all(math.isnan(scores[k]) for k in ("sAUC", "NSS", "CC", "SIM"))
    q = frame["density"] / frame["density"].sum()
    assert scores["KLD"] == pytest.approx(stats.entropy(q.ravel(), np.ones(240)), abs=1e-9)


def test_constant_and_zero_truth_in_dhf1k_1(frame: dict[str, Any]) -> None:
    zero = score_frame(**{**frame, "density": np.zeros((12, 20))}, protocol="dhf1k-1")
    assert zero["SIM"] == zero["KLD"] == 0.0
    assert math.isnan(zero["CC"])
    flat = score_frame(**{**frame, "density": np.ones((12, 20))}, protocol="dhf1k-1")
    assert math.isnan(flat["CC"])
    assert math.isnan(flat["SIM"])
    assert flat["KLD"] > 0


def test_a_run_passes_through_8_bit_maps_and_score_frame_does_not(frame: dict[str, Any]) -> None:
    xy, g, p = frame["fixations"], frame["density"], frame["prediction"]
    negatives = Negatives.from_points(frame["negatives"], (12, 20), distinct=True)
    stored = np.rint(255 * (p.astype(float) - p.min()) / (float(p.max()) - p.min())).astype(np.uint8)
    truth = prepare_truth(xy, (12, 20), g, negatives, "dhf1k-1", encode=True)
    np.testing.assert_array_equal(truth.density, np.rint(255 * g / g.max()) / 255)
    encoded = score(p, "saliency", truth, "dhf1k-1", encode=True)
    by_hand = score_frame(stored, xy, np.rint(255 * g / g.max()), frame["negatives"], protocol="dhf1k-1")
    same(encoded, by_hand, 1e-12)
    same(encoded, score(stored, "saliency", truth, "dhf1k-1", encode=True))
    assert encoded["KLD"] != score_frame(**frame, protocol="dhf1k-1")["KLD"]
    logs = np.log(p.astype(float))
    same(encoded, score(logs, "log_density", truth, "dhf1k-1", encode=True), 1e-12)
    exact = prepare_truth(xy, (12, 20), g, None, "exact-1", encode=True)
    np.testing.assert_array_equal(exact.density, g)


def test_a_constant_prediction_becomes_black_in_a_run(frame: dict[str, Any]) -> None:
    truth = prepare_truth(frame["fixations"], (12, 20), frame["density"], None, "dhf1k-1", encode=True)
    gray = score(np.full((4, 4), 0.3), "saliency", truth, "dhf1k-1", encode=True)
    black = score(np.zeros((12, 20), np.uint8), "saliency", truth, "dhf1k-1", encode=True)
    same(gray, black)
    assert gray["SIM"] == 0.0


def test_the_reason_for_missing_negatives_is_the_callers(frame: dict[str, Any]) -> None:
    truth = prepare_truth(
        frame["fixations"], (12, 20), None, None, "exact-1", encode=True, no_negatives_reason="one stimulus only"
    )
    assert score(frame["prediction"], "saliency", truth, "exact-1", encode=True).reasons["sAUC"] == "one stimulus only"


# Parts --------------------------------------------------------------------------------------------------------------


def test_quantisation_by_hand() -> None:
    assert prediction_to_uint8(np.array([[-1.0, 0.0, 3.0]])).tolist() == [[0, 64, 255]]
    assert prediction_to_uint8(np.array([[5.0, 5.0]])).tolist() == [[0, 0]]
    levels = np.array([[3, 9]], np.uint8)
    assert prediction_to_uint8(levels) is levels
    assert truth_to_uint8(np.array([[0.0, 1.0, 4.0]])).tolist() == [[0, 64, 255]]
    assert truth_to_uint8(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_union_probability_is_the_frequency_of_random_draws(rng: np.random.Generator) -> None:
    masks = rng.random((23, 4, 5)) < np.linspace(0, 0.5, 20).reshape(4, 5)
    draws = np.stack([masks[rng.permutation(23)[:10]].any(0) for _ in range(4000)])
    p = union_probability(masks.sum(0), 23)
    assert np.abs(draws.mean(0) - p).max() < 5 * 0.5 / math.sqrt(4000)
    assert (p[masks.sum(0) == 0] == 0).all()


def test_union_probability_draws_all_frames_where_there_are_few() -> None:
    np.testing.assert_allclose(union_probability(np.array([[0, 1, 3]]), 3), [[0, 1, 1]])
    exact = 1 - math.comb(49990, 10) / math.comb(50000, 10)
    assert union_probability(np.array([[10]]), 50000)[0, 0] == pytest.approx(exact, rel=1e-9)
    with pytest.raises(WrongUse, match="frame counts"):
        union_probability(np.array([[4]]), 3)


def test_negatives_are_checked() -> None:
    with pytest.raises(WrongUse, match="non-negative"):
        Negatives(np.array([[-1.0]]))
    with pytest.raises(WrongUse, match="the truth's grid"):
        prepare_truth([(1, 1)], (3, 3), None, Negatives(np.ones((2, 2))), "exact-1", encode=False)
    weighted = Negatives.from_points([(0.5, 0.5), (0.6, 0.1), (9, 9)], (2, 2), distinct=False, weight=[2, 0.5, 7])
    assert weighted.weights.tolist() == [[2.5, 0], [0, 0]]
