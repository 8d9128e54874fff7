"""Coverage is by frame: what a model leaves out is counted, and never helps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vidsal
from vidsal.benchmark.evaluation.coverage import looked_at
from vidsal.benchmark.evaluation.results.scored_frames import common_frames, rows_among, scored_pairs
from vidsal.benchmark.evaluation.results.store import Run, load_run, result_digest
from vidsal.benchmark.evaluation.selection import select_frames
from vidsal.benchmark.predictor import Prediction, StimulusInfo
from vidsal.leaderboard.boards import board_key
from vidsal.leaderboard.site import build
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.release.points import Points
from vidsal.loaders.release.release import Release

from ..runs import Brightness, Scripted, small_release


class Choosy(Brightness):
    """Brightness that predicts only some frames of each stimulus."""

    def __init__(self, kept: set[tuple[str, int]], **changes: Any) -> None:
        super().__init__(**{"name": "choosy", "missing": "exclude", **changes})
        self.kept = kept

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        return (p for p in super().predict(frames, stimulus) if (stimulus.id, p.frame) in self.kept)


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(small_release(tmp_path_factory.mktemp("coverage")))


@pytest.fixture(scope="module")
def honest(ds: Release, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return vidsal.evaluate(Brightness(), ds).save(tmp_path_factory.mktemp("honest"))


@pytest.fixture(scope="module")
def best(honest: Run) -> set[tuple[str, int]]:
    """The half of the frames on which NSS is highest."""
    rows = honest.frames.sort_values("NSS", ascending=False).head(len(honest.frames) // 2)
    return set(zip(rows["stimulus_id"], rows["frame"], strict=True))


@pytest.fixture(scope="module")
def choosy(ds: Release, best: set[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return vidsal.evaluate(Choosy(best), ds).save(tmp_path_factory.mktemp("choosy"))


def test_leaving_out_the_worst_frames_buys_no_rank(honest: Run, choosy: Run, tmp_path: Path) -> None:
    assert choosy.scores["NSS"] > honest.scores["NSS"] + 0.1, "the mean alone would reward it"
    assert honest.record["coverage"]["complete"] is True
    coverage = choosy.record["coverage"]
    assert coverage["complete"] is False
    assert (coverage["frames_scored"], coverage["frames_expected"]) == (18, 36)
    assert board_key(choosy.typed) != board_key(honest.typed)
    assert board_key(honest.record) == board_key(honest.typed), "as run.json holds it"
    for run in (honest, choosy):
        run.save(tmp_path / "results")
    summary = build(tmp_path / "results", tmp_path / "site")
    assert summary.boards == 2
    page = summary.index.read_text(encoding="utf-8")
    assert "18 of 36 frames" in page
    assert "2 models on the 18 frames that all of them scored" in page
    comparison = page[page.index('id="common-') :]
    (value,) = {f"{choosy.scores[name]:.9g}" for name in ["NSS"]}
    assert comparison.count(f'data-v="{value}"') == 2, "the same maps are equal where both are judged"


def test_the_digest_is_that_of_the_sorted_pairs(honest: Run, choosy: Run, best: set[tuple[str, int]]) -> None:
    lines = "".join(f"{name}\t{frame}\n" for name, frame in sorted(best))
    assert choosy.record["coverage"]["frames_digest"] == sha256(lines.encode()).hexdigest()
    everything = sorted(zip(honest.frames["stimulus_id"], honest.frames["frame"].tolist(), strict=True))
    lines = "".join(f"{name}\t{frame}\n" for name, frame in everything)
    assert honest.record["coverage"]["frames_digest"] == sha256(lines.encode()).hexdigest()


def test_the_frames_of_a_run_make_another_one_comparable(ds: Release, honest: Run, choosy: Run) -> None:
    assert choosy.folder is not None
    made = vidsal.evaluate(Brightness(), ds, frames_of=choosy.folder)
    assert board_key(made.typed) == board_key(choosy.typed)
    assert made.record["coverage"]["frames_of"] == choosy.record["coverage"]["frames_digest"]
    stimuli = sorted(set(choosy.frames["stimulus_id"][choosy.frames["status"] == "scored"]))
    counts = {"frames": 12 * len(stimuli), "scored": 18, "left_out": 12 * len(stimuli) - 18}
    assert {**made.record["counts"], **counts} == made.record["counts"]
    assert made.record["coverage"]["left_out_by_frames_of"] == 3 - len(stimuli)
    assert made.scores == choosy.scores
    whole = honest.frames[honest.frames["stimulus_id"].isin(stimuli)].reset_index(drop=True)
    assert made.frames["n_fixations"].equals(whole["n_fixations"])
    assert made.frames["frame"].equals(whole["frame"])
    assert set(made.frames["status"]) == {"scored", "left_out"}
    assert made.record["input_digest"] != honest.record["input_digest"], "unfinished work of the two must not mix"


def test_frames_from_a_list(ds: Release, tmp_path: Path) -> None:
    name = ds.ids[1]
    (tmp_path / "list.tsv").write_text(f"{name}\t3\n{name}\t4\n{name}\t9\n", encoding="utf-8")
    made = vidsal.evaluate(Scripted(list(range(12))), ds, frames_of=tmp_path / "list.tsv")
    assert scored_pairs(made.frame_table) == [(name, 3), (name, 4), (name, 9)]
    assert made.record["coverage"]["scored"] == [name]
    assert made.record["coverage"]["left_out_by_frames_of"] == 2
    assert made.record["coverage"]["frames_digest"] == select_frames(tmp_path / "list.tsv").digest


@pytest.mark.parametrize("text", ["a 3", "a\t-1", "a\tx", "\t3", "a\t1e3"])
def test_a_list_of_something_else_is_named_by_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.tsv").write_text(f"a\t1\n{text}\n", encoding="utf-8")
    with pytest.raises(BadData, match=r"list.tsv, line 2"):
        select_frames(tmp_path / "list.tsv")


def test_a_choice_of_nothing_is_refused(ds: Release, honest: Run, choosy: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(BadData, match="nothing to score"):
        select_frames(tmp_path / "empty")
    with pytest.raises(MissingData, match="a run's folder, or a file of lines"):
        select_frames(tmp_path / "absent.tsv")
    (tmp_path / "beyond").write_text(f"{ds.ids[0]}\t3\n{ds.ids[0]}\t12\n{ds.ids[1]}\t99\n")
    with pytest.raises(BadData, match=rf"frame 12 of {ds.ids[0]}, which has frames 0 to 11; so it is for 2 stimuli"):
        vidsal.evaluate(Brightness(), ds, frames_of=tmp_path / "beyond")
    (tmp_path / "other").write_text("no_such_stimulus\t0\n")
    with pytest.raises(MissingData, match="other has frames of none of the 3 stimuli"):
        vidsal.evaluate(Brightness(), ds, frames_of=tmp_path / "other")
    for run in (honest, choosy):
        run.save(tmp_path / "two")
    with pytest.raises(WrongUse, match="2 runs are here"):
        select_frames(tmp_path / "two")


def test_what_a_limit_leaves_out_is_expected_all_the_same(ds: Release) -> None:
    made = vidsal.evaluate(Brightness(), ds, limit=1).record["coverage"]
    assert (made["frames_scored"], made["frames_expected"], made["complete"]) == (12, 36, False)


def test_common_frames_are_those_of_all(honest: Run, choosy: Run, best: set[tuple[str, int]]) -> None:
    common = common_frames([honest.frame_table, choosy.frame_table])
    assert set(common) == best
    rows = rows_among(honest.frame_table, common)
    assert set(scored_pairs(rows)) == best
    assert rows.num_rows == len(best)


def test_a_run_of_before_is_read_as_one_of_today(choosy: Run, honest: Run, tmp_path: Path) -> None:
    for run, expected in ((choosy, 36), (honest, 36)):
        saved = run.save(tmp_path / run.record["model"]["name"])
        assert saved.folder is not None
        path = saved.folder / "run.json"
        old = json.loads(path.read_text())
        old["frames_digest"] = old.pop("rows_digest")
        del old["stimuli_digest"], old["counts"]["left_out"]
        for key in ("frames_scored", "frames_expected", "frames_digest", "frames_of", "left_out_by_frames_of"):
            del old["coverage"][key]
        old["coverage"]["complete"] = True
        old["digest"] = result_digest(old)
        path.write_text(json.dumps(old))
        read = load_run(saved.folder)
        assert read.record["coverage"] == run.record["coverage"]
        assert read.record["coverage"]["frames_expected"] == expected
        assert board_key(read.typed) == board_key(run.typed)
        again = read.save(tmp_path / "again")
        assert again.folder is not None
        assert load_run(again.folder).record["rows_digest"] == run.record["rows_digest"]


def test_frames_that_nobody_looked_at_are_expected_of_no_model() -> None:
    none, integers = np.empty(0), np.array([1, 4], np.int32)
    points = Points(none, none, integers, np.array([2, 9], np.int32), none, none, none, ())  # type: ignore[arg-type]
    stimulus: Any = SimpleNamespace(gaze_points=points, n_frames=8, annotated_indices=lambda: np.array([0, 1, 2, 3, 6]))
    assert looked_at(stimulus) == 3, "1, 2 and 6; nobody looked at 0 and 3"
