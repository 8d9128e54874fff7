"""The register of data sets: name and variant to module, imported when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import cast

from .errors import UnknownName
from .io.registers import rows
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
    "ledov": {None: "ledov.form"},
    "mit1003": {"mat": "mit1003.mat", "fixatons": "mit1003.fixatons"},
    "mit300": {None: "mit300"},
    "salicon": {"2015-json": "salicon.json2015", "2015": "salicon.mat2015", "2017": "salicon.mat2017"},
    "xu-hevc": {None: "xu_hevc"},
    "synthetic": {None: "synthetic.form"},
}


REGISTERS: dict[str, str] = {
    "dhf1k": "dhf1k",
    "hollywood2": "hollywood2_shots",
    "ucf-sports": "ucf_sports",
    "ledov": "ledov",
    "gazecom": "gazecom",
    "mit1003": "mit1003",
    "xu-hevc": "xu_hevc",
}
"""data set -> register of its stimuli, where there is one."""

_SPLITS_OF = {"salicon": ("salicon.images", "COUNTS"), "synthetic": ("synthetic.form", "SPLITS")}
"""data set without a register -> module, and what names the splits in it."""


def official_splits(name: str) -> tuple[str, ...]:
    """Return the official splits of a data set, whether or not a copy holds them; else the one split `all`.

    >>> official_splits("dhf1k"), official_splits("xu-hevc")
    (('train', 'val', 'test'), ('all',))
    """
    named: Iterable[str] = ()
    if name in REGISTERS:
        named = (line["split"] for line in rows(REGISTERS[name]))
    elif name in _SPLITS_OF:
        module, constant = _SPLITS_OF[name]
        named = getattr(import_module(f"vidsal.loaders.datasets.{module}"), constant)
    return tuple(dict.fromkeys(split for split in named if split)) or ("all",)


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
    """Import every form, in the order of the register."""
    for name, modules in DATASETS.items():
        for variant in modules:
            yield form(name, variant)
