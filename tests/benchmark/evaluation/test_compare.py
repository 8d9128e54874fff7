"""Runs against each other: differences, ranks and reasons, on rows that were made for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import vidsal
from vidsal.benchmark.evaluation.explain.effects import bonus_of_auc, expected
from vidsal.benchmark.evaluation.explain.why import why, why_reported
from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.attributes import attribute_scores
from vidsal.benchmark.evaluation.results.differences import compare, open_run
from vidsal.benchmark.evaluation.results.intervals import with_intervals
from vidsal.benchmark.evaluation.results.ranking import rank
from vidsal.benchmark.evaluation.results.schema import MetricRecord
from vidsal.benchmark.evaluation.results.scored_frames import by_frame, pairs_digest, scored_pairs
from vidsal.benchmark.evaluation.results.store import Run, load_run, load_runs, make_record, rows_digest, stimuli_digest
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.benchmark.statistics import cluster_bootstrap, holm, seed_of, sign_flip_test
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.release.release import load
from vidsal.models import parse_spec

from ..runs import small_release

Change = Callable[[pd.DataFrame], None]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("compare")
    data = load(small_release(folder, videos=7, frames=5, observers=5))
    made = {}
    for name in ("uniform", "center_prior", "one_vs_rest"):
        made[name] = vidsal.evaluate(parse_spec(name, None, "cpu", ())(), data).save(folder / "results")
    made["dhf1k-1"] = vidsal.evaluate(parse_spec("center_prior", None, "cpu", ())(), data, "dhf1k-1").save(
        folder / "results"
    )
    return made


def edited(run: Run, change: Change, **parts: Any) -> Run:
    """The same run with other rows, and other parts of its record."""
    frames = run.frames.copy()
    change(frames)
    rows = pa.Table.from_pandas(frames, run.frame_table.schema, preserve_index=False).replace_schema_metadata(None)
    typed = run.typed
    summary = summarize(rows, typed.protocol.metric_ids, typed.protocol.average)
    groups = run.stimuli[["stimulus_id", "group_id", "attributes"]]
    stimuli = pa.Table.from_pandas(summary.stimuli.merge(groups, on="stimulus_id"), preserve_index=False)
    coverage = by_frame(typed.coverage, rows, 0)
    metrics = with_intervals(summary.metrics, stimuli.to_pandas(), seed_of(str(coverage.frames_digest)))
    record = {
        **run.record,
        "metrics": {k: m.model_dump() for k, m in metrics.items()},
        "counts": summary.counts.model_dump(),
        "coverage": coverage.model_dump(),
        "rows_digest": rows_digest(rows),
        "stimuli_digest": stimuli_digest(stimuli),
        **parts,
    }
    return Run(make_record({k: v for k, v in record.items() if k not in ("digest", "format")}), rows, stimuli)


def nothing(frames: pd.DataFrame) -> None:
    """Leave the rows as they are."""


def shifted(label: str, by: dict[str, float]) -> Change:
    def change(frames: pd.DataFrame) -> None:
        frames[label] += frames["stimulus_id"].map(by)

    return change


def dropped(run: Run, stimulus: str, first: int) -> Run:
    """The run without the last frames of a stimulus."""

    def change(frames: pd.DataFrame) -> None:
        rows = (frames["stimulus_id"] == stimulus) & (frames["frame"] >= first)
        frames.loc[rows, "status"] = "no_prediction"
        frames.loc[rows, list(run.metrics)] = np.nan

    return edited(run, change)


def ids(run: Run) -> list[str]:
    return list(run.stimuli["stimulus_id"])


def test_a_run_keeps_the_interval_of_each_mean(runs: dict[str, Run]) -> None:
    run = load_run(runs["center_prior"].folder or "")
    seed = seed_of(pairs_digest(scored_pairs(run.frame_table)))
    for label in run.metrics:
        low, high = cluster_bootstrap(run.stimuli[label], run.stimuli["group_id"], seed=seed)
        metric = run.typed.metrics[label]
        assert (metric.low, metric.high, metric.note) == (pytest.approx(low), pytest.approx(high), None)
        assert metric.low < metric.mean_stimuli < metric.high  # type: ignore[operator]
    assert run.summary().loc["NSS", "low"] == run.record["metrics"]["NSS"]["low"]


def test_a_changed_interval_is_damage(runs: dict[str, Run], tmp_path: Path) -> None:
    record = copy.deepcopy(runs["center_prior"].record)
    record["metrics"]["NSS"]["high"] -= 0.01
    narrow = make_record({k: v for k, v in record.items() if k not in ("digest", "format")})
    run = Run(narrow, runs["center_prior"].frame_table, runs["center_prior"].stimulus_table).save(tmp_path)
    with pytest.raises(BadData, match="the interval of NSS does not follow from its stimuli"):
        load_run(str(run.folder))
    several = [Path(str(one.folder)) for one in (runs["uniform"], run, runs["center_prior"], runs["dhf1k-1"])]
    found = load_runs(several)
    assert [isinstance(one, Run) for one in found] == [True, False, True, True], "read together, only it is damaged"
    assert "the interval of NSS" in str(found[1])
    for metric in record["metrics"].values():
        metric |= dict.fromkeys(("low", "high", "note"))
    before = make_record({k: v for k, v in record.items() if k not in ("digest", "format")})
    run = Run(before, runs["center_prior"].frame_table, runs["center_prior"].stimulus_table).save(tmp_path)
    assert load_run(str(run.folder)).typed.metrics["NSS"].low is None


def test_intervals_say_why_there_is_none(runs: dict[str, Run]) -> None:
    metric = MetricRecord(id="x", mean=1.0, mean_stimuli=1.0, mean_frames=1.0, n=3)
    stimuli = pd.DataFrame({"group_id": list("aabc"), "A": [1.0, 2.0, 3.0, np.nan], "B": [1.0, -np.inf, 2.0, 3.0]})
    found = with_intervals({"A": metric, "B": metric}, stimuli, 0)
    assert found["A"].note == "2 groups of stimuli; an interval needs at least 5"
    assert found["B"].note == "infinite for 1 of 4 stimuli"
    assert found["A"].low is found["B"].high is None


def test_scores_by_attribute_are_means_of_their_stimuli(runs: dict[str, Run]) -> None:
    run = runs["center_prior"]
    stimuli = run.stimuli.assign(attributes=[["day"] if i < 6 else ["night", "rain"] for i in range(7)])
    stimuli.loc[6, "KLD"] = np.inf
    table = pa.Table.from_pandas(stimuli, preserve_index=False)
    found = attribute_scores(Run(run.record, run.frame_table, table))
    assert list(found) == ["day", "night", "rain"]
    nss = found["day"]["NSS"]
    assert nss.mean == pytest.approx(run.stimuli["NSS"][:6].mean())
    assert nss.interval.low < nss.mean < nss.interval.high  # type: ignore[operator]
    assert found["night"]["NSS"].interval.note == "1 group of stimuli; an interval needs at least 5"
    assert found["rain"]["KLD"].mean is None
    assert attribute_scores(run) == {}


def test_a_known_difference_is_found(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    by = dict(zip(ids(a), [0.1, 0.2, 0.3, 0.1, -0.1, 0.2, 0.4], strict=True))
    b = edited(a, shifted("NSS", {k: -v for k, v in by.items()}))
    found = compare(a, b)
    nss = found.differences["NSS"]
    shifts, groups = np.array(list(by.values())), a.stimuli["group_id"].tolist()
    seed = seed_of(pairs_digest(scored_pairs(a.frame_table)))
    assert nss.mean == pytest.approx(shifts.mean())
    assert (nss.low, nss.high) == pytest.approx(cluster_bootstrap(shifts, groups, seed=seed), abs=1e-9)
    assert nss.p == sign_flip_test(shifts, groups) == 8 / 128  # all alike, or one of three 0.1 turned
    assert nss.a - nss.b == pytest.approx(nss.mean)  # type: ignore[operator]
    assert (nss.stimuli, nss.frames, nss.note) == (7, found.frames, None)
    for label in set(a.metrics) - {"NSS"}:
        other = found.differences[label]
        assert (other.mean, other.low, other.high, other.p) == (0.0, 0.0, 0.0, 1.0)
    assert [d.p_holm for d in found.differences.values()] == holm([d.p for d in found.differences.values()]).tolist()
    assert compare(b, a).differences["NSS"].mean == pytest.approx(-shifts.mean())


def test_frames_that_one_leaves_out_count_for_neither(runs: dict[str, Run]) -> None:
    """A run that skips where it is bad has a better mean, and no advantage here."""
    a = runs["center_prior"]
    worst = a.stimuli.loc[a.stimuli["NSS"].idxmin(), "stimulus_id"]
    b = dropped(a, worst, 1)
    found = compare(a, b)
    assert found.frames == b.typed.counts.scored < a.typed.counts.scored
    assert {d.mean for d in found.differences.values()} == {0.0}
    assert found.notes == ("a (center_prior) scored 4 further frames, which do not count here",)


def test_a_frame_without_a_value_counts_for_neither(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]

    def change(frames: pd.DataFrame) -> None:
        frames.loc[frames["stimulus_id"] == ids(a)[0], "CC"] = np.nan
        frames.loc[1, "KLD"] = np.inf
        frames["SIM"] = np.nan

    found = compare(a, edited(a, change)).differences
    assert (found["CC"].stimuli, found["CC"].mean) == (6, 0.0)
    assert (found["KLD"].mean, found["KLD"].note) == (None, "infinite in 1 frames: its mean is no number")
    assert (found["SIM"].p, found["SIM"].p_holm, found["SIM"].note) == (None, None, "no frame has a value of both")


def test_few_stimuli_say_what_they_cannot_say(runs: dict[str, Run]) -> None:
    a, few = runs["center_prior"], ids(runs["center_prior"])[:3]
    b = a
    for stimulus in set(ids(a)) - set(few):
        b = dropped(b, stimulus, 0)
    nss = compare(edited(a, shifted("NSS", dict.fromkeys(ids(a), 1.0))), b).differences["NSS"]
    assert (nss.mean, nss.low, nss.high, nss.p) == (pytest.approx(1.0), None, None, 0.25)
    assert "3 groups of stimuli; an interval needs at least 5" in str(nss.note)
    assert "cannot reach a p below 0.25" in str(nss.note)


def test_what_cannot_be_compared_is_refused_with_every_reason(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    with pytest.raises(WrongUse, match=r"protocol \(exact-1 and dhf1k-1\).*results why.*rescore"):
        compare(a, runs["dhf1k-1"])
    release = {**a.record["release"], "id": "other-1", "digest": "0" * 64}
    with pytest.raises(WrongUse, match="release .* content of the release"):
        compare(a, edited(a, nothing, release=release))
    halves = [dropped(a, i, 0) for i in ids(a)[:1]]
    for stimulus in ids(a)[1:]:
        halves.append(dropped(halves.pop() if len(halves) > 1 else a, stimulus, 0))
    with pytest.raises(WrongUse, match="no frame in common"):
        compare(*halves)


def test_metrics_of_another_truth_are_explained_not_compared(runs: dict[str, Run]) -> None:
    found = compare(runs["center_prior"], runs["one_vs_rest"]).differences
    assert {k for k, d in found.items() if d.mean is None} == {"CC", "SIM", "KLD"}
    assert "single observer" in str(found["CC"].note)
    a = runs["center_prior"]
    assert "negatives are those of the split" in str(
        compare(a, edited(a, nothing, split="val")).differences["sAUC"].note
    )
    wide = {**a.record["truth"], "recipe": "wide"}
    assert "other recipes" in str(compare(a, edited(a, nothing, truth=wide)).differences["SIM"].note)


def test_models_are_ranked_on_what_all_have(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    # Twenty-one pairs of signs would be needed for more; here every stimulus is worse by about 1.
    worse = edited(a, shifted("NSS", {k: -1 - 0.01 * i for i, k in enumerate(ids(a))}))
    found = rank([worse, a, dropped(a, ids(a)[0], 2), runs["one_vs_rest"]])
    assert (found.frames, found.stimuli) == (a.typed.counts.scored - 3, 7)
    places = found.metrics["NSS"]
    assert [(p.run, p.rank_low, p.rank_high) for p in places] == [("b", 1, 2), ("c", 1, 2), ("a", 3, 3)]
    assert [p.groups for p in places] == [(1,), (1,), (2,)]
    assert "single observer" in str(found.metrics["CC"][0].gap.note)
    with pytest.raises(WrongUse, match="ranks need two"):
        rank([a, runs["one_vs_rest"]])


def test_the_gap_is_measured_where_there_is_one(runs: dict[str, Run]) -> None:
    a, people = runs["center_prior"], runs["one_vs_rest"]

    def better(frames: pd.DataFrame) -> None:
        frames["NSS"] = a.frames["NSS"] + 2

    def half(frames: pd.DataFrame) -> None:
        frames["NSS"] += 1

    model = {**a.record["model"], "name": "mine"}
    found = rank([a, edited(a, half, model=model), edited(people, better)])
    assert {p.model: p.gap.value for p in found.metrics["NSS"]} == {"mine": pytest.approx(0.5), "center_prior": 0.0}
    alone = rank([edited(a, half, model=model), edited(a, nothing, model=model)])
    assert "no run of the center prior" in str(alone.metrics["NSS"][0].gap.note)


def test_a_path_names_one_run(runs: dict[str, Run], tmp_path: Path) -> None:
    folder = runs["uniform"].folder
    assert folder is not None
    for path in (folder, folder / "run.json", folder.parent):
        assert open_run(path).record == runs["uniform"].record
    with pytest.raises(WrongUse, match="holds 3 runs"):
        open_run(folder.parent.parent)
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(MissingData, match="no run is here"):
            open_run(path)


# Why


def test_nothing_differs(runs: dict[str, Run]) -> None:
    found = why(runs["uniform"], runs["uniform"])
    assert found.causes == ()
    assert found.metrics["AUC-J"] == (0.5, 0.5, 0.0)


def test_a_protocol_is_explained_by_the_size_of_each_effect(runs: dict[str, Run]) -> None:
    a, b = runs["center_prior"], runs["dhf1k-1"]
    found = why(a, b)
    whats = [c.what for c in found.causes]
    assert whats[:2] == ["protocol", "protocol: AUC-J"]
    assert whats.index("protocol: SIM") < whats.index("protocol: NSS")
    moved = b.typed.metrics["AUC-J"].mean - a.typed.metrics["AUC-J"].mean  # type: ignore[operator]
    assert f"all choices together: AUC-J {moved:+.4f}" in found.causes[0].effect
    assert not {"release", "split", "recipe", "model"} & set(whats)
    assert found.metric == "AUC-J"
    frame = found.causes[-1]
    assert frame.what.startswith("frame ")
    assert "fp_n" in frame.effect
    # The law: the bonus is fp_n / (2 n), and fp_n is a share.
    share = float(frame.effect.split("fp_n = ")[1].split(",")[0])
    assert 0 < share <= 1
    assert set(found.to_dict()["causes"][0]) == {"what", "a", "b", "effect"}


def test_causes_come_in_their_order(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    other = dropped(runs["dhf1k-1"], ids(a)[0], 2)
    r = other.record
    submission = {"digest": "1" * 64, "prediction": {"kind": "saliency", "encoding": {"files": "png8"}}}
    b = edited(
        other, nothing,
        release={**r["release"], "digest": "0" * 64}, split="val", truth={**r["truth"], "recipe": "wide"},
        engine={**r["engine"], "engine": "2"}, model={**r["model"], "name": "mine", "submission": submission},
    )  # fmt: skip
    whats = [c.what.split(":")[0].split(" ")[0] for c in why(a, b).causes]
    assert list(dict.fromkeys(whats)) == [
        "release", "split", "protocol", "recipe", "engine", "encoding", "coverage", "model", "stimulus", "frame",
    ]  # fmt: skip


def test_coverage_is_measured(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    worst = a.stimuli.loc[a.stimuli["NSS"].idxmin(), "stimulus_id"]
    found = {c.what: c for c in why(a, dropped(a, worst, 0)).causes}
    cause = found["coverage"]
    assert (cause.a, cause.b) == ("35 frames, stimuli: 7", "30 frames, stimuli: 7")
    mean = a.stimuli.loc[a.stimuli["stimulus_id"] != worst, "NSS"].mean()
    assert f"NSS of a is {mean:.4f} on them, {a.typed.metrics['NSS'].mean:.4f} on all of its own" in cause.effect


def test_the_stimuli_that_moved_most_come_first(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    by = dict(zip(ids(a), [0.0, 0.0, 0.3, 0.0, -0.9, 0.0, 0.0], strict=True))
    found = why(a, edited(a, shifted("CC", by)))
    assert found.metric == "CC"
    moved = [c for c in found.causes if c.what.startswith("stimulus")]
    assert [c.what for c in moved] == [f"stimulus {ids(a)[4]}", f"stimulus {ids(a)[2]}"]
    assert moved[0].effect == "+0.9000, 75% of what moved in 7 stimuli"
    assert why(a, edited(a, shifted("CC", by)), "NSS").causes == ()


def test_a_number_from_a_paper_is_explained(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    found = {c.what: c for c in why_reported(a, {"NSS": 2.776}, "dhf1k-1", {"NSS": 3}).causes}
    assert "UNISAL" in found["source"].b
    assert "another data set" in found["release"].effect
    assert {"protocol: NSS", "protocol: prediction", "choice of videos"} <= set(found)
    assert not {"protocol: AUC-J", "protocol: SIM", "protocol: negatives", "protocol: truth"} & set(found)
    low, high = (a.record["metrics"]["NSS"][k] for k in ("low", "high"))
    assert f"{low:.4f} to {high:.4f}" in found["choice of videos"].a
    same = why_reported(a, {"NSS": a.scores["NSS"]}, "exact-1", {"NSS": 3}).causes
    assert [c.what for c in same] == ["rounding"]
    unknown, inside = why_reported(a, {"NSS": a.scores["NSS"] + 1e-5}).causes
    assert unknown.what == "protocol"
    assert inside.effect.startswith("inside")


def test_wrong_questions_are_named(runs: dict[str, Run]) -> None:
    a = runs["center_prior"]
    with pytest.raises(UnknownName, match="unknown metric 'NNS'"):
        why(a, a, "NNS")
    with pytest.raises(UnknownName, match="unknown metric 'NNS'"):
        why_reported(a, {"NNS": 2.0})
    with pytest.raises(UnknownName, match="unknown protocol"):
        why_reported(a, {"NSS": 2.0}, "dhf1k")
    with pytest.raises(WrongUse, match="finite"):
        why_reported(a, {"NSS": np.nan})
    with pytest.raises(WrongUse, match="no number"):
        why_reported(a, {})


@pytest.mark.parametrize("first", PROTOCOLS)
def test_every_choice_of_every_protocol_has_an_expected_effect(first: str) -> None:
    for second in PROTOCOLS:
        for e in expected(PROTOCOLS[first], PROTOCOLS[second], 15, PROTOCOLS[first].labels):
            assert e.effect != "size not known", (first, second, e.what)


def test_the_bonus_falls_with_the_fixations() -> None:
    sizes = [bonus_of_auc(n) for n in (0, 1, 3, 5.5, 15, 100, 1000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] == pytest.approx(0.0733)
