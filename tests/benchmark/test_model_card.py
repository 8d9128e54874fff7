from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest
from pydantic import ValidationError

from vidsal.benchmark.model_card import ModelCard, ModelClaims
from vidsal.benchmark.predictor import ModelInfo

INFO = ModelInfo(
    name="some_model",
    version="3",
    causal=False,
    lookahead=15,
    missing="first-available",
    output="log_density",
    trained_on=("dhf1k", "salicon"),
    licence="MIT",
    paper="Somebody, CVPR 2020",
    needs_frames=False,
)


def test_a_card_holds_the_whole_declaration_and_gives_it_back() -> None:
    card = ModelCard.of(INFO, {"alpha": 0.1, "dims": (8, 4)}, kind="network", device="cpu")
    assert card.info() == INFO
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert card.options == {"alpha": 0.1, "dims": [8, 4]}


def test_every_field_of_a_declaration_has_its_name_and_type_in_the_card() -> None:
    declared, written = get_type_hints(ModelInfo), get_type_hints(ModelCard)
    for field in fields(ModelInfo):
        if field.name != "audio":  # whether it listens; to what is `sound`
            assert written[field.name] == declared[field.name], field.name


def test_stored_predictions_say_less_and_claim_nothing_by_silence() -> None:
    claims = ModelClaims(name="x")
    assert (claims.version, claims.causal, claims.trained_on, claims.audio, claims.licence) == (
        None,
        None,
        None,
        None,
        "",
    )
    assert not {"missing", "output", "needs_frames"} & set(ModelClaims.model_fields)
    assert ModelClaims.of(INFO).info(missing=INFO.missing, output=INFO.output, needs_frames=False) == INFO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lookahead": 3}, "a causal model has lookahead 0, found 3"),
        ({"lookahead": -1}, "greater than or equal to 0"),
        ({"checkpoint_sha256": "abc"}, "String should match pattern"),
        ({"version": 2}, "valid string"),
        ({"paper": "x" * 5000}, "at most 4000"),
    ],
)
def test_a_wrong_card_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelClaims.model_validate({"name": "x", "causal": True, **change})
