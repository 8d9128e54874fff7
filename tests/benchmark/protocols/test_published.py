"""The protocols of published code against what that code returned, row by row; what cannot be met is listed here."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark import Negatives, prepare_truth, protocol, score_frame
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.metrics import find
from vidsal.benchmark.metrics.float32 import float32_groups
from vidsal.benchmark.metrics.maps import stretch_eps32
from vidsal.benchmark.scoring.frame import score
from vidsal.benchmark.scoring.negatives import StimulusUnion
from vidsal.benchmark.scoring.resize import bilinear_half_pixel, bilinear_uint8, half_uint8, resize

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SHORT = {"AUC_Judd": "AUC-J", "sAUC": "sAUC", "NSS": "NSS", "CC": "CC", "SIM": "SIM", "KLD": "KLD"}
PROTOCOL = {
    "DHF1K/code_for_Metrics(octave)": "dhf1k-1",
    "unisal/salience_metrics": "unisal-1",
    "unisal/utils": "unisal-1",
    "SalEMA/evaluation": "salema-1",
    "tinyHD/metrics": "tinyhd-1",
    "msu ECCVW24/NTIRE26 bench.py": "msu-1",
    "pysaliency.metrics": "tuebingen-1",
    "pysaliency SaliencyMapModel.AUC": "tuebingen-1",
    "pysaliency SaliencyMapModel.AUC_Judd": "tuebingen-1",
}
BORJI = {"dhf1k-1": "thr=0..1.0", "salema-1": "thr=0..0.9", "tinyhd-1": "thr=0..0.9"}


def listed(row: dict[str, str]) -> str:
    """Why a row is not reproduced by its protocol; empty if it must be."""
    case, metric, params, name = row["case"], row["metric"], row["params"], row["implementation"]
    if case.startswith(("nan", "inf")):
        return "not finite: refused here"
    if row["status"].startswith("error:"):
        return "raised upstream"
    if "jitter=0" in params or "AUC_Judd" in name or "unfixated" in params:
        return "an option that the origin's own evaluation does not use"
    if "step=0.01" in params or "image_based" in params:
        return "an option that the origin's own evaluation does not use"
    if name == "SalEMA/evaluation" and "skimage" in params:
        return "the origin's driver resizes before it calls this function"
    if name == "unisal/utils" and case.startswith("const") and metric in ("NSS", "CC"):
        # The float32 mean misses the value by a rounding or not: NSS is -1, 1 or NaN as the frame's size decides.
        return "rounding noise of a constant map divided by itself"
    if name.startswith("msu") and case.startswith("resize_144x256to72x128") and metric == "AUC_Judd":
        return "after averaging four pixels, ties are broken by the rounding of float32"
    if name.startswith("msu") and case.startswith("gtzero") and metric == "AUC_Judd":
        return "a frame without fixations raises in the origin's own evaluation"
    return ""


def read(values: Path) -> Iterator[dict[str, str]]:
    with values.open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["implementation"] in PROTOCOL)


def tolerance(row: dict[str, str]) -> float:
    value = float(row["value"])
    if row["sd"] and float(row["n_seeds"]) > 1:
        return 5 * float(row["sd"]) / math.sqrt(float(row["n_seeds"])) + 1e-6
    single = "float32" in row["params"] or "eps32" in row["params"]
    return (2e-5 if single else 1e-9) * max(1.0, abs(value)) if "octave" not in row["implementation"] else 1e-9


def check(rows: Iterator[dict[str, str]], load: Any) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    wrong, scores, cases = [], {}, {}
    for row in rows:
        reason = listed(row)
        if reason:
            counts[reason] += 1
            continue
        name, case = PROTOCOL[row["implementation"]], row["case"]
        if case not in cases:
            cases[case] = load(case)
        maps = cases[case]
        if row["metric"] in SHORT:
            if (case, name) not in scores:
                scores[case, name] = score_frame(
                    maps["pred"], maps["fix_yx"][:, ::-1] + 0.5, maps["gt"], maps["other_yx"][:, ::-1] + 0.5, name
                )
            found = scores[case, name][SHORT[row["metric"]]]
        else:
            found = beyond_the_six(row, name, maps)
        counts[name] += 1
        expected, near = float(row["value"]), tolerance(row)
        if row["implementation"].startswith("pysaliency"):
            near = 1e-6
        same = found == expected or (math.isnan(found) and math.isnan(expected)) or abs(found - expected) <= near
        if not same:
            wrong.append(f"{case} {name} {row['metric']} {row['params']}: {found} instead of {expected} +- {near}")
    return counts, wrong


def beyond_the_six(row: dict[str, str], name: str, maps: dict[str, Any]) -> float:
    """AUC-B and IG: in the register, but not among a protocol's six scores."""
    fixated = np.zeros(maps["gt"].shape, bool)
    fixated[tuple(maps["fix_yx"].T)] = True
    resized = maps["pred"].shape != maps["gt"].shape
    saliency = resize(maps["pred"], maps["gt"].shape, protocol(name).resize) if resized else maps["pred"]
    if row["metric"] == "IG":
        entry = find("information_gain[minmax;sum;log2(eps+p)-log2(eps+b);pos=fixated_pixels]")
        return entry(saliency=saliency, fixated=fixated, baseline=maps["baseline"])
    if name == "dhf1k-1" and fixated.sum() <= 1:
        return math.nan  # `AUC_Borji.m` gives up below two fixations
    if name == "dhf1k-1" or saliency.dtype != np.uint8:
        return find(f"auc_borji[step=0.1;expected;{BORJI[name]}]")(saliency=saliency, fixated=fixated)
    # The ports stretch in float32: their steps are those of the shuffled area, with all pixels as negatives.
    entry = find("shuffled_auc[step=0.1;expected;thr=0..0.9;float32;fp=over_fixations]")
    return entry(saliency=saliency, fixated=fixated, negatives=np.ones(fixated.shape))


def report(wrong: list[str]) -> str:
    return f"{len(wrong)} rows:\n" + "\n".join(wrong[:40])


def test_published_rows_are_reproduced() -> None:
    with np.load(GOLDEN / "metrics_cases.npz") as file:
        store = dict(file)
    counts, wrong = check(
        read(GOLDEN / "metrics_values.csv"),
        lambda case: {k.split("/")[1]: v for k, v in store.items() if k.startswith(case + "/")},
    )
    assert not wrong, report(wrong)
    assert all(counts[name] >= 60 for name in set(PROTOCOL.values())), counts


@pytest.mark.data
def test_every_published_row_is_reproduced(goldens: Path) -> None:
    folder = goldens / "metrics"

    def load(case: str) -> dict[str, Any]:
        with np.load(folder / "cases" / f"{case}.npz") as store:
            return {k: store[k] for k in store.files}

    counts, wrong = check(read(folder / "values.csv"), load)
    assert not wrong, report(wrong)
    assert sum(counts[name] for name in set(PROTOCOL.values())) > 1300, counts


# Parts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 1e-9, 0.2, 0.5, 0.7, 1.0, 1.5, 100.0, 254.0])
def test_float32_jitter_falls_into_the_groups_that_are_counted(level: float) -> None:
    rng = np.random.default_rng(3)
    value = np.float32(level)
    drawn = (value + rng.random(200_000) * 1e-7).astype(np.float32)
    shares = float32_groups(value)
    distinct = len(np.unique(drawn))
    if shares is None:
        assert distinct > 500
        return
    assert shares.sum() == pytest.approx(1)
    assert distinct == len(shares)
    _, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_allclose(counts / len(drawn), shares, atol=5e-3)


def test_8_bit_resizing_meets_opencv() -> None:
    """Levels that OpenCV 4.10 returned, to the bit: enlarged, shrunk by half, and halved with a cut border."""
    p = (np.arange(24) * 37 % 251).astype(np.uint8).reshape(4, 6)
    assert bilinear_uint8(p, (3, 8)).tolist() == [
        [37, 34, 46, 74, 101, 129, 157, 180],
        [208, 152, 86, 35, 63, 91, 118, 142],
        [169, 192, 204, 179, 50, 52, 80, 103],
    ]
    assert bilinear_uint8(p, (7, 9))[[0, 3, 6]].tolist() == [
        [0, 18, 43, 68, 92, 117, 142, 166, 185],
        [208, 163, 104, 45, 49, 74, 98, 123, 142],
        [164, 182, 207, 232, 131, 30, 55, 79, 98],
    ]
    assert bilinear_uint8(p, (2, 3)).tolist() == half_uint8(p).tolist() == [[67, 78, 152], [197, 83, 94]]
    q = (np.arange(35) * 37 % 251).astype(np.uint8).reshape(5, 7)
    assert half_uint8(q).tolist() == [[23, 97, 171, 226], [39, 113, 187, 242]]
    assert half_uint8(np.full((1, 1), 9, np.uint8)).tolist() == [[9]]
    assert half_uint8(np.zeros((7, 9), np.uint8)).shape == (4, 4)


def test_other_maps_are_resized_without_fixed_point() -> None:
    p = np.random.default_rng(4).random((4, 6))
    np.testing.assert_array_equal(bilinear_uint8(p, (3, 8)), bilinear_half_pixel(p, (3, 8)))


def test_salema_halves_a_run_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    p = rng.integers(0, 256, (12, 20)).astype(np.uint8)
    g, xy, others = rng.random((12, 20)), rng.random((9, 2)) * (20, 12), rng.random((40, 2)) * (20, 12)
    negatives = Negatives.from_points(others, (12, 20), distinct=True)
    truth = prepare_truth(xy, (12, 20), g, negatives, "salema-1", encode=True)
    assert (truth.shape, truth.full_shape) == ((6, 10), (12, 20))
    halved = score(p, "saliency", truth, "salema-1", encode=True)
    g8 = np.rint(255 * g / g.max()).astype(np.uint8)
    by_hand = score_frame(half_uint8(p), xy / 2, half_uint8(g8), others / 2, "salema-1")
    assert dict(halved) == pytest.approx(dict(by_hand), nan_ok=True)
    assert halved.reasons == {"KLD": "not reported by this protocol"}
    plain = prepare_truth(xy, (12, 20), g, negatives, "salema-1", encode=False)
    assert plain.shape == (12, 20)


def test_msu_stretches_before_it_resizes() -> None:
    rng = np.random.default_rng(6)
    p, g, xy = rng.random((5, 7)), rng.random((9, 14)), rng.random((4, 2)) * (14, 9)
    scores = score_frame(p, xy, g, protocol="msu-1")
    q = bilinear_half_pixel(stretch_eps32(p), (9, 14))
    t = stretch_eps32(g)
    assert scores["SIM"] == pytest.approx(np.minimum(q / q.sum(), t / t.sum()).sum(), abs=1e-8)
    assert scores.reasons["sAUC"] == "not reported by this protocol"


def test_unisal_scores_a_frame_without_fixations() -> None:
    scores = score_frame(np.eye(4), [], np.eye(4), protocol="unisal-1")
    assert scores["NSS"] == 1.0
    assert scores.reasons["NSS"] == "no fixation"
    assert math.isnan(scores["AUC-J"])


def test_unisal_reads_log_densities() -> None:
    rng = np.random.default_rng(7)
    logs, g, xy = rng.normal(size=(8, 9)), rng.random((8, 9)), rng.random((5, 2)) * (9, 8)
    scores = score_frame(logs, xy, g, protocol="unisal-1", kind="log_density")
    p, q = np.exp(logs) / np.exp(logs).sum(), g / g.sum()
    assert scores["KLD"] == pytest.approx((q * np.log(q / p)).sum())
    assert scores["SIM"] == pytest.approx(np.minimum(p, q).sum())


def test_the_union_over_stimuli_is_the_frequency_of_random_draws() -> None:
    rng = np.random.default_rng(8)
    masks = [rng.random((rng.integers(2, 9), 3, 4)) < rng.random((3, 4)) * 0.4 for _ in range(12)]
    shares = [m.mean(0) for m in masks]
    union = StimulusUnion((3, 4), 5)
    for share in shares:
        union.add(share)
    drawn = np.stack([
        np.any([masks[v][rng.integers(len(masks[v]))] for v in rng.permutation(12)[:5]], axis=0) for _ in range(4000)
    ])  # fmt: skip
    assert np.abs(drawn.mean(0) - union.probability()).max() < 5 * 0.5 / math.sqrt(4000)


def test_the_union_over_few_stimuli_draws_all_of_them() -> None:
    union = StimulusUnion((1, 1), 10)
    assert union.probability().tolist() == [[0.0]]
    for share in (0.5, 0.2):
        union.add(np.array([[share]]))
    assert union.probability()[0, 0] == pytest.approx(1 - 0.5 * 0.8)


def stimulus(rng: np.random.Generator, n_frames: int) -> Any:
    """What `split_negatives` reads of a stimulus of 8 x 6 pixels."""
    n = 5 * n_frames
    frame = rng.integers(0, n_frames, n)
    points = SimpleNamespace(
        x=rng.random(n) * 8, y=rng.random(n) * 6, frame=frame, frame_end=frame, weight=np.ones(n, np.float32)
    )
    return SimpleNamespace(
        gaze_points=points, width=8, height=6, n_frames=n_frames, annotated_indices=lambda: np.arange(n_frames)
    )


def fixated(s: Any, frame: int) -> np.ndarray:
    chosen = s.gaze_points.frame == frame
    seen = np.zeros((6, 8), bool)
    seen[s.gaze_points.y[chosen].astype(int), s.gaze_points.x[chosen].astype(int)] = True
    return seen


@pytest.mark.parametrize(("name", "k", "own"), [("unisal-1", 10, True), ("salema-1", 40, False)])
def test_a_run_gathers_the_union_that_its_protocol_draws(name: str, k: int, own: bool) -> None:
    rng = np.random.default_rng(10)
    stimuli = [stimulus(rng, int(rng.integers(2, 9))) for _ in range(14 if own else 45)]
    found = split_negatives(stimuli, (6, 8), protocol(name)).of(stimuli[3]).weights
    pool = [i for i in range(len(stimuli)) if own or i != 3]
    maps = {i: [fixated(stimuli[i], f) for f in range(stimuli[i].n_frames)] for i in pool}
    drawn = np.mean(
        [np.any([maps[i][rng.integers(len(maps[i]))] for i in rng.permutation(pool)[:k]], axis=0) for _ in range(1500)],
        axis=0,
    )
    assert np.abs(drawn - found).max() < 5 * 0.5 / math.sqrt(1500)


def test_a_protocol_without_shuffled_area_gathers_nothing() -> None:
    rng = np.random.default_rng(11)
    found = split_negatives([stimulus(rng, 3), stimulus(rng, 4)], (6, 8), protocol("msu-1"))
    assert found.of(stimulus(rng, 3)) is None
    assert found.reason == "not reported by this protocol"
