"""Batches scored by torch agree with `score`, on the CPU here and on CUDA where there is one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from vidsal.benchmark import FrameScores, FrameTruth, Negatives, NonFinite, prepare_truth
from vidsal.benchmark.scoring.device import batch as device
from vidsal.benchmark.scoring.device.batch import score_batch, score_columns, upload
from vidsal.benchmark.scoring.frame import score
from vidsal.loaders.errors import BadData, WrongUse

PROTOCOLS = ("exact-1", "dhf1k-1", "tuebingen-1")


def agree(found: list[FrameScores], expected: list[FrameScores], tolerance: float = 1e-6) -> None:
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert f.reasons == e.reasons
        assert f.n_out_of_bounds == e.n_out_of_bounds
        for name in e:
            assert f[name] == pytest.approx(e[name], abs=tolerance, nan_ok=True), name


def truths(
    rng: np.random.Generator, frames: int, protocol: str, *, many: bool = False, shared: bool = False, shape: Any = (18, 25)
) -> list[FrameTruth]:  # fmt: skip
    h, w = shape
    one = Negatives(rng.poisson(1.0, shape))
    out = []
    for _ in range(frames):
        xy = rng.random((rng.integers(1, 25), 2)) * (w * 1.1, h)
        if shared:
            negatives = one
        elif many:
            negatives = Negatives(rng.random(shape))
        else:
            points = rng.random((rng.integers(1, 40), 2)) * (w, h)
            negatives = Negatives.from_points(points, shape, distinct=protocol == "dhf1k-1")
        g = (rng.random(shape) ** 4).astype(np.float32)
        out.append(prepare_truth(np.concatenate([xy, xy[:4]]), shape, g, negatives, protocol, encode=False))
    return out


@settings(max_examples=60, deadline=None)
@given(
    protocol=st.sampled_from(PROTOCOLS),
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.float32, torch.float64]),
    levels=st.sampled_from([1, 2, 4, 255, 10**6]),
    size=st.sampled_from([(18, 25), (1, 1)]),
    many=st.booleans(),
    shift=st.sampled_from([0.0, -0.3, 5.0]),
    seed=st.integers(0, 2**20),
)
def test_a_batch_agrees_with_one_frame_after_the_other(
    protocol: str, dtype: Any, levels: int, size: tuple[int, int], many: bool, shift: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    prepared = truths(rng, 3, protocol, many=many)
    p = torch.from_numpy(rng.integers(0, levels + 1, (3, *size)) / levels)
    p = (p * 255).round().to(dtype) if dtype == torch.uint8 else (p + shift).to(dtype)
    expected = [score(v, "saliency", t, protocol, encode=False) for v, t in zip(p, prepared, strict=True)]
    agree(score_batch(p, prepared, protocol), expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("holes", [False, True])
def test_log_densities(protocol: str, holes: bool) -> None:
    rng = np.random.default_rng(1)
    prepared = truths(rng, 4, protocol)
    logs = torch.from_numpy(-40 * rng.random((4, 18, 25)))
    if holes:
        logs[:, :3] = -math.inf
    expected = [score(v, "log_density", t, protocol, encode=False) for v, t in zip(logs, prepared, strict=True)]
    agree(score_batch(logs, prepared, protocol, kind="log_density"), expected)


@pytest.mark.parametrize("size", [(18, 25), (9, 13), (36, 50)])
def test_resized_maps_agree(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    torch.manual_seed(2)
    p = torch.nn.functional.interpolate(torch.rand(3, 1, 4, 5), size=size, mode="bicubic")[:, 0]
    for protocol in PROTOCOLS:
        prepared = truths(rng, 3, protocol)
        expected = [score(v, "saliency", t, protocol, encode=False) for v, t in zip(p, prepared, strict=True)]
        agree(score_batch(p, prepared, protocol), expected)


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "salema-1", "unisal-1", "msu-1"])
def test_the_8_bit_stage_of_a_run(protocol: str) -> None:
    rng = np.random.default_rng(3)
    shape = (18, 24)
    prepared = [
        prepare_truth(rng.random((9, 2)) * (24, 18), shape, rng.random(shape), Negatives(rng.random(shape)), protocol,
                      encode=True)
        for _ in range(3)
    ]  # fmt: skip
    p = torch.rand(3, 18, 24)
    expected = [score(v, "saliency", t, protocol, encode=True) for v, t in zip(p, prepared, strict=True)]
    if protocol == "salema-1":
        with pytest.raises(WrongUse, match="full resolution"):
            score_batch(p, prepared, protocol, encode=True)
    else:
        agree(score_batch(p, prepared, protocol, encode=True), expected)


def test_shared_negatives_are_uploaded_once() -> None:
    prepared = truths(np.random.default_rng(4), 5, "exact-1", shared=True)
    batch = upload(prepared, "cpu")
    assert batch.weights is not None
    assert batch.weights.stride(0) == 0
    p = torch.rand(5, 18, 25)
    agree(
        score_batch(p, batch),
        [score(v, "saliency", t, "exact-1", encode=False) for v, t in zip(p, prepared, strict=True)],
    )


def test_frames_that_are_not_ordinary_keep_their_conventions() -> None:
    rng = np.random.default_rng(5)
    shape = (6, 8)
    every = np.stack(np.meshgrid(np.arange(8), np.arange(6)), -1).reshape(-1, 2) + 0.5
    cases = [
        (np.zeros(shape), [(1, 1)], rng.random(shape)),
        (np.full(shape, 3.0), [(1, 1)], rng.random(shape)),
        (rng.random(shape), [(1, 1)], np.zeros(shape)),
        (rng.random(shape), [(1, 1)], np.ones(shape)),
        (rng.random(shape), [(99, 1)], rng.random(shape)),
        (rng.random(shape), every, rng.random(shape)),
        (rng.random(shape) - 0.5, [(1, 1)], rng.random(shape)),
        (rng.random(shape), [(1, 1)], rng.random(shape)),
    ]
    p = torch.from_numpy(np.stack([c[0] for c in cases]))
    for protocol in PROTOCOLS:
        prepared = [
            prepare_truth(xy, shape, g, Negatives(np.ones(shape)), protocol, encode=False) for _, xy, g in cases
        ]
        expected = [score(v, "saliency", t, protocol, encode=False) for v, t in zip(p, prepared, strict=True)]
        agree(score_batch(p, prepared, protocol), expected)


def test_without_density_or_negatives_the_reason_is_given() -> None:
    prepared = [prepare_truth([(1, 1)], (4, 5), None, None, "exact-1", encode=False) for _ in range(2)]
    found = score_batch(torch.rand(2, 4, 5), prepared)
    assert found[0].reasons == {"sAUC": "no negatives"} | dict.fromkeys(("CC", "SIM", "KLD"), "no density")


def test_bad_maps_are_named() -> None:
    prepared = truths(np.random.default_rng(6), 3, "exact-1")
    p = torch.rand(3, 18, 25)
    p[1, 2, 3] = math.nan
    with pytest.raises(NonFinite, match="0601, frame 4: .* 1 NaN"):
        score_batch(p, prepared, where=["0601, frame 3", "0601, frame 4", "0601, frame 5"])
    with pytest.raises(BadData, match="prediction 0: a density"):
        score_batch(torch.rand(3, 18, 25), prepared, kind="density")
    with pytest.raises(NonFinite, match="not everywhere"):
        score_batch(torch.full((3, 18, 25), -math.inf), prepared, kind="log_density")


def test_wrong_batches_are_refused() -> None:
    rng = np.random.default_rng(7)
    prepared = truths(rng, 2, "exact-1")
    with pytest.raises(WrongUse, match="2 predictions|3 predictions"):
        score_batch(torch.rand(3, 18, 25), prepared)
    with pytest.raises(WrongUse, match=r"\(B, h, w\)"):
        score_batch(torch.rand(18, 25), prepared)
    with pytest.raises(WrongUse, match="at least one frame"):
        upload([], "cpu")
    with pytest.raises(WrongUse, match="one size"):
        upload([*prepared, *truths(rng, 1, "exact-1", shape=(9, 9))], "cpu")
    bare = prepare_truth([(1, 1)], (18, 25), None, None, "exact-1", encode=False)
    with pytest.raises(WrongUse, match="or none has"):
        upload([*prepared, bare], "cpu")


def test_a_large_batch_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = truths(np.random.default_rng(8), 7, "exact-1")
    p = torch.rand(7, 18, 25)
    whole = score_batch(p, prepared)
    monkeypatch.setattr(device, "MOST_PIXELS", 18 * 25 * 3)
    for a, b in zip(score_batch(p, prepared), whole, strict=True):
        assert dict(a) == pytest.approx(dict(b), abs=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", ["saliency", "density", "log_density"])
def test_columns_never_wait_for_the_device(protocol: str, many: bool, kind: Any) -> None:
    """Tensors of the meta device have no values: reading one raises."""
    prepared = truths(np.random.default_rng(11), 3, protocol, many=many)
    batch = upload(prepared, "meta")
    for dtype in (torch.uint8, torch.float16, torch.float32, torch.float64):
        for size in ((18, 25), (9, 31)):
            p = torch.empty(3, *size, dtype=dtype, device="meta")
            assert score_columns(p, batch, protocol, kind=kind, encode=True).shape == (3, 9)


def test_columns_are_the_scores_the_range_and_the_door() -> None:
    prepared = truths(np.random.default_rng(12), 3, "exact-1")
    p = torch.rand(3, 18, 25) + 1
    p[1, 0, 0] = math.nan
    found = score_columns(p, prepared, "exact-1")
    for i in (0, 2):
        expected = score(p[i], "saliency", prepared[i], "exact-1", encode=False, fast=False)
        assert found[i, :6].tolist() == pytest.approx(list(expected.values()), abs=1e-9)
        assert found[i, 6:].tolist() == [float(p[i].min()), float(p[i].max()), 1.0]
    assert found[1, 8] == 0
    with pytest.raises(WrongUse, match="msu-1 has scores"):
        score_columns(p, prepared, "msu-1")


def test_the_input_is_left_alone_and_twice_gives_the_same_bytes() -> None:
    prepared = truths(np.random.default_rng(9), 3, "exact-1")
    p = torch.rand(3, 18, 25, requires_grad=True)
    before = p.detach().clone()
    first, second = score_batch(p, prepared), score_batch(p, prepared)
    assert [list(s.values()) for s in first] == [list(s.values()) for s in second]
    assert torch.equal(p.detach(), before)


@pytest.mark.gpu
def test_cuda_agrees() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    rng = np.random.default_rng(10)
    for protocol in PROTOCOLS:
        for many in (False, True):
            prepared = truths(rng, 16, protocol, many=many, shape=(90, 160))
            p = torch.rand(16, 90, 160)
            expected = [score(v, "saliency", t, protocol, encode=False) for v, t in zip(p, prepared, strict=True)]
            batch = upload(prepared, "cuda")
            found = score_batch(p.cuda(), batch, protocol)
            agree(found, expected)
            again = score_batch(p.cuda(), batch, protocol)
            assert [list(s.values()) for s in found] == [list(s.values()) for s in again]
