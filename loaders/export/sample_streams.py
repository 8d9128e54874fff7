"""The whole sample stream of each observer: what gaze.parquet holds, and the points that are samples themselves.

A source of labelled samples is stored in two tables: its fixation samples are points (fixations.parquet), the others
are gaze (gaze.parquet). Here they come together again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..records import Float64Array, Samples
from ..release.release import Release, Stimulus
from ..release.walk import walk

SAMPLE_EVENTS = ("point", "noise")


@dataclass(frozen=True)
class SampleStream(Samples):
    """What one observer's eye did during one trial; arrays of length n, by time.

    Attributes:
        observer, trial: ids; trial None where the source has none.
        t_us: microseconds from the first frame.
        x, y: pixels of the stimulus.
        x_screen, y_screen, pupil, confidence: NaN where unknown.
        label: the source's label in lower case, `point` for a stored point, None where there is none.
        eye: `left`, `right` ... where the source says.
    """

    observer: str
    trial: str | None
    x_screen: Float64Array
    y_screen: Float64Array
    pupil: Float64Array
    confidence: Float64Array
    label: npt.NDArray[np.object_]
    eye: str | None


def recordings(fixations: pa.Table, gaze: pa.Table) -> list[SampleStream]:
    """Put the samples of one stimulus together, by observer and trial.

    Args:
        fixations, gaze: the stimulus's rows of both tables. Of the fixations those are samples whose event is `point`
            or `noise` and that have an observer and an onset, but no duration.
    """
    together = pa.concat_tables([_of_gaze(gaze), _of_points(fixations)])
    order = pc.sort_indices(together, sort_keys=[(k, "ascending") for k in ("observer", "trial", "t_us")])
    together = together.take(order)
    rows = together.num_rows
    if not rows:
        return []
    observer, trial = (together[k].to_numpy(zero_copy_only=False) for k in ("observer", "trial"))
    borders = np.flatnonzero((observer[1:] != observer[:-1]) | (trial[1:] != trial[:-1])) + 1
    return [_recording(together.slice(a, b - a)) for a, b in zip([0, *borders], [*borders, rows], strict=True)]


def by_stimulus(release: Release) -> Iterator[tuple[Stimulus, pa.Table, list[SampleStream]]]:
    """Yield every stimulus of the split with its fixations and its recordings, in the release's order."""
    for (stimulus, fixations), (_, gaze) in zip(walk(release), walk(release, "gaze"), strict=True):
        yield stimulus, fixations, recordings(fixations, gaze)


_NUMBERS = ("x", "y", "x_screen", "y_screen", "pupil", "confidence")


def _of_gaze(gaze: pa.Table) -> pa.Table:
    words = {"observer": gaze["observer_id"], "trial": gaze["trial_id"], "label": gaze["label"], "eye": None}
    numbers = dict(zip(_NUMBERS, (f"{n}_px" if n not in ("pupil", "confidence") else n for n in _NUMBERS), strict=True))
    return _table(gaze.num_rows, words, gaze["t_us"], {k: gaze[v] for k, v in numbers.items()})


def _of_points(fixations: pa.Table) -> pa.Table:
    event = fixations["event"].cast(pa.string())
    sample = pc.is_in(event, pa.array(SAMPLE_EVENTS))
    for column, known in (("observer_id", True), ("onset_ms", True), ("duration_ms", False)):
        there = pc.is_valid(fixations[column])
        sample = pc.and_(sample, there if known else pc.invert(there))
    rows = fixations.filter(sample)
    words = {"observer": rows["observer_id"], "trial": rows["trial_id"], "label": rows["event"], "eye": rows["eye"]}
    t_us = pa.array(np.rint(rows["onset_ms"].to_numpy() * 1000).astype(np.int64))
    numbers = {k: rows[f"{k}_px"] if k not in ("pupil", "confidence") else None for k in _NUMBERS}
    return _table(rows.num_rows, words, t_us, numbers)


def _table(
    rows: int,
    words: dict[str, pa.ChunkedArray | None],
    t_us: pa.ChunkedArray | pa.Array,
    numbers: dict[str, pa.ChunkedArray | None],
) -> pa.Table:
    columns = {k: pa.nulls(rows, pa.string()) if v is None else v.cast(pa.string()) for k, v in words.items()}
    columns |= {k: pa.nulls(rows, pa.float64()) if v is None else v.cast(pa.float64()) for k, v in numbers.items()}
    return pa.table({**columns, "t_us": t_us})


def _recording(rows: pa.Table) -> SampleStream:
    numbers = {k: rows[k].to_numpy(zero_copy_only=False) for k in _NUMBERS}
    eyes = set(rows["eye"].drop_null().to_pylist())
    return SampleStream(
        observer=rows["observer"][0].as_py(),
        trial=rows["trial"][0].as_py(),
        t_us=rows["t_us"].to_numpy(),
        label=np.array(pc.utf8_lower(rows["label"]).to_pylist(), dtype=object),
        eye=eyes.pop() if len(eyes) == 1 else None,
        **numbers,
    )
