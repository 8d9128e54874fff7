"""MATLAB files, version 5 (`matlab5`) and 7.3 (h5py), read into the same plain values.

A file is data: nothing in it is evaluated, no variable name is trusted, sizes are bounded, and whatever a
broken file makes the readers throw becomes one `BadData` that names the file.

    MATLAB                       here
    numeric, logical             ndarray in MATLAB's own shape (rows, columns)
    char                         str (a matrix of text: a list of str, one a row)
    cell                         ndarray of objects in MATLAB's own shape
    struct, struct array         list of dicts in column-major order; a plain struct is a list of one
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import BadData, MissingData, MissingExtra
from ..io.extras import optional_packages
from ..records import Float64Array, Mask
from . import matlab5

Value: TypeAlias = Any
"""One of the values in the table above."""

MAX_DEPTH = 16
MAX_NODES = 4_000_000
MAX_NUMBERS = 1 << 29
PLAUSIBLE = 1e9

_SIGNATURE_73 = b"\x89HDF\r\n\x1a\n"
_TEXT_KINDS = {"uint8", "uint16", "uint32"}


def read(path: Path, *, as_stored: bool = False) -> dict[str, Value]:
    """Return the variables of a MAT file by name, in the order of the file.

    Args:
        path: the file.
        as_stored: numbers in the type in which a file of version 5 stores them, see `matlab5.decode`; faster.

    Raises:
        MissingData: there is no such file.
        BadData: it is not a MAT file, or cut or damaged.
        MissingExtra: it is of version 7.3, and h5py is not installed.
    """
    if not path.is_file():
        raise MissingData(f"no such file: {path}")
    try:
        with warnings.catch_warnings():
            # h5py and NumPy only warn of what to us is damage.
            warnings.simplefilter("error")
            return _read_73(path) if _is_73(path) else matlab5.decode(path.read_bytes(), as_stored=as_stored)
    except MissingExtra:
        raise
    except Exception as error:  # a damaged file makes zlib and HDF5 raise nearly anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadData(
            f"{path}: not a readable MATLAB file ({reason}); is the download complete? "
            "Expected version 5 or 7.3, as MATLAB saves it"
        ) from error


def only_variable(path: Path, *, as_stored: bool = False) -> tuple[str, Value]:
    """Return name and value of the single variable of a file, whatever it is called; `as_stored` as `read` has it.

    Raises:
        MissingData, BadData: as `read`, and if the file holds no variable or several.
    """
    variables = read(path, as_stored=as_stored)
    if len(variables) != 1:
        names = ", ".join(sorted(variables)) or "none"
        raise BadData(f"{path}: expected exactly one variable, found {len(variables)} ({names})")
    return next(iter(variables.items()))


def variable(variables: dict[str, Value], name: str, path: Path) -> Value:
    """Return one variable, or one field of a struct.

    Raises:
        BadData: it is absent; the message lists what is there.
    """
    if name not in variables:
        known = ", ".join(sorted(variables)) or "nothing"
        raise BadData(f"{path}: no variable or field {name!r}; it holds {known}")
    return variables[name]


def struct(value: Value, path: Path, what: str) -> dict[str, Value]:
    """Return the fields of a plain (1 x 1) struct.

    Raises:
        BadData: it is something else.
    """
    found = structs(value, path, what)
    if len(found) != 1:
        raise BadData(f"{path}: {what} should be one struct, found an array of {len(found)}")
    return found[0]


def structs(value: Value, path: Path, what: str) -> list[dict[str, Value]]:
    """Return the elements of a struct array; an empty matrix counts as an empty one.

    Raises:
        BadData: it is something else.
    """
    if isinstance(value, np.ndarray) and value.size == 0:
        return []
    if isinstance(value, list) and all(isinstance(v, dict) for v in value):
        return value
    raise BadData(f"{path}: {what} should be a struct, found {kind_of(value)}")


def matrix(value: Value, columns: int, path: Path, what: str) -> Float64Array:
    """Return a numeric matrix as float64, shape (n, columns); an empty one of any shape as (0, columns).

    Raises:
        BadData: it is not numeric, or has another number of columns.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise BadData(f"{path}: {what} should be a matrix of numbers, found {kind_of(value)}")
    if value.size == 0:
        return np.empty((0, columns))
    if value.ndim != 2 or value.shape[1] != columns:
        raise BadData(f"{path}: {what} should have {columns} columns, its shape is {_by(value.shape)}")
    return value.astype(np.float64)


def number(value: Value, path: Path, what: str) -> float:
    """Return a 1 x 1 matrix as a float (NaN and infinities included).

    Raises:
        BadData: it is something else.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or value.size != 1:
        raise BadData(f"{path}: {what} should be one number, found {kind_of(value)}")
    return float(value.ravel()[0])


def text(value: Value, path: Path, what: str) -> str:
    """Return text, also where it is stored as a row of character codes.

    Raises:
        BadData: it is not text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.name in _TEXT_KINDS and value.size == max(value.shape, default=0):
        return _decode(value.ravel(order="F"))
    raise BadData(f"{path}: {what} should be text, found {kind_of(value)}")


def texts(value: Value, path: Path, what: str) -> list[str]:
    """Return the texts of a cell array, in column-major order.

    Raises:
        BadData: it is no cell array, or a cell holds no text.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind != "O":
        raise BadData(f"{path}: {what} should be a cell array of text, found {kind_of(value)}")
    return [text(v, path, f"{what}{{{i}}}") for i, v in enumerate(value.ravel(order="F"), start=1)]


def plausible(values: Float64Array) -> Mask:
    """Return for each row of numbers whether all of them are finite and below 1e9 in size."""
    with np.errstate(invalid="ignore"):
        good = np.abs(values) < PLAUSIBLE
    return np.asarray(good.all(axis=1) if values.ndim == 2 else good)


def whole(values: Float64Array) -> Mask:
    """Return for each number whether it is a plausible whole number."""
    good = plausible(values)
    return np.asarray(good & (np.where(good, values, 0.5) % 1 == 0))


def kind_of(value: Value) -> str:
    """Describe a value in words for a message."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a struct" if value and isinstance(value[0], dict) else "a matrix of text"
    if isinstance(value, np.ndarray):
        kind = "a cell array" if value.dtype.kind == "O" else f"numbers ({value.dtype.name})"
        return f"{kind} of shape {_by(value.shape)}"
    return type(value).__name__


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape) or "a scalar"


def _decode(codes: np.ndarray[Any, Any]) -> str:
    return codes.astype("<u2").tobytes().decode("utf-16-le", errors="replace")


@dataclass
class _Budget:
    """What a file may still unfold to; a damaged or hostile one runs out of it."""

    nodes: int = MAX_NODES
    numbers: int = MAX_NUMBERS

    def take(self, numbers: int, depth: int) -> None:
        self.nodes -= 1
        self.numbers -= numbers
        if depth > MAX_DEPTH or self.nodes < 0 or self.numbers < 0:
            raise ValueError("nested too deeply or unfolds to too much")


# --- version 7.3


def _is_73(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(520)
    return start[512:520] == _SIGNATURE_73 or start[:8] == _SIGNATURE_73


@optional_packages()
def _read_73(path: Path) -> dict[str, Value]:
    import h5py

    budget = _Budget()
    with h5py.File(path, "r") as file:
        return {
            name: _plain_73(file, file[name], budget, 0)
            for name in file
            if not name.startswith("#")  # `#refs#` and `#subsystem#` hold the parts of others
        }


def _plain_73(file: Any, node: Any, budget: _Budget, depth: int) -> Value:
    import h5py

    if isinstance(node, h5py.Group):
        budget.take(0, depth)
        return _structs_73(file, node, budget, depth)
    if not isinstance(node, h5py.Dataset):
        raise ValueError(f"holds a {type(node).__name__}")
    budget.take(math.prod(node.shape or (0,)), depth)
    kind = _class_73(node)
    if node.attrs.get("MATLAB_empty", 0):
        return _empty_73(node, kind)
    if h5py.check_ref_dtype(node.dtype) is not None:
        return _cells_73(file, node, budget, depth)
    if node.dtype.kind not in "biuf":
        raise ValueError(f"{node.name} holds values of type {node.dtype}")
    values = np.asarray(node[()]).T
    if kind == "char":
        if values.ndim < 2 or values.shape[0] == 1:
            return _decode(values.ravel(order="F"))
        return [_decode(row) for row in values]
    return values.astype(bool) if kind == "logical" else values


def _class_73(node: Any) -> str:
    kind = node.attrs.get("MATLAB_class", b"")
    return kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)


def _empty_73(node: Any, kind: str) -> Value:
    """An empty value; its dataset holds the dimensions instead."""
    shape = tuple(int(n) for n in np.asarray(node[()]).ravel()[:8])
    if math.prod(shape) != 0 or min(shape, default=0) < 0:
        raise ValueError(f"{node.name} is called empty, but has the dimensions {shape}")
    if kind == "char":
        return ""
    if kind == "struct":
        return []
    return np.empty(shape, dtype=object if kind == "cell" else np.float64)


def _cells_73(file: Any, node: Any, budget: _Budget, depth: int) -> Value:
    references = np.asarray(node[()])
    out = np.empty(references.shape, dtype=object)
    for index in np.ndindex(references.shape):
        reference = references[index]
        if not reference:
            raise ValueError(f"{node.name} holds an empty reference")
        out[index] = _plain_73(file, file[reference], budget, depth + 1)
    return out.T


def _structs_73(file: Any, group: Any, budget: _Budget, depth: int) -> Value:
    """A struct; in a struct array every field is a dataset of references without a class of its own."""
    import h5py

    members = {name: group[name] for name in _field_order_73(group)}
    arrays = {
        name: isinstance(node, h5py.Dataset)
        and h5py.check_ref_dtype(node.dtype) is not None
        and _class_73(node) != "cell"
        for name, node in members.items()
    }
    if not members or not all(arrays.values()):
        return [{name: _plain_73(file, node, budget, depth + 1) for name, node in members.items()}]
    columns = {name: _cells_73(file, node, budget, depth).ravel(order="F") for name, node in members.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"the fields of {group.name} differ in length")
    return [{name: column[i] for name, column in columns.items()} for i in range(lengths.pop())]


def _field_order_73(group: Any) -> list[str]:
    """Names of the fields in MATLAB's order where the file gives it, else in the file's."""
    order = [
        b"".join(np.asarray(letters).ravel().tolist()).decode("utf-8", "replace")
        for letters in group.attrs.get("MATLAB_fields", ())
        if np.asarray(letters).dtype.kind == "S"
    ]
    return order if sorted(order) == sorted(group) else list(group)
