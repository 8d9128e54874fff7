"""The whole chain: a data set that is made, converted, predicted, scored by the engine, and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, evaluate, run
from vidsal.benchmark.human import OneVsRest
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.leaderboard.site import build
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import load


class Flat:
    """A constant map."""

    info = ModelInfo(name="flat", needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction(frame.index, np.ones((stimulus.height, stimulus.width), np.float32))


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])
def test_what_the_engine_writes_the_site_shows(tmp_path: Path, read_page: Callable[[Path], Any], protocol: str) -> None:
    generate(tmp_path / "source", videos=2, frames=6, width=32, height=24, observers=3, val=0, write_video=False)
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    release = load(tmp_path / "release", split="train")
    flat = evaluate(Flat(), release, protocol).save(tmp_path / "results")
    humans = OneVsRest()
    record = ModelRecord.of(humans)
    settings = Settings(protocols.protocol(protocol), threads=1)
    run(lambda: humans, record, release, settings, partial=tmp_path / ".partial").save(tmp_path / "results")
    summary = build(tmp_path / "results", tmp_path / "site")
    assert (summary.runs, summary.boards) == (2, 1)
    (board,) = (tmp_path / "site" / "boards").iterdir()
    models, people = read_page(board).one("table", id="table").all("tbody")
    assert models.all("th", scope="row")[0].text.startswith("flat")
    assert people.all("th", scope="row")[0].text.startswith("one_vs_rest")
    auc = [c for c in models.all("td") if c.has_class("number") and not c.has_class("rank")][0]
    assert float(auc.attributes["data-v"]) == pytest.approx(flat.scores["AUC-J"], rel=1e-8)
    assert "differs from the one in vidsal" not in read_page(board).text
