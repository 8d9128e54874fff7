"""CrowdSAL: its tree, whose folders are the splits; what the challenges share is tested on AViMoS."""

from __future__ import annotations

import vidsal
from vidsal.loaders.conversion.convert import convert

from ..msu_tree import write_crowdsal


def test_a_small_tree_becomes_a_release(tmp_path):
    write_crowdsal(tmp_path / "src")
    made = convert("crowdsal", tmp_path / "src", tmp_path / "out", workers=1)
    assert made.anomalies == ()
    assert [vidsal.load(tmp_path / "out", split=split).ids for split in ("train", "test")] == [("0001",), ("3001",)]
    stimulus = vidsal.load(tmp_path / "out")["3001"]
    assert stimulus.truth().kernel == "released"
    assert stimulus.truth("authors").sigma_px == 57.6
    assert stimulus.density(1).sum() > 0.999
