"""CrowdSAL: its tree, whose folders are the splits; what the challenges share is tested on AViMoS."""

from __future__ import annotations

import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.errors import MissingData

from ..msu_tree import write_crowdsal, write_set


def test_a_small_tree_becomes_a_release(tmp_path):
    write_crowdsal(tmp_path / "src")
    made = convert("crowdsal", tmp_path / "src", tmp_path / "out", workers=1)
    assert made.anomalies == ()
    assert [vidsal.load(tmp_path / "out", split=split).ids for split in ("train", "test")] == [("0001",), ("3001",)]
    stimulus = vidsal.load(tmp_path / "out")["3001"]
    assert stimulus.truth().kernel == "released"
    assert stimulus.truth("authors").sigma_px == 57.6
    assert stimulus.density(1).sum() > 0.999


def test_the_tree_of_a_challenge_is_refused_by_name(tmp_path):
    write_set(tmp_path / "src", {"train": ["a"], "public_test": ["b"], "private_test": ["c"]})
    with pytest.raises(MissingData, match=r"TrainTestSplit\.json is here.*avimos, ntire26"):
        convert("crowdsal", tmp_path / "src", tmp_path / "out", workers=1)
