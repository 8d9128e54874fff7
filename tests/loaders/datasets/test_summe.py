"""summe of the STAViS pack: its folder, its folds; what all six share is tested on AVAD."""

from __future__ import annotations

import vidsal
from vidsal.loaders.conversion.convert import convert

from ..stavis_pack import write_lists, write_video


def test_a_small_pack_becomes_a_release(tmp_path):
    write_lists(tmp_path, "SumMe", {"train_1": ["other 4 24.999750"], "test_1": ["Cooking 2 24.999750"]})
    write_video(tmp_path, "SumMe", "Cooking", {1: [(4, 9)], 2: [(5, 10), (6, 11)]}, frames=2)
    convert("summe", tmp_path, tmp_path / "out", workers=1)
    release = vidsal.load(tmp_path / "out", split="test_1")
    assert release.ids == ("Cooking",)
    assert release["Cooking"].points(1).tolist() == [[10.5, 5.5], [11.5, 6.5]]
    assert len(vidsal.load(tmp_path / "out", split="train_2")) == 0
