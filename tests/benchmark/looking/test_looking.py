"""Panels show the numbers that they stand for: scales, trails, frames that were asked for, histograms."""

from __future__ import annotations

import numpy as np
import pytest

import vidsal
from vidsal.baselines import load_model
from vidsal.benchmark.evaluation.stimulus import frames_for, info_of
from vidsal.benchmark.looking.gaze_changes import OBSERVERS, collect, share
from vidsal.benchmark.looking.outlines import LINE, SHARES, draw_outline, outline
from vidsal.benchmark.looking.pages import frames_to_show, panel_width
from vidsal.benchmark.looking.panels import COLORS, Panels
from vidsal.benchmark.looking.tracks import Track, read_track, roots, truth_track
from vidsal.benchmark.metrics.gaze_path import observer_paths
from vidsal.benchmark.protocols import EXACT_1
from vidsal.benchmark.scoring.frame import score_frame
from vidsal.loaders.errors import NonFinite, WrongUse
from vidsal.loaders.inspect.marks import MARKS
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, gaze_only


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(gaze_only(tmp_path_factory.mktemp("looking")))


def test_every_kind_of_one_density_gives_one_map() -> None:
    density = np.random.default_rng(0).random((6, 8))
    density /= density.sum()
    expected = density * density.size  # in times of the even share
    for values, kind in ((density, "density"), (np.log(density), "log_density")):
        shown = Track("a", {0: roots(values, kind, (8, 6), "here")}).layer(0)
        np.testing.assert_allclose(shown, expected, rtol=3e-3)
    saliency = Track("a", {0: roots(7 * density + 3, "saliency", (8, 6), "here")}).layer(0)
    lifted = density - density.min()
    np.testing.assert_allclose(saliency, lifted / lifted.mean(), rtol=3e-3, atol=1e-6)


def test_a_flat_map_is_even_and_a_broken_one_refused() -> None:
    assert np.array_equal(roots(np.full((4, 4), 9.0), "saliency", (2, 2), "here"), np.ones((2, 2)))
    with pytest.raises(NonFinite, match="here"):
        roots(np.array([[1.0, np.nan]]), "saliency", (2, 1), "here")


def test_one_scale_for_a_column_and_scores_as_scored(release: Release) -> None:
    stimulus, model = release[release.ids[0]], load_model("center_prior")
    track = read_track("prior", model, stimulus, [1, 4], (64, 48), protocol=EXACT_1, labels=("NSS",))
    layers = [track.layer(f) for f in (1, 4)]
    assert sorted(track.maps) == [1, 4]
    assert track.high == pytest.approx(max(float(layer.max()) for layer in layers if layer is not None))
    made = list(model.predict(frames_for(model.info, stimulus), info_of(stimulus)))[4]
    expected = score_frame(made.values, stimulus.points(4), stimulus.density(4), kind=made.kind)
    assert track.scores[4] == {"NSS": pytest.approx(expected["NSS"])}
    truth = truth_track(stimulus, [1], (64, 48)).layer(1)
    np.testing.assert_allclose(truth, stimulus.density(1) * 64 * 48, rtol=3e-3, atol=1e-5)


def test_a_point_is_drawn_with_the_way_it_came(release: Release) -> None:
    stimulus = release[release.ids[0]]
    path = np.stack([np.linspace(8, 56, FRAMES), np.full(FRAMES, 44.0)], axis=1)
    panels = Panels(release, stimulus, Track("observers"), [Track("a", path=path)], 640, bare=False)
    drawn = np.asarray(panels.draw(FRAMES - 1, None)[1])
    mine = (drawn == COLORS[0]).all(axis=2)
    assert mine[440, 560]  # where it is
    assert mine[440, 300]  # where it was
    assert not mine[:400].any()
    assert not (np.asarray(panels.draw(0, None)[1]) == COLORS[0]).all(axis=2)[440, 300]  # not yet there
    assert panels.title.endswith("; full square: predicted gaze, its last 0.5 s behind it")
    assert "square" not in Panels(release, stimulus, Track("observers"), [Track("a")], 640, bare=False).title


def test_where_observers_look_lies_over_a_prediction(release: Release) -> None:
    stimulus = release[release.ids[0]]
    frame = stimulus.annotated_indices().tolist()[0]
    truth = truth_track(stimulus, [frame], (640, 480))
    model = Track("prior", {frame: np.ones((480, 640), np.float16)})
    point = Track("point", path=np.full((stimulus.n_frames, 2), 1.0))
    panels = Panels(release, stimulus, truth, [model, point], 640, bare=True)
    bare, *others = (np.asarray(picture) for picture in panels.draw(frame, None))
    density = truth.layer(frame)
    assert density is not None
    lines = outline(density)
    held = [float(density[density >= density[lines].min()].sum() / density.sum()), float(density[lines].max())]
    assert held == [pytest.approx(SHARES[1], abs=0.01), pytest.approx(density.max(), rel=0.6)]
    assert not (bare == LINE).all(axis=2).any()
    for picture in others:  # a few pixels lie under marks
        assert (picture[lines] == LINE).all(axis=1).mean() > 0.5
    assert "lines: half and 90 %" in panels.title
    each = np.array([path[frame] for path in observer_paths(stimulus).values()])
    x, y = np.nanmean(each, axis=0) * 10
    event = MARKS["fixation"].color
    side = [(round(x + dx), round(y - 24 + 2)) for dx in range(-15, 16)]  # the upper side of the open square
    assert all(tuple(others[2][row, column]) == event for column, row in side)
    assert not all(tuple(others[1][row, column]) == event for column, row in side)


def test_a_line_holds_its_share() -> None:
    density = np.random.default_rng(1).random((40, 60)) * np.hanning(40)[:, None] * np.hanning(60)
    for part in (0.2, 0.5, 0.9):
        level = density[outline(density, [part])].min()
        assert density[density >= level].sum() / density.sum() == pytest.approx(part, abs=0.01)
    assert not outline(np.zeros((3, 4))).any()
    drawn = draw_outline(np.full((3, 5, 3), 9, np.uint8), np.eye(3, 5, dtype=bool))
    assert drawn[0, 0].tolist() == [255] * 3
    assert drawn[0, 1].tolist() == [0] * 3
    assert drawn[0, 4].tolist() == [9] * 3


def test_each_frame_by_its_own_scale(release: Release) -> None:
    stimulus = release[release.ids[0]]
    frames = stimulus.annotated_indices().tolist()[:2]
    peak = np.full((480, 640), 0.1, np.float16)
    peak[:40, :40] = 1
    track = Track("a", {frames[0]: peak, frames[1]: peak * np.float16(4)})
    drawn = {}
    for scale in ("column", "frame"):
        panels = Panels(release, stimulus, Track("observers"), [track], 640, bare=False, scale=scale)
        drawn[scale] = [np.asarray(panels.draw(frame, None)[1])[5, 5].tolist() for frame in frames]
        assert ("own scale" in panels.title) == (scale == "frame")
    assert drawn["frame"][0] == drawn["frame"][1] == drawn["column"][1] != drawn["column"][0]


def test_frames_that_are_shown(release: Release) -> None:
    stimulus = release[release.ids[0]]
    known = stimulus.annotated_indices().tolist()
    assert frames_to_show(stimulus, 2) == [known[0], known[-1]]
    assert frames_to_show(stimulus, 99) == known
    drawn = frames_to_show(stimulus, 3, "random", seed=5)
    assert drawn == frames_to_show(stimulus, 3, "random", seed=5) == sorted(drawn)
    scored = Track("a", scores={f: {"NSS": float(-f)} for f in known})
    assert frames_to_show(stimulus, 4, "worst", first=scored) == [known[-1]]  # the others lie within a second of it
    with pytest.raises(WrongUse, match="no frame has a score"):
        frames_to_show(stimulus, 4, "worst", first=Track("a"))


def test_panels_fit_on_a_page(release: Release) -> None:
    stimulus = release[release.ids[0]]
    widths = [panel_width(stimulus, n, video=True) for n in (1, 2, 4, 9)]
    assert all(width % 2 == 0 for width in widths)
    assert panel_width(stimulus, 12, video=False) == 260


def test_gaze_changes_of_an_observer_are_those_of_the_observers(release: Release) -> None:
    stimulus = release[release.ids[0]]
    paths = list(observer_paths(stimulus).values())
    changes = collect([stimulus], {"first": [paths[0]], "still": [np.full_like(paths[0], 9.0)]})
    assert len(changes.lengths[OBSERVERS]) == sum(len(collect([stimulus], {"o": [p]}).lengths["o"]) for p in paths)
    assert not changes.lengths["still"].any()
    assert len(changes.directions["still"]) == 0  # what does not move has none
    moved = changes.lengths[OBSERVERS] > 0
    assert len(changes.directions[OBSERVERS]) == moved.sum()


def test_a_share_is_of_all_steps() -> None:
    np.testing.assert_array_equal(share(np.array([0.5, 1.5, 1.6, 99.0]), np.array([0.0, 1.0, 2.0])), [0.25, 0.5])
