"""Scores of predicted gaze points: worked by hand, and against scipy on the whole volume."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance

from vidsal.benchmark.metrics.gaze_path import (
    GAZE_1,
    METRICS,
    SPREENI_1,
    GazeProtocol,
    Viewing,
    angular_errors,
    blur_matrix,
    change_distances,
    gaussian_taps,
    gaze_changes,
    mirrored,
    observer_paths,
    scanpath_nss,
    score_gaze,
)
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.records import Screen

NAN = (np.nan, np.nan)


def seen(width: int, height: int, frames: int, fps: float | None = 25.0, **screen: float) -> Viewing:
    return Viewing(width, height, frames, fps, Screen(**(screen or {"px_per_degree": 10.0})))  # type: ignore[arg-type]


def test_angular_error_is_the_mean_distance_to_the_observers() -> None:
    viewing = seen(100, 50, 3)
    predicted = np.array([[10.0, 10.0], NAN, [0.0, 0.0]])
    observers = [np.array([[13.0, 14.0], [1.0, 1.0], NAN]), np.array([[10.0, 25.0], NAN, NAN])]
    # 5 px and 15 px of 10 px a degree; no prediction; nobody looked
    np.testing.assert_allclose(angular_errors(predicted, observers, viewing), [1.0, np.nan, np.nan])


def test_angles_of_a_flat_screen() -> None:
    viewing = seen(200, 100, 1, width_mm=400.0, height_mm=200.0, distance_mm=200.0)
    # The right border is 200 mm from the centre at a distance of 200 mm: 45 degrees; the top border 100 mm.
    np.testing.assert_allclose(viewing.degrees((200, 0)), [45.0, np.degrees(np.arctan(0.5))])
    np.testing.assert_allclose(viewing.degrees((100, 50)), [0.0, 0.0])
    np.testing.assert_allclose(
        viewing.pixels_per_degree((200, 100)), [200 / 90, 100 / (2 * np.degrees(np.arctan(0.5)))]
    )
    assert seen(200, 100, 1, px_per_degree=40.0).pixels_per_degree((100, 25)) == (20.0, 10.0)


def test_steps_by_hand() -> None:
    path = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], NAN, [1.0, 1.0], [0.0, 1.0]])
    lengths, directions = gaze_changes(path)
    np.testing.assert_allclose(lengths, [5, 0, 1])
    np.testing.assert_allclose(directions, [np.degrees(np.arctan2(4, 3)), 0, 180])
    lengths, directions = gaze_changes(np.array([[0.0, -2.0], [1.0, -2.0]]), first=True)
    np.testing.assert_allclose(lengths, [2, 1])
    np.testing.assert_allclose(directions, [270, 0])
    assert all(len(part) == 0 for part in gaze_changes(np.empty((0, 2))))


def test_change_distances_by_hand() -> None:
    viewing = seen(100, 100, 3)
    predicted = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])  # two steps of 1 degree to the right
    up = np.array([[0.0, 50.0], [0.0, 20.0], [0.0, 0.0]])  # 3 and 2 degrees up
    still = np.full((3, 2), 5.0)  # two steps of 0 degrees
    lost = np.full((3, 2), np.nan)
    # lengths: {1, 1} from {3, 2} is (2 + 1) / 2; from {0, 0} is 1. directions: {0, 0} from {90, 90}; from {0, 0}
    assert change_distances(predicted, [up, still, lost], viewing) == pytest.approx(((1.5 + 1) / 2, (90 + 0) / 2))
    assert np.isnan(change_distances(predicted, [lost], viewing)).all()


def test_mirrored_borders() -> None:
    assert [int(i) for i in mirrored(np.arange(-3, 6), 3)] == [2, 1, 0, 0, 1, 2, 2, 1, 0]
    assert mirrored(np.arange(-2, 3), 1).tolist() == [0] * 5


@pytest.mark.parametrize(("size", "sigma"), [(9, 1.3), (5, 4.0), (1, 2.0), (7, 0.1)])
def test_blur_is_scipys(size: int, sigma: float) -> None:
    identity = np.eye(size)
    np.testing.assert_allclose(blur_matrix(size, sigma), gaussian_filter(identity, [sigma, 0]), atol=1e-12)
    assert gaussian_taps(sigma).sum() == pytest.approx(1)


def volume_nss(predicted: Any, cells: Any, frames: int, raster: tuple[int, int], sigmas: Any) -> Any:
    """The definition on the whole volume (frames, x, y); `cells` are (frame, x, y), `predicted` x, y of each frame."""
    volume = np.zeros((frames, *raster))
    for frame, x, y in cells:
        volume[frame, x, y] += 1
    volume = gaussian_filter(volume, sigmas)
    volume = (volume - volume.mean()) / volume.std()
    return [np.nan if p is None else volume[f, p[0], p[1]] for f, p in enumerate(predicted)]


def test_scanpath_nss_is_the_z_score_over_the_whole_video() -> None:
    viewing = seen(40, 30, 12)
    generator = np.random.default_rng(4)
    observers = [generator.uniform((0, 0), (40, 30), (12, 2)) for _ in range(5)]
    observers[1][3] = NAN
    observers[2][7] = (41.0, 3.0)  # outside: does not count
    predicted = generator.uniform((0, 0), (40, 30), (12, 2))
    predicted[5] = NAN
    predicted[8] = (40.0, -3.0)  # read at the border
    inside = [
        (f, int(p[f][0]), int(p[f][1]))
        for p in observers
        for f in range(12)
        if not np.isnan(p[f]).any() and p[f][0] < 40
    ]
    places = [None if np.isnan(p).any() else (min(int(p[0]), 39), max(int(p[1]), 0)) for p in predicted]
    wanted = volume_nss(places, inside, 12, (40, 30), (26.25 / 40, 12.0, 12.0))
    np.testing.assert_allclose(scanpath_nss(predicted, observers, viewing), wanted, rtol=1e-9)


def test_scanpath_nss_of_one_point_by_hand() -> None:
    # One cell of 1 x 2 looked at in the only frame, without any blur: z = (1 - 1/2) / (1/2).
    viewing = seen(2, 1, 1, px_per_degree=0.01)
    observer = np.array([[1.5, 0.5]])
    assert scanpath_nss(np.array([[1.0, 0.0]]), [observer], viewing)[0] == pytest.approx(1)
    assert scanpath_nss(np.array([[0.5, 0.9]]), [observer], viewing)[0] == pytest.approx(-1)


def test_everywhere_the_mean_is_zero_and_the_deviation_one() -> None:
    viewing = seen(6, 4, 5)
    observers = [np.random.default_rng(1).uniform((0, 0), (6, 4), (5, 2))]
    values = [
        scanpath_nss(np.tile([x + 0.5, y + 0.5], (5, 1)), observers, viewing, replace(GAZE_1, sigma_deg=0.1))
        for x in range(6)
        for y in range(4)
    ]
    assert np.mean(values) == pytest.approx(0, abs=1e-9)
    assert np.std(values) == pytest.approx(1)


def test_the_thesis_by_its_own_steps() -> None:
    generator = np.random.default_rng(9)
    size, frames = (1280, 720), 7
    observers = [generator.uniform((0, 0), size, (frames, 2)) for _ in range(3)]
    observers[0][2] = (1279.9, 719.9)
    observers[1][0] = (0.4, -5.0)
    predicted = generator.uniform((0, 0), size, (frames, 2))
    predicted[3] = (2.0, 719.0)
    factor = 224 / np.array(size)

    labels = [np.round(p * factor).astype(int) for p in observers]
    points = [(f, *(np.clip(p[f], 1, 224) - 1)) for p in labels for f in range(frames)]
    places = [tuple(np.clip(np.floor(p * factor).astype(int) - 1, 0, 223)) for p in predicted]
    wide, high = (2 * np.degrees(np.arctan(mm / 2 / 450)) for mm in (400, 225))
    sigmas = (26.25 / (1000 / 29.7), 1.2 * 224 / wide, 1.2 * 224 / high)
    nss = np.mean(volume_nss(places, points, frames, (224, 224), sigmas))

    def changes(path: Any) -> tuple[Any, Any]:
        x = np.degrees(np.arctan((path[:, 0] / 224 - 0.5) * 40 / 45))
        y = np.degrees(np.arctan(-(path[:, 1] / 224 - 0.5) * 22.5 / 45))
        gaze = np.stack([x, y], axis=1)
        gaze[1:] -= gaze[:-1].copy()
        return np.hypot(*gaze.T), np.degrees(np.arctan2(gaze[:, 1], gaze[:, 0])) % 360

    ours = changes(predicted * factor)
    theirs = [changes(np.clip(label, 0, 223).astype(float)) for label in labels]
    scores = score_gaze(predicted, observers, Viewing(*size, frames, 29.97, Screen()), SPREENI_1)
    assert scores.values["scanpath NSS"] == pytest.approx(nss, rel=1e-9)
    for number, name in enumerate(METRICS[2:]):
        wanted = np.mean([wasserstein_distance(ours[number], other[number]) for other in theirs])
        assert scores.values[name] == pytest.approx(wanted, rel=1e-9)
    assert not scores.reasons


def test_a_perfect_and_a_lazy_prediction() -> None:
    viewing = seen(64, 48, 20)
    generator = np.random.default_rng(2)
    path = np.clip(np.cumsum(generator.normal(0, 3, (20, 2)), axis=0) + (32, 24), 1, 46)
    narrow = GazeProtocol("narrow", sigma_deg=0.2)
    perfect = score_gaze(path, [path], viewing, narrow)
    center = score_gaze(np.tile([32.0, 24.0], (20, 1)), [path], viewing, narrow)
    assert perfect.values["angular error"] == 0
    assert perfect.values["gaze change length"] == 0
    assert perfect.values["gaze change direction"] == 0
    assert perfect.values["scanpath NSS"] > center.values["scanpath NSS"] > -1
    assert center.values["gaze change length"] == pytest.approx(gaze_changes(path / 10)[0].mean())
    assert perfect.frames["angular error"].shape == (20,)


def test_what_is_not_known_is_nan_with_a_reason() -> None:
    path = np.array([[1.0, 1.0], [2.0, 2.0]])
    scores = score_gaze(path, [path], Viewing(9, 9, 2, 25.0, Screen()))
    assert all(np.isnan(value) for value in scores.values.values())
    assert set(scores.reasons.values()) == {"pixels per degree unknown"}
    scores = score_gaze(path, [path], seen(9, 9, 2, None))
    assert scores.reasons == {"scanpath NSS": "frame rate unknown"}
    scores = score_gaze(path, [np.full((2, 2), np.nan)], seen(9, 9, 2))
    assert len(scores.reasons) == 4
    assert "observer" in scores.reasons["angular error"]
    one = score_gaze(path[:1], [path[:1]], seen(9, 9, 1))
    assert set(one.reasons) == {"gaze change length", "gaze change direction"}


def test_wrong_paths_are_refused_and_inputs_are_left_alone() -> None:
    viewing = seen(9, 9, 2)
    with pytest.raises(WrongUse, match=r"predicted: a path of shape \(2, 2\) was expected, found \(3, 2\)"):
        score_gaze(np.zeros((3, 2)), [np.zeros((2, 2))], viewing)
    with pytest.raises(WrongUse, match="observer 1"):
        score_gaze(np.zeros((2, 2)), [np.zeros((2, 2)), np.zeros((2, 3))], viewing)
    with pytest.raises(WrongUse, match="without an observer"):
        score_gaze(np.zeros((2, 2)), [], viewing)
    half = np.array([[1.0, np.nan], [20.0, 2.0]])
    kept = half.copy()
    score_gaze(half, [half], viewing)
    np.testing.assert_array_equal(half, kept)


def stimulus(observer: list[int], observers: tuple[str, ...]) -> Any:
    points = SimpleNamespace(
        x=np.array([1, 3, 10, 20], np.float32),
        y=np.array([0, 2, 5, 6], np.float32),
        frame=np.array([0, 0, 0, 2]),
        frame_end=np.array([0, 0, 1, 2]),
        observer=np.array(observer, np.int32),
        observers=observers,
    )
    points.at = lambda f: np.flatnonzero((points.frame <= f) & (points.frame_end >= f))
    return cast(Any, SimpleNamespace(id="s", n_frames=3, gaze_points=points))


def test_paths_of_observers() -> None:
    paths = observer_paths(stimulus([0, 0, 1, 0], ("a", "b", "c")))
    np.testing.assert_array_equal(paths["a"], [[2, 1], NAN, [20, 6]])
    np.testing.assert_array_equal(paths["b"], [[10, 5], [10, 5], NAN])
    assert np.isnan(paths["c"]).all()
    with pytest.raises(WrongUse, match="pooled over observers"):
        observer_paths(stimulus([-1, -1, -1, -1], ()))
