"""The synthetic data set: determinism, the files, the loader on hand-written gaze, and what makes it realistic."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.ndimage import gaussian_filter

from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import form, generate
from vidsal.loaders.datasets.synthetic.observers import LABELS, PX_PER_DEGREE, Traits, invent, watch
from vidsal.loaders.datasets.synthetic.scene import Scene, compose, film
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.records import Report, StimulusRow
from vidsal.loaders.release.release import Release, load

SMALL = {"videos": 3, "frames": 40, "width": 64, "height": 40, "observers": 2}


def _scene(seed: int = 0, n_frames: int = 90, width: int = 160, height: int = 96, fps: int = 30) -> Scene:
    rng = np.random.Generator(np.random.PCG64(seed))
    return compose(rng, width=width, height=height, n_frames=n_frames, fps=Fraction(fps))


def _files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def _decode(path: Path) -> tuple[list[int], list[np.ndarray], Fraction]:
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
        base = decoded[0].time_base
    return [f.pts for f in decoded], [f.to_ndarray(format="rgb24") for f in decoded], base


# -- writing ------------------------------------------------------------------------------------------------------


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    generate(tmp_path / "a", seed=3, **SMALL)
    generate(tmp_path / "b", seed=3, **SMALL)
    generate(tmp_path / "c", seed=4, **SMALL)
    a, b, c = (_files(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert not any(a[name] == c[name] for name in a)


def test_a_video_and_an_observer_do_not_depend_on_how_many_others_there_are(tmp_path: Path) -> None:
    generate(tmp_path / "few", **(SMALL | {"videos": 2, "observers": 1}), val=0)
    generate(tmp_path / "many", **(SMALL | {"videos": 4, "observers": 3}), val=1)
    few, many = _files(tmp_path / "few"), _files(tmp_path / "many")
    shared = few.keys() & many.keys() - {"synthetic.json"}
    assert len(shared) == 4  # two videos, one recording of each
    assert all(few[name] == many[name] for name in shared)


def test_tree_and_splits(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    generate(tmp_path, progress=lambda *step: seen.append(step), **SMALL)
    assert set(_files(tmp_path)) == {
        "synthetic.json",
        *(f"{s}/video/scene_00{k}.avi" for s, k in [("train", 1), ("train", 2), ("val", 3)]),
        *(f"{s}/gaze/scene_00{k}/O0{o}.txt" for s, k in [("train", 1), ("train", 2), ("val", 3)] for o in (1, 2)),
    }
    assert seen == [(1, 3, "scene_001"), (2, 3, "scene_002"), (3, 3, "scene_003")]
    starts = [p.read_text().splitlines()[7] for p in tmp_path.glob("*/gaze/*/*.txt")]
    assert starts[0].startswith("0 ")
    assert len(set(starts)) == len(starts) == 6  # no two recordings share their random numbers


def test_decoded_video_is_what_was_drawn(tmp_path: Path) -> None:
    fps = Fraction(30000, 1001)
    generate(tmp_path, videos=1, frames=35, width=53, height=31, observers=0, fps=fps, seed=9, val=0)
    pts, frames, base = _decode(tmp_path / "train/video/scene_001.avi")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([9, 0, 1])))
    drawn = list(film(compose(rng, width=53, height=31, n_frames=35, fps=fps)))
    assert [p * base for p in pts] == [i / fps for i in range(35)]
    assert len(drawn) == 35
    np.testing.assert_array_equal(np.stack(frames), np.stack(drawn))


def test_interrupted_generation_continues_to_the_same_bytes(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    generate(whole, **SMALL)

    class Stop(Exception):
        pass

    def stop(done: int, total: int, name: str) -> None:
        raise Stop

    with pytest.raises(Stop):
        generate(broken, progress=stop, **SMALL)
    (broken / "train/gaze/scene_001/O02.txt").unlink()
    untouched = (broken / "train/video/scene_001.avi").stat().st_mtime_ns
    generate(broken, **SMALL)
    assert _files(broken) == _files(whole)
    assert (broken / "train/video/scene_001.avi").stat().st_mtime_ns == untouched


def test_a_generation_that_could_not_begin_is_not_in_its_own_way(tmp_path: Path) -> None:
    (tmp_path / ".synthetic.json.0123456789ab.tmp").write_text("{")  # of one that was killed
    generate(tmp_path, write_video=False, **SMALL)
    assert list(tmp_path.glob("*/gaze/*/*.txt"))


def test_another_recipe_or_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    generate(tmp_path / "a", write_video=False, **SMALL)
    with pytest.raises(WrongUse, match="other arguments"):
        generate(tmp_path / "a", seed=1, write_video=False, **SMALL)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("mine")
    with pytest.raises(WrongUse, match="not empty"):
        generate(tmp_path / "b", **SMALL)
    assert _files(tmp_path / "b") == {"thesis.tex": b"mine"}


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"videos": 0}, "videos is 0"),
        ({"frames": 0}, "frames is 0"),
        ({"width": 8}, "width is 8"),
        ({"observers": -1}, "observers is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"val": 4}, "val is 4"),
        ({"fps": 0}, "fps is 0"),
    ],
)
def test_wrong_numbers_are_refused_before_anything_is_written(tmp_path: Path, wrong: dict, match: str) -> None:
    with pytest.raises(WrongUse, match=match):
        generate(tmp_path / "x", **(SMALL | wrong))
    assert not (tmp_path / "x").exists()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_frames=st.integers(1, 70),
    width=st.integers(16, 90),
    height=st.integers(16, 90),
    fps=st.sampled_from([1, 10, 24, 30, 60]),
)
def test_any_size(seed: int, n_frames: int, width: int, height: int, fps: int) -> None:
    scene = _scene(seed, n_frames, width, height, fps)
    assert [s.first for s in scene.shots] == [0, *(s.last + 1 for s in scene.shots[:-1])]
    assert scene.shots[-1].last == n_frames - 1
    frames = list(film(scene))
    assert len(frames) == n_frames
    assert all(f.shape == (height, width, 3) and f.dtype == np.uint8 for f in frames)
    rng = np.random.Generator(np.random.PCG64(seed))
    samples = watch(scene, invent(rng), rng)
    assert np.isfinite(samples.x).all()
    assert np.isfinite(samples.y).all()
    assert samples.t_us[0] == 0
    assert (np.diff(samples.t_us) == 4000).all()
    assert samples.t_us[-1] < n_frames * 1e6 / fps <= samples.t_us[-1] + 4000


# -- what happens in it -------------------------------------------------------------------------------------------


def test_scenes_have_cuts_appearances_motion_and_occlusion() -> None:
    scenes = [_scene(seed) for seed in range(40)]
    shots = [shot for scene in scenes for shot in scene.shots]
    assert 0.2 < np.mean([len(scene.shots) > 1 for scene in scenes]) < 0.9
    assert any(a.first > s.first for s in shots for a in s.actors)
    assert any(a.last < s.last for s in shots for a in s.actors)
    assert any(a.shape == "pillar" for s in shots for a in s.actors)
    times = np.arange(0, 3, 0.1)
    for actor in (a for s in shots for a in s.actors):
        x, y = actor.path.at(times).T
        assert min(x.min(), y.min()) > 0
        assert x.max() < 160
        assert y.max() < 96
    assert all(any(np.ptp(a.path.at(times), axis=0).max() > 10 for a in s.actors) for s in shots)
    assert all(any(np.ptp(a.path.at(times), axis=0).max() == 0 for a in s.actors) for s in shots)


def test_a_cut_changes_the_picture_more_than_motion_does() -> None:
    scene = next(s for s in (_scene(seed) for seed in range(20)) if len(s.shots) > 1)
    frames = np.stack(list(film(scene))).astype(float)
    change = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    cuts = [shot.first - 1 for shot in scene.shots[1:]]
    assert set(np.argsort(change)[-len(cuts) :]) == set(cuts)
    assert change[cuts].min() > 3 * np.delete(change, cuts).max()


def test_texture_and_things_are_seen() -> None:
    frame = next(iter(film(_scene(1)))).astype(float)
    assert 5 < frame.std() < 80
    assert frame.min() > 0 or frame.max() < 255  # not clipped at both ends


_STEADY = Traits(dwell_s=0.3, motion=2.0, center=0.5, roaming=0.3, blinks_hz=0.3, offset_deg=0.0, noise_deg=0.0)


def _recordings(traits: Traits, n: int = 40) -> list[tuple[Scene, object]]:
    pairs = []
    for seed in range(n):
        scene = _scene(seed, n_frames=120)
        pairs.append((scene, watch(scene, traits, np.random.Generator(np.random.PCG64(1000 + seed)))))
    return pairs


def test_eye_movements_have_the_speeds_that_their_names_promise() -> None:
    speeds: dict[str, list[np.ndarray]] = {word: [] for word in LABELS}
    labels = []
    for _, s in _recordings(_STEADY):
        speed = np.hypot(np.diff(s.x), np.diff(s.y)) * 250 / PX_PER_DEGREE
        same = s.label[1:] == s.label[:-1]
        for code, word in enumerate(LABELS):
            speeds[word].append(speed[same & (s.label[1:] == code)])
        labels.append(s.label)
    fixation, saccade, pursuit, blink = (np.concatenate(speeds[word]) for word in LABELS)
    assert np.median(fixation) < 3 < np.median(saccade)  # deg/s
    assert np.percentile(saccade, 75) > 50
    assert 2 < np.median(pursuit) < 20
    assert (blink == 0).all()
    share = np.bincount(np.concatenate(labels), minlength=4) / sum(map(len, labels))
    assert (share > (0.2, 0.02, 0.2, 0.01)).all()
    assert share[3] < 0.15


def test_blinks_lose_the_position_and_say_so() -> None:
    for _, s in _recordings(_STEADY, 10):
        closed = s.label == LABELS.index("blink")
        np.testing.assert_array_equal(s.confidence, np.where(closed, 0.0, 1.0))
        assert (s.x[closed] == 0).all()
        assert (s.y[closed] == 0).all()


def test_pursuit_stays_on_something_that_moves() -> None:
    near = []
    for scene, s in _recordings(_STEADY, 20):
        for i in np.flatnonzero(s.label == LABELS.index("pursuit"))[::25]:
            time = s.t_us[i] / 1e6
            shot = scene.shot_at(int((time - 0.2) * scene.fps))  # who pursues notices a cut late
            away = [np.hypot(*(a.path.at(time)[0] - (s.x[i], s.y[i]))) - 2 * a.radius for a in shot.actors]
            near.append(min(away) < PX_PER_DEGREE)
    assert len(near) > 100
    assert np.mean(near) > 0.9


def test_gaze_begins_at_the_center_and_is_measured_with_noise() -> None:
    starts = np.array([(s.x[0], s.y[0]) for _, s in _recordings(_STEADY)])
    assert np.abs(starts.mean(0) - (80, 48)).max() < PX_PER_DEGREE
    scene = _scene(0)
    noisy = Traits(**{**_STEADY.__dict__, "blinks_hz": 0.0, "noise_deg": 0.2})
    clean = Traits(**{**_STEADY.__dict__, "blinks_hz": 0.0})
    a = watch(scene, noisy, np.random.Generator(np.random.PCG64(5)))
    b = watch(scene, clean, np.random.Generator(np.random.PCG64(5)))
    np.testing.assert_array_equal(a.label, b.label)
    assert np.std(a.x - b.x) / PX_PER_DEGREE == pytest.approx(0.2, rel=0.1)


# -- the loader ---------------------------------------------------------------------------------------------------

HEAD = (
    "# vidsal synthetic gaze 1\n# stimulus_px 64 40\n# screen_mm 83.78 52.36\n# distance_mm 600\n"
    "# frames 3 fps 50\n# rate_hz 250\n# t_us x_px y_px confidence label\n"
)
ROWS = (
    "0 10.00 20.00 1.00 fixation\n4000 12.00 21.00 1.00 fixation\n8000 11.00 25.00 1.00 fixation\n"
    "20000 30.00 30.00 1.00 saccade\n24000 0.00 0.00 0.00 blink\n"
    "36000 65.50 10.00 1.00 pursuit\n40000 66.50 11.00 1.00 pursuit\n44000 67.50 12.00 1.00 pursuit\n"
)


def _tree(root: Path, *texts: bytes, name: str = "scene_001") -> StimulusRow:
    folder = root / "train" / "gaze" / name
    folder.mkdir(parents=True)
    for number, text in enumerate(texts, 1):
        (folder / f"O{number:02d}.txt").write_bytes(text)
    return StimulusRow(name, "train", f"train/video/{name}.avi", 64, 40, 3, Fraction(50))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_runs_by_hand_whatever_the_line_ends(tmp_path: Path, end: str) -> None:
    row = _tree(tmp_path, (HEAD + ROWS).replace("\n", end).encode())
    report = Report()
    assert list(form.stimuli(tmp_path, report)) == [row]
    gaze = form.gaze(tmp_path, row, report)
    assert report == []
    assert gaze.fixations["event"] == ["fixation", "saccade", "noise", "pursuit"]
    assert gaze.fixations["observer_id"] == ["O01"] * 4
    for column, expected in {
        "order": [0, 1, 2, 3],
        "onset_ms": [0, 20, 24, 36],
        "duration_ms": [12, 4, 4, 12],
        "frame": [0, 1, 1, 1],
        "frame_end": [0, 1, 1, 2],
        "x_px": [11, 30, 0, 66.5],
        "y_px": [21, 30, 0, 11],
    }.items():
        np.testing.assert_array_equal(gaze.fixations[column], expected, err_msg=column)
    assert gaze.fixations["flags"] == [[], [], ["lost"], []]
    assert gaze.samples is not None
    np.testing.assert_array_equal(gaze.samples["t_us"], [0, 4000, 8000, 20000, 24000, 36000, 40000, 44000])
    assert gaze.samples["label"][3:5] == ["saccade", "blink"]
    np.testing.assert_array_equal(gaze.samples["confidence"], [1, 1, 1, 1, 0, 1, 1, 1])
    assert gaze.n_observers == 1


def test_broken_lines_and_files_are_named_and_left_out(tmp_path: Path) -> None:
    lines = (HEAD + ROWS).split("\n")
    lines[8] = "4000 12.00 fixation"
    lines[9] = "8000 nan 25.00 1.00 fixation"
    lines[10] = "20000 30.00 30.00 1.00 squint"
    lines[12] = "24000 1.00 1.00 1.00 pursuit"
    row = _tree(tmp_path, "\n".join(lines).encode(), b"\xff\xfe\x00", b"nothing of ours\n", HEAD.encode())
    report = Report()
    gaze = form.gaze(tmp_path, row, report)
    base = "train/gaze/scene_001"
    assert [(a.kind, a.where) for a in report] == [
        ("unreadable", f"{base}/O01.txt:9"),
        ("unreadable", f"{base}/O01.txt:10"),
        ("unreadable", f"{base}/O01.txt:11"),
        ("out-of-range", f"{base}/O01.txt:13"),
        ("unreadable", f"{base}/O02.txt"),
        ("unreadable", f"{base}/O03.txt"),
        ("unreadable", f"{base}/O04.txt"),
    ]
    assert gaze.n_observers == 1
    assert gaze.source_files == (f"{base}/O01.txt",)
    assert gaze.fixations["event"] == ["fixation", "noise", "pursuit"]
    with pytest.raises(BadData, match="none of its 1 recordings"):
        form.gaze(tmp_path, _tree(tmp_path, b"", name="scene_002"), Report())


def test_samples_after_the_last_frame_are_no_rows(tmp_path: Path) -> None:
    row = _tree(tmp_path, (HEAD + ROWS + "60000 1.00 1.00 1.00 pursuit\n").encode())
    report = Report()
    gaze = form.gaze(tmp_path, row, report)
    assert [(a.kind, a.count) for a in report] == [("out-of-range", 1)]
    assert max(gaze.fixations["frame_end"]) == 2
    assert gaze.samples is not None
    assert max(gaze.samples["t_us"]) == 60000


def test_gaze_of_other_frames_is_told(tmp_path: Path) -> None:
    row = _tree(tmp_path, (HEAD + ROWS).encode(), (HEAD + ROWS).replace("64 40", "128 80").encode())
    report = Report()
    form.gaze(tmp_path, row, report)
    assert [(a.kind, a.where, a.count) for a in report] == [("mismatch", "train/gaze/scene_001/O02.txt", 1)]


def test_presence_and_order(tmp_path: Path) -> None:
    assert not form.present(tmp_path)
    with pytest.raises(MissingData, match="vidsal demo"):
        list(form.stimuli(tmp_path, Report()))
    for name in ("scene_10", "scene_9"):
        _tree(tmp_path, (HEAD + ROWS).encode(), name=name)
    (tmp_path / "val" / "gaze" / "scene_9").mkdir(parents=True)
    (tmp_path / "val" / "gaze" / "scene_1").mkdir()
    assert form.present(tmp_path)
    report = Report()
    rows = list(form.stimuli(tmp_path, report))
    assert [(r.stimulus_id, r.split) for r in rows] == [("scene_1", "val"), ("scene_9", "train"), ("scene_10", "train")]
    assert [(a.kind, a.where) for a in report] == [("surplus", "val/*/scene_9")]
    gaze = form.gaze(tmp_path, rows[0], report)
    assert not gaze.annotated
    assert report[-1].kind == "missing"


# -- the whole way ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    root = tmp_path_factory.mktemp("synthetic")
    generate(root / "source")
    conversion = convert("synthetic", root / "source", root / "release", workers=1)
    assert conversion.anomalies == ()
    return load(root / "release")


def test_converted_like_any_other_data_set(release: Release) -> None:
    assert release.id == "synthetic"
    assert [(s.id, s.split, s.n_frames, s.width, s.height, s.fps) for s in release] == [
        (f"scene_00{k}", "train" if k < 5 else "val", 90, 160, 96, Fraction(30)) for k in range(1, 7)
    ]
    assert release.record["counts"]["gaze_samples"] == 6 * 10 * 750
    assert release.record["counts"]["observers"] == 10
    assert release.truth().sigma_px == PX_PER_DEGREE
    assert json.loads((release.root / "release.json").read_text())["anomalies"] == []
    stimulus = release["scene_002"]
    assert sum(1 for _ in stimulus.frames()) == 90
    assert stimulus.density(40).sum() == pytest.approx(1.0, abs=1e-5)


def test_points_of_a_frame_lie_where_the_samples_do(release: Release) -> None:
    stimulus = release["scene_001"]
    samples = release.table("gaze", "scene_001").to_pandas()
    inside = samples[(samples.t_us // 1000 * 30 // 1000 == 45) & samples.label.isin(["fixation", "pursuit"])]
    center = inside.groupby("observer_id", observed=True)[["x_px", "y_px"]].median().mean()
    assert 5 <= len(stimulus.points(45)) <= 12
    np.testing.assert_allclose(stimulus.points(45).mean(0), center, atol=10)


def _nss(prediction: np.ndarray, points: np.ndarray) -> float:
    x, y = np.unique(points.astype(int), axis=0).T
    spread = prediction.std()
    return float((prediction[y, x].mean() - prediction.mean()) / spread) if spread > 1e-12 else 0.0


def test_uniform_then_center_then_motion_then_humans(release: Release) -> None:
    scores: dict[str, list[list[float]]] = {"centre": [], "motion": [], "humans": []}
    for stimulus in release:
        x, y = np.meshgrid(np.arange(160) + 0.5, np.arange(96) + 0.5)
        center = np.exp(-(((x - 80) / 24) ** 2 + ((y - 48) / (0.194 * 96)) ** 2) / 2)
        before = None
        rows: dict[str, list[float]] = {name: [] for name in scores}
        for frame in stimulus.frames():
            light = gaussian_filter(frame.rgb @ np.array([0.299, 0.587, 0.114]), 1)
            motion = np.zeros_like(light) if before is None else gaussian_filter(np.abs(light - before), 6)
            before = light
            points = stimulus.points(frame.index)
            every = stimulus.gaze_points
            chosen = every.at(frame.index)
            who = every.observer[chosen]
            if len(set(who)) < 2:
                continue
            rows["centre"].append(_nss(center, points))
            rows["motion"].append(_nss(motion, points))
            rows["humans"].append(
                np.mean([_nss(stimulus.density_of(chosen[who != o]), points[who == o]) for o in set(who)])
            )
        for name, values in rows.items():
            scores[name].append(values)
    mean = {name: np.mean([np.mean(v) for v in videos]) for name, videos in scores.items()}
    assert mean["centre"] > 1.0  # uniform has 0
    assert mean["motion"] > mean["centre"] + 0.3
    assert mean["humans"] > mean["motion"] + 0.3
