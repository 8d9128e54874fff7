"""Where a data set lies when it is not in the folder that was named: one folder too deep, or too high."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .. import registry
from ..io.names import is_left_behind
from ..records import Form

_MOST_FOLDERS = 50
_UP, _DOWN = 2, 2


def elsewhere(name: str, variant: str | None, source: Path) -> str:
    """Return a sentence that names the folder near `source` that holds the data set; empty where none does.

    Args:
        name: of the data set.
        variant: None = any of its forms.
        source: the folder that was named.
    """
    forms = [registry.form(name, v) for v in registry.variants(name) if variant in (None, v)]
    for folder in _near(source):
        found = [form for form in forms if _holds(form, folder)]
        if found:
            one = found[0].INFO
            what = f"{name} ({one.variant})" if one.variant else name
            way = "high" if folder.is_relative_to(source) else "deep"
            return f" The folder is too {way}: {what} lies in {folder}; name that one with --src."
    return ""


def _near(source: Path) -> Iterator[Path]:
    """The folders above, the nearest first, then those below; few, for a folder may hold a whole disk."""
    yield from [folder for folder in source.parents if folder != folder.parent][:_UP]
    layer = [source]
    for _ in range(_DOWN):
        layer = [folder for parent in layer for folder in _folders(parent)][:_MOST_FOLDERS]
        yield from layer


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(e.path) for e in entries if not is_left_behind(e.name) and e.is_dir())
    except OSError:
        return []


def _holds(form: Form, folder: Path) -> bool:
    try:
        return form.present(folder)
    except OSError:  # a folder that is not ours to read
        return False
