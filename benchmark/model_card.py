"""What a file says of a model: written once, for submission.json and run.json alike; see `ModelInfo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from .predictor import MODEL_NAME, Audio, Fit, Missing, ModelInfo

SHA256 = r"^[0-9a-f]{64}$"
LINK = r"^https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?([/?#][!#-&(-;=?-\[\]^_a-z{|}~]*)?$"
COMMIT = r"^[0-9a-f]{7,64}$"
_PATTERNS = {
    MODEL_NAME: "expected one word of letters, digits and . _ + -, at most 100, that begins with a letter or digit",
    LINK: "expected an address that begins with https:// and holds no spaces or quotes",
    COMMIT: "expected a commit: 7 to 64 of 0-9 and a-f",
    SHA256: "expected a SHA-256: 64 of 0-9 and a-f",
}
"""What pydantic says as a pattern, in words."""

Digest = Annotated[str, Field(pattern=SHA256)]
MOST_TEXT = 4000
"""Longest text that a file may say of a model."""
Text = Annotated[str, Field(max_length=MOST_TEXT)]
Name = Annotated[str, Field(pattern=MODEL_NAME)]

_DECLARED = tuple(field.name for field in fields(ModelInfo))


class ModelClaims(BaseModel):
    """What every file says of a model, stored predictions included. What is not said is None: unknown, and no claim.

    Attributes:
        name, version, causal, lookahead, trained_on, licence, paper, audio: the model's own declaration, see
            `ModelInfo`.
        kind: `network`, `reference`, `human`, `custom` or `submission`.
        checkpoint, checkpoint_sha256: file name and digest of the weights.
        options: settings beyond the defaults.
        device: where it ran, `cpu` or `cuda`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    name: Name
    version: Text | None = None
    kind: Text = "custom"
    causal: bool | None = None
    lookahead: int | None = Field(default=None, ge=0)
    trained_on: tuple[Text, ...] | None = None
    licence: Text = ""
    paper: Text = ""
    audio: bool | None = None
    checkpoint: Text | None = None
    checkpoint_sha256: Digest | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)
    device: Text | None = None

    @model_validator(mode="after")
    def _looks_ahead(self) -> Self:
        if self.causal and self.lookahead:
            raise ValueError(f"a causal model has lookahead 0, found {self.lookahead}")
        return self

    @classmethod
    def of(cls, info: ModelInfo, options: Mapping[str, Any] | None = None, **further: Any) -> Self:
        """Describe a model by its own declaration, its options (a tuple becomes a list) and further fields."""
        declared = {name: getattr(info, name) for name in _DECLARED if name in cls.model_fields}
        if isinstance(info.audio, Audio):
            declared["audio"] = True
            declared |= {"sound": asdict(info.audio)} if "sound" in cls.model_fields else {}
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in (options or {}).items()}
        return cls(**declared, options=plain, **further)

    def info(self, **further: Any) -> ModelInfo:
        """Return the declaration; `further` gives what the file does not hold."""
        held = {name: getattr(self, name) for name in _DECLARED if name in type(self).model_fields}
        return ModelInfo(**held, **further)


class ModelCard(ModelClaims):
    """What a run says of the model that it scored: its whole declaration.

    Attributes:
        missing, output, needs_frames, fit, moves_between_machines: see `ModelInfo`; a `fit` that is not declared, and a
            model that does not move, are left out.
        sound: the fields of the `Audio` that it asked for; left out where it asked for none.
    """

    missing: Missing
    output: Literal["density", "log_density", "saliency", "point"]
    needs_frames: bool
    fit: Fit | None = None
    moves_between_machines: Text | None = None
    sound: dict[str, JsonValue] | None = None

    @model_serializer(mode="wrap")
    def _as_declared(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = plain(self)
        for name in ("fit", "moves_between_machines", "sound"):
            if data.get(name) is None:
                data.pop(name, None)
        return data


def faults_in_words(error: ValidationError) -> list[str]:
    """Return one sentence, `field: what is wrong`, for each fault that pydantic found."""
    return [in_words(fault) for fault in error.errors(include_url=False, include_input=False)]


def in_words(fault: Mapping[str, Any]) -> str:
    """Return one fault as `field: what is wrong`."""
    field = ".".join(str(part) for part in fault["loc"])
    message = _PATTERNS.get(fault.get("ctx", {}).get("pattern", "")) or str(fault["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
