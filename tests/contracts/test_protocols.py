"""What every registered protocol keeps: complete frozen data, hashed, explained, with metrics that exist."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from vidsal.benchmark import PROTOCOLS, protocol, score_frame
from vidsal.benchmark.metrics import find
from vidsal.benchmark.protocols.describe import diff, explain
from vidsal.benchmark.scoring.resize import RESIZES

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
    for label in rules.labels:
        assert f"- {label}: " in flat


@EACH
def test_a_published_protocol_names_its_faults(name: str) -> None:
    assert bool(protocol(name).faults) == (protocol(name).origin != "this project")


@EACH
def test_its_labels_are_those_of_its_metrics(name: str) -> None:
    rules = protocol(name)
    assert rules.labels == tuple(find(metric_id).short for metric_id in rules.metrics.values())
    assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301
    assert diff(rules, rules) == []


@EACH
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_frame_is_scored_under_every_label(name: str, dtype: type) -> None:
    rng = np.random.default_rng(3)
    p, g = (255 * rng.random((12, 16))).astype(dtype), rng.random((12, 16))
    kind = "density" if dtype == np.float32 else "saliency"
    values = p / p.sum() if kind == "density" else p
    scores = score_frame(values, [(3.2, 4.1), (9, 8)], g, [(1, 1), (5, 7)], name, kind)  # type: ignore[arg-type]
    assert tuple(scores) == protocol(name).labels
    for label, value in scores.items():
        assert not math.isnan(value) or scores.reasons[label], label
