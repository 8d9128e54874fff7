"""Batches scored by torch agree with `score`, on the CPU here and on CUDA where there is one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from vidsal.benchmark import (
    PROTOCOLS as EVERY,
    FrameScores,
    FrameTruth,
    Negatives,
    NonFinite,
    prepare_truth,
    protocol as find,
)
from vidsal.benchmark.predictor import Kind
from vidsal.benchmark.scoring.device.batch import check_covered, covers, score_batch, score_columns
from vidsal.benchmark.scoring.device.truths import upload
from vidsal.benchmark.scoring.frame import score
from vidsal.loaders.errors import BadData, WrongUse

PROTOCOLS = ("exact-1", "dhf1k-1", "tuebingen-1")


def batch_scores(
    p: torch.Tensor, prepared: list[FrameTruth], protocol: str = "exact-1", kind: Kind = "saliency", first: int = 0
) -> list[FrameScores]:
    where = [f"0601, frame {first + i}" for i in range(len(p))]
    return list(score_batch(p, upload(prepared, p.device), find(protocol), kind, where))


def one_by_one(
    p: torch.Tensor, prepared: list[FrameTruth], protocol: str = "exact-1", kind: Kind = "saliency"
) -> list[FrameScores]:
    return [score(v, kind, t, protocol, encode=True) for v, t in zip(p, prepared, strict=True)]


def agree(found: list[FrameScores], expected: list[FrameScores], tolerance: float = 1e-6) -> None:
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert f.reasons == e.reasons
        assert f.n_out_of_bounds == e.n_out_of_bounds
        for name in e:
            assert f[name] == pytest.approx(e[name], abs=tolerance, nan_ok=True), name


def truths(
    rng: np.random.Generator, frames: int, protocol: str, *, many: bool = False, shape: Any = (18, 25)
) -> list[FrameTruth]:
    h, w = shape
    points = rng.random((rng.integers(1, 40), 2)) * (w, h)
    listed = Negatives.from_points(points, shape, distinct=protocol == "dhf1k-1")
    negatives = Negatives(rng.random(shape)) if many else listed
    out = []
    for _ in range(frames):
        xy = rng.random((rng.integers(1, 25), 2)) * (w * 1.1, h)
        g = (rng.random(shape) ** 4).astype(np.float32)
        out.append(prepare_truth(np.concatenate([xy, xy[:4]]), shape, g, negatives, protocol, encode=True))
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
    agree(batch_scores(p, prepared, protocol), one_by_one(p, prepared, protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("holes", [False, True])
def test_log_densities(protocol: str, holes: bool) -> None:
    rng = np.random.default_rng(1)
    prepared = truths(rng, 4, protocol)
    logs = torch.from_numpy(-40 * rng.random((4, 18, 25)))
    if holes:
        logs[:, :3] = -math.inf
    agree(batch_scores(logs, prepared, protocol, "log_density"), one_by_one(logs, prepared, protocol, "log_density"))


@pytest.mark.parametrize("size", [(18, 25), (9, 13), (36, 50)])
def test_resized_maps_agree(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    torch.manual_seed(2)
    p = torch.nn.functional.interpolate(torch.rand(3, 1, 4, 5), size=size, mode="bicubic")[:, 0]
    for protocol in PROTOCOLS:
        prepared = truths(rng, 3, protocol)
        agree(batch_scores(p, prepared, protocol), one_by_one(p, prepared, protocol))


@pytest.mark.parametrize("kind", ["saliency", "density", "log_density"])
def test_8_bit_maps_of_every_kind(kind: Kind) -> None:
    """A run leaves a stored 8-bit saliency map as it is; one that is exponentiated is a new map."""
    rng = np.random.default_rng(3)
    p = torch.zeros(3, 18, 25, dtype=torch.uint8)
    if kind == "density":
        p[:, 4, 7] = 1
    else:
        p[:] = torch.from_numpy(rng.integers(0, 9, (3, 18, 25)))
    for protocol in PROTOCOLS:
        prepared = truths(rng, 3, protocol)
        agree(batch_scores(p, prepared, protocol, kind), one_by_one(p, prepared, protocol, kind))


def test_protocols_without_formulas_are_refused_and_the_others_named() -> None:
    covered = {name for name, rules in EVERY.items() if covers(rules)}
    assert covered == set(PROTOCOLS)
    for name in EVERY:
        if name in covered:
            check_covered(find(name))
        else:
            with pytest.raises(WrongUse, match=f"{name} cannot be scored .* under exact-1, dhf1k-1, tuebingen-1"):
                check_covered(find(name))


@pytest.mark.parametrize("counts", [False, True])
def test_negatives_are_uploaded_once(counts: bool) -> None:
    rng = np.random.default_rng(4)
    prepared = truths(rng, 5, "exact-1", many=True)
    if counts:
        shared = Negatives(rng.poisson(1.0, (18, 25)))
        prepared = [replace(truth, negatives=shared) for truth in prepared]
    batch = upload(prepared, "cpu")
    assert isinstance(batch.negatives, torch.Tensor)
    assert batch.negatives.stride(0) == 0
    p = torch.rand(5, 18, 25)
    agree(batch_scores(p, prepared), one_by_one(p, prepared))


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
    shared = Negatives(np.ones(shape))
    for protocol in PROTOCOLS:
        prepared = [prepare_truth(xy, shape, g, shared, protocol, encode=True) for _, xy, g in cases]
        agree(batch_scores(p, prepared, protocol), one_by_one(p, prepared, protocol))


def test_without_negatives_the_reason_is_given() -> None:
    g = np.random.default_rng(4).random((4, 5))
    prepared = [prepare_truth([(1, 1)], (4, 5), g, None, "exact-1", encode=True) for _ in range(2)]
    found = batch_scores(torch.rand(2, 4, 5), prepared)
    assert [f.reasons for f in found] == [{"sAUC": "no negatives"}] * 2
    assert math.isnan(found[0]["sAUC"])


def test_bad_maps_are_named() -> None:
    prepared = truths(np.random.default_rng(6), 3, "exact-1")
    p = torch.rand(3, 18, 25)
    p[1, 2, 3] = math.nan
    with pytest.raises(NonFinite, match="0601, frame 4: .* 1 NaN"):
        batch_scores(p, prepared, first=3)
    with pytest.raises(BadData, match="0601, frame 0: a density"):
        batch_scores(torch.rand(3, 18, 25), prepared, kind="density")
    with pytest.raises(NonFinite, match="not everywhere"):
        batch_scores(torch.full((3, 18, 25), -math.inf), prepared, kind="log_density")


def test_a_fault_is_raised_at_its_frame() -> None:
    prepared = truths(np.random.default_rng(6), 3, "exact-1")
    p = torch.rand(3, 18, 25)
    expected = one_by_one(p, prepared)
    p[1, 2, 3] = math.inf
    scores = score_batch(p, upload(prepared, "cpu"), find("exact-1"), "saliency", ["a", "b", "c"])
    agree([next(scores)], expected[:1])
    with pytest.raises(NonFinite, match="b: .* 1 .inf"):
        next(scores)


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
            assert score_columns(p, batch, find(protocol), kind).shape == (3, 9)


def test_columns_are_the_scores_the_range_and_whether_it_is_valid() -> None:
    prepared = truths(np.random.default_rng(12), 3, "exact-1")
    p = torch.rand(3, 18, 25) + 1
    p[1, 0, 0] = math.nan
    found = score_columns(p, upload(prepared, "cpu"), find("exact-1"), "saliency")
    for i in (0, 2):
        expected = score(p[i], "saliency", prepared[i], "exact-1", encode=True, fast=False)
        assert found[i, :6].tolist() == pytest.approx(list(expected.values()), abs=1e-9)
        assert found[i, 6:].tolist() == [float(p[i].min()), float(p[i].max()), 1.0]
    assert found[1, 8] == 0


def test_the_input_is_left_alone_and_twice_gives_the_same_bytes() -> None:
    prepared = truths(np.random.default_rng(9), 3, "exact-1")
    p = torch.rand(3, 18, 25, requires_grad=True)
    before = p.detach().clone()
    first, second = batch_scores(p, prepared), batch_scores(p, prepared)
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
            found = batch_scores(p.cuda(), prepared, protocol)
            agree(found, one_by_one(p, prepared, protocol))
            again = batch_scores(p.cuda(), prepared, protocol)
            assert [list(s.values()) for s in found] == [list(s.values()) for s in again]
