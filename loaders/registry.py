"""The registry of data sets: name and variant to module, imported when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import cast

from .errors import UnknownName
from .io import registers
from .records import Form

# data set -> variant -> module; the variant None is a data set with one form.
DATASETS: dict[str, dict[str | None, str]] = {
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
    "synthetic": {None: "synthetic.form"},
}


def variants(name: str) -> tuple[str | None, ...]:
    """Return the variants of a data set, (None,) where it has one form."""
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS)
    return tuple(DATASETS[name])


def form(name: str, variant: str | None = None) -> Form:
    """Import the module of one form.

    Raises:
        UnknownName: no such data set or variant.
    """
    known = variants(name)
    if variant not in known:
        raise UnknownName(f"variant of {name}", str(variant), [str(v) for v in known])
    return cast(Form, import_module(f"vidsal.loaders.datasets.{DATASETS[name][variant]}"))


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
