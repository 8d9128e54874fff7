"""Predictions in MATLAB and HDF5 files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vidsal.loaders.errors import BadData
from vidsal.loaders.formats import matlab
from vidsal.loaders.io.extras import optional_packages
from vidsal.loaders.io.files import rule_out_machine

from ...geometry import same_aspect
from ...metrics.maps import Map
from ..safe_files import open_regular
from .arrays import Array, ArrayFile, check_type, map_axes, map_shape

_MOST_BYTES = 4 << 30
"""Largest MATLAB file: it is read whole."""


class MatFile(ArrayFile):
    """A MATLAB file; maps of a video are stacked along the third axis, as MATLAB has it, or along the first."""

    @contextmanager
    def _open(self) -> Iterator[_Variables]:
        descriptor = open_regular(self.path)
        try:
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size > _MOST_BYTES:
            raise BadData(f"{self.path}: {size} bytes, a MATLAB file of at most {_MOST_BYTES} is read; store HDF5")
        yield _Variables({name: self._oriented(name, value) for name, value in matlab.read(self.path).items()})

    def _oriented(self, name: str, value: Any) -> Map:
        where = f"{self.path}: variable {name}"
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise BadData(f"{where} is no array of numbers; only maps belong into this file")
        if name == "frames":
            return value.ravel().astype(np.int64)
        maps: Map = value.reshape(map_shape(value.shape))
        if maps.ndim != 3:
            return maps
        frame = (self._limits.height, self._limits.width)
        first, last = same_aspect(maps.shape[1:], frame), same_aspect(maps.shape[:2], frame)
        if first == last:
            raise BadData(
                f"{where} has shape {maps.shape}, and its aspect does not tell which axis counts the frames; store "
                "(n, h, w) in npz or HDF5"
            )
        return maps if first else np.moveaxis(maps, 2, 0)


class _Variables:
    def __init__(self, values: Mapping[str, Map]) -> None:
        self._values = values
        self.arrays = {name: Array(value.shape, value.dtype) for name, value in values.items()}

    def whole(self, name: str) -> Map:
        return np.ascontiguousarray(self._values[name])

    def rows(self, name: str) -> Iterator[Map]:
        return (np.ascontiguousarray(values) for values in self._values[name])


class Hdf5File(ArrayFile):
    """An HDF5 file; its datasets are read one map at a time. Links to elsewhere are refused."""

    @contextmanager
    def _open(self) -> Iterator[_Datasets]:
        os.close(open_regular(self.path))
        with optional_packages():
            import h5py
        try:
            file = h5py.File(self.path, "r")
        except OSError as error:
            rule_out_machine(self.path)
            raise BadData(f"{self.path}: no HDF5 file, or damaged ({error})") from error
        with file:
            yield _Datasets(str(self.path), file)


class _Datasets:
    def __init__(self, path: str, file: Any) -> None:
        import h5py

        self._path, self._file = path, file
        self.arrays: dict[str, Array] = {}
        for name in file:
            where = f"{path}: {name!r}"
            link = file.get(name, getlink=True)
            node = file[name] if isinstance(link, h5py.HardLink) else None
            if not isinstance(node, h5py.Dataset) or node.is_virtual or node.external:
                raise BadData(f"{where} is no dataset of its own; only arrays belong at the top of this file")
            check_type(node.dtype, where)
            self.arrays[name] = Array(map_shape(node.shape or ()), node.dtype)

    def whole(self, name: str) -> Map:
        return self._take(name, ())

    def rows(self, name: str) -> Iterator[Map]:
        return (self._take(name, (n,)) for n in range(self.arrays[name].shape[0]))

    def _take(self, name: str, at: tuple[int, ...]) -> Map:
        """Read the elements at these places of the first axes that count."""
        node = self._file[name]
        axes = map_axes(node.shape or ())
        taken = dict(zip(axes, at, strict=False))
        places = [taken.get(axis, slice(None)) if axis in axes else 0 for axis in range(len(node.shape or ()))]
        try:
            return np.asarray(node[tuple(places)])
        except (OSError, RuntimeError, ValueError) as error:
            rule_out_machine(Path(self._path))
            raise BadData(f"{self._path}: {name!r} cannot be read ({error}); write it again") from error
