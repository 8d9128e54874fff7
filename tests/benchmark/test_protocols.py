"""Protocols are frozen data: complete, hashed, known by name."""

from __future__ import annotations

import dataclasses
import json

import pytest

from vidsal.benchmark import PROTOCOLS, protocol
from vidsal.benchmark.declaration import find
from vidsal.benchmark.metrics import EPS
from vidsal.benchmark.protocols import SHORT_NAMES
from vidsal.benchmark.resize import RESIZES
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
