"""SALICON: the authors' JSON example, MAT files built as documented, and every trap of both."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from scipy.io import savemat

from vidsal.loaders.datasets.salicon import flat_json, images, json2015, mat2015, mat2017
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.records import Report, StimulusRow

A, B, V = (
    "COCO_train2014_000000123067",
    "COCO_train2014_000000000009",
    "COCO_val2014_000000000042",
)
NAN = float("nan")


def kinds(report):
    """The anomalies beside those that count the images that are not here."""
    return [(a.kind, a.count) for a in report if a.fatal and a.where not in images.COUNTS]


def absent(report):
    return {a.where: a.count for a in report if a.kind == "missing" and a.fatal and a.where in images.COUNTS}


# --- JSON


def write_json(path: Path, annotations, pictures=((1, A), (2, B)), **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [
        {"id": i, "file_name": f"{name}.jpg", "width": 640, "height": 480, "url": 'h{"t}p'} for i, name in pictures
    ]
    content = {"info": {"year": 2014, "note": ["[", {"a": "}"}]}, "images": listed, "licenses": [], "type": "fixations"}
    path.write_text(json.dumps({**content, "annotations": annotations, **more}))
    return path


def track(number, image, worker, points):
    return {"image_id": image, "fixations": points, "worker_id": worker, "id": number}


@pytest.mark.data
def test_the_example_gives_its_counts(samples):
    """Against a plain reading of the whole file: every worker, every position, in order, [row, column] turned."""
    source = samples / "salicon_2015"
    whole = json.loads((source / "annotations/fixations_train2014examples.json").read_text())
    assert json2015.present(source)
    assert not mat2015.present(source)
    report = Report()
    rows = list(json2015.stimuli(source, report))
    names = sorted(Path(i["file_name"]).stem for i in whole["images"])
    assert [r.stimulus_id for r in rows] == names
    assert not kinds(report)
    assert absent(report) == {"train": 9_990, "val": 5_000, "test": 5_000}
    assert all((source / r.source_file).is_file() for r in rows)
    assert {(r.split, r.width, r.height, r.n_frames, r.duration_ms) for r in rows} == {("train", 640, 480, 1, 5000)}
    total = 0
    for row in rows:
        report = Report()
        gaze = json2015.gaze(source, row, report)
        assert not report
        number = next(i["id"] for i in whole["images"] if i["file_name"].startswith(row.stimulus_id))
        own = [a for a in whole["annotations"] if a["image_id"] == number]
        flat = [
            (str(a["worker_id"]), str(a["id"]), i, x - 0.5, y - 0.5)
            for a in own
            for i, (y, x) in enumerate(a["fixations"])
        ]
        f = gaze.fixations
        got = zip(f["observer_id"], f["trial_id"], f["order"], f["x_px"], f["y_px"], strict=True)
        assert [tuple(g) for g in got] == flat
        assert f["event"] == "mouse"
        assert gaze.n_observers == len({a["worker_id"] for a in own})
        assert f["x_px"].min() >= 0.5
        assert f["x_px"].max() <= 639.5
        assert f["y_px"].max() <= 479.5
        total += len(flat)
    assert total == 73_630
    assert len(whole["annotations"]) == 610


def test_records_are_found_whatever_their_order(tmp_path):
    write_json(
        tmp_path / "annotations/fixations_train2014.json",
        [
            track(7, 2, 50, [[1, 640]]),
            track(8, 1, 51, [[480, 1], [2, 3]]),
            track(9, 2, 51, []),
            track(10, 2, "w", [[5, 6]]),
        ],
    )
    write_json(tmp_path / "annotations/fixations_val2014.json", [track(1, 9, 1, [[1, 1]])], pictures=((9, V),))
    (tmp_path / "images" / "val").mkdir(parents=True)
    (tmp_path / "images" / "val" / f"{V}.jpg").write_bytes(b"")
    (tmp_path / "images" / "val" / "COCO_test2014_000000000001.jpg").write_bytes(b"")
    report = Report()
    rows = {r.stimulus_id: r for r in json2015.stimuli(tmp_path, report)}
    assert list(rows) == ["COCO_test2014_000000000001", B, A, V]
    assert [r.split for r in rows.values()] == ["test", "train", "train", "val"]
    assert rows[V].source_file == f"images/val/{V}.jpg"
    assert [(a.where, a.count, a.fatal) for a in report] == [
        ("train", 9_998, True),
        ("val", 4_999, True),
        ("test", 4_999, True),
    ]
    report = Report()
    f = json2015.gaze(tmp_path, rows[B], report).fixations
    assert f["x_px"].tolist() == [639.5, 5.5]
    assert f["y_px"].tolist() == [0.5, 4.5]
    assert f["observer_id"] == ["50", "w"]
    assert f["trial_id"] == ["7", "10"]
    assert [(a.kind, a.fatal) for a in report] == [("missing", False)]
    assert json2015.gaze(tmp_path, rows[A], Report()).fixations["order"].tolist() == [0, 1]
    withheld = Report()
    assert not json2015.gaze(tmp_path, rows["COCO_test2014_000000000001"], withheld).annotated
    assert not withheld


def test_byte_order_mark_and_blanks_do_no_harm(tmp_path):
    path = write_json(tmp_path / "fixations_train2014.json", [track(7, 1, 50, [[1, 2]])])
    value = json.loads(path.read_text())
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(value, indent=3).replace("\n", "\r\n").encode())
    rows = {r.stimulus_id: r for r in json2015.stimuli(tmp_path, Report())}
    assert json2015.gaze(tmp_path, rows[A], Report()).fixations["x_px"].tolist() == [1.5]


def test_an_image_that_two_files_list_is_taken_once(tmp_path):
    write_json(tmp_path / "fixations_train2014.json", [track(7, 1, 50, [[1, 2]])])
    write_json(tmp_path / "fixations_train2014examples.json", [track(7, 1, 50, [[1, 2]])])
    report = Report()
    rows = list(json2015.stimuli(tmp_path, report))
    assert len(rows) == 2
    assert {r.extra.file for r in rows} == {"fixations_train2014.json"}
    assert kinds(report) == [("surplus", 2)]


@pytest.mark.parametrize(
    "bad",
    [
        {"image_id": 1, "fixations": [[1, 2]], "id": 3},
        {"image_id": 1, "fixations": [[1, 2]], "worker_id": True, "id": 3},
        {"image_id": 1, "fixations": [[1, 2]], "worker_id": 5},
        {"image_id": 1, "worker_id": 5, "id": 3},
        track(3, 1, 5, [[1, 2, 3]]),
        track(3, 1, 5, [1, 2]),
        track(3, 1, 5, [[1.5, 2]]),
        track(3, 1, 5, [["1", "2"]]),
        track(3, 1, 5, [[1, None]]),
        track(3, 1, 5, [[NAN, 2]]),
        track(3, 1, 5, [[1, float("inf")]]),
        track(3, 1, 5, [[1, 10**30]]),
        track(3, 1, 5, [[True, 2]]),
        track(3, 1, 5, "text"),
    ],
)
def test_a_bad_record_is_reported_with_its_byte_and_left_out(tmp_path, bad):
    write_json(tmp_path / "fixations_train2014.json", [track(1, 1, 50, [[1, 2]]), bad])
    rows = {r.stimulus_id: r for r in json2015.stimuli(tmp_path, Report())}
    report = Report()
    gaze = json2015.gaze(tmp_path, rows[A], report)
    assert gaze.fixations["observer_id"] == ["50"]
    assert kinds(report) == [("unreadable", 1)]
    assert "fixations_train2014.json, byte" in report[0].message


def test_stray_and_nameless_records_are_counted(tmp_path):
    write_json(
        tmp_path / "fixations_train2014.json",
        [track(1, 77, 5, [[1, 2]]), {"fixations": [[1, 2]], "worker_id": 1, "id": 1}, track(1, 1, 5, [[1, 2]])],
        pictures=((1, A), (1, B), (3, "../../etc"), (4, "")),
    )
    report = Report()
    rows = list(json2015.stimuli(tmp_path, report))
    assert [r.stimulus_id for r in rows][0] == A
    assert sorted(kinds(report)) == [("mismatch", 1), ("surplus", 1)] + [("unreadable", 1)] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"[]", r"byte 0: expected \{"),
        (b"{}", "no list 'images'"),
        (b'{"images": []}', "no list 'annotations'"),
        (b'{"images": {}, "annotations": []}', "no list 'images'"),
        (b'{"images": [], "annotations": [{"a": {}}]}', "without records in it"),
        (b'{"images": [], "annotations": [1]}', "a record"),
        (b'{"images": [], "annotations": [{"a": 1}', "expected , or"),
        (b'{"images": [], "annotations": [{"a": 1]', "a record"),
        (b'{"images": [], "annotations": [] "b": 1}', "expected , or"),
        (b'{"images": [], "annotations": []} x', "end of the file"),
        (b'{"images": [], "x": [[, "annotations": []}', "a value that ends"),
        (b"{images: []}", "a name in quotes"),
        (b'{"x": nil}', "a value"),
    ],
)
def test_a_broken_file_is_refused_with_its_byte(tmp_path, content, message):
    path = tmp_path / "fixations_train2014.json"
    path.write_bytes(content)
    report = Report()
    assert not list(json2015.stimuli(tmp_path, report))
    assert (report[0].kind, report[0].where) == ("unreadable", path.name)
    assert str(path) in report[0].message
    assert re.search(message, report[0].message)


def test_a_cut_file_beside_a_whole_one_is_reported(tmp_path):
    write_json(tmp_path / "fixations_train2014.json", [track(7, 1, 50, [[1, 2]])])
    path = write_json(tmp_path / "fixations_val2014.json", [track(7, 9, 50, [[1, 2]])], pictures=((9, V),))
    path.write_bytes(path.read_bytes()[:-30])
    report = Report()
    assert [r.stimulus_id for r in json2015.stimuli(tmp_path, report)] == [B, A]
    assert kinds(report) == [("unreadable", 1)]
    assert report[0].where == "fixations_val2014.json"


def test_a_file_that_changed_under_way_gives_bad_records_not_wrong_ones(tmp_path):
    path = write_json(tmp_path / "fixations_train2014.json", [track(7, 1, 50, [[1, 2]]), track(8, 2, 50, [[3, 4]])])
    rows = {r.stimulus_id: r for r in json2015.stimuli(tmp_path, Report())}
    write_json(path, [track(7, 2, 50, [[1, 2]]), track(8, 1, 50, [[3, 4]])])
    report = Report()
    assert not json2015.gaze(tmp_path, rows[A], report).annotated
    assert kinds(report) == [("unreadable", 1)]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=4), _json, max_size=4),
    st.lists(
        st.dictionaries(
            st.text(max_size=3), st.integers() | st.text(max_size=6) | st.lists(st.integers(), max_size=3), max_size=3
        ),
        max_size=4,
    ),
    st.sampled_from([None, 1]),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_walker_finds_what_a_whole_reading_finds(tmp_path, around, records, indent):
    """Any JSON object around two lists of flat records: each place decodes to its record."""
    value = {**{f"_{k}": v for k, v in around.items()}, "images": records, "annotations": records[::-1]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    if any(not all(isinstance(v, int | str | list) for v in r.values()) for r in records):
        return
    found = flat_json.places(path, ("images", "annotations"))
    for name, expected in (("images", records), ("annotations", records[::-1])):
        got = [flat_json.record(path, p, data) for p, data in flat_json.read(path, tuple(found[name]))]
        assert got == expected


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_and_flipped_files_give_bad_data_or_valid_rows(tmp_path, data):
    """Whatever happens to the bytes: an error of ours, or rows that the damaged file really holds."""
    path = tmp_path / "fixations_train2014.json"
    write_json(path, [track(7, 1, 50, [[1, 2], [3, 4]]), track(8, 2, 51, [[5, 6]])])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    path.write_bytes(content)
    report = Report()
    try:
        for row in json2015.stimuli(tmp_path, report):
            f = json2015.gaze(tmp_path, row, report).fixations
            if f:
                assert len(f["x_px"]) == len(f["y_px"]) == len(f["observer_id"])
                assert np.isfinite(f["x_px"]).all()
    except BadData as error:
        assert "fixations_train2014.json" in str(error)  # noqa: PT017


# --- MAT


def worker(location, timestamp, fixations):
    return {"location": location, "timestamp": timestamp, "fixations": fixations}


def write_mat(path: Path, workers, **change):
    path.parent.mkdir(parents=True, exist_ok=True)
    gaze = np.zeros((len(workers), 1), dtype=[(f, "O") for f in ("location", "timestamp", "fixations")])
    for i, w in enumerate(workers):
        gaze[i, 0] = tuple(np.asarray(w[f], dtype=float) for f in ("location", "timestamp", "fixations"))
    content = {"image": f"{path.stem}.jpg", "resolution": np.array([[480, 640]], dtype=np.uint16), "gaze": gaze}
    savemat(path, {k: v for k, v in {**content, **change}.items() if v is not None})
    return path


EMPTY = np.zeros((0, 0))
WORKERS = [
    worker([[1, 1], [640, 480], [641, 100]], [[0], [16.5], [5003]], [[320, 240], [1, 480]]),
    worker(EMPTY, EMPTY, EMPTY),
    worker([[5, 6]], [[1]], np.zeros((0, 2))),
]


def read(source, name, report=None, form=mat2017):
    row = next(r for r in form.stimuli(source, Report()) if r.stimulus_id == name)
    return form.gaze(source, row, Report() if report is None else report)


@pytest.mark.parametrize("below", ["", "fixations", "fixations/fixations"])
def test_workers_with_every_trap(tmp_path, below):
    """[x, y], 1-based; empty elements; a position beyond the frame stays; times may exceed five seconds."""
    write_mat(tmp_path / below / "train" / f"{A}.mat", WORKERS)
    report = Report()
    gaze = read(tmp_path, A, report)
    assert not report
    f, samples = gaze.fixations, gaze.samples
    assert f["event"] == "fixation"
    assert f["x_px"].tolist() == [319.5, 0.5]
    assert f["y_px"].tolist() == [239.5, 479.5]
    assert f["observer_id"] == ["001", "001"]
    assert f["order"].tolist() == [0, 1]
    assert "onset_ms" not in f
    assert samples is not None
    assert samples["x_px"].tolist() == [0.5, 639.5, 640.5, 4.5]
    assert samples["y_px"].tolist() == [0.5, 479.5, 99.5, 5.5]
    assert samples["t_us"].tolist() == [0, 16_500, 5_003_000, 1_000]
    assert samples["observer_id"] == ["001", "001", "001", "003"]
    assert gaze.n_observers == 2
    assert gaze.source_files == ((Path(below) / "train" / f"{A}.mat").as_posix(),)


def test_splits_and_photographs(tmp_path):
    write_mat(tmp_path / "train" / f"{A}.mat", WORKERS)
    write_mat(tmp_path / "val" / f"{V}.mat", WORKERS)
    test = "COCO_test2014_000000000001"
    write_mat(tmp_path / "test" / f"{test}.mat", [], gaze=None)
    for folder, name in (("images/train", A), ("images/train", B), ("images", V), ("images/test", test)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"{name}.jpg").write_bytes(b"")
    (tmp_path / "images" / "cat.jpg").write_bytes(b"")
    report = Report()
    rows = {r.stimulus_id: r for r in mat2015.stimuli(tmp_path, report)}
    assert list(rows) == [test, B, A, V]
    assert [(r.split, r.source_file) for r in rows.values()] == [
        ("test", f"images/test/{test}.jpg"),
        ("train", f"images/train/{B}.jpg"),
        ("train", f"images/train/{A}.jpg"),
        ("val", f"images/{V}.jpg"),
    ]
    assert kinds(report) == [("surplus", 1)]
    report = Report()
    assert not mat2015.gaze(tmp_path, rows[test], report).annotated
    assert not report
    assert not mat2015.gaze(tmp_path, rows[B], report).annotated
    assert kinds(report) == [("missing", 1)]


def test_the_edition_comes_from_the_user_or_the_folders_name(tmp_path):
    for name in ("any", "salicon2015", "salicon-2017"):
        write_mat(tmp_path / name / "train" / f"{A}.mat", WORKERS)
    assert mat2015.present(tmp_path / "any")
    assert mat2017.present(tmp_path / "any")
    assert [f.present(tmp_path / "salicon2015") for f in (mat2015, mat2017)] == [True, False]
    assert [f.present(tmp_path / "salicon-2017") for f in (mat2015, mat2017)] == [False, True]
    assert [f.INFO.release_id for f in (json2015, mat2015, mat2017)] == [
        "salicon-2015-json",
        "salicon-2015",
        "salicon-2017",
    ]


def test_the_other_editions_numbers_are_noticed(tmp_path):
    many = [worker(np.full((21_500, 2), 5), np.zeros((21_500, 1)), [[1, 1]])]
    for i in range(20):
        write_mat(tmp_path / "train" / f"COCO_train2014_{i:012d}.mat", many)
    for form, expected in ((mat2015, 1), (mat2017, 0)):
        report = Report()
        list(form.stimuli(tmp_path, report))
        assert sum(a.kind == "mismatch" for a in report) == expected
        assert not kinds(report)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": f"{B}.jpg"}, "renamed"),
        ({"gaze": "text"}, "struct"),
        ({"gaze": np.ones((3, 3))}, "struct"),
        ({"gaze": {"location": EMPTY, "timestamp": EMPTY}}, "'fixations'"),
        ({"gaze": worker(np.ones((4, 3)), np.ones((4, 1)), EMPTY)}, "2 columns"),
        ({"gaze": worker(np.ones((4, 2)), np.ones((4, 2)), EMPTY)}, "1 columns"),
        ({"gaze": worker("text", np.ones((4, 2)), EMPTY)}, "numbers"),
        ({"resolution": np.ones((3, 1))}, "2 columns"),
    ],
)
def test_a_file_of_another_build_is_refused_by_name(tmp_path, change, message):
    path = write_mat(tmp_path / "train" / f"{A}.mat", WORKERS, **change)
    with pytest.raises(BadData, match=message) as caught:
        read(tmp_path, A)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("one", "kind", "left"),
    [
        (worker([[1, 1], [2, 2]], [[1]], [[3, 3]]), ("mismatch", 1), (1, 0)),
        (worker([[1, 1], [NAN, 2]], [[1], [2]], [[3, 3]]), ("out-of-range", 1), (1, 1)),
        (worker([[1, 1], [2, 1e30]], [[1], [2]], [[3, 3]]), ("out-of-range", 1), (1, 1)),
        (worker([[1, 1], [2, 2]], [[1], [-2]], [[3, 3]]), ("out-of-range", 1), (1, 1)),
        (worker([[1, 1], [2, 2]], [[1], [1e15]], [[3, 3]]), ("out-of-range", 1), (1, 1)),
        (worker([[1, 1], [2, 2]], [[1], [NAN]], [[3, 3]]), ("out-of-range", 1), (1, 1)),
        (worker([[1, 1]], [[1]], [[np.inf, 3], [4, 4]]), ("out-of-range", 1), (1, 1)),
    ],
)
def test_an_odd_number_is_reported_and_left_out(tmp_path, one, kind, left):
    write_mat(tmp_path / "train" / f"{A}.mat", [one])
    report = Report()
    gaze = read(tmp_path, A, report)
    assert kinds(report) == [kind]
    assert gaze.samples is not None
    assert (len(gaze.fixations["x_px"]), len(gaze.samples["t_us"])) == left
    if len(one["fixations"]) == 2:
        assert gaze.fixations["order"].tolist() == [1]


def test_a_row_of_times_is_as_good_as_a_column(tmp_path):
    write_mat(tmp_path / "train" / f"{A}.mat", [worker([[1, 1], [2, 2]], [[1, 2]], [[3, 3]])])
    gaze = read(tmp_path, A)
    assert gaze.samples is not None
    assert gaze.samples["t_us"].tolist() == [1000, 2000]


def test_another_size_is_told_of(tmp_path):
    write_mat(tmp_path / "train" / f"{A}.mat", WORKERS, resolution=np.array([[640, 480]]))
    report = Report()
    read(tmp_path, A, report)
    assert kinds(report) == [("wrong-size", 1)]


@pytest.mark.parametrize(("tracks", "ends_ms", "named"), [(12, 4600, False), (12, 2000, True), (3, 2000, False)])
def test_a_file_none_of_whose_tracks_reaches_the_end(tmp_path, tracks, ends_ms, named):
    """A mouse at rest leaves no sample: what one track lacks, another one has, unless the file was cut."""
    short, longest = worker([[1, 1]], [[700]], [[1, 1]]), worker([[1, 1], [2, 2]], [[0], [ends_ms]], [[1, 1]])
    write_mat(tmp_path / "train" / f"{A}.mat", [*[short] * (tracks - 1), longest])
    report = Report()
    read(tmp_path, A, report)
    assert kinds(report) == ([("incomplete", 1)] if named else [])
    said = [a.message for a in report if a.kind == "incomplete"]
    assert said == (["the recording ends at 2.00 s, the clip at 5.00 s"] if named else [])


def test_nobody_looked(tmp_path):
    write_mat(tmp_path / "train" / f"{A}.mat", [worker(EMPTY, EMPTY, EMPTY)])
    report = Report()
    gaze = read(tmp_path, A, report)
    assert not gaze.annotated
    assert gaze.n_observers == 0
    assert kinds(report) == [("missing", 1)]
    write_mat(tmp_path / "train" / f"{A}.mat", [], gaze=EMPTY)
    assert not read(tmp_path, A).annotated


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_and_flipped_mats_give_bad_data_or_finite_rows(tmp_path, data):
    path = tmp_path / "train" / f"{A}.mat"
    write_mat(path, WORKERS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    row = StimulusRow(A, "train", "x", 640, 480, 1, extra=f"train/{A}.mat")
    try:
        gaze = mat2015.gaze(tmp_path, row, Report())
    except BadData as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    if gaze.samples is not None:
        assert np.isfinite(gaze.samples["x_px"]).all()
        assert np.isfinite(gaze.fixations["y_px"]).all()


def test_nothing_there(tmp_path):
    for form in (json2015, mat2015, mat2017):
        assert not form.present(tmp_path)
        with pytest.raises(MissingData, match="expected"):
            list(form.stimuli(tmp_path, Report()))


def test_splits_by_name_and_by_folder():
    assert images.split_of(A) == "train"
    assert images.split_of(V, "train") == "val"
    assert images.split_of("42", "val") == "val"
    assert images.split_of("42", "cats") is None
