from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from threadpoolctl import threadpool_limits

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic import generate
from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.records import Truth
from vidsal.loaders.release.truth import density, kernels


def test_one_gaussian_by_hand() -> None:
    values = density(np.array([[1.5, 0.5]], np.float32), (1, 3), Truth(sigma_px=1.0))
    weights = np.exp(-np.array([1.0, 0.0, 1.0]) / 2)
    np.testing.assert_allclose(values[0], weights / weights.sum(), rtol=1e-6)


def test_rows_count_and_pixels_do_not() -> None:
    points = np.array([[10.2, 0.5], [10.8, 0.5], [40.5, 0.5]], np.float32)
    by_row = density(points, (1, 60), Truth(sigma_px=2))
    by_pixel = density(points, (1, 60), Truth(sigma_px=2, per="pixel"))
    assert by_row[0, :25].sum() == pytest.approx(2 / 3, abs=1e-5)
    assert by_pixel[0, :25].sum() == pytest.approx(1 / 2, abs=1e-5)


def test_shift_moves_the_peak_right_and_down() -> None:
    values = density(np.array([[10.5, 7.5]], np.float32), (30, 40), Truth(sigma_px=3, per="pixel", shift_px=2))
    assert np.unravel_index(values.argmax(), values.shape) == (9, 12)


def test_weights_scale_a_kernel() -> None:
    points = np.array([[2.5, 0.5], [7.5, 0.5]], np.float32)
    values = density(points, (1, 10), Truth(sigma_px=0.3), np.array([3.0, 1.0]))
    assert values[0, 2] / values[0, 7] == pytest.approx(3, rel=1e-6)


def test_nobody_looked() -> None:
    values = density(np.empty((0, 2), np.float32), (4, 5), Truth(sigma_px=3))
    assert values.shape == (4, 5)
    assert not values.any()


def test_radius_cuts_to_a_square() -> None:
    values = density(np.array([[10.5, 10.5]], np.float32), (21, 21), Truth(sigma_px=9, radius_px=3))
    assert (values > 0).sum() == 49


def test_window_is_a_correlation_with_replicated_border() -> None:
    size, sigma, anchor = 10, 2.0, 4
    t = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * sigma**2))
    binary = np.zeros((12, 15))
    for row, column in [(0, 0), (0, 7), (5, 14), (6, 6), (11, 3)]:
        binary[row, column] = 1
    padded = np.pad(binary, 12, mode="edge")
    expected = np.zeros_like(binary)
    for row in range(12):
        for column in range(15):
            top, left = row + 12 - anchor, column + 12 - anchor
            expected[row, column] = (kernel * padded[top : top + size, left : left + size]).sum()
    points = np.argwhere(binary)[:, ::-1].astype(np.float32) + 0.5
    truth = Truth(kernel="window", sigma_px=sigma, size_px=size, anchor_px=anchor, per="pixel")
    np.testing.assert_allclose(density(points, (12, 15), truth), expected / expected.sum(), rtol=1e-5)


def test_fourier_is_a_low_pass_on_a_power_of_two() -> None:
    binary = np.zeros((48, 64))
    binary[10, 20] = binary[40, 60] = 1
    canvas = np.zeros((64, 64))
    canvas[:48] = binary
    f = np.fft.fftfreq(64, 1 / 64)
    gain = np.exp(-(f[:, None] ** 2 + f[None, :] ** 2) * np.log(2) / 8**2)
    expected = np.fft.ifft2(np.fft.fft2(canvas) * gain).real[:48]
    points = np.argwhere(binary)[:, ::-1].astype(np.float32) + 0.5
    values = density(points, (48, 64), Truth(kernel="fourier", cycles=8, per="pixel"))
    np.testing.assert_allclose(values, np.maximum(expected, 0) / expected.clip(0).sum(), rtol=1e-5, atol=1e-12)


def test_fourier_equals_a_gaussian_inside() -> None:
    binary = np.zeros((1024, 1024))
    binary[500, 512] = 1
    sigma = 1024 * np.sqrt(np.log(2)) / (np.sqrt(2) * np.pi * 8)
    assert sigma == pytest.approx(23.99, abs=0.005)
    expected = ndimage.gaussian_filter(binary, sigma, truncate=8)
    values = density(
        np.array([[512.5, 500.5]], np.float32), (1024, 1024), Truth(kernel="fourier", cycles=8, per="pixel")
    )
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_unknown_kernel() -> None:
    with pytest.raises(WrongUse, match="unknown kernel"):
        density(np.array([[1, 1]], np.float32), (3, 3), Truth(kernel="box"))  # type: ignore[arg-type]


@pytest.mark.data
@pytest.mark.parametrize(("recipe", "most"), [("released", 0.5), ("corrected", 40.0)])
def test_the_released_maps_of_dhf1k(samples: Path, recipe: str, most: float) -> None:
    from PIL import Image

    from vidsal.loaders.datasets.dhf1k.released import INFO
    from vidsal.loaders.formats.pooled import points_of_map

    worst = 0.0
    for number in range(1, 21):
        folder = samples / "dhf1k" / "annotation" / "0601"
        x, y, shape = points_of_map(folder / "fixation" / f"{number:04d}.png")
        values = density(np.stack([x, y], axis=1), shape, INFO.truths[recipe]).astype(np.float64)
        released = np.asarray(Image.open(folder / "maps" / f"{number:04d}.png")).astype(np.float64)
        worst = max(worst, float(np.abs(255 * values / values.max() - released).max()))
    assert worst <= most
    assert recipe == "released" or worst > 20


def test_a_recipe_can_be_a_sigma_that_its_name_states(tmp_path: Path) -> None:
    generate(tmp_path / "source", videos=1, frames=2, observers=2, width=32, height=24)
    convert("synthetic", tmp_path / "source", tmp_path / "out", workers=1)
    release = vidsal.load(tmp_path / "out")
    assert release.truth("sigma=7.5") == Truth(sigma_px=7.5, note="stated by the user")
    assert release.truth_parameters("sigma=7.5")["sigma_px"] == 7.5
    assert release.truth_parameters(release.default_truth) is release.record["truth"]["recipes"][release.default_truth]
    for name in ("sigma=", "sigma=0", "sigma=-1", "sigma=nan", "sigma=inf", "sigma=wide"):
        with pytest.raises(WrongUse, match="above 0"):
            release.truth(name)
    with pytest.raises(UnknownName):
        release.truth("sigma")


@pytest.mark.parametrize(
    ("shape", "count", "truth"),
    [
        ((1080, 1920), 30, Truth(sigma_px=12.7)),
        ((721, 1283), 96, Truth(sigma_px=9, per="pixel", shift_px=2)),
        ((257, 513), 97, Truth(sigma_px=1)),
        ((600, 800), 5, Truth(sigma_px=0.05)),
        ((600, 800), 40, Truth(sigma_px=20, radius_px=50)),
        ((1, 3000), 20, Truth(sigma_px=4)),
        ((768, 1024), 60, Truth(kernel="window", sigma_px=24, size_px=200, anchor_px=100)),
    ],
)
def test_blocks_give_the_bits_of_the_whole_product(shape: tuple[int, int], count: int, truth: Truth) -> None:
    height, width = shape
    rng = np.random.default_rng(count)
    xy = np.clip(rng.normal(0.4, 0.15, (count, 2)), 0, 0.999) * [width, height]
    weights = rng.uniform(0.1, 3, count)
    points = np.unique(np.floor(xy.astype(np.float32)), axis=0) + 0.5 if truth.per == "pixel" else xy.astype(np.float32)
    mass = np.ones(len(points)) if truth.per == "pixel" else weights
    sides = []
    for size, at in ((height, points[:, 1]), (width, points[:, 0])):
        if truth.kernel == "window":
            sides.append(kernels(at.astype(np.float64), size, max(shape), truth))
            continue
        offset = np.arange(size)[:, None] + 0.5 - (at.astype(np.float64) + truth.shift_px)
        every = np.exp(-(offset**2) / (2 * truth.sigma_px**2))
        sides.append(every if truth.radius_px is None else np.where(np.abs(offset) > truth.radius_px, 0.0, every))
    down, across = sides[0] * mass, sides[1]
    with threadpool_limits(1, user_api="blas"):
        whole = (down / (down.sum(axis=0) @ across.sum(axis=0))) @ across.T
        made = density(xy.astype(np.float32), shape, truth, weights)
    assert made.tobytes() == whole.astype(np.float32).tobytes()
