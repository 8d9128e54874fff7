"""OpenCV's resizes of bytes: against OpenCV's own results and against the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidsal.baselines.opencv_resize import resize_cubic, resize_linear


@pytest.mark.data
def test_the_bytes_of_opencv(goldens: Path) -> None:
    frames = np.load(goldens / "models/inputs/real_0068.npz")["full"]
    linear = np.load(goldens / "models/tased_net/pre_real_224x384.npz")["resized"]
    np.testing.assert_array_equal(resize_linear(frames[0], 384, 224), linear[0])
    np.testing.assert_array_equal(resize_linear(frames[2], 384, 224), linear[1])
    cubic = np.load(goldens / "models/hd2s/pre_real_128x192.npz")["rgb8"][0]
    difference = np.abs(resize_cubic(frames[0], 192, 128).astype(int) - cubic)
    assert difference.max() <= 1
    assert difference.mean() < 0.002


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (12, 13)])
def test_linear_by_hand(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 7, 2)).astype(np.uint8)
    found = resize_linear(image, *size[::-1])
    for y in range(size[0]):
        for x in range(size[1]):
            at_y, at_x = (min(max((p + 0.5) * n / m - 0.5, 0), n - 1) for p, n, m in ((y, 6, size[0]), (x, 7, size[1])))
            top, left = int(at_y), int(at_x)
            low, right = min(top + 1, 5), min(left + 1, 6)
            down, across = at_y - top, at_x - left
            wide = [image[row, left] * (1 - across) + image[row, right] * across for row in (top, low)]
            assert np.abs(found[y, x] - (wide[0] * (1 - down) + wide[1] * down)).max() < 1


def _kernel(distance: float) -> float:
    """Keys' cubic kernel, a = -0.75, as one function of the distance."""
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


@pytest.mark.parametrize(("height", "width"), [(9, 13), (3, 4), (6, 21)])
def test_cubic_by_hand(height: int, width: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 7)).astype(np.uint8)
    found = resize_cubic(image, width, height)
    for y in range(height):
        for x in range(width):
            at_y, at_x = (y + 0.5) * 6 / height - 0.5, (x + 0.5) * 7 / width - 0.5
            total = 0.0
            for i in range(-3, 10):
                for j in range(-3, 11):
                    value = int(image[min(max(i, 0), 5), min(max(j, 0), 6)])
                    total += value * _kernel(at_y - i) * _kernel(at_x - j)
            assert abs(int(found[y, x]) - min(max(total, 0), 255)) <= 0.5 + 1e-9


def test_the_same_size_is_a_copy() -> None:
    image = np.zeros((3, 4, 3), np.uint8)
    for resize in (resize_linear, resize_cubic):
        assert resize(image, 4, 3) is not image
        np.testing.assert_array_equal(resize(image, 4, 3), image)
