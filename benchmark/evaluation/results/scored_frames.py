"""Which frames a run scored, and the rows of several runs on the frames that all of them scored. Pure functions.

A frame counts as scored where its row has the status `scored`: it is annotated, somebody looked, and the model was
judged by it. Frames that nobody looked at are scored for no model, so they are the same for all and count neither as
scored nor as left out. Frames without a prediction count as left out, whatever rule of the model allows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from hashlib import sha256

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .schema import CoverageRecord

_KEYS = ["stimulus_id", "frame"]


def pairs_digest(pairs: Iterable[tuple[str, int]]) -> str:
    r"""Digest of a set of frames: SHA-256, in hex, of one line a frame, `<stimulus_id>\t<frame>\n` in UTF-8, sorted by
    stimulus id (by code points), then by frame (as a number).

    >>> pairs_digest([("b", 0), ("a", 10), ("a", 9)]) == sha256(b"a\t9\na\t10\nb\t0\n").hexdigest()
    True
    """
    return sha256("".join(f"{name}\t{frame}\n" for name, frame in sorted(pairs)).encode()).hexdigest()


def scored_pairs(frames: pa.Table) -> list[tuple[str, int]]:
    """Return stimulus id and frame of every scored row.

    Args:
        frames: rows with `stimulus_id`, `frame`, `status`, in any order.
    """
    rows = frames.select([*_KEYS, "status"]).filter(pc.field("status") == "scored")
    return list(zip(rows["stimulus_id"].to_pylist(), rows["frame"].to_pylist(), strict=True))


def by_frame(coverage: CoverageRecord, frames: pa.Table, elsewhere: int | None) -> CoverageRecord:
    """Say by frame what the rows of a run cover.

    Args:
        coverage: which stimuli.
        frames: all rows of the run.
        elsewhere: how many frames the protocol would score in the annotated stimuli without rows; None = not known.
    """
    pairs = scored_pairs(frames)
    here = pc.sum(pc.greater(frames["n_fixations"], 0)).as_py() or 0
    return coverage.model_copy(
        update={
            "frames_scored": len(pairs),
            "frames_expected": None if elsewhere is None else here + elsewhere,
            "frames_digest": pairs_digest(pairs),
        }
    )


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
