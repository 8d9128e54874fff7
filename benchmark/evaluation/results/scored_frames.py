"""Which frames a run scored, and the rows of several runs on the frames that all of them scored. Pure functions.

A frame counts as scored where its row has the status `scored`: it is annotated, somebody looked, and the model was
judged by it. Frames that nobody looked at are scored for no model, so they are the same for all and count neither as
scored nor as left out. Frames without a prediction count as left out, whatever rule of the model allows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from hashlib import sha256

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .schema import CoverageRecord
from .shared import once

_KEYS = ["stimulus_id", "frame"]


def pairs_digest(pairs: Iterable[tuple[str, int]]) -> str:
    r"""Digest of a set of frames: SHA-256, in hex, of one line a frame, `<stimulus_id>\t<frame>\n` in UTF-8, sorted by
    stimulus id (by code points), then by frame (as a number).

    >>> pairs_digest([("b", 0), ("a", 10), ("a", 9)]) == sha256(b"a\t9\na\t10\nb\t0\n").hexdigest()
    True
    """
    names, frames = zip(*found, strict=True) if (found := list(pairs)) else ((), ())
    return _digest(pa.array(names, pa.string()), pa.array(frames, pa.int64()))


def _digest(names: pa.Array, frames: pa.Array) -> str:
    """`pairs_digest` of two columns; UTF-8 sorts as code points do.

    Raises:
        ValueError: a row has no stimulus or no number.
    """
    if names.null_count or frames.null_count:
        raise ValueError("a row has no stimulus, or no number of a frame")
    coded, numbers = names.dictionary_encode(), frames.to_numpy()
    ids = coded.dictionary.to_pylist()
    place = np.empty(len(ids), np.int64)
    by_name = sorted(range(len(ids)), key=ids.__getitem__)
    place[by_name] = np.arange(len(ids))
    places = place[coded.indices.to_numpy()]
    order = np.lexsort((numbers, places))
    numbers, ends = numbers[order], np.cumsum(np.bincount(places, minlength=len(ids))).tolist()
    digest, texts = sha256(), dict[bytes, list[str]]()
    for k, begin, end in zip(by_name, [0, *ends], ends, strict=False):
        part = numbers[begin:end]
        key = part.tobytes()  # most stimuli have the same frames
        if key not in texts:
            texts[key] = list(map(str, part.tolist()))
        start = f"{ids[k]}\t"
        digest.update((start + f"\n{start}".join(texts[key]) + "\n").encode())
    return digest.hexdigest()


def scored_pairs(frames: pa.Table) -> list[tuple[str, int]]:
    """Return stimulus id and frame of every scored row.

    Args:
        frames: rows with `stimulus_id`, `frame`, `status`, in any order.
    """
    rows = _scored(frames)
    return list(zip(rows["stimulus_id"].to_pylist(), rows["frame"].to_pylist(), strict=True))


def _scored(frames: pa.Table) -> pa.Table:
    return frames.select(_KEYS).filter(pc.equal(frames["status"], "scored"))


def by_frame(coverage: CoverageRecord, frames: pa.Table, elsewhere: int | None) -> CoverageRecord:
    """Say by frame what the rows of a run cover.

    Args:
        coverage: which stimuli.
        frames: all rows of the run.
        elsewhere: how many frames the protocol would score in the annotated stimuli without rows; None = not known.
    """
    scored, digest = _scored_digest(*(frames[key] for key in (*_KEYS, "status")))
    here = pc.sum(pc.greater(frames["n_fixations"], 0)).as_py() or 0
    return coverage.model_copy(
        update={
            "frames_scored": scored,
            "frames_expected": None if elsewhere is None else here + elsewhere,
            "frames_digest": digest,
        }
    )


@once
def _scored_digest(names: pa.ChunkedArray, frame: pa.ChunkedArray, status: pa.ChunkedArray) -> tuple[int, str]:
    """Return how many rows are scored, and the digest of their frames."""
    rows = _scored(pa.table([names, frame, status], [*_KEYS, "status"]))
    return rows.num_rows, _digest(*(rows[key].combine_chunks() for key in _KEYS))


def common_frames(tables: Iterable[pa.Table]) -> pd.MultiIndex:
    """Return the frames that every run scored.

    Args:
        tables: rows of each run, at least one, with `stimulus_id`, `frame`, `status`; read one after another.
    """
    return reduce(pd.MultiIndex.intersection, (_index(t.filter(pc.field("status") == "scored")) for t in tables))


def rows_among(frames: pa.Table, chosen: pd.MultiIndex) -> pa.Table:
    """Return the rows of chosen frames, as `common_frames` gives them, in their order."""
    return frames.filter(pa.array(_index(frames).isin(chosen)))


def _index(frames: pa.Table) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(frames.select(_KEYS).to_pandas())
