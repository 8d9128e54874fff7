"""Names as people write them: ids and numbers are found, and never guessed."""

from __future__ import annotations

import pytest

from vidsal.loaders.io.matching import Ids, numbers


@pytest.mark.parametrize(
    ("ids", "name", "expected"),
    [
        (["601", "602"], "0601", "601"),
        (["0601", "602"], "601", "0601"),
        (["Diving-Side-001", "Diving-Front-001"], "Diving-Side_001", "Diving-Side-001"),
        (["Diving-Side-001"], "diving side 1", "Diving-Side-001"),
        (["BasketballDrive"], "basketballdrive", "BasketballDrive"),
        (["a", "A"], "a", "a"),
        (["a", "A"], "A", "A"),
        (["i05june05_static_street_boston_p1010764"], "i05june05_static_street_boston_p1010764", None),
        (["1", "11"], "1", "1"),
        (["1", "11"], "111", ""),
    ],
)
def test_one_name(ids: list[str], name: str, expected: str | None) -> None:
    assert Ids(ids).match([name]).found.get(name, "") == (name if expected is None else expected)


def test_ambiguity_names_both() -> None:
    found = Ids(["007", "07", "12"]).match(["7", "12", "13"])
    assert dict(found.found) == {"12": "12"}
    assert dict(found.unknown) == {"7": "007 or 07", "13": ""}
    assert Ids(["Run", "run"]).match(["RUN"]).unknown == {"RUN": "Run or run"}


def test_a_prefix_and_a_suffix_count_if_all_share_them() -> None:
    ids = Ids(["1", "2", "10"])
    assert ids.match(["pred_001_v3", "pred_002_v3"]).found == {"pred_001_v3": "1", "pred_002_v3": "2"}
    for names in (["pred_001", "my_002"], ["pred_001", "notes"], ["1", "pred_002"]):
        assert not [n for n in ids.match(names).found if not n.isdigit()]


def test_of_numbers_the_changing_one_counts() -> None:
    assert numbers(["clip00001_00003", "clip00001_00004"]).found == {"clip00001_00003": 3, "clip00001_00004": 4}
    assert numbers(["0003_map_v2", "0010_map_v2"]).found == {"0003_map_v2": 3, "0010_map_v2": 10}
    assert numbers(["a1_5"]).found == {"a1_5": 5}
    assert numbers(["3_3", "4_4"]).found == {"3_3": 3, "4_4": 4}
    assert numbers(["0001", "mask"]).without == ("mask",)
    assert numbers([]).found == {}


def test_unclear_numbers_are_a_fault() -> None:
    found = numbers(["0001_33", "0002_66"])
    assert not found.found
    assert found.fault == "the number of 0001_33 may be 1 or 33: both change from name to name"
    assert "a_1 and b_2_3 are named in different ways" in numbers(["a_1", "b_2_3"]).fault
    assert numbers(["9" * 5000]).without == ("9" * 5000,)
