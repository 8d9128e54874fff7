"""Protocols are frozen data: complete, hashed, known by name."""

from __future__ import annotations

import dataclasses
import json

import pytest

from vidsal.benchmark import PROTOCOLS, protocol
from vidsal.benchmark.metrics import EPS, find
from vidsal.benchmark.protocols import SHORT_NAMES
from vidsal.benchmark.protocols.describe import diff, explain
from vidsal.benchmark.scoring.resize import RESIZES
from vidsal.loaders.errors import UnknownName

EACH = pytest.mark.parametrize("name", sorted(PROTOCOLS))


@EACH
def test_a_protocol_is_complete_frozen_data(name: str) -> None:
    rules = protocol(name)
    assert rules.name == name
    assert rules.summary
    assert rules.origin
    assert rules.average in ("stimulus", "frame")
    assert rules.resize in RESIZES
    data = rules.to_dict()
    assert json.loads(json.dumps(data)) == data
    with pytest.raises(dataclasses.FrozenInstanceError):
        rules.name = "other"  # type: ignore[misc]


@EACH
def test_the_digest_follows_every_choice(name: str) -> None:
    rules = protocol(name)
    assert len(rules.digest) == 64
    assert rules.digest == protocol(name).digest
    changed = dataclasses.replace(rules, average="frame" if rules.average == "stimulus" else "stimulus")
    assert changed.digest != rules.digest


def test_exact_1_and_dhf1k_1_are_what_is_pinned() -> None:
    """A change here is a new protocol, never a new number under an old name."""
    exact, official = protocol("exact-1"), protocol("dhf1k-1")
    assert exact.metrics[5] == f"kld[gt||pred;sum;log(eps+q/(p+eps));eps={EPS!r}]"
    assert (exact.average, exact.encoding, exact.resize) == ("stimulus", "none", "bilinear-halfpixel")
    assert (official.average, official.encoding, official.resize) == ("frame", "uint8", "bicubic-antialias")
    assert (exact.negatives, official.negatives) == ("others-list", "ten-frame-union")
    for rules in (exact, official):
        assert tuple(find(m).short for m in rules.metrics) == SHORT_NAMES


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'dhf1k-1'.*exact-1"):
        protocol("dhf1k")
    assert protocol(protocol("exact-1")) is protocol("exact-1")


@EACH
def test_a_protocol_is_explained_with_its_faults(name: str) -> None:
    text = explain(name)
    rules = protocol(name)
    flat = " ".join(text.split())
    assert text.startswith(f"{name}: {rules.summary}")
    assert rules.digest in text
    for fault in rules.faults:
        assert fault.what in flat
        assert f"Effect: {fault.effect}" in flat
        assert any(c.isdigit() for c in fault.effect) or len(fault.effect) > 20
    for words in rules.approximations:
        assert words in flat
    assert max(map(len, text.splitlines()[3:])) <= 100
    for short in SHORT_NAMES:
        assert f"- {short}: " in flat


@EACH
def test_a_published_protocol_names_its_faults(name: str) -> None:
    assert bool(protocol(name).faults) == (name != "exact-1")


def test_diff_lists_every_choice_that_differs_and_no_other() -> None:
    assert diff("exact-1", "exact-1") == []
    found = {d.choice: d for d in diff("exact-1", "dhf1k-1")}
    assert list(found) == [
        "AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD", "resize", "prediction", "truth", "log densities", "negatives",
        "average",
    ]  # fmt: skip
    assert "ddof=0" in found["NSS"].first
    assert "ddof=1" in found["NSS"].second
    assert "long stimuli weigh more" in found["average"].second
    close = [d.choice for d in diff("salema-1", "tinyhd-1")]
    assert close == ["AUC-J", "resize", "resolution", "negatives"]


def test_diff_sees_every_field() -> None:
    """Each field that moves a number has words, so two protocols that differ are never said to agree."""
    rules = protocol("exact-1")
    other = protocol("salema-1")
    for field in ("resize", "stretch", "encoding", "truth_encoding", "halved", "log_ranks", "average", "metrics"):
        value = {"stretch": "minmax-eps32", "average": "frame"}.get(field, getattr(other, field))
        changed = dataclasses.replace(rules, **{field: value})
        assert getattr(rules, field) != value
        assert diff(rules, changed), field
