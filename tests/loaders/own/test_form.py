"""Tables by a column map: the same recordings in every coat, units by hand, what is told, real files."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from vidsal.loaders.conversion.convert import Conversion, convert_own
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.own.column_map import ColumnMap
from vidsal.loaders.own.form import TableForm
from vidsal.loaders.release.release import load

from ..trees import noise_video, write_video

COLUMNS = {"stimulus": "clip", "observer": "who", "time": "t", "x": "gx", "y": "gy"}
CLIP = {"width": 64, "height": 36, "fps": 25, "n_frames": 10}
ROWS = pd.DataFrame(
    [("b", "007", 0, 1.5, 2.5), ("b", "007", 39, 3.0, 4.0), ("b", "007", 40, 5.0, 6.0), ("a", "8", 399, 63.5, 35.5)],
    columns=["clip", "who", "t", "gx", "gy"],
)


def column_map(**changes: Any) -> ColumnMap:
    return ColumnMap(**{"kind": "samples", "columns": COLUMNS, "stimuli": CLIP, **changes})


def converted(source: Path, out: Path, wanted: ColumnMap, only: str | None = None, **options: Any) -> Conversion:
    videos = options.get("frames")
    form = TableForm(wanted, only, None if videos is None else Path(videos))
    return convert_own(form, source, out, **{"workers": 1, **options})


def points(out: Path) -> list[tuple[object, ...]]:
    table = load(out).fixations
    columns = ["stimulus_id", "observer_id", "frame", "x_px", "y_px"]
    return list(table[columns].astype({"stimulus_id": str, "observer_id": str}).itertuples(index=False, name=None))


EXPECTED = [("a", "8", 9, 63.5, 35.5), ("b", "007", 0, 1.5, 2.5), ("b", "007", 0, 3.0, 4.0), ("b", "007", 1, 5.0, 6.0)]
COATS = {
    "csv": lambda folder: ROWS.to_csv(folder / "gaze.csv", index=False),
    "semicolons": lambda folder: ROWS.to_csv(folder / "gaze.csv", index=False, sep=";"),
    "tsv": lambda folder: ROWS.to_csv(folder / "gaze.tsv", index=False, sep="\t"),
    "utf-16": lambda folder: ROWS.to_csv(folder / "gaze.tsv", index=False, sep="\t", encoding="utf-16"),
    "byte order mark": lambda folder: ROWS.to_csv(folder / "gaze.csv", index=False, encoding="utf-8-sig"),
    "CRLF": lambda folder: ROWS.to_csv(folder / "gaze.csv", index=False, lineterminator="\r\n"),
    "parquet": lambda folder: ROWS.to_parquet(folder / "gaze.parquet", index=False),
    "jsonl": lambda folder: ROWS.to_json(folder / "gaze.jsonl", orient="records", lines=True),
    "rows of JSON in a list": lambda folder: ROWS.to_json(folder / "gaze.json", orient="records", indent=1),
    "columns of JSON in lists": lambda folder: (folder / "gaze.json").write_text(json.dumps(ROWS.to_dict("list"))),
    "two files": lambda folder: [
        ROWS.iloc[s].to_csv(folder / f"{s.start}.csv", index=False) for s in (slice(0, 2), slice(2, 4))
    ],
}


@pytest.mark.parametrize("coat", COATS)
def test_the_same_table_in_every_coat(coat: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    COATS[coat](tmp_path / "in")
    (tmp_path / "in" / "._gaze.csv").write_bytes(b"\0\5\26\7")
    made = converted(tmp_path / "in", tmp_path / "out", column_map())
    assert points(tmp_path / "out") == EXPECTED
    assert [a.kind for a in made.anomalies if a.where != "frames"] == (["surplus"] if coat == "two files" else [])
    assert made.release["release"] == "own"
    assert made.release["processing"]["column_map"]["columns"] == COLUMNS


def test_json_with_what_tables_lack(tmp_path: Path) -> None:
    """NaN as Python writes it, a key that only later rows have, a nested column that nobody asked for."""
    rows = [{**row, "more": [1, 2]} for row in ROWS.to_dict("records")]
    rows.insert(0, {"clip": "a", "who": "8", "t": 0, "gx": float("nan")})
    for name, text in (("list", json.dumps(rows)), ("lines", "\n".join(json.dumps(row) for row in rows))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gaze.json").write_text(text)
        converted(tmp_path / name, tmp_path / f"{name}-out", column_map())
        assert points(tmp_path / f"{name}-out") == EXPECTED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ROWS.to_json(), "JSON, but no table: .*orient='records'"),
        ("[[1, 2], [3, 4]]", "JSON, but no table"),
        ("[]", "JSON, but no table"),
        ('[{"clip": "a"}, {"clip": ]', "not a readable table"),
        ('{"clip": "a"}\n{"clip": }', "line 2: not a row of JSON"),
    ],
)
def test_json_that_is_no_table(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "gaze.json").write_text(text)
    with pytest.raises(BadData, match=rf"gaze\.json.*{why}"):
        converted(tmp_path, tmp_path / "out", column_map())


@pytest.mark.parametrize("first", [0, 1])
def test_columns_by_number_count_from_one_or_from_zero(first: int, tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "gaze.txt", index=False, header=False)
    columns = dict(zip(COLUMNS, range(first, first + 5), strict=True))
    converted(tmp_path, tmp_path / "out", column_map(columns=columns, file={"header": False}), "gaze.txt")
    assert points(tmp_path / "out") == EXPECTED


def test_a_matrix_of_a_matlab_file_and_names_by_pattern(tmp_path: Path) -> None:
    for stimulus, observer in (("a", "8"), ("b", "007")):
        rows = ROWS[ROWS["clip"] == stimulus][["t", "gx", "gy"]].to_numpy(float)
        savemat(tmp_path / f"{observer}_on_{stimulus}.mat", {"D": {"pos": rows}})
    wanted = column_map(
        columns={"time": 1, "x": 2, "y": 3}, file={"variable": "D.pos", "pattern": "{observer}_on_{stimulus}.mat"}
    )
    converted(tmp_path, tmp_path / "out", wanted)
    assert points(tmp_path / "out") == EXPECTED


def test_a_cell_of_matrices_is_one_a_part(tmp_path: Path) -> None:
    cell = np.empty((2, 1), object)
    cell[0, 0], cell[1, 0] = np.array([[1, 2], [3, 4]], np.uint16), np.array([[5, 6]], np.uint16)
    savemat(tmp_path / "a.mat", {"all": cell})
    wanted = column_map(
        columns={"observer": "part", "frame": "row", "x": 1, "y": 2}, file={"pattern": "{stimulus}.mat"}
    )
    converted(tmp_path, tmp_path / "out", wanted)
    assert points(tmp_path / "out") == [("a", "1", 0, 1, 2), ("a", "2", 0, 5, 6), ("a", "1", 1, 3, 4)]


def test_decimal_commas(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "gaze.csv", index=False, sep=";", decimal=",")
    converted(tmp_path, tmp_path / "out", column_map(file={"decimal": ","}), "gaze.csv")
    assert points(tmp_path / "out") == EXPECTED


@pytest.mark.parametrize(
    ("units", "scale"), [({"time": "us"}, 1000), ({"time": "s"}, 0.001), ({"time": "frame", "first_frame": 1}, None)]
)
def test_units_of_time(units: dict[str, Any], scale: float | None, tmp_path: Path) -> None:
    time = ROWS.t * scale if scale else pd.Series([1, 1, 2, 10])
    ROWS.assign(t=time).to_csv(tmp_path / "gaze.csv", index=False)
    converted(tmp_path, tmp_path / "out", column_map(units=units), "gaze.csv")
    assert points(tmp_path / "out") == EXPECTED


def test_the_tracker_s_own_clock(tmp_path: Path) -> None:
    ROWS.assign(t=ROWS.t + np.array([900, 900, 900, 700])).to_csv(tmp_path / "gaze.csv", index=False)
    converted(tmp_path, tmp_path / "out", column_map(units={"zero": "first"}), "gaze.csv")
    assert [frame for _, _, frame, _, _ in points(tmp_path / "out")] == [0, 0, 0, 1]


FIXATIONS = pd.DataFrame(
    [("a", "x", 0.0, 80.0, 1, 1), ("a", "x", 100.0, 1000.0, 2, 2), ("a", "x", 500.0, 10.0, 3, 3)],
    columns=["clip", "who", "t", "d", "gx", "gy"],
)


def test_fixations_and_the_frames_that_they_cover(tmp_path: Path) -> None:
    """40 ms a frame, 10 frames: 0 to 80 ms are frames 0 and 1; 100 to 1100 ms are 2 to the last; 500 ms is past it."""
    FIXATIONS.to_csv(tmp_path / "gaze.csv", index=False)
    wanted = column_map(kind="fixations", columns={**COLUMNS, "duration": "d"})
    made = converted(tmp_path, tmp_path / "out", wanted, "gaze.csv")
    table = load(tmp_path / "out").fixations
    assert table.event.tolist() == ["fixation"] * 2
    assert table[["frame", "frame_end", "onset_ms", "duration_ms"]].to_numpy().tolist() == [
        [0, 1, 0, 80],
        [2, 9, 100, 1000],
    ]
    assert [(a.kind, a.count) for a in made.anomalies if a.where == "a"] == [("out-of-range", 1)]


def test_labels_become_runs(tmp_path: Path) -> None:
    label = ["Fixation"] * 3 + ["Saccade"] * 2 + ["Fixation"] * 2
    rows = pd.DataFrame({"clip": "a", "who": "x", "t": np.arange(7) * 20, "gx": [1, 2, 9, 20, 30, 40, 42], "gy": 5})
    rows.assign(e=label).to_csv(tmp_path / "gaze.csv", index=False)
    converted(tmp_path, tmp_path / "out", column_map(columns={**COLUMNS, "event": "e"}), "gaze.csv")
    table = load(tmp_path / "out").fixations
    columns = ["event", "x_px", "frame", "frame_end", "duration_ms"]
    assert table[columns].astype({"event": str}).to_numpy().tolist() == [
        ["fixation", 2, 0, 1, 40],
        ["saccade", 25, 1, 2, 20],
        ["fixation", 41, 2, 3, 20],
    ]


def test_labels_that_nothing_explains_are_named(tmp_path: Path) -> None:
    ROWS.assign(e=[1, 1, 2, 1]).to_csv(tmp_path / "gaze.csv", index=False)
    wanted = column_map(columns={**COLUMNS, "event": "e"}, events={"fixation": [1]})
    made = converted(tmp_path, tmp_path / "out", wanted, "gaze.csv")
    (fault,) = (a for a in made.anomalies if a.kind == "unreadable" and a.where == "gaze.csv")
    assert "labels 2 of column event are not explained" in fault.message


def test_lost_samples_are_no_points(tmp_path: Path) -> None:
    ROWS.assign(gx=[0, np.nan, 5, 6], gy=[0, 4, 6, 6]).to_csv(tmp_path / "gaze.csv", index=False)
    converted(tmp_path, tmp_path / "out", column_map(units={"lost": [0, 0]}), "gaze.csv")
    release = load(tmp_path / "out")
    assert points(tmp_path / "out") == [("a", "8", 9, 6, 6), ("b", "007", 1, 5, 6)]
    assert release.table("gaze")["label"].to_pylist() == ["lost", "lost"]


def test_videos_are_found_by_name_and_give_size_and_rate(tmp_path: Path) -> None:
    ROWS[ROWS["clip"] == "b"].replace("b", "clip_2").to_csv(tmp_path / "gaze.csv", index=False)
    write_video(tmp_path / "videos" / "Clip-02.mkv", noise_video(4), fps=50)
    write_video(tmp_path / "videos" / "clip-03.mkv", noise_video(2), fps=50)
    made = converted(tmp_path, tmp_path / "out", column_map(stimuli={}), "gaze.csv", frames=tmp_path / "videos")
    (stimulus,) = load(tmp_path / "out")
    assert (stimulus.n_frames, stimulus.width, stimulus.height, stimulus.fps) == (4, 64, 36, Fraction(50))
    assert [p[2] for p in points(tmp_path / "out")] == [0, 1, 2]
    assert len(list(stimulus.frames())) == 4
    assert [(a.kind, a.where, a.fatal) for a in made.anomalies] == [("surplus", "videos", False)]


def test_the_place_of_the_files_is_no_part_of_a_release(tmp_path: Path) -> None:
    digests = set()
    for place in ("here", "there/deeper"):
        write_video(tmp_path / place / "v" / "b.mkv", noise_video(4), fps=25)
        ROWS[ROWS["clip"] == "b"].to_csv(tmp_path / place / "gaze.csv", index=False)
        options = {"frames": tmp_path / place / "v", "workers": 2}
        made = converted(tmp_path / place, tmp_path / place / "out", column_map(stimuli={}), "gaze.csv", **options)
        digests.add(made.release["files"]["fixations.parquet"])
    assert len(digests) == 1
    assert str(tmp_path) not in json.dumps(made.release)


def test_images(tmp_path: Path) -> None:
    FIXATIONS.to_csv(tmp_path / "gaze.csv", index=False)
    stimuli = {"kind": "image", "width": 64, "height": 36, "duration_ms": 5000}
    converted(tmp_path, tmp_path / "out", column_map(kind="fixations", stimuli=stimuli), "gaze.csv")
    (stimulus,) = load(tmp_path / "out")
    assert (stimulus.kind, stimulus.n_frames, len(stimulus.points(0))) == ("image", 1, 3)


def test_a_recording_cut_short_is_told(tmp_path: Path) -> None:
    t = np.arange(0, 3000, 4)
    pd.DataFrame({"clip": "a", "who": "x", "t": t, "gx": 5, "gy": 5}).to_csv(tmp_path / "gaze.csv", index=False)
    made = converted(tmp_path, tmp_path / "out", column_map(stimuli={**CLIP, "n_frames": 250}), "gaze.csv")
    assert [a.message for a in made.anomalies if a.kind == "incomplete"] == [
        "the recording ends at 3.00 s, the clip at 10.00 s"
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("clip,who,t,gx\na,b,0,1\n", "no column 'gy' for y; it has 4 columns: clip, who, t, gx"),
        ("clip,who,t,gx,gy\na,b,0,one,2\n", "row 1: column x holds 'one', no number"),
        ("clip,who,t,gx,gy\na,b,0,1\n", "not a readable table"),
        ("", "no line of a table is there"),
    ],
)
def test_what_cannot_be_read_is_named(table: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "gaze.csv").write_text(table)
    with pytest.raises((BadData, MissingData)) as caught:
        converted(tmp_path, tmp_path / "out", column_map(), "gaze.csv")
    assert message in str(caught.value)
    assert "gaze.csv" in str(caught.value)


def test_without_a_size_or_a_rate_the_remedy_is_said(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "gaze.csv", index=False)
    for stimuli, what in (({}, "width and height in [stimuli]"), ({"width": 9, "height": 9}, "fps in [stimuli]")):
        with pytest.raises(MissingData) as caught:
            converted(tmp_path, tmp_path / "out", column_map(stimuli=stimuli), "gaze.csv")
        assert what in str(caught.value)


# --- real files, each by a map and no code

SCREEN = {"width_px": 1024, "height_px": 768, "show": "center"}
ANDERSSON: dict[str, Any] = {
    "columns": {"time": 1, "pupil": 2, "x": 4, "y": 5, "event": 6},
    "units": {"time": "us", "zero": "first", "position": "screen_px", "lost": [0, 0]},
    "screen": SCREEN,
    "stimuli": {},
    "events": {"fixation": [1], "saccade": [2, 3], "pursuit": [4], "noise": [5, 6]},
    "file": {"variable": "ETdata.pos", "pattern": "{observer}_video_{stimulus}_labelled_RA.mat"},
}


@pytest.mark.data
def test_andersson2017(samples: Path, tmp_path: Path) -> None:
    from scipy.io import loadmat

    source = samples / "andersson2017" / "annotated_data" / "data used in the article" / "video"
    videos = samples / "andersson2017" / "Stimuli" / "videos"
    converted(source, tmp_path / "out", column_map(**ANDERSSON), frames=videos)
    release = load(tmp_path / "out")
    assert {s.id: (s.n_frames, s.row["n_observers"]) for s in release} == {
        "BergoDalbana": (203, 3),
        "triple_jump": (143, 4),
    }
    raw = loadmat(source / "TH34_video_BergoDalbana_labelled_RA.mat")["ETdata"]["pos"][0, 0]
    runs = np.flatnonzero(np.diff(raw[:, 5], prepend=-1))
    first = next(i for i in runs if raw[i, 5] == 1)
    end = runs[list(runs).index(first) + 1]
    table = release.fixations
    own = table[(table.observer_id == "TH34") & (table.event == "fixation")].sort_values("order").iloc[0]
    assert own.x_px == pytest.approx(np.median(raw[first:end, 3]) - 152, abs=0.01)
    assert own.y_px == pytest.approx(np.median(raw[first:end, 4]) - 96, abs=0.01)
    assert own.onset_ms == pytest.approx((raw[first, 0] - raw[0, 0]) / 1000, abs=0.001)


@pytest.mark.data
def test_diem(samples: Path, tmp_path: Path) -> None:
    source = samples / "diem" / "data"
    wanted = column_map(
        columns={"frame": 1, "x": 6, "y": 7, "event": 5},
        units={"first_frame": 1, "position": "screen_px", "lost": [0, 0]},
        screen={"width_px": 1280, "height_px": 960, "show": "center"},
        stimuli={"width": 1066, "height": 710, "fps": 30, "n_frames": 2785},
        events={"fixation": [1], "saccade": [2], "noise": [-1, 0]},
        file={"header": False, "pattern": "{observer}.asc_{}_{stimulus}.txt"},
    )
    made = converted(source, tmp_path / "out", wanted)
    (stimulus,) = load(tmp_path / "out")
    assert (stimulus.id, stimulus.n_frames, stimulus.row["n_observers"]) == ("arctic_bears_1066x710", 2785, 8)
    assert made.release["counts"]["gaze_samples"] == 8 * 2785


@pytest.mark.data
def test_find_av(samples: Path, tmp_path: Path) -> None:
    folder = samples / "find_av" / "data"
    wanted = column_map(
        columns={"observer": "part", "frame": "row", "x": 1, "y": 2},
        stimuli={},
        file={"variable": "curr_v_all_s", "pattern": "{stimulus}.mat"},
    )
    made = converted(folder / "fix_data", tmp_path / "out", wanted, frames=folder / "videos")
    assert made.release["counts"]["points_in_bounds"] == 39 * 396
    (stimulus,) = load(tmp_path / "out")
    assert {len(stimulus.points(frame)) for frame in (0, 200, 395)} == {39}
