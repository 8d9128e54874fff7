"""site.toml: what a site says of itself that no result can know."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vidsal.benchmark.model_card import in_words
from vidsal.loaders.errors import BadData, MissingData, UnknownName
from vidsal.loaders.io.files import rule_out_machine

from .sanitize import https_url

NAME = "site.toml"

_Line = Annotated[str, Field(max_length=300)]


class Config(BaseModel):
    """The content of site.toml; every field may be left out.

    Attributes:
        title: name of the site.
        lead: a sentence below it.
        address: where the site will lie, https, ending in `/`; the feed and the not-found page need it for full links.
        licence: of the results and pages.
        contact: an https address for questions and submissions.
        held_out: ids of the releases whose truth nobody else has: of them no score of a single frame, no gaze and no
            map is published, and scores of stimuli are rounded.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    title: _Line = "Leaderboard of video saliency"
    lead: _Line = "Where people look in videos, who predicts it, how well, and how sure that is."
    address: _Line = ""
    licence: _Line = ""
    contact: _Line = ""
    held_out: Annotated[tuple[_Line, ...], Field(strict=False)] = ()

    @field_validator("title", "lead")
    @classmethod
    def _said(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is empty; leave it out for the usual one")
        return value

    @field_validator("address", "contact")
    @classmethod
    def _https(cls, value: str) -> str:
        if value and https_url(value) is None:
            raise ValueError(f"{value!r} is no https address")
        return value

    @field_validator("address")
    @classmethod
    def _folder(cls, value: str) -> str:
        return value if not value or value.endswith("/") else f"{value}/"


def read_config(path: Path | None, results: Path) -> Config:
    """Read the file that is named, else `site.toml` in the results folder, else return the defaults.

    Raises:
        MissingData: the file that is named is not there.
        BadData: it is no such file; the message names every wrong field.
    """
    if path is None and not (results / NAME).is_file():
        return Config()
    path = path or results / NAME
    try:
        return Config.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise MissingData(
            f"{path}: no such file; it says title, lead, address, licence, contact and held_out of a site"
        ) from error
    except ValidationError as error:
        raise BadData(f"{path}: {'; '.join(_faults(error))}") from error
    except (ValueError, OSError) as error:
        rule_out_machine(path)
        raise BadData(f"{path}: cannot be read as TOML: {error}") from error


def _faults(error: ValidationError) -> list[str]:
    """Return a sentence for each fault; one for an unknown key names the known ones."""
    found = []
    for fault in error.errors(include_url=False, include_input=False):
        key = str(fault["loc"][0])
        unknown = fault["type"] == "extra_forbidden"
        found.append(f"{key}: {UnknownName('key', key, Config.model_fields)}" if unknown else in_words(fault))
    return found
