"""Protocols are frozen data: complete, hashed, known by name."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from vidsal.benchmark import PROTOCOLS, protocol
from vidsal.benchmark.metrics import EPS, find
from vidsal.benchmark.protocols import SIX
from vidsal.benchmark.protocols.base import labeled
from vidsal.benchmark.protocols.describe import diff
from vidsal.loaders.errors import UnknownName, WrongUse


def test_exact_1_and_dhf1k_1_are_what_is_pinned() -> None:
    """A change here is a new protocol, never a new number under an old name."""
    exact, official = protocol("exact-1"), protocol("dhf1k-1")
    assert exact.metrics["KLD"] == f"kld[gt||pred;sum;log(eps+q/(p+eps));eps={EPS!r}]"
    assert (exact.average, exact.encoding, exact.resize) == ("stimulus", "none", "bilinear-halfpixel")
    assert (official.average, official.encoding, official.resize) == ("frame", "uint8", "bicubic-antialias")
    assert (exact.negatives, official.negatives) == ("others-list", "ten-frame-union")
    for rules in (exact, official):
        assert rules.labels == tuple(find(m).short for m in rules.metrics.values()) == SIX


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'dhf1k-1'.*exact-1"):
        protocol("dhf1k")
    assert protocol(protocol("exact-1")) is protocol("exact-1")


def test_metrics_are_a_mapping_of_any_length_and_order() -> None:
    """Seven metrics once crashed, and the sixth was published as KLD whatever it was."""
    exact = protocol("exact-1")
    kept = dict(reversed(list(exact.metrics.items())))
    seven = dataclasses.replace(
        exact, name="seven", metrics={"AUC-B": "auc_borji[step=0.1;expected;thr=0..1.0]", **kept}
    )
    assert seven.labels == ("AUC-B", "KLD", "SIM", "CC", "NSS", "sAUC", "AUC-J")
    assert seven.to_dict()["labels"] == list(seven.labels)
    assert seven.to_dict()["metrics"] == dict(seven.metrics)
    assert pickle.loads(pickle.dumps(seven)) == seven  # noqa: S301
    assert len({hash(seven), hash(exact)}) == 2
    with pytest.raises(WrongUse, match=r"'KLD' is not the label of nss\[ddof=0;pos=fixated_pixels\], 'NSS' is"):
        dataclasses.replace(exact, metrics={"KLD": exact.metrics["NSS"]})
    with pytest.raises(UnknownName, match=r"did you mean 'cc\[pearson\]'"):
        dataclasses.replace(exact, metrics={"CC": "cc[persona]"})
    with pytest.raises(WrongUse, match="names no metric"):
        dataclasses.replace(exact, metrics={})
    with pytest.raises(WrongUse, match="IG needs a baseline"):
        dataclasses.replace(protocol("density-1"), baseline="none")
    for wrong in (["nss[ddof=0;pos=fixated_pixels]"], {"NSS": None}):
        with pytest.raises(WrongUse, match=r"metrics are ids by label, not .*; write labeled"):
            dataclasses.replace(exact, metrics=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        exact.metrics["NSS"] = "cc[pearson]"  # type: ignore[index]
    kept["KLD"] = "cc[pearson]"  # the caller's own
    assert seven.metrics["KLD"] == exact.metrics["KLD"]
    assert dataclasses.replace(exact, metrics=dict(reversed(list(exact.metrics.items())))) != exact
    with pytest.raises(WrongUse, match="one variant of a metric"):
        labeled("cc[pearson]", "cc[pearson;constant=nan]")


def test_shipped_protocols_keep_their_canonical_form() -> None:
    for name, rules in PROTOCOLS.items():
        data = rules.to_dict()
        assert isinstance(data["metrics"], list) == (name != "density-1")
        assert {"labels", "baseline"} <= set(data) if name == "density-1" else not {"labels", "baseline"} & set(data)


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
    added = diff("exact-1", "density-1")
    assert [d.choice for d in added] == ["IG", "LL", "baseline"]
    assert {d.first for d in added} == {"not part of it"}


def test_diff_sees_every_field() -> None:
    """Each field that moves a number has words, so two protocols that differ are never said to agree."""
    rules = protocol("exact-1")
    other = protocol("salema-1")
    for field in ("resize", "stretch", "encoding", "truth_encoding", "halved", "log_ranks", "average", "metrics"):
        value = {"stretch": "minmax-eps32", "average": "frame"}.get(field, getattr(other, field))
        changed = dataclasses.replace(rules, **{field: value})
        assert getattr(rules, field) != value
        assert diff(rules, changed), field
