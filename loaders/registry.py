"""The registry of data sets: name and variant to module, imported when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from .errors import BadData, UnknownName
from .io import registers
from .io.joined import Joined, refuse_taken
from .records import DatasetInfo, Form

Variants = Mapping[str | None, str | Form]

# data set -> variant -> module; the variant None is a data set with one form.
_OWN: dict[str, Variants] = {
    "dhf1k": {"released": "dhf1k.released", "raw": "dhf1k.raw"},
    "hollywood2": {"released": "hollywood2.released", "raw": "hollywood2.raw"},
    "ucf-sports": {
        "2018": "ucf_sports.revision_2018",
        "2017": "ucf_sports.revision_2017",
        "raw": "ucf_sports.raw",
    },
    "gazecom": {"labels": "gazecom.labels", "samples": "gazecom.samples"},
    "ledov": {None: "ledov"},
    "mit1003": {"mat": "mit1003.mat", "fixatons": "mit1003.fixatons"},
    "mit300": {None: "mit300"},
    "salicon": {"2015-json": "salicon.json2015", "2015": "salicon.mat2015", "2017": "salicon.mat2017"},
    "xu-hevc": {None: "xu_hevc"},
    "diem": {"stavis": "diem.stavis", "raw": "diem.raw"},
    "andersson2017": {None: "andersson2017"},
    "coutrot1": {None: "stavis.coutrot1"},
    "coutrot2": {None: "stavis.coutrot2"},
    "avad": {None: "stavis.avad"},
    "etmd": {None: "stavis.etmd"},
    "summe": {None: "stavis.summe"},
    "avimos": {None: "msu.avimos"},
    "ntire26": {None: "msu.ntire26"},
    "crowdsal": {None: "msu.crowdsal"},
    "synthetic": {None: "synthetic.form"},
}


def _join(entries: dict[str, Variants], point: str, found: Any) -> None:
    """Take a form from another package; the entry point is called `<data set>` or `<data set>.<variant>`."""
    lacking = [part for part in ("INFO", "present", "stimuli", "gaze") if not hasattr(found, part)]
    if lacking or not isinstance(found.INFO, DatasetInfo):
        raise BadData(
            f"a form offers INFO (a DatasetInfo), present, stimuli, gaze; it lacks {', '.join(lacking) or 'the first'}"
        )
    name, _, variant = point.partition(".")
    if (found.INFO.name, found.INFO.variant or "") != (name, variant):
        raise BadData(f"its INFO names {found.INFO.name}, variant {found.INFO.variant}, its entry point {point}")
    refuse_taken(_OWN, name)
    refuse_taken({str(known): None for known in entries.get(name, {})}, str(found.INFO.variant))
    entries[name] = {**entries.get(name, {}), found.INFO.variant: found}


DATASETS = Joined("data set", "datasets", _OWN, _join)
"""All data sets: ours, then those of other packages (`io.joined` says how they join)."""


def variants(name: str) -> tuple[str | None, ...]:
    """Return the variants of a data set, (None,) where it has one form."""
    return tuple(DATASETS.find(name))


def form(name: str, variant: str | None = None) -> Form:
    """Import the module of one form.

    Raises:
        UnknownName: no such data set or variant.
    """
    known = variants(name)
    if variant not in known:
        raise UnknownName(f"variant of {name}", str(variant), [str(v) for v in known])
    found = DATASETS[name][variant]
    return cast(Form, import_module(f"vidsal.loaders.datasets.{found}")) if isinstance(found, str) else found


def forms() -> Iterator[Form]:
    """Import every form, in the order of the registry."""
    for name, modules in DATASETS.items():
        for variant in modules:
            yield form(name, variant)


def register(name: str) -> tuple[dict[str, str], ...]:
    """Return the lines of a data set's register; empty where it has none, or the data set is not one of ours."""
    info = form(name, variants(name)[0]).INFO if name in DATASETS else None
    return registers.rows(info.register) if info and info.register else ()


def official_splits(name: str) -> tuple[str, ...]:
    """Return the official splits of a data set, whether or not a copy holds them; else the one split `all`.

    >>> official_splits("dhf1k"), official_splits("xu-hevc")
    (('train', 'val', 'test'), ('all',))
    """
    if name not in DATASETS:
        return ("all",)
    listed = [line["split"] for line in register(name)] or form(name, variants(name)[0]).INFO.split_names
    return tuple(dict.fromkeys(split for split in listed if split)) or ("all",)
