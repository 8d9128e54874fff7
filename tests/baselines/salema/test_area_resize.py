"""INTER_AREA without OpenCV, against digests of what OpenCV 4.10 and 5.0 both return."""

from __future__ import annotations

import hashlib
from types import ModuleType

import numpy as np
import pytest

from vidsal.baselines.salema.area_resize import resize_area
from vidsal.loaders.errors import WrongUse

#: Height and width of `make_video(height, 1, height, width)[0]`, and of its 192 x 256 form the first 16 hex digits of
#: SHA-256: fractional and whole factors, 2 on both axes, enlargement of either axis and of both.
OPENCV = [
    (360, 640, "ac45b9cf27a31410"),
    (384, 512, "9e9515fb4c148cb8"),
    (576, 768, "4c49b139bc93bcc3"),
    (1080, 1920, "1c8962d7ed642506"),
    (404, 720, "ca49848ad73f44d6"),
    (90, 160, "505afab1d8ea3717"),
    (300, 200, "e4c00bc8dfc6fec5"),
    (192, 256, "c114bc7b9c83f8f7"),
    (200, 100, "a41314ebdd904bc9"),
    (191, 300, "296e438806d97ada"),
]


@pytest.mark.parametrize(("height", "width", "digest"), OPENCV)
def test_same_pixels_as_opencv(height: int, width: int, digest: str, recipe: ModuleType) -> None:
    image = recipe.make_video(height, 1, height, width)[0]
    small = resize_area(image, 256, 192)
    assert small.shape == (192, 256, 3)
    assert hashlib.sha256(small.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("source", "target", "digest"),
    [((414, 108), (195, 130), "09953508acb45a09"), ((78, 391), (286, 290), "73d545954030897d")],
)
def test_the_last_bit_of_the_scale_decides(
    source: tuple[int, int], target: tuple[int, int], digest: str, recipe: ModuleType
) -> None:
    """Here 1 / (target / source) and source / target round to different pixels."""
    image = recipe.make_video(source[0], 1, *source)[0]
    resized = resize_area(image, target[1], target[0])
    assert hashlib.sha256(resized.tobytes()).hexdigest()[:16] == digest


def test_small_image_by_opencv() -> None:
    image = np.array(
        [
            [168, 122, 75, 68, 41, 88, 166],
            [106, 157, 175, 180, 139, 110, 89],
            [80, 106, 128, 146, 156, 149, 70],
            [25, 80, 95, 171, 163, 148, 87],
            [71, 118, 167, 171, 83, 49, 57],
        ],
        np.uint8,
    )[..., None]
    expected = [[140, 117, 92, 119], [90, 136, 153, 105], [74, 143, 127, 77]]
    assert resize_area(image, 4, 3)[..., 0].tolist() == expected


def test_a_factor_of_two_rounds_half_up_and_others_half_to_even() -> None:
    two = np.array([[0, 0], [1, 1]], np.uint8)[..., None]  # mean 0.5
    assert resize_area(two, 1, 1)[0, 0, 0] == 1
    wide = np.array([[0, 1]], np.uint8)[..., None]
    assert resize_area(wide, 1, 1)[0, 0, 0] == 0


def test_constant_stays_constant() -> None:
    for size in ((100, 333), (500, 700), (200, 90)):
        image = np.full((*size, 3), 137, np.uint8)
        assert (resize_area(image, 256, 192) == 137).all()


def test_the_same_size_is_a_copy() -> None:
    image = np.zeros((3, 4, 3), np.uint8)
    same = resize_area(image, 4, 3)
    same[0, 0, 0] = 1
    assert image[0, 0, 0] == 0


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_refuses_other_arrays(image: np.ndarray) -> None:
    with pytest.raises(WrongUse, match="uint8"):
        resize_area(image, 2, 2)
