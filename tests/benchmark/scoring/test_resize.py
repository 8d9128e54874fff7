"""Resizing: against other libraries, at the border, and where an area is flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vidsal.benchmark import prepare_truth, protocol
from vidsal.benchmark.scoring import resize as module
from vidsal.benchmark.scoring.device.batch import score_batch
from vidsal.benchmark.scoring.device.truths import upload
from vidsal.benchmark.scoring.frame import score
from vidsal.benchmark.scoring.resize import RESIZES, bicubic_antialias, bilinear_half_pixel, bilinear_uint8, resize
from vidsal.loaders.errors import UnknownName

SIZES = [((45, 80), (90, 160)), ((48, 64), (90, 160)), ((36, 64), (18, 32)), ((45, 80), (16, 28)), ((7, 9), (20, 31))]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_bilinear_is_torch_s(rng: np.random.Generator) -> None:
    for old, new in (((9, 14), (20, 31)), ((20, 31), (9, 14)), ((1, 5), (3, 2)), ((6, 6), (1, 1))):
        p = rng.random(old)
        expected = torch.nn.functional.interpolate(torch.from_numpy(p)[None, None], size=new, mode="bilinear")
        np.testing.assert_allclose(bilinear_half_pixel(p, new), expected[0, 0].numpy(), atol=1e-12)


def test_eight_bits_are_interpolated_in_steps_of_a_2048th() -> None:
    """By hand: 0.4 of 251 is 100.4, and 819 / 2048 of it 100.37; a 2049th more, and it would be 101."""
    found = bilinear_uint8(np.array([[0, 251]], np.uint8), (1, 10))
    assert found.tolist() == [[0, 0, 0, 50, 100, 151, 201, 251, 251, 251]]
    assert bilinear_uint8(found.T[:, [0] * 3], (10, 3)).tolist() == found.T[:, [0] * 3].tolist()


def test_bicubic_is_pillow_s_inside(rng: np.random.Generator) -> None:
    """Pillow's bicubic has the same kernel (a = -0.5) and widens it when shrinking, but cuts at the border."""
    image = pytest.importorskip("PIL.Image")
    for old, new in (((40, 50), (90, 110)), ((90, 110), (40, 50)), ((90, 110), (45, 120))):
        p = rng.random(old).astype(np.float32)
        pillow = np.asarray(image.fromarray(p).resize(new[::-1], image.Resampling.BICUBIC))
        m = 9
        np.testing.assert_allclose(bicubic_antialias(p, new)[m:-m, m:-m], pillow[m:-m, m:-m], atol=1e-5)


def test_bicubic_mirrors_the_border() -> None:
    p = np.arange(6.0)[None, :]
    mirrored = np.concatenate((p[:, ::-1], p, p[:, ::-1]), axis=1)
    for m in (3, 12):
        np.testing.assert_allclose(
            bicubic_antialias(p, (1, m)), bicubic_antialias(mirrored, (1, 3 * m))[:, m : 2 * m], atol=1e-12
        )
    assert bicubic_antialias(np.array([[0.0, 0, 1, 1]]), (1, 16)).min() < 0


def test_resize_by_name(rng: np.random.Generator) -> None:
    p = rng.random((4, 5)).astype(np.float32)
    assert resize(p, (4, 5), "bilinear-halfpixel") is p
    assert resize(p, (8, 9), "bilinear-halfpixel").dtype == np.float64
    with pytest.raises(UnknownName, match="bicubic-antialias"):
        resize(p, (8, 9), "bicubic")


# Flat areas


def with_a_block(old: tuple[int, int], level: float, dtype: Any = np.float64) -> np.ndarray:
    p = np.full(old, level, dtype)
    p[old[0] // 2 :, old[1] // 2 :] = 0 if level > 200 else 255
    return p


@pytest.mark.parametrize("method", RESIZES)
@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("level", [1, 10, 77, 255, 0.1, 1e-17])
def test_flat_areas_stay_flat(
    method: str, old: tuple[int, int], new: tuple[int, int], level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tap that an output weighs has one value there: the output is that value, to the bit."""
    whole = level == int(level)
    for p in [with_a_block(old, level)] + [with_a_block(old, level, np.uint8)] * whole:
        expected = np.float32(level) if method == "linear-skimage" else level
        flat = resize(p, new, method)[: new[0] // 5]
        assert np.unique(flat).tolist() == [expected]
        monkeypatch.setattr(module, "map_kernels", lambda: None)
        np.testing.assert_array_equal(resize(p, new, method)[: new[0] // 5], flat)
        monkeypatch.undo()


def test_pixels_that_meet_their_source_keep_its_value() -> None:
    p = np.random.default_rng(1).random((6, 7))
    np.testing.assert_array_equal(bicubic_antialias(p, (18, 21))[1::3, 1::3], p)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_auc_judd_of_dhf1k_sees_the_ties_of_flat_areas(old: tuple[int, int], new: tuple[int, int]) -> None:
    """Rounded to 1e-7, resized values have the ties that exact arithmetic would give them."""
    rng = np.random.default_rng(2)
    p = with_a_block(old, 77, np.uint8)
    s = np.round(bicubic_antialias(p, new), 7)
    xy = rng.random((5, 2)) * (new[1], new[0] / 4)
    fixated = np.zeros(new, bool)
    fixated[xy[:, 1].astype(int), xy[:, 0].astype(int)] = True
    hits, misses = s[fixated], s[~fixated]
    n, u, v = len(hits), len(misses), hits.min()
    area = np.mean([(misses < h).mean() + (misses == h).mean() / 2 for h in hits])
    m, e = (hits == v).sum(), (misses == v).sum()
    expected = area + ((misses > v).sum() + e * m / (m + 1)) / (2 * n * u)
    truth = prepare_truth(xy, new, None, None, "dhf1k-1", encode=False)
    for fast in (True, False):
        assert score(p, "saliency", truth, "dhf1k-1", encode=False, fast=fast)["AUC-J"] == pytest.approx(expected)
    of_run = upload([prepare_truth(xy, new, rng.random(new), None, "dhf1k-1", encode=True)], "cpu")
    (found,) = score_batch(torch.from_numpy(p[None]), of_run, protocol("dhf1k-1"), "saliency", ["here"])
    assert found["AUC-J"] == pytest.approx(expected)
