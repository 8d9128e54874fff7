"""One archive of many files, the same bytes for the same files, with the digest of each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from hashlib import sha256

from vidsal.loaders.io.files import canonical

MANIFEST = "manifest.json"
_PACKED = frozenset({"parquet", "zip", "png"})
"""Forms that are compressed already."""


def archive_bytes(files: Mapping[str, bytes], about: Mapping[str, str]) -> bytes:
    """Return a zip of files, sorted by name, without times, and `manifest.json` first.

    Args:
        files: content by name; names are relative, with `/`.
        about: what the manifest says beside the files.
    """
    listed = {name: {"bytes": len(files[name]), "sha256": sha256(files[name]).hexdigest()} for name in sorted(files)}
    manifest = canonical({**about, "files": listed}).encode()
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in [(MANIFEST, manifest), *sorted(files.items())]:
            member = zipfile.ZipInfo(name)  # of 1980-01-01: it does not say when it was made
            member.create_system, member.external_attr = 3, 0o100644 << 16
            packed = name.rpartition(".")[2] in _PACKED
            member.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.writestr(member, content, compresslevel=6)
    return sink.getvalue()
