"""A form in a Python file of one's own: `my_form.py:FORM`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import cast

from ..errors import MissingData, MissingExtra, WrongUse
from ..io.extras import lacking
from ..records import DatasetInfo, Form, Gaze, Report, StimulusRow

_NEEDED = ("INFO", "present", "stimuli", "gaze")


@dataclass(frozen=True)
class UserForm:
    """The form of a name in a file; worker processes load the file themselves.

    Attributes:
        path: the file.
        name: of an object or class in it; empty = the file itself is the form, as our own modules are.
    """

    path: Path
    name: str = ""

    @property
    def INFO(self) -> DatasetInfo:  # noqa: N802 - the name of the protocol
        """What the form says of its data set."""
        return _load(self.path, self.name).INFO

    def present(self, source: Path) -> bool:
        """Return whether `source` holds this form."""
        return _load(self.path, self.name).present(source)

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        """Yield every stimulus in `source`."""
        return _load(self.path, self.name).stimuli(source, report)

    def gaze(self, source: Path, stimulus: StimulusRow, report: Report) -> Gaze:
        """Read one stimulus's gaze."""
        return _load(self.path, self.name).gaze(source, stimulus, report)


def user_form(spec: str) -> UserForm:
    """Load the form of `FILE.py:NAME`.

    Raises:
        WrongUse: not of that form, or the object is no form.
        MissingData: no such file.
    """
    file, _, name = spec.partition(":") if not Path(spec).is_file() else (spec, "", "")
    if not file.endswith(".py"):
        raise WrongUse(f"--form {spec}: expected FILE.py:NAME, a form in a Python file")
    form = UserForm(Path(file).resolve(), name)
    _load(form.path, form.name)
    return form


@cache
def _load(path: Path, name: str) -> Form:
    if not path.is_file():
        raise MissingData(f"--form {path}: no such file")
    title = f"vidsal_own_{path.stem}"
    spec = spec_from_file_location(title, path)
    if spec is None or spec.loader is None:
        raise WrongUse(f"--form {path}: not a Python file")
    module = module_from_spec(spec)
    sys.modules[title] = module  # what the file defines can be sent to workers and back
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if isinstance(error, ImportError) and (needed := lacking(error)) is not None:
            raise MissingExtra(f"--form {path}: {needed}") from error
        raise WrongUse(f"--form {path}: it cannot be imported: {type(error).__name__}: {error}") from error
    if name and not hasattr(module, name):
        known = [n for n in vars(module) if not n.startswith("_")]
        raise WrongUse(f"--form {path}: it defines no {name}; it defines {', '.join(known)}")
    found = getattr(module, name) if name else module
    if isinstance(found, type):
        found = found()
    absent = [part for part in _NEEDED if not hasattr(found, part)]
    if absent or not isinstance(found.INFO, DatasetInfo):
        what = f"lacks {', '.join(absent)}" if absent else "has an INFO that is no DatasetInfo"
        raise WrongUse(f"--form {path}:{name}: it {what}; a form is described in vidsal.loaders.records.Form")
    return cast(Form, found)
