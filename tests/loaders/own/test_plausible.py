"""What a column map says and the table contradicts is told, and what cannot apply is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from vidsal.loaders.errors import BadData
from vidsal.loaders.own.column_map import ColumnMap

from ..trees import noise_video, write_video
from .test_form import CLIP, COLUMNS, column_map, converted

SCREEN = {"width_px": 64, "height_px": 36, "width_mm": 640.0, "height_mm": 360.0, "distance_mm": 600.0}


def told(tmp_path: Path, rows: list[tuple[Any, ...]], wanted: ColumnMap, **options: Any) -> list[tuple[str, int, bool]]:
    names = ["clip", "who", "t", "gx", "gy", "d"]
    (tmp_path / "in").mkdir()
    pd.DataFrame(rows, columns=names[: len(rows[0])]).to_csv(tmp_path / "in" / "gaze.csv", index=False)
    made = converted(tmp_path / "in", tmp_path / "out", wanted, **options)
    return [(a.message, a.count, a.fatal) for a in made.anomalies if a.where != "frames"]


def still(x: float, y: float, step: float = 20, n: int = 20) -> list[tuple[Any, ...]]:
    return [("b", "a", step * i, x, y) for i in range(n)]


def test_a_plausible_recording_has_no_anomaly(tmp_path: Path) -> None:
    assert told(tmp_path, still(30, 20), column_map()) == []


def test_pixels_that_are_called_normalized_lie_outside(tmp_path: Path) -> None:
    found = told(tmp_path, still(30, 20), column_map(units={"position": "normalized"}))
    assert found[0][0].startswith("20 of 20 positions lie outside the stimulus of 64x36 pixels; are position, origin")
    assert found[0][2]


def test_normalized_positions_that_are_called_pixels(tmp_path: Path) -> None:
    ((message, _, fatal),) = told(tmp_path, still(0.5, 0.75), column_map())
    assert message == "no position is above 0.75 px; are they normalized? Say so in [units] position"
    assert fatal


def test_times_of_another_unit_run_past_the_clip(tmp_path: Path) -> None:
    ((message, count, fatal),) = told(tmp_path, still(30, 20), column_map(units={"time": "s"}))
    assert message.endswith("most of them: are time and zero in [units] of the map right?")
    assert (count, fatal) == (19, True)


@pytest.mark.parametrize("mark", [0, -1, -9999])
def test_a_mark_of_lost_samples_is_named(tmp_path: Path, mark: float) -> None:
    rows = still(30, 20)
    rows[3:14] = [(*row[:3], mark, mark) for row in rows[3:14]]
    found = told(tmp_path, rows, column_map())
    assert found[0] == (
        f"11 of 20 positions are exactly ({mark:g}, {mark:g}); if that means lost, say lost = [{mark:g}, {mark:g}] in "
        "[units] of the map",
        1,
        True,
    )


def test_a_mark_that_is_said_or_the_center_is_not_named(tmp_path: Path) -> None:
    for name, units, place in (("a", {"lost": [-1, -1]}, -1), ("b", {"origin": "center"}, 0)):
        (tmp_path / name).mkdir()
        rows = [(*row[:3], place, place) if i < 12 else row for i, row in enumerate(still(10, 12))]
        assert told(tmp_path / name, rows, column_map(units=units)) == []


@pytest.mark.parametrize(("low", "high", "said"), [(1, 10, True), (0, 9, False), (1, 9, False), (0, 10, False)])
def test_frames_that_seem_to_count_from_one(tmp_path: Path, low: int, high: int, said: bool) -> None:
    rows = [("b", "a", frame, 30.0, 20.0) for frame in range(low, high + 1)]
    found = [text for text, _, _ in told(tmp_path, rows, column_map(units={"time": "frame"})) if "numbered" in text]
    assert found == said * [
        "frames are numbered 1 to 10, by the map they are 0 to 9; if counted from 1, say first_frame = 1 in [units]"
    ]


def test_two_recordings_that_nothing_tells_apart(tmp_path: Path) -> None:
    twice = still(30, 20) + still(31, 20)
    found = [(text, count) for text, count, _ in told(tmp_path, twice, column_map()) if "twice" in text]
    assert found == [
        (
            "the times of a go back 1 times, to times that are there already: is it one recording twice, or is a column "
            "observer or trial missing?",
            20,
        )
    ]
    for name, rows in (
        ("unsorted", still(30, 20)[::-1]),
        ("coarse", sorted(twice, key=lambda row: row[2])),
        ("glitch", [*still(30, 20)[:9], still(30, 20)[3], *still(30, 20)[9:]]),
    ):
        (tmp_path / name).mkdir()
        assert told(tmp_path / name, rows, column_map()) == []


def test_a_few_samples_past_the_end_are_a_note(tmp_path: Path) -> None:
    ((message, count, fatal),) = told(tmp_path, still(30, 20, n=22), column_map())
    assert (message[-12:], count, fatal) == ("kept as gaze", 2, False)


def test_a_map_that_contradicts_the_video(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "b.avi", noise_video(10, 48, 64))
    found = told(tmp_path, still(30, 20), column_map(stimuli={**CLIP, "n_frames": 12}), frames=tmp_path / "videos")
    assert (
        "[stimuli] of the map says height 36, n_frames 12, fps 25; the video's height 48, n_frames 10, fps 30 is taken",
        1,
        True,
    ) in (found)


def test_a_hole_in_a_short_but_regular_recording(tmp_path: Path) -> None:
    rows = [row for row in still(30, 20, n=100) if not 500 < row[2] < 1400]
    found = told(tmp_path, rows, column_map(stimuli={**CLIP, "n_frames": 50}))
    assert found == [("no sample from 0.50 to 1.40 s", 1, True)]


def test_rows_of_nobody_and_of_nothing_are_counted(tmp_path: Path) -> None:
    rows = [*still(30, 20), (None, "a", 0, 1, 1), ("b", None, 0, 1, 1)]
    found = told(tmp_path, rows, column_map())
    assert ("rows name no observer; taken as 1", 1, True) in found
    assert ("rows name no stimulus; left out", 1, False) in found


def test_durations_below_zero_are_unknown(tmp_path: Path) -> None:
    rows = [("b", "a", 40 * i, 30, 20, -90 if i else 90) for i in range(10)]
    wanted = column_map(kind="fixations", columns={**COLUMNS, "duration": "d"})
    assert told(tmp_path, rows, wanted) == [("durations below 0; taken as unknown", 9, True)]


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "gaze.csv").write_text("clip,who,t,gx,gy,gx\nb,a,0,1,2,3\n")
    with pytest.raises(BadData, match="several columns are named 'gx'; name that of x by its number"):
        converted(tmp_path, tmp_path / "out", column_map(), "gaze.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": {"position": "degrees"}}, r"needs px_per_degree in \[screen\], or the display"),
        ({"units": {"position": "degrees"}, "screen": {**SCREEN, "distance_mm": None}}, "needs px_per_degree"),
        ({"units": {"position": "degrees", "origin": "top-left"}, "screen": SCREEN}, "degrees count from the middle"),
        ({"units": {"first_frame": 1}}, "first_frame cannot apply"),
        ({"units": {"duration": "s"}}, "duration cannot apply"),
        ({"units": {"zero": "first"}, "columns": {**COLUMNS, "time": None, "frame": "t"}}, "zero = 'first' cannot"),
        ({"columns": {**COLUMNS, "duration": "d"}}, "kind = 'samples' have none"),
        ({"events": {"fixation": [1]}}, "labels cannot apply"),
        ({"events": {"minimum_ms": 60}}, "minimum_ms cannot apply with detector = 'none'"),
        ({"events": {"detector": "idt", "velocity_px": 700}}, "velocity_px cannot apply with detector = 'idt'"),
    ],
)
def test_what_cannot_apply_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        column_map(**changes)


def test_what_applies_is_taken() -> None:
    column_map(units={"position": "degrees", "origin": "center", "y": "up"}, screen=SCREEN)
    column_map(units={"position": "degrees"}, screen={"px_per_degree": 30})
    column_map(units={"time": "frame", "first_frame": 1})
    column_map(events={"detector": "ivt", "velocity_px": 700, "minimum_ms": 60})
