"""What a model may claim of its training data."""

from __future__ import annotations

import re

import pytest

from vidsal.benchmark.predictor import ModelInfo
from vidsal.loaders.errors import WrongUse
from vidsal.loaders.registry import DATASETS


def test_every_registered_data_set_and_others_by_name() -> None:
    seen = (*DATASETS, "other:diem")
    assert ModelInfo("m", trained_on=seen).trained_on == seen


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("DHF1K", "dhf1k"), ("Hollywood-2", "hollywood2"), ("UCF Sports", "ucf-sports"), ("MIT 1003", "mit1003")],
)
def test_spellings_of_papers_name_the_nearest_id(wrong: str, nearest: str) -> None:
    with pytest.raises(WrongUse, match=f"model m: trained_on holds {wrong!r}.*did you mean {nearest!r}") as caught:
        ModelInfo("m", trained_on=("salicon", wrong))
    assert all(name in str(caught.value) for name in DATASETS)
    assert "write any other as other:<name>" in str(caught.value)


@pytest.mark.parametrize("wrong", ["diem", "other:", "other: ", ""])
def test_what_is_not_registered_needs_a_name_of_its_own(wrong: str) -> None:
    with pytest.raises(WrongUse, match=f"trained_on holds {wrong!r}"):
        ModelInfo("m", trained_on=(wrong,))


def test_a_forgotten_comma_is_named() -> None:
    with pytest.raises(WrongUse, match=re.escape("trained_on is the text 'dhf1k'; write a tuple, ('dhf1k',)")):
        ModelInfo("m", trained_on=("dhf1k"))  # type: ignore[arg-type]
