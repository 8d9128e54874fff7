"""What was said of a run after it was stored: that it is withdrawn, or that another one takes its place.

A run never changes. A notice is a small file beside it, `withdrawn.json` or `superseded.json`, written once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.io.files import canonical, parse_json

from ...model_card import Digest, faults_in_words
from .schema import Time

Kind = Literal["withdrawn", "superseded"]
KINDS: tuple[Kind, ...] = ("withdrawn", "superseded")


MOST_REASON = 4000
"""Characters of a reason."""


class Notice(BaseModel):
    """Why a run no longer stands for its model.

    Attributes:
        kind: `withdrawn`, or `superseded` by another run.
        run: digest of the run that it is about.
        reason: in words.
        time: in UTC, to the second.
        by: digest of the run that takes its place.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal[1] = 1
    kind: Kind
    run: Digest
    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON)]
    time: Time
    by: Digest | None = None


def read_notices(folder: Path, run: str) -> tuple[Notice, ...]:
    """Read what was said of a run.

    Args:
        folder: of the run.
        run: its digest.

    Raises:
        BadData: a notice is damaged, or is about another run: whether this one stands is then unknown.
    """
    found = []
    for kind in KINDS:
        path = folder / f"{kind}.json"
        if not path.exists():
            continue
        try:
            notice = Notice.model_validate_json(canonical(parse_json(path.read_text(encoding="utf-8"))))
        except ValidationError as error:
            raise BadData(f"{path.name}: {faults_in_words(error)[0]}") from error
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path.name}: {error}") from error
        if (notice.kind, notice.run) != (kind, run):
            raise BadData(f"{path.name}: it is about another run")
        found.append(notice)
    return tuple(found)


def write_notice(folder: Path, notice: Notice) -> Path:
    """Write a notice beside its run, whole or not at all, and never over another one.

    Raises:
        WrongUse: the same was said before.
    """
    path = folder / f"{notice.kind}.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(canonical(notice.model_dump(exclude_none=True)), encoding="utf-8")
        os.link(temporary, path)  # fails where it is there, unlike a rename
    except FileExistsError as error:
        raise WrongUse(f"{path}: this run is {notice.kind} already; what was said stays") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
