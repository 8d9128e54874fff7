"""What a release says of its stimuli and its gaps, number by number: a form by hand, and every word checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vidsal.loaders.conversion.convert import convert_own
from vidsal.loaders.datasets.synthetic.form import INFO
from vidsal.loaders.errors import MissingData
from vidsal.loaders.records import DatasetInfo, Gaze, Report, StimulusRow
from vidsal.loaders.release.release import load

from ..trees import noise_video, write_video

SIZE = (64, 36)
ROWS = (
    StimulusRow("all", "all", "all.avi", *SIZE, 4, Fraction(25), first_frame_number=7),
    StimulusRow("some", "all", "some.avi", *SIZE, 6, Fraction(25)),
    StimulusRow("silent", "all", "silent.avi", *SIZE, 3, Fraction(25)),
)


class ByHand:
    """Three clips: one annotated throughout, one in part and past its end, one without any gaze."""

    INFO: DatasetInfo = replace(INFO, name="by-hand", variant=None)

    def present(self, source: Path) -> bool:
        return True

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        yield from ROWS

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        if stimulus.stimulus_id == "silent":
            return Gaze(annotated=False)
        # In turn: inside, left of it and below it, on the last pixel, just past it; a saccade outside is no fixation.
        fixations = {
            "event": ["fixation", "fixation", "fixation", "fixation", "fixation", "saccade"],
            "frame": [0, 0, 1, 1, 2, 2],
            "x_px": [0.0, -1.0, 5.0, 63.5, 64.0, 99.0],
            "y_px": [0.0, 4.0, 36.0, 35.5, 5.0, 5.0],
            "observer_id": "o",
        }
        # Inside, twice outside, and once lost.
        samples = {
            "observer_id": "o",
            "t_us": [0, 1, 2, 3],
            "x_px": np.array([0.0, -2.0, 9.0, np.nan]),
            "y_px": np.array([0.0, 2.0, 36.0, np.nan]),
        }
        if stimulus.stimulus_id == "all":
            return Gaze(fixations, samples, annotated_frames=(0, 3), n_observers=1)
        return Gaze({**fixations, "x_px": 3.0, "y_px": 3.0}, annotated_frames=(1, 2, 5, 9), n_observers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by-hand")
    write_video(folder / "src" / "some.avi", noise_video(6), fps=25)
    convert_own(ByHand(), folder / "src", folder / "out", workers=1)
    return folder / "out"


def test_what_is_odd_is_counted_and_named(made: Path) -> None:
    record = load(made).record
    found = {(a["kind"], a["where"]): (a["count"], a["fatal"], a["message"]) for a in record["anomalies"]}
    assert found == {
        ("missing", "frames"): (1, True, "no frames for 1 of 3 stimuli: all"),
        ("out-of-range", "fixations"): (
            3,
            True,
            "fixations lie outside the frame in 1 stimuli: all (3); kept, but no points",
        ),
        ("out-of-range", "samples"): (
            3,
            False,
            "gaze samples lie outside the frame in 1 stimuli: all (3); kept, but no points",
        ),
        ("surplus", "some"): (
            4,
            True,
            "4 annotated frames lie past the last of 6; they and their 0 rows are left out",
        ),
    }
    assert record["first_frame_numbers"] == {"all": 7}


def test_annotated_frames_end_with_the_clip_and_all_of_them_are_none(made: Path) -> None:
    table = load(made).table("stimuli")
    found = dict(zip(table["stimulus_id"].to_pylist(), table["annotated_frames"].to_pylist(), strict=True))
    assert found == {"all": None, "some": [1, 2, 5, 5], "silent": None}


def test_where_there_is_nothing_to_convert(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="nowhere: no such folder"):
        convert_own(ByHand(), tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(MissingData, match="nowhere: no such folder"):
        convert_own(ByHand(), tmp_path, tmp_path / "out", frames=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
