"""Published numbers are cited, and fit what this project knows."""

from __future__ import annotations

import re

from vidsal.benchmark.metrics.base import REGISTRY
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.benchmark.reported import find_reported, reported
from vidsal.loaders.registry import DATASETS


def test_every_number_says_where_it_was_read() -> None:
    found = reported()
    assert len(found) >= 40
    for r in found:
        assert r.source, r
        assert re.search(r"[Tt]able|videos|page", r.place), r
        assert r.link.startswith("https://"), r
        assert r.computed_by.startswith("the ")
    keys = [(r.model, r.dataset, r.split, r.metric, r.source) for r in found]
    assert len(set(keys)) == len(keys)


def test_every_number_fits_its_metric() -> None:
    ranges = {
        entry.short: entry.range for entry in REGISTRY.values() if entry.id in PROTOCOLS["exact-1"].metrics.values()
    }
    for r in reported():
        low, high = ranges[r.metric]
        assert low <= r.value <= high
        assert r.protocol in PROTOCOLS
        assert r.dataset in DATASETS
        assert r.digits == 3


def test_a_quoted_number_is_found() -> None:
    (found,) = find_reported("NSS", 2.776, "dhf1k")
    assert (found.model, found.split) == ("UNISAL", "test")
    assert found.cited.startswith("UNISAL on dhf1k, test, by the official server: ")
    assert find_reported("NSS", 2.776, "ledov") == ()
    assert {r.model for r in find_reported("AUC-J", 0.89)} == {"ACLNet", "SalEMA"}
