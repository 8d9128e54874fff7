"""The reference predictors: densities worked out another way, pop-out by eye, causality, refusals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

import vidsal
from vidsal.baselines import registry
from vidsal.baselines.densities import normalized
from vidsal.baselines.reference.itti_koch import broad_colors, oriented, promote, saliency
from vidsal.baselines.reference.motion_energy import MotionEnergy, coarse_luminance
from vidsal.baselines.reference.priors import CenterPriorFitted
from vidsal.baselines.reference.shuffled_prior import ShuffledPrior
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.benchmark.scoring.center_prior import gaussian
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.records import Frame, Truth
from vidsal.loaders.release.average import looks, mean_density
from vidsal.loaders.release.release import Release, Stimulus, load

REFERENCES = ("uniform", "center_prior", "center_prior_fitted", "shuffled_prior", "motion_energy", "itti_koch")


def _info(width: int, height: int, n_frames: int = 1, name: str = "clip") -> StimulusInfo:
    return StimulusInfo(name, width, height, 25.0, "video", n_frames)


def _predict(model: Predictor, video: list[np.ndarray], name: str = "clip") -> list[np.ndarray]:
    height, width = video[0].shape[:2]
    frames = (Frame(i, 40.0 * i, rgb) for i, rgb in enumerate(video))
    predictions = list(model.predict(frames, _info(width, height, len(video), name)))
    assert [p.frame for p in predictions] == list(range(len(video)))
    for p in predictions:
        assert p.kind == "density"
        assert p.values.dtype == np.float32
        assert p.values.shape == (height, width)
        assert p.values.min() >= 0
        assert abs(p.values.sum(dtype=np.float64) - 1) < 1e-6
    return [p.values for p in predictions]


def _blank(width: int = 64, height: int = 40) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


# -- the register -------------------------------------------------------------------------------------------------


def test_registered() -> None:
    assert set(REFERENCES) <= set(registry.names("reference"))
    for name in REFERENCES:
        model = registry.load_model(name)
        assert isinstance(model, Predictor)
        assert model.info == registry.baseline(name).info
        assert model.info.name == name
        assert model.info.licence
        assert model.info.needs_frames == (name in ("motion_energy", "itti_koch"))
        with pytest.raises(WrongUse, match="no weights"):
            registry.load_model(name, "weights.pt")
        with pytest.raises(UnknownName):
            registry.load_model(name, speed=3)


# -- uniform and centre -------------------------------------------------------------------------------------------


def test_uniform() -> None:
    (values,) = _predict(registry.load_model("uniform"), [_blank(640, 360)])
    assert (values == np.float32(1 / (640 * 360))).all()


@pytest.mark.parametrize(("width", "height"), [(640, 360), (33, 17), (1, 5)])
def test_center_prior_is_the_gaussian_of_its_description(width: int, height: int) -> None:
    values = _predict(registry.load_model("center_prior"), [_blank(width, height)] * 2)
    x = norm.pdf(np.arange(width) + 0.5, width / 2, 0.15 * width)
    y = norm.pdf(np.arange(height) + 0.5, height / 2, 0.194 * height)
    expected = np.outer(y, x) / np.outer(y, x).sum()
    np.testing.assert_allclose(values[0], expected, rtol=1e-5)
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_allclose(values[0], values[0][::-1, ::-1], rtol=1e-6)


# -- fitted priors ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of gaze alone: scene_001 to 003 in train, 004 and 005 in val; 002 and 005 are larger."""
    folder = tmp_path_factory.mktemp("mixed")
    arguments = {"videos": 5, "frames": 24, "observers": 4, "val": 2, "write_video": False, "seed": 5}
    generate(folder / "source", width=96, height=54, **arguments)
    generate(folder / "large", width=120, height=90, **arguments)
    for name in ("train/gaze/scene_002", "val/gaze/scene_005"):
        shutil.rmtree(folder / "source" / name)
        shutil.copytree(folder / "large" / name, folder / "source" / name)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return folder / "release"


def _by_frames(stimulus: Stimulus, truth: Truth) -> np.ndarray:
    """The mean of the densities of the frames in which somebody looked, the slow way."""
    every = [stimulus.density(f, truth).astype(np.float64) for f in range(stimulus.n_frames)]
    seen = [d for d in every if d.any()]
    return np.asarray(sum(seen) / len(seen))


def _resized(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear between pixel centres, edges held, one axis after the other."""
    for axis in (0, 1):
        n, m = values.shape[axis], shape[axis]
        at = (np.arange(m) + 0.5) * n / m - 0.5
        values = np.apply_along_axis(lambda v, at=at, n=n: np.interp(at, np.arange(n), v), axis, values)
    return values / values.sum()


@pytest.mark.parametrize(
    "truth",
    [
        Truth(sigma_px=7.0, per="pixel"),
        Truth(sigma_px=7.0, per="pixel", shift_px=2.0),
        Truth(sigma_px=5.0, per="pixel", radius_px=9),
        Truth("window", sigma_px=6.0, per="pixel", size_px=30, anchor_px=14),
        Truth("fourier", per="pixel", cycles=8.0),
        Truth(sigma_px=5.0, per="pixel", orders=(0, 3)),
    ],
    ids=lambda t: f"{t.kernel}-{t.shift_px}-{t.radius_px}-{t.orders}",
)
def test_mean_density_is_the_mean_of_densities(root: Path, truth: Truth) -> None:
    for stimulus in list(load(root))[:2]:
        values = mean_density(stimulus, truth)
        assert values is not None
        np.testing.assert_allclose(values, _by_frames(stimulus, truth), rtol=1e-4, atol=1e-9)


def test_mean_density_of_rows_to_half_a_pixel(root: Path) -> None:
    for stimulus in load(root):
        truth = Truth(sigma_px=8.0)
        values, slow = mean_density(stimulus, truth), _by_frames(stimulus, truth)
        assert values is not None
        assert np.abs(values - slow).max() < 0.04 * slow.max()  # half a pixel on the flank of an 8 px Gaussian
        assert np.corrcoef(values.ravel(), slow.ravel())[0, 1] > 0.9995


def test_looks_lists_each_point_in_each_of_its_frames(root: Path) -> None:
    stimulus = load(root)["scene_002"]
    frame, pixel, weight = looks(stimulus, Truth(sigma_px=8.0))
    assert (weight == 1).all()
    for f in (0, 7, 23):
        x, y = np.floor(stimulus.points(f)).astype(int).T
        assert sorted(pixel[frame == f]) == sorted(y * 120 + x)
    first, distinct, _ = looks(stimulus, Truth(sigma_px=8.0, per="pixel"))
    assert len(first) == len({*zip(frame.tolist(), pixel.tolist(), strict=True)})
    assert set(distinct) == set(pixel)


def test_center_prior_fitted_has_mean_and_size_of_the_training_gaze(root: Path) -> None:
    x: list[float] = []
    y: list[float] = []
    for stimulus in load(root, "train"):
        for f in range(stimulus.n_frames):
            points = stimulus.points(f)
            x += list(points[:, 0].astype(float) / stimulus.width)
            y += list(points[:, 1].astype(float) / stimulus.height)
    model = CenterPriorFitted()
    model.fit(load(root, "val"), "val")
    assert model.mean == pytest.approx((np.mean(x), np.mean(y)), rel=1e-9)
    assert model.sd == pytest.approx((np.std(x), np.std(y)), rel=1e-9)
    (values,) = _predict(model, [_blank(100, 60)])
    expected = np.outer(
        norm.pdf((np.arange(60) + 0.5) / 60, np.mean(y), np.std(y)),
        norm.pdf((np.arange(100) + 0.5) / 100, np.mean(x), np.std(x)),
    )
    np.testing.assert_allclose(values, expected / expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("name", ["scene_001", "scene_002"])
def test_shuffled_prior_is_the_mean_of_all_others_and_not_of_itself(root: Path, name: str) -> None:
    release = load(root, "train")
    model = ShuffledPrior()
    model.fit(release, "train")
    own = release[name]
    shape = own.height, own.width
    others = [_resized(_by_frames(s, release.truth()), shape) for s in release if s.id != name]
    assert len(others) == 2
    (values,) = _predict(model, [_blank(own.width, own.height)], name)
    expected = np.asarray(sum(others) / 2)
    assert np.abs(values - expected).max() < 0.02 * expected.max()
    with_itself = (2 * expected + _by_frames(own, release.truth())) / 3
    assert np.abs(values - with_itself).max() > 0.1 * expected.max()


def test_shuffled_prior_of_a_stranger_is_the_mean_of_all(root: Path) -> None:
    release = load(root, "val")
    model = ShuffledPrior()
    model.fit(release)
    everyone = [_resized(_by_frames(s, release.truth()), (54, 96)) for s in release]
    (values,) = _predict(model, [_blank(96, 54)], "not one of them")
    expected = np.asarray(sum(everyone) / 2)
    assert np.abs(values - expected).max() < 0.02 * expected.max()
    again = ShuffledPrior()
    again.fit(load(root, "train"))
    again.fit(release)  # a second fit forgets the first
    np.testing.assert_array_equal(_predict(again, [_blank(96, 54)], "not one of them")[0], values)


def _convert(folder: Path, **arguments: int) -> Release:
    generate(folder / "source", frames=3, width=32, height=32, write_video=False, **arguments)
    convert("synthetic", folder / "source", folder / "release", workers=1)
    return load(folder / "release")


def test_nothing_to_fit_is_wrong_use(tmp_path: Path, root: Path) -> None:
    alone = _convert(tmp_path / "alone", videos=1, observers=2, val=1)
    with pytest.raises(WrongUse, match="at least two stimuli, and synthetic, split all, has it on 1") as caught:
        ShuffledPrior().fit(alone)
    assert caught.value.exit_code == 2
    with pytest.raises(WrongUse, match="needs the split train, and synthetic has only val"):
        CenterPriorFitted().fit(alone)
    for model in (CenterPriorFitted(), ShuffledPrior()):
        with pytest.raises(WrongUse, match="must be fitted first"):
            model.predict(iter([]), _info(4, 4))


def test_one_fixation_has_no_size(tmp_path: Path) -> None:
    folder = tmp_path / "source" / "train" / "gaze" / "scene_1"
    folder.mkdir(parents=True)
    (folder / "O1.txt").write_text(
        "# vidsal synthetic gaze 1\n# stimulus_px 32 32\n# frames 2 fps 50\n0 5.00 5.00 1.00 fixation\n"
    )
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    with pytest.raises(WrongUse, match="too few points"):
        CenterPriorFitted().fit(load(tmp_path / "release"))


@pytest.mark.parametrize("name", ["center_prior_fitted", "shuffled_prior"])
def test_fitted_by_the_engine(root: Path, name: str) -> None:
    run = vidsal.evaluate(registry.load_model(name), load(root, "train"))
    assert run.frames["NSS"].mean() > 0.3
    assert set(run.frames["stimulus_id"]) == {"scene_001", "scene_002", "scene_003"}


# -- motion -------------------------------------------------------------------------------------------------------


def _square(x: int, y: int, width: int = 160, height: int = 96) -> np.ndarray:
    frame = _blank(width, height)
    frame[y : y + 12, x : x + 12] = (200, 180, 30)
    frame[10:22, 130:142] = (255, 255, 255)  # bright, and at rest
    return frame


def test_motion_energy_lies_where_something_moves() -> None:
    values = _predict(MotionEnergy(), [_square(20 + 4 * i, 50) for i in range(6)])
    assert np.ptp(values[0]) == 0  # nothing has moved yet
    for i, density in enumerate(values[1:], 1):
        y, x = np.unravel_index(density.argmax(), density.shape)
        assert abs(x - (20 + 4 * i + 6)) < 8
        assert abs(y - 56) < 8
        assert density[46:66, 10 + 4 * i : 44 + 4 * i].sum() > 0.6
        assert density[10:22, 130:142].max() == pytest.approx(0.1 / density.size, rel=0.1)


def test_motion_energy_keeps_the_last_motion_in_a_repeated_frame_and_forgets_it_later() -> None:
    moved = [_square(20, 50), _square(26, 50)]
    values = _predict(MotionEnergy(), [*moved, moved[1], *[moved[1]] * 40])
    np.testing.assert_allclose(values[2], values[1], rtol=1e-4)
    assert np.ptp(values[-1]) == 0
    assert all(np.ptp(v) == 0 for v in _predict(MotionEnergy(), [_square(20, 50)] * 3))


def test_motion_energy_means_the_same_at_any_resolution() -> None:
    small = [_square(20, 50), _square(30, 50)]
    large = [np.repeat(np.repeat(f, 4, axis=0), 4, axis=1) for f in small]
    a = _predict(MotionEnergy(), small)[1]
    b = _predict(MotionEnergy(), large)[1]
    np.testing.assert_allclose(b.reshape(96, 4, 160, 4).sum((1, 3)), a, atol=0.01 * a.max())


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda s: arrays(np.uint8, (*s, 3))), st.integers(1, 50)
)
def test_coarse_luminance_keeps_the_light(rgb: np.ndarray, longest: int) -> None:
    cells = coarse_luminance(rgb, longest)
    light = rgb @ np.array([0.299, 0.587, 0.114])
    assert max(cells.shape) == min(longest, max(rgb.shape[:2]))
    assert light.min() - 1e-9 <= cells.min() <= cells.max() <= light.max() + 1e-9
    if longest >= max(rgb.shape[:2]):
        np.testing.assert_allclose(cells, light)


def test_coarse_luminance_by_hand() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    expected = (rgb @ np.array([0.299, 0.587, 0.114])).reshape(3, 4, 5, 4).mean((1, 3))
    np.testing.assert_allclose(coarse_luminance(rgb, 5), expected)


# -- Itti, Koch and Niebur ----------------------------------------------------------------------------------------


def _field(odd: tuple[int, int], kind: str) -> np.ndarray:
    """Twelve items on grey, one of them odd; returns 180 x 240 pixels."""
    frame = np.full((180, 240, 3), 110, np.uint8)
    for row in range(3):
        for column in range(4):
            y, x, is_odd = 30 + 60 * row, 30 + 60 * column, (row, column) == odd
            if kind == "orientation":
                tall = is_odd
                h, w = (14, 3) if tall else (3, 14)
                frame[y - h : y + h, x - w : x + w] = 200
            elif kind == "colour":
                # The same mean intensity, another hue.
                frame[y - 8 : y + 8, x - 8 : x + 8] = (210, 60, 60) if is_odd else (60, 210, 60)
            else:
                frame[y - 8 : y + 8, x - 8 : x + 8] = 250 if is_odd else 130
    return frame


@pytest.mark.parametrize("kind", ["intensity", "colour", "orientation"])
@pytest.mark.parametrize("odd", [(1, 1), (2, 3), (0, 2)])
def test_what_is_odd_pops_out(kind: str, odd: tuple[int, int]) -> None:
    (values,) = _predict(registry.load_model("itti_koch"), [_field(odd, kind)])
    cells = values.reshape(3, 60, 4, 60).max((1, 3))
    assert np.unravel_index(cells.argmax(), cells.shape) == odd


def test_nothing_to_see_is_uniform() -> None:
    for frame in (_blank(), np.zeros((40, 64, 3), np.uint8), np.full((1, 1, 3), 9, np.uint8)):
        (values,) = _predict(registry.load_model("itti_koch"), [frame])
        assert np.ptp(values) == 0


def test_static_means_that_each_frame_is_for_itself() -> None:
    a, b = _field((1, 1), "colour"), _field((2, 2), "intensity")
    model = registry.load_model("itti_koch")
    np.testing.assert_array_equal(_predict(model, [a, b])[1], _predict(model, [b])[0])


def test_saliency_means_the_same_part_of_the_frame_at_any_resolution() -> None:
    frame = _field((1, 2), "intensity")
    large = np.repeat(np.repeat(frame, 8, axis=0), 8, axis=1)
    a, b = saliency(frame), saliency(large)
    assert a.shape == b.shape
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95


def test_broad_colors_by_hand() -> None:
    image = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5], [0.02, 0, 0]]], float)
    planes = np.stack(broad_colors(image, image.mean(axis=2)), axis=-1)[0]
    red, green, blue, yellow, gray, dark = planes
    np.testing.assert_allclose(red, [3, 0, 0, 0])
    np.testing.assert_allclose(green, [0, 3, 0, 0])
    np.testing.assert_allclose(blue, [0, 0, 3, 0])
    np.testing.assert_allclose(yellow, [0.75, 0.75, 0, 1.5])
    np.testing.assert_array_equal(gray, 0)
    np.testing.assert_array_equal(dark, 0)  # too dark for a hue


def test_promote_by_hand() -> None:
    alone, many = np.zeros((5, 9)), np.zeros((5, 9))
    alone[2, 2] = 4.0
    many[2, [2, 4, 6]] = 4.0, 2.0, 1.0
    assert promote(alone)[2, 2] == 1.0
    assert promote(many)[2, 2] == pytest.approx((1 - (0.5 + 0.25) / 2) ** 2)
    assert not promote(np.zeros((3, 3))).any()


def test_oriented_tells_directions_apart() -> None:
    x = np.arange(40)
    stripes = np.tile(np.sin(2 * np.pi * x / 5), (40, 1))  # varies along x
    energy = {angle: oriented(stripes, angle)[10:30, 10:30].mean() for angle in (0.0, 45.0, 90.0, 135.0)}
    assert energy[0.0] > 3 * energy[45.0] > 0
    assert energy[0.0] > 20 * energy[90.0]
    assert energy[45.0] == pytest.approx(energy[135.0])
    np.testing.assert_allclose(oriented(np.full((9, 9), 7.0), 45.0)[3:6, 3:6], 0, atol=1e-9)


def test_a_gaussian_far_off_is_still_a_density() -> None:
    values = normalized(gaussian(10, 20, sd=(1e-6, 1e-6)))
    assert abs(values.sum(dtype=np.float64) - 1) < 1e-6


def test_infos_are_honest() -> None:
    for name in REFERENCES:
        info = registry.baseline(name).info
        assert info.causal
        assert info.lookahead == 0
        assert info.output == "density"
        assert info.trained_on == ()
        assert replace(info) == info
    assert Fraction(MotionEnergy.floor).limit_denominator(100) == Fraction(1, 10)
