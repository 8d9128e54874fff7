"""The published 8-bit maps: the golden, and the two OpenCV steps against plain sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidsal.baselines.tinyhd.published_maps import blur, eight_bit
from vidsal.loaders.errors import NonFinite, WrongUse


@pytest.mark.data
def test_golden(goldens: Path) -> None:
    golden = np.load(goldens / "models" / "tinyhd" / "post.npz")
    found = eight_bit(golden["map"], 640, 360)
    assert found.dtype == np.uint8
    difference = np.abs(found.astype(int) - golden["png8"])
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.999


def test_blur_by_hand() -> None:
    spot = np.zeros((7, 9), np.uint8)
    spot[3, 4] = 255
    row = np.array([1, 4, 6, 4, 1])
    wanted = np.zeros((7, 9), int)
    wanted[1:6, 2:7] = (255 * np.outer(row, row) + 128) // 256
    np.testing.assert_array_equal(blur(spot), wanted)


def test_blur_mirrors_about_the_edge_pixel() -> None:
    image = np.arange(30, dtype=np.uint8).reshape(5, 6) * 7
    padded = np.pad(image.astype(int), 2, mode="reflect")
    row = np.array([1, 4, 6, 4, 1])
    wanted = np.empty((5, 6), int)
    for y in range(5):
        for x in range(6):
            wanted[y, x] = ((padded[y : y + 5, x : x + 5] * np.outer(row, row)).sum() + 128) // 256
    np.testing.assert_array_equal(blur(image), wanted)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3)])
def test_blur_of_few_pixels(shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(blur(np.full(shape, 90, np.uint8)), np.full(shape, 90))


def test_truncates() -> None:
    values = np.array([[0.0, 1.0], [0.999 / 255 * 100, 1.0]])
    same = np.repeat(np.repeat(values, 40, 0), 40, 1)
    assert eight_bit(same, 80, 80)[60, 10] == 99


def test_scale_and_offset_do_not_matter() -> None:
    values = np.random.default_rng(2).random((20, 30)).astype(np.float32)
    np.testing.assert_array_equal(eight_bit(values, 60, 40), eight_bit(values * 4, 60, 40))


def test_corners() -> None:
    assert not eight_bit(np.full((4, 4), 3.0), 8, 6).any()
    assert eight_bit(np.full((4, 4), 3.0), 8, 6).shape == (6, 8)
    with pytest.raises(NonFinite, match="NaN or infinity"):
        eight_bit(np.array([[np.nan, 1.0]]), 4, 4)
    with pytest.raises(WrongUse, match=r"shape \(2, 3, 4\)"):
        eight_bit(np.zeros((2, 3, 4)), 4, 4)
