"""What a model may claim of its training data."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from vidsal.benchmark.model_card import ModelClaims
from vidsal.benchmark.predictor import ModelInfo
from vidsal.benchmark.submissions.parts import ModelPart
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


@pytest.mark.parametrize("wrong", ["egtea", "other:", "other: ", ""])
def test_what_is_not_registered_needs_a_name_of_its_own(wrong: str) -> None:
    with pytest.raises(WrongUse, match=f"trained_on holds {wrong!r}"):
        ModelInfo("m", trained_on=(wrong,))


def test_a_forgotten_comma_is_named() -> None:
    with pytest.raises(WrongUse, match=re.escape("trained_on is the text 'dhf1k'; write a tuple, ('dhf1k',)")):
        ModelInfo("m", trained_on=("dhf1k"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["m", "tinyhd_s", "My-Model+2.0", "a" * 100, "3dsal"])
def test_a_name_is_one_word(name: str) -> None:
    assert ModelInfo(name).name == name
    assert ModelClaims(name=name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 300,
        "uni\u00adsal",
        "uni\u200bsal",
        "\ud800",
        "unisаl",
        "deep thing",
        "../up",
        "-x",
        ".x",
        "a\n",
        "眼",
        "=cmd()",
    ],
)
def test_what_could_be_taken_for_another_name_is_refused_everywhere(name: str) -> None:
    with pytest.raises(WrongUse, match="model name .* write for example") as caught:
        ModelInfo(name)
    assert str(caught.value).isascii(), "the message must show what cannot be seen"
    with pytest.raises(ValidationError):
        ModelClaims(name=name)
    with pytest.raises(ValidationError):
        ModelPart(name=name)


def test_what_nobody_said_stays_unsaid() -> None:
    info = ModelInfo("m", version=None, causal=None, lookahead=None, trained_on=None, audio=None)
    card = ModelClaims.of(info)
    assert (card.version, card.causal, card.lookahead, card.trained_on, card.audio) == (None,) * 5
