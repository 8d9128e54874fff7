"""MIT1003: the FixaTons form on real files, the detection on recordings with a known answer, and every trap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from scipy.io import savemat

from vidsal.loaders.datasets.mit1003 import detection, fixatons, images, mat
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io import registers
from vidsal.loaders.records import FORCED_START, Report, StimulusRow

IMAGE = "i05june05_static_street_boston_p1010764"
LONG = "istatic_outdoor_street_village_puigpunyent_mallorca_spain_IMG_4162"


def kinds(report):
    return [(a.kind, a.count) for a in report]


# --- detection


def jump(*places, still=100, steps=8):
    """A recording that rests at each place for `still` samples and glides between them over `steps`."""
    out = [np.repeat([places[0]], still, axis=0).astype(float)]
    for a, b in zip(places, places[1:], strict=False):
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, steps) / steps)
        out.append(np.array(a) + ramp[:, None] * (np.array(b) - np.array(a)))
        out.append(np.repeat([b], still, axis=0).astype(float))
    return np.vstack(out)


def test_acceleration_is_what_its_definition_says():
    """Speeds by hand: one step of 4 px between samples 10 and 11, so four averages of 1 px a sample."""
    eye = np.zeros((30, 2))
    eye[10:, 0] = 4.0
    speed = np.zeros(30)
    speed[10:14] = 1.0
    expected = np.zeros(30)
    for k in range(1, 25):
        expected[k] = (speed[k + 1 : k + 6].sum() - speed[k : k + 5].sum()) * 60
    np.testing.assert_allclose(detection.acceleration(eye), expected, atol=1e-9)
    assert expected.max() == 60


def test_three_places_are_three_fixations():
    eye = jump((100, 100), (500, 300), (200, 700))
    found = detection.detect(eye)
    assert found.x.tolist() == [100, 500, 200]
    assert found.y.tolist() == [100, 300, 700]
    assert found.first[0] == 0
    assert found.last[-1] == len(eye) - 1
    assert (found.first[1:] > found.last[:-1] + 4).all()


def test_rest_is_one_fixation_whatever_its_length():
    for n in (1, 2, 6, 7, 8, 720):
        found = detection.detect(np.full((n, 2), 7.0))
        assert (found.first.tolist(), found.last.tolist()) == ([0], [n - 1])
        assert found.x.tolist() == [7.0]
    assert len(detection.detect(np.empty((0, 2))).first) == 0


def test_a_rest_shorter_than_50_ms_is_no_fixation():
    there, on = jump((0, 0), (400, 0)), jump((400, 0), (800, 0))
    eye = np.vstack([there[:117], on[100:]])  # 10 samples, 42 ms, at 400
    found = detection.detect(eye)
    assert found.x.tolist() == [0, 800]


def test_a_recording_that_ends_in_motion_has_no_last_fixation():
    eye = jump((0, 0), (400, 0), still=100)[:118]
    found = detection.detect(eye)
    assert found.x.tolist() == [0]
    assert found.last[0] < 100


def test_position_is_the_median_of_what_was_not_lost():
    eye = jump((100, 100), (500, 300))
    eye[20:30] = np.nan
    found = detection.detect(eye)
    assert found.x.tolist() == [100, 500]
    everything = detection.detect(np.full((50, 2), np.nan))
    assert np.isnan(everything.x).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_fixations_cover_what_saccades_leave(seed):
    """Laws on random recordings: ordered, apart, at least 50 ms save the first, together with saccades everything."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 800))
    eye = np.cumsum(rng.normal(0, 2, (n, 2)), axis=0) + 400
    for _ in range(int(rng.integers(0, 12))):
        at = int(rng.integers(0, n))
        eye[at:] += rng.uniform(-400, 400, 2)
        if rng.random() < 0.3:
            eye[at : at + int(rng.integers(1, 40))] = np.nan
    found = detection.detect(eye)
    cuts = detection.saccades(eye)
    assert found.first[0] == 0
    assert (found.first <= found.last).all()
    assert (found.first[1:] > found.last[:-1]).all()
    assert (found.last - found.first + 1 >= 12)[1:].all()
    covered = np.zeros(n, dtype=int)
    for a, b in [*cuts, *zip(found.first, found.last, strict=True)]:
        covered[a : b + 1] += 1
    assert (covered == 1).all()


@pytest.mark.data
def test_the_real_fixations_obey_the_limits_of_the_detection(samples):
    """Indirect, for want of raw samples: least lengths on the 1/240 s grid, and no recording beyond 725 samples."""
    import pandas as pd

    table = pd.read_parquet(samples / "mit1003/derived/fixatons_all_fixations.parquet")
    first = np.rint(table.t_start_s * 240).astype(int)
    last = np.rint(table.t_end_s * 240).astype(int)
    assert np.abs(first / 240 - table.t_start_s).max() < 6e-4
    later = table["index"] > 0
    assert (last - first + 1)[later].min() == detection.SHORTEST_FIXATION
    assert last.max() == 725
    same = (table.image.astype(str) + table.observer.astype(str)).to_numpy()
    gap = (first.to_numpy()[1:] - last.to_numpy()[:-1] - 1)[same[1:] == same[:-1]]
    assert gap.min() >= 4


# --- FixaTons


def scanpath_tree(root: Path, files: dict[str, str | bytes], *, pictures=(IMAGE,)):
    for name, content in files.items():
        path = root / "SCANPATHS" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (root / "STIMULI").mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        (root / "STIMULI" / f"{picture}.jpeg").write_bytes(b"")
    return root


@pytest.mark.data
@pytest.mark.parametrize("below", ["mit1003/fixatons", "mit1003"])
def test_image_one_has_136_fixations_and_121_without_the_forced_ones(samples, below):
    source = samples / below
    assert fixatons.present(source)
    report = Report()
    rows = list(fixatons.stimuli(source, report))
    assert [r.stimulus_id for r in rows] == [IMAGE]
    assert (source / rows[0].source_file).is_file()
    assert (rows[0].width, rows[0].height, rows[0].n_frames, rows[0].fps) == (1024, 768, 1, None)
    assert rows[0].duration_ms == 3000
    assert kinds(report) == [("missing", 1002)]
    report = Report()
    gaze = fixatons.gaze(source, rows[0], report)
    f = gaze.fixations
    forced = np.array([FORCED_START in flags for flags in f["flags"]])
    assert len(forced) == 136
    assert (~forced).sum() == 121
    assert forced.sum() == gaze.n_observers == 15
    assert not report
    assert (f["x_px"][0], f["y_px"][0]) == (498.5, 377.5)  # CNG, line 1: 499 378 0.004 0.338
    assert (f["onset_ms"][0], f["duration_ms"][0]) == pytest.approx((4, 334))


@pytest.mark.data
def test_image_one_equals_the_authors_own_list(samples):
    """Image, observer and number, x - w/2, y - h/2: an independent file of the same fixations, unrounded."""
    source = samples / "mit1003/fixatons"
    own = np.loadtxt(samples / "mit1003/derived/juddFixData_TrialSubjFixNXY_trial1.txt", delimiter=",")
    row = next(iter(fixatons.stimuli(source, Report())))
    f = fixatons.gaze(source, row, Report()).fixations
    assert len(own) == len(f["x_px"])
    observers = [images.OBSERVERS[int(i) - 1] for i in own[:, 1]]
    assert f["observer_id"] == observers
    assert f["order"].tolist() == (own[:, 2] - 1).astype(int).tolist()
    assert np.abs(f["x_px"] + 0.5 - (own[:, 3] + 512)).max() < 0.51
    assert np.abs(f["y_px"] + 0.5 - (own[:, 4] + 384)).max() < 0.51


@pytest.mark.data
def test_all_scanpaths_give_the_known_totals(samples):
    """119,432 fixations, 104,387 that are not forced, 104,154 of them inside."""
    import pandas as pd

    table = pd.read_parquet(samples / "mit1003/derived/fixatons_all_fixations.parquet")
    size = {Path(r["video"]).stem: (int(r["width"]), int(r["height"])) for r in registers.rows("mit1003")}
    total = free = inside = 0
    values = table[["x", "y", "t_start_s", "t_end_s"]].to_numpy(float)
    scanpaths: dict[str, list] = {}
    edges = [*np.flatnonzero(table["index"].to_numpy() == 0), len(table)]
    pictures, observers = table.image.astype(str).to_numpy(), table.observer.astype(str).to_numpy()
    for a, b in zip(edges, edges[1:], strict=False):
        scanpaths.setdefault(pictures[a], []).append((observers[a], values[a:b]))
    assert len(edges) - 1 == 15_045
    for image, paths in scanpaths.items():
        f = fixatons.columns(paths)
        not_forced = np.array([FORCED_START not in flags for flags in f["flags"]])
        width, height = size[image]
        bounded = (f["x_px"] >= 0) & (f["x_px"] < width) & (f["y_px"] >= 0) & (f["y_px"] < height)
        total += len(not_forced)
        free += not_forced.sum()
        inside += (not_forced & bounded).sum()
    assert (total, free, inside) == (119_432, 104_387, 104_154)


@pytest.mark.data
def test_the_authors_maps_follow_from_fixations_2_to_6(samples):
    """All 18 published maps at a correlation of 0.985 and more, and clearly worse with another choice."""
    import pandas as pd
    from PIL import Image

    from vidsal.loaders.release.truth import density

    table = pd.read_parquet(samples / "mit1003/derived/fixatons_all_fixations.parquet")
    table["image"] = table.image.astype(str)
    maps = sorted((samples / "mit1003/ICCV_subset/fixation_maps").glob("*.jpg"))
    assert len(maps) == 18
    correlations = []
    for file in maps:
        own = table[table.image == file.stem]
        published = np.asarray(Image.open(file).convert("L"), float)
        height, width = published.shape
        f = fixatons.columns([("all", own[["x", "y", "t_start_s", "t_end_s"]].to_numpy(float))])
        low, high = images.TRUTHS["authors"].orders or (0, 0)
        used = own["index"].between(low, high).to_numpy()
        used = used & (f["x_px"] >= 0) & (f["x_px"] < width) & (f["y_px"] >= 0) & (f["y_px"] < height)
        xy = np.column_stack([f["x_px"], f["y_px"]])
        mine = density(xy[used], (height, width), images.TRUTHS["authors"])
        correlations.append(np.corrcoef(mine.ravel(), published.ravel())[0, 1])
    assert min(correlations) >= 0.985


def test_dialects_of_text_that_mean_the_same(tmp_path):
    plain = "499 378 0.004 0.338 \n502 449 0.400 0.496 \n"
    scanpath_tree(
        tmp_path,
        {
            f"{IMAGE}/CNG": plain,
            f"{IMAGE}/ajs": plain.replace("\n", "\r\n"),
            f"{IMAGE}/emb": b"\xef\xbb\xbf" + plain.encode(),
            f"{IMAGE}/ems": plain.replace(" ", "\t") + "\n\n",
            f"{IMAGE}/.DS_Store": "junk",
            f"{IMAGE}/notes.txt": "junk",
            ".svn/entries": "junk",
        },
    )
    row = next(iter(fixatons.stimuli(tmp_path, Report())))
    report = Report()
    gaze = fixatons.gaze(tmp_path, row, report)
    assert gaze.fixations["x_px"].tolist() == [498.5, 501.5] * 4
    assert gaze.fixations["order"].tolist() == [0, 1] * 4
    assert gaze.n_observers == 4
    assert not report


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("499 378 0.004 0.338\n502 449 0.4", "line 2"),
        ("499,5 378 0.004 0.338\n", "line 1"),
        ("499 378 0,004 0,338\n", "line 1"),
        ("x y start end\n499 378 0.004 0.338\n", "line 1"),
        ("499 378 0.004 0.338 1\n", "line 1"),
        ("nan 378 0.004 0.338\n", "line 1"),
        ("499 inf 0.004 0.338\n", "line 1"),
        ("4_9 378 0.004 0.338\n", "line 1"),
        ("1e300 378 0.004 0.338\n", "line 1"),
        ("1e999 378 0.004 0.338\n", "line 1"),
        ("0.004 0.338 499 378\n", "line 1"),
        ("499 378 0.338 0.004\n", "line 1"),
        ("499 378 -1 0.004\n", "line 1"),
        ("499 378 4 338\n", "line 1"),
        ("499 378 1.0 1.2\n500 300 0.5 0.9\n", "line 2"),
        (b"\xff\xfe4\x009\x00", "byte 0"),
        (b"\x89PNG\r\n\x1a\n", "byte 0"),
    ],
)
def test_a_bad_scanpath_is_named_with_its_line(tmp_path, content, message):
    scanpath_tree(tmp_path, {f"{IMAGE}/CNG": content, f"{IMAGE}/ajs": "499 378 0.004 0.338\n"})
    path = tmp_path / "SCANPATHS" / IMAGE / "CNG"
    with pytest.raises(BadData, match=message) as caught:
        fixatons.read_scanpath(path)
    assert str(path) in str(caught.value)
    report = Report()
    gaze = fixatons.gaze(tmp_path, next(iter(fixatons.stimuli(tmp_path, Report()))), report)
    assert gaze.fixations["observer_id"] == ["ajs"]
    assert [(a.kind, a.where) for a in report] == [("unreadable", f"SCANPATHS/{IMAGE}/CNG")]
    (tmp_path / "SCANPATHS" / IMAGE / "ajs").unlink()
    with pytest.raises(BadData, match="none of the 1"):
        fixatons.gaze(tmp_path, next(iter(fixatons.stimuli(tmp_path, Report()))), Report())


@given(st.binary(max_size=80) | st.text(alphabet="0123456789. \n-,e", max_size=80).map(str.encode))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_fixations_or_bad_data(tmp_path, content):
    path = tmp_path / "CNG"
    path.write_bytes(content)
    try:
        rows = fixatons.read_scanpath(path)
    except BadData:
        return
    lines = [line.split() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    assert [[float(f) for f in line] for line in lines] == rows.tolist()


def test_late_line_one_is_told_of_but_not_fatal(tmp_path):
    scanpath_tree(tmp_path, {f"{IMAGE}/hp": "488 378 0.188 0.292\n"})
    report = Report()
    fixatons.gaze(tmp_path, next(iter(fixatons.stimuli(tmp_path, Report()))), report)
    assert [(a.kind, a.fatal) for a in report] == [("assumption", False)]


def test_order_is_the_registers_then_strangers_by_number(tmp_path):
    line = "499 378 0.004 0.338\n"
    scanpath_tree(
        tmp_path / "FixaTons" / "MIT1003",
        {f"{LONG}/CNG": line, f"{IMAGE}/CNG": line, "ghost/CNG": line},
        pictures=("my10", "my9", IMAGE),
    )
    report = Report()
    rows = list(fixatons.stimuli(tmp_path, report))
    assert [r.stimulus_id for r in rows] == [IMAGE, LONG, "my9", "my10"]
    assert rows[1].source_file == f"FixaTons/MIT1003/STIMULI/{LONG}.jpeg"
    assert kinds(report) == [("missing", 14), ("missing", 1001), ("surplus", 1), ("surplus", 1), ("surplus", 1)]
    gaze = fixatons.gaze(tmp_path, rows[2], report)
    assert not gaze.annotated
    assert gaze.fixations == {}


def test_nothing_there(tmp_path):
    for form in (fixatons, mat):
        assert not form.present(tmp_path)
        with pytest.raises(MissingData, match="expected"):
            list(form.stimuli(tmp_path, Report()))


# --- DATA


def write_trial(path: Path, eye, *, name=None, picture=None, blocks=1, **change):
    """A file as the authors' experiment saved it: a struct named after the image, cut to 63 letters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.zeros((1, blocks), dtype=[("block", "O"), ("trial", "O"), ("eyeData", "O")])
    for i in range(blocks):
        data[0, i] = (i + 1, 17, np.asarray(eye, dtype=float) + i)
    trial = {
        "subName": path.parent.name,
        "when": "01-Jul-2008",
        "Nreps": 1,
        "imgName": picture or f"{path.stem}.jpeg",
        "DATA": data,
    }
    trial = {k: v for k, v in {**trial, **change}.items() if v is not None}
    savemat(path, {name or path.stem[:63]: trial}, long_field_names=True)
    return path


def data_tree(root: Path, trials: dict[str, np.ndarray], pictures=(IMAGE,)):
    for name, eye in trials.items():
        write_trial(root / "DATA" / f"{name}.mat", eye)
    (root / "ALLSTIMULI").mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        (root / "ALLSTIMULI" / f"{picture}.jpeg").write_bytes(b"")
    return root


def recording(seed=0):
    rng = np.random.default_rng(seed)
    eye = jump((512.25, 384.5), (200, 300), (900, 700), (400, 100), still=172, steps=12)[:720]
    return eye + rng.normal(0, 0.1, eye.shape)


def test_data_gives_fixations_and_samples(tmp_path):
    data_tree(tmp_path, {f"CNG/{IMAGE}": recording(), f"ajs/{IMAGE}": recording(1)})
    (tmp_path / "DATA" / "CNG_shuff_stimnames.mat").write_bytes(b"beside the folders")
    (tmp_path / "DATA" / ".svn").mkdir()
    (tmp_path / "DATA" / "CNG" / ".svn").mkdir()
    (tmp_path / "DATA" / "CNG" / "._x.mat").write_bytes(b"junk")
    report = Report()
    rows = list(mat.stimuli(tmp_path, report))
    assert [r.stimulus_id for r in rows] == [IMAGE]
    assert kinds(report) == [("missing", 13), ("missing", 1002)]
    report = Report()
    gaze = mat.gaze(tmp_path, rows[0], report)
    assert not report
    f, samples = gaze.fixations, gaze.samples
    assert samples is not None
    assert f["observer_id"] == ["CNG"] * 4 + ["ajs"] * 4
    assert f["order"].tolist() == [0, 1, 2, 3] * 2
    assert [FORCED_START in flags for flags in f["flags"]] == [True, False, False, False] * 2
    np.testing.assert_allclose(f["x_px"][:4], [511.75, 199.5, 899.5, 399.5], atol=0.1)
    np.testing.assert_allclose(f["y_px"][:4], [384.0, 299.5, 699.5, 99.5], atol=0.1)
    assert f["onset_ms"][0] == pytest.approx(1000 / 240)  # sample 1 is at 1/240 s, as in FixaTons
    assert f["duration_ms"][-1] == pytest.approx(
        3000 - f["onset_ms"][-1] + 1000 / 240
    )  # the last one ends with sample 720
    assert len(samples["t_us"]) == 1440
    assert samples["t_us"][:3].tolist() == [4167, 8333, 12500]
    assert samples["x_px"][0] == recording()[0, 0] - 0.5
    assert set(samples["label"]) == {"fixation", "saccade"}
    assert samples["label"].count("fixation") * 1000 / 240 == pytest.approx(f["duration_ms"].sum())
    assert gaze.source_files == (f"DATA/CNG/{IMAGE}.mat", f"DATA/ajs/{IMAGE}.mat")


def test_lost_samples_are_counted_and_have_no_position(tmp_path):
    eye = recording()
    eye[400:440] = np.nan
    lost = np.full((720, 2), np.nan)
    data_tree(tmp_path, {f"CNG/{IMAGE}": eye, f"ajs/{IMAGE}": lost})
    report = Report()
    gaze = mat.gaze(tmp_path, next(iter(mat.stimuli(tmp_path, Report()))), report)
    assert [(a.kind, a.count, a.fatal) for a in report] == [("lost", 760, False), ("lost", 1, False)]
    assert gaze.samples is not None
    assert len(gaze.samples["t_us"]) == 1440
    lost_rows = np.array(gaze.samples["label"]) == "lost"
    assert lost_rows.sum() == 760
    assert np.isnan(np.asarray(gaze.samples["x_px"])[lost_rows]).all()
    assert set(gaze.fixations["observer_id"]) == {"CNG"}
    assert np.isfinite(gaze.fixations["x_px"]).all()


def test_a_blink_far_outside_is_kept(tmp_path):
    eye = recording()
    eye[:60] = -3000
    data_tree(tmp_path, {f"CNG/{IMAGE}": eye})
    f = mat.gaze(tmp_path, next(iter(mat.stimuli(tmp_path, Report()))), Report()).fixations
    assert f["x_px"][0] == -3000.5
    assert f["flags"][0] == [FORCED_START]  # the first, wherever it lies
    assert f["flags"][1] == []


def test_long_names_are_cut_in_the_file_and_found_by_the_only_variable(tmp_path):
    other = LONG.replace("4162", "4206")
    assert LONG[:63] == other[:63]
    data_tree(tmp_path, {f"CNG/{LONG}": recording(0), f"CNG/{other}": recording(1)}, pictures=(LONG, other))
    rows = {r.stimulus_id: r for r in mat.stimuli(tmp_path, Report())}
    first, second = (mat.gaze(tmp_path, rows[name], Report()) for name in (LONG, other))
    assert first.fixations["x_px"][0] != second.fixations["x_px"][0]


@pytest.mark.parametrize("change", [{"imgName": None}, {"name": "trial"}])
def test_one_sign_of_the_image_is_enough(tmp_path, change):
    path = write_trial(tmp_path / "DATA" / "CNG" / f"{LONG}.mat", recording(), **change)
    assert len(mat.read_samples(path, LONG, Report())) == 720


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "i1000274881", "picture": "i1000274881.jpeg"}, "renamed"),
        ({"DATA": None}, "'DATA'"),
        ({"DATA": np.zeros((0, 0))}, "not recorded"),
        ({"DATA": "text"}, "struct"),
        ({"DATA": {"block": 1}}, "'eyeData'"),
        ({"DATA": {"eyeData": np.zeros((5, 3))}}, "2 columns"),
        ({"DATA": {"eyeData": np.zeros((0, 2))}}, "empty"),
        ({"DATA": {"eyeData": "text"}}, "matrix of numbers"),
        ({"DATA": {"eyeData": np.full((700, 2), np.inf)}}, "infinite or huge"),
        ({"DATA": {"eyeData": np.full((700, 2), 1e200)}}, "infinite or huge"),
    ],
)
def test_a_file_of_another_build_is_left_out_by_name(tmp_path, change, message):
    data_tree(tmp_path, {f"ajs/{IMAGE}": recording()})
    path = write_trial(tmp_path / "DATA" / "CNG" / f"{IMAGE}.mat", recording(), **change)
    report = Report()
    gaze = mat.gaze(tmp_path, next(iter(mat.stimuli(tmp_path, Report()))), report)
    assert set(gaze.fixations["observer_id"]) == {"ajs"}
    assert [(a.kind, a.where) for a in report] == [("unreadable", f"DATA/CNG/{IMAGE}.mat")]
    with pytest.raises(BadData, match=message) as caught:
        mat.read_samples(path, IMAGE, Report())
    assert str(path) in str(caught.value)


def test_two_variables_are_refused(tmp_path):
    savemat(tmp_path / "x.mat", {"a": 1, "b": 2})
    with pytest.raises(BadData, match="exactly one variable, found 2"):
        mat.read_samples(tmp_path / "x.mat", "x", Report())


def test_a_second_presentation_and_a_short_recording_are_told_of(tmp_path):
    data_tree(tmp_path, {})
    write_trial(tmp_path / "DATA" / "CNG" / f"{IMAGE}.mat", recording()[:300], blocks=2)
    report = Report()
    gaze = mat.gaze(tmp_path, StimulusRow(IMAGE, "all", "x", 1024, 768, 1), report)
    assert sorted(kinds(report)) == [("mismatch", 1), ("surplus", 1)]
    assert gaze.samples is not None
    assert gaze.samples["x_px"][0] == recording()[0, 0] - 0.5


def test_missing_recordings_are_told_of(tmp_path):
    data_tree(tmp_path, {f"CNG/{IMAGE}": recording(), "ajs/i1000274881": recording()}, pictures=(IMAGE, "i1007068829"))
    rows = {r.stimulus_id: r for r in mat.stimuli(tmp_path, Report())}
    report = Report()
    assert mat.gaze(tmp_path, rows[IMAGE], report).n_observers == 1
    assert not mat.gaze(tmp_path, rows["i1007068829"], report).annotated
    assert kinds(report) == [("missing", 1), ("missing", 1)]


def test_truths_are_the_two_readings():
    assert list(images.TRUTHS) == ["scoring", "authors"]
    assert images.TRUTHS["scoring"].orders is None
    assert images.TRUTHS["authors"].orders == (1, 5)
    canvas = 1024
    sigma = canvas * np.sqrt(np.log(2)) / (np.sqrt(2) * np.pi * 8)
    assert abs(images.SIGMA_PX - sigma) < 0.005
