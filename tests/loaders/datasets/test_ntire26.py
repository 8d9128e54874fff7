"""The set of NTIRE 2026: its split file; what the challenges share is tested on AViMoS."""

from __future__ import annotations

from collections import Counter

import pytest

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.formats import points_json
from vidsal.loaders.records import Report

from ..msu_tree import write_set


def test_a_small_set_becomes_a_release(tmp_path):
    write_set(tmp_path / "src", {"train": ["video_youtube_shorts_7"], "private_test": ["video_youtube_downloads_1_3"]})
    made = convert("ntire26", tmp_path / "src", tmp_path / "out", workers=1)
    assert (made.anomalies, vidsal.load(tmp_path / "out", split="public_test").ids) == ((), ())
    assert vidsal.load(tmp_path / "out", split="private_test").ids == ("video_youtube_downloads_1_3",)


@pytest.mark.data
def test_the_real_split_file(samples):
    report = Report()
    found = list(points_json.names_by_split(samples / "field_2026/ntire2026/TrainTestSplit.json", report))
    assert Counter(split for _, split in found) == {"train": 1200, "public_test": 300, "private_test": 500}
    assert (len({name for name, _ in found}), report) == (2000, [])
    assert not any(name.endswith(".mp4") for name, _ in found)
