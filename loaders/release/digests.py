"""Digests of a release: what was converted is compared with what is read, before a number follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadData
from ..io.files import canonical, sha256, sha256_text

UNKNOWN = "0" * 64
"""What stands in release.json for a digest that nobody took; such a file is read as it is."""


def release_digest(record: Mapping[str, Any]) -> str:
    """Digest of a release: SHA-256 over the sorted digests of its Parquet files and of release.json without it."""
    content = {k: v for k, v in record.items() if k != "digest"}
    return sha256_text("\n".join(sorted([*record["files"].values(), sha256_text(canonical(content))])))


def check_record(root: Path, record: Mapping[str, Any]) -> None:
    """Compare release.json with the release's digest.

    Raises:
        BadData: it says something else than when it was written.
    """
    if record["digest"] not in (UNKNOWN, release_digest(record)):
        raise BadData(
            f"{root / 'release.json'}: not what was converted (its content does not fit the release's digest): damaged "
            "on the disk, or edited; convert the data set again"
        )


def check_table(root: Path, record: Mapping[str, Any], name: str) -> None:
    """Compare a Parquet file of a release with the digest that release.json has for it; without one it passes.

    Raises:
        BadData: it is missing, or other bytes than were converted.
    """
    path = root / name
    if not path.is_file():
        raise BadData(f"{path} is missing from this release; convert the data set again")
    expected = record["files"].get(name)
    if expected not in (None, UNKNOWN) and sha256(path) != expected:
        raise BadData(
            f"{path}: not the file that was converted (its SHA-256 differs from the one in release.json): damaged on "
            "the disk, or replaced; convert the data set again"
        )
