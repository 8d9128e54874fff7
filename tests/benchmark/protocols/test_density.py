"""density-1: information gain over the center prior and log-likelihood, for models that give densities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidsal
from vidsal.baselines import load_model
from vidsal.benchmark import FrameScores, ModelInfo, Prediction, StimulusInfo, protocol, score_frame
from vidsal.benchmark.evaluation.human_stimulus import shared_reasons
from vidsal.benchmark.scoring.center_prior import center_prior_density
from vidsal.loaders.records import Frame

from ..runs import small_release

SHAPE = (12, 16)
POINTS = [(0.5, 0.5), (0.5, 0.5), (8.5, 6.5)]


def density(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(SHAPE) + 0.01
    return values / values.sum()


def bits(p: np.ndarray) -> float:
    """Mean log2 of a density at the three fixations, the corner counted twice."""
    return float((2 * np.log2(p[0, 0]) + np.log2(p[6, 8])) / 3)


def test_its_columns_are_two_more_than_those_of_exact_1() -> None:
    exact = protocol("exact-1")
    assert protocol("density-1").labels == ("IG", "LL", *exact.labels)
    p, g = density(), density(1)
    both = [
        score_frame(p, POINTS, g, negatives=[(3, 3), (9, 2)], protocol=name, kind="density")
        for name in ("density-1", "exact-1")
    ]
    assert list(both[0]) == ["IG", "LL", "AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD"]
    assert {label: both[0][label] for label in both[1]} == dict(both[1])


@pytest.mark.parametrize("kind", ["density", "log_density"])
def test_bits_by_hand(kind: str) -> None:
    p = density()
    values = p if kind == "density" else np.log(p) + 3
    prior = center_prior_density(*SHAPE).astype(np.float64)
    scores = score_frame(values, POINTS, protocol="density-1", kind=kind)  # type: ignore[arg-type]
    assert scores["LL"] == pytest.approx(bits(p) + math.log2(p.size), abs=1e-12)
    assert scores["IG"] == pytest.approx(bits(p) - bits(prior / prior.sum()), abs=1e-12)


def test_log_densities_keep_what_a_density_cannot_hold() -> None:
    logs = np.zeros(SHAPE)
    logs[0, 0] = -2000.0
    scores = score_frame(logs, [(0.5, 0.5)], protocol="density-1", kind="log_density")
    assert scores["LL"] == pytest.approx(math.log2(192) - 2000 / math.log(2) - math.log2(191), abs=1e-9)


def test_a_probability_of_zero_is_legal_counted_and_reported() -> None:
    p = density()
    p[0, 0] = 0
    p /= p.sum()
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    for values, kind in ((p, "density"), (logs, "log_density")):
        scores = score_frame(values, POINTS, protocol="density-1", kind=kind)  # type: ignore[arg-type]
        assert scores["IG"] == scores["LL"] == -math.inf
        assert scores.reasons["IG"] == scores.reasons["LL"] == "probability 0 at 2 of 3 fixations"


def test_a_saliency_map_is_no_density() -> None:
    scores = score_frame(density() * 7, POINTS, protocol="density-1")
    assert math.isnan(scores["IG"])
    assert math.isnan(scores["LL"])
    assert scores.reasons["IG"] == scores.reasons["LL"] == "a saliency map is no density"
    assert not math.isnan(scores["NSS"])


def test_the_uniform_density_has_a_likelihood_of_zero() -> None:
    flat = score_frame(np.full(SHAPE, 1 / 192), POINTS, protocol="density-1", kind="density")
    assert flat["LL"] == pytest.approx(0, abs=1e-12)
    assert flat.reasons["LL"] == "constant prediction"


def test_what_resizing_rounded_to_zero_is_not_said_to_be_zero() -> None:
    logs = np.zeros((6, 8))
    logs[:, :4] = -2000.0
    scores = score_frame(logs, POINTS, shape=SHAPE, protocol="density-1", kind="log_density")
    assert scores["IG"] == -math.inf
    assert scores.reasons["IG"] == "probability rounded to 0 by resizing at 2 of 3 fixations"


def test_a_reason_says_of_how_many_comparisons_of_a_human_reference_it_is() -> None:
    labels = protocol("density-1").metrics
    plain = dict.fromkeys(labels, 0.5)
    scores = [FrameScores(plain, reasons) for reasons in ({"CC": "a"}, {"CC": "a", "IG": "b"}, {"CC": "a"})]
    assert shared_reasons(scores) == {"CC": "a", "IG": "b (1 of 3 comparisons)"}


class HalfBlind:
    """A density that excludes the left half of every second frame."""

    info = ModelInfo(name="half_blind", output="density", needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            values = np.ones((stimulus.height, stimulus.width))
            values[:, : stimulus.width // 2] = frame.index % 2
            yield Prediction(frame.index, values / values.sum(), "density")


def test_runs(tmp_path: Path) -> None:
    """The center prior gains nothing over itself; a mean over minus infinity is no number, and the run says so."""
    ds: Any = vidsal.load(small_release(tmp_path, videos=2))
    prior = vidsal.evaluate(load_model("center_prior"), ds, protocol="density-1")
    assert prior.scores["IG"] == pytest.approx(0, abs=1e-6)
    assert prior.scores["LL"] > 0.5
    assert prior.metrics == protocol("density-1").labels
    assert list(prior.frames.columns[3:-2]) == list(prior.metrics)
    saved = prior.save(tmp_path / "results")
    assert saved.summary().index.tolist() == list(prior.metrics)
    blind = vidsal.evaluate(HalfBlind(), ds, protocol="density-1")
    row = blind.summary().loc["LL"]
    assert math.isnan(blind.scores["LL"])
    assert str(row["reason"]).startswith("infinite in ")
    assert "probability 0 at" in " ".join(blind.frames["reason"].dropna())
