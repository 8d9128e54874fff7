"""Losses: equal to the metrics, differentiable, and right at their corners."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vidsal.benchmark import losses, metrics
from vidsal.loaders.errors import WrongUse

AGAINST_DENSITY = ("kld", "kld_plain", "kld_of_logs", "cc", "sim")
AGAINST_PIXELS = ("nss", "nss_sample", "nss_unisal")
EVERY = AGAINST_DENSITY + AGAINST_PIXELS


def _truth(name: str, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    if name in AGAINST_PIXELS:
        return random.random(shape) < 0.2
    density = random.random(shape)
    density[..., 0, :] = 0
    return density


def _maps(random: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    plain = random.random((6, 7))
    return [plain, 255 * plain, plain + 1e6, plain - 0.3, np.full((6, 7), 0.25)]


@pytest.mark.parametrize("name", EVERY)
def test_a_loss_is_its_metric(name: str) -> None:
    random = np.random.default_rng(3)
    loss: Callable[..., torch.Tensor] = getattr(losses, name)
    for saliency in _maps(random):
        truth = _truth(name, random, saliency.shape)
        wanted = getattr(metrics, name)(saliency, truth)
        found = loss(torch.from_numpy(saliency), torch.from_numpy(truth))
        assert found.shape == ()
        np.testing.assert_allclose(found.item(), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_many_maps_at_once_are_each_by_itself(name: str) -> None:
    random = np.random.default_rng(4)
    saliency, truth = random.random((2, 3, 6, 7)), _truth(name, random, (2, 3, 6, 7))
    found = getattr(losses, name)(torch.from_numpy(saliency), torch.from_numpy(truth)).numpy()
    wanted = [[getattr(metrics, name)(saliency[i, j], truth[i, j]) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_right(name: str) -> None:
    random = np.random.default_rng(5)
    saliency = torch.from_numpy(random.random((2, 3, 4)) + 0.1).requires_grad_()
    truth = torch.from_numpy(_truth(name, random, (2, 3, 4)))
    if name in AGAINST_PIXELS:
        truth[1] = False  # nobody looked: NaN, or 1 without gradient
        truth[0, 0, 0] = True
    chosen = slice(0, 1) if name in ("nss", "nss_sample") else slice(None)
    assert torch.autograd.gradcheck(lambda s: getattr(losses, name)(s[chosen], truth[chosen]), saliency)


@pytest.mark.parametrize("name", ["kld", "sim", "nss", "cc"])
def test_a_constant_map_gives_no_nan_gradient(name: str) -> None:
    flat = torch.full((4, 5), 0.5, dtype=torch.float64, requires_grad=True)
    truth = torch.from_numpy(_truth(name, np.random.default_rng(1), (4, 5)))
    getattr(losses, name)(flat, truth).backward()
    assert flat.grad is not None
    assert bool(torch.isfinite(flat.grad).all())


def test_where_nobody_looked() -> None:
    saliency, nobody = torch.rand(3, 4, dtype=torch.float64), torch.zeros(3, 4)
    for name in ("kld", "kld_plain", "kld_of_logs", "cc", "sim", "nss", "nss_sample"):
        assert math.isnan(getattr(losses, name)(saliency, nobody).item()), name
    assert losses.nss_unisal(saliency, nobody).item() == 1


def test_half_precision_is_computed_in_float32() -> None:
    saliency, truth = torch.rand(2, 8, 9).half(), torch.rand(2, 8, 9)
    found = losses.kld(saliency, truth)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, losses.kld(saliency.float(), truth))


def test_cross_entropy_by_hand() -> None:
    saliency = torch.tensor([[0.5, 0.25]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = losses.binary_cross_entropy(saliency, target)
    assert found.item() == pytest.approx((math.log(2) - math.log(0.75)) / 2, rel=1e-12)
    assert torch.autograd.gradcheck(lambda s: losses.binary_cross_entropy(s, target), saliency)


def test_likelihood_is_that_of_the_metric() -> None:
    random = np.random.default_rng(6)
    logs, count = random.normal(size=(5, 6)), random.integers(0, 3, (5, 6))
    found = losses.negative_log_likelihood(torch.from_numpy(logs), torch.from_numpy(count)).item()
    bits = metrics.log_likelihood_of_logs(logs, count)
    assert found == pytest.approx(math.log(30) - math.log(2) * bits, rel=1e-9)
    traced = torch.from_numpy(logs).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: losses.negative_log_likelihood(s, torch.from_numpy(count)), traced)


def _gaze() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(7)
    gaze = torch.from_numpy(random.uniform(-1, 1, (2, 5, 2))).requires_grad_()
    labels = torch.from_numpy(random.uniform(-1, 1, (2, 5, 2)))
    return gaze, labels, torch.tensor([[1, 1, 2, 2, 0], [3, 2, 2, 1, 3]])


def test_gaze_with_the_frame_before() -> None:
    gaze, labels, phase = _gaze()
    g, y = gaze.detach().numpy(), labels.numpy()
    known = [(0, 0), (0, 1), (0, 2), (0, 3), *((1, t) for t in range(5))]
    mse = np.mean([(g[at] - y[at]) ** 2 for at in known])
    still = np.mean([(g[b, t] - g[b, t - 1]) ** 2 for b, t in ((0, 1), (1, 3), (1, 4))])
    moving = np.mean([np.abs(g[b, t] - g[b, t - 1]) for b, t in ((0, 2), (0, 3), (1, 1), (1, 2))])
    found = losses.gaze_loss(gaze, labels, phase)
    assert found["mse"].item() == pytest.approx(mse)
    assert found["reg_fix"].item() == pytest.approx(0.001 + still)
    assert found["reg_sacc"].item() == pytest.approx(0.1 + moving)
    assert found["total"].item() == pytest.approx(mse * (0.001 + still) / (0.1 + moving))
    assert torch.autograd.gradcheck(lambda s: losses.gaze_loss(s, labels, phase)["total"], gaze)


def test_gaze_as_published_shifts_rows_that_begin_inside_a_set() -> None:
    gaze, labels, phase = _gaze()
    g = gaze.detach().numpy()
    # Still: (0,1), (1,0), (1,3), (1,4) against the mask rolled back: (0,0), then row 1 at frames 2, 3 and 4.
    pairs = [((0, 1), (0, 0)), ((1, 0), (1, 2)), ((1, 3), (1, 3)), ((1, 4), (1, 4))]
    still = np.mean([(g[a] - g[b]) ** 2 for a, b in pairs])
    assert losses.gaze_loss(gaze, labels, phase, "published")["reg_fix"].item() == pytest.approx(0.001 + still)


def test_gaze_without_saccades() -> None:
    gaze, labels, _ = _gaze()
    found = losses.gaze_loss(gaze, labels, torch.ones(2, 5))
    assert found["reg_sacc"].item() == pytest.approx(0.1)
    nothing = losses.gaze_loss(gaze, labels, torch.zeros(2, 5))["total"]
    assert nothing.item() == 0
    assert math.isnan(losses.gaze_loss(gaze, labels, torch.ones(2, 5), "published")["total"].item())


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(WrongUse, match=r"\(3, 4\).*\(4, 3\)"):
        losses.kld(torch.rand(3, 4), torch.rand(4, 3))
    with pytest.raises(WrongUse, match="fixated pixels"):
        losses.nss(torch.rand(3, 4), torch.rand(4, 3))
    with pytest.raises(WrongUse, match="previous, published"):
        losses.gaze_loss(*_gaze(), "next")  # type: ignore[arg-type]
