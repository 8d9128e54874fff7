"""Digests and means of rows against their definitions written down plainly, on hostile values."""

from __future__ import annotations

import math
import tracemalloc
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from vidsal.benchmark.evaluation.results.aggregate import summarize
from vidsal.benchmark.evaluation.results.check import stimuli_digest
from vidsal.benchmark.evaluation.results.scored_frames import pairs_digest
from vidsal.benchmark.statistics.resamples import resample_counts
from vidsal.loaders.io.files import canonical, sha256_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def plain(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "stimulus_id": TEXT, 'a "b"\n': st.none() | TEXT, "NSS": st.none() | st.floats(), "n": st.none() | st.integers(-(2**63), 2**63 - 1),
                "attributes": st.none() | st.lists(TEXT, max_size=3), "yes": st.booleans(),
            }
        ),
        max_size=4,
    )
)  # fmt: skip
def test_the_digest_of_stimuli_is_that_of_their_canonical_json(rows: list[dict[str, Any]]) -> None:
    kinds = {
        "stimulus_id": pa.string(), 'a "b"\n': pa.large_string(), "NSS": pa.float64(), "n": pa.int64(),
        "attributes": pa.list_(pa.string()), "yes": pa.bool_(),
    }  # fmt: skip
    table = pa.Table.from_pylist(rows, pa.schema(list(kinds.items())))
    said = canonical([{k: plain(v) for k, v in row.items()} for row in table.to_pylist()])
    assert stimuli_digest(table) == sha256_text(said)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT, st.integers(0, 2**31 - 1) | st.integers(0, 12)), max_size=30))
def test_the_digest_of_frames_is_that_of_their_sorted_lines(pairs: list[tuple[str, int]]) -> None:
    lines = "".join(f"{name}\t{frame}\n" for name, frame in sorted(pairs))
    assert pairs_digest(pairs) == sha256(lines.encode()).hexdigest()


def test_frames_without_a_name_have_no_digest() -> None:
    with pytest.raises(ValueError, match="no stimulus"):
        pairs_digest([(None, 1)])  # type: ignore[list-item]


def test_means_counts_and_reasons_of_mixed_rows() -> None:
    rows = [
        ("b", 1.0, "scored", "NSS: x; CC: y"), ("b", math.nan, "scored", "NSS, CC: z"), ("a", 4.0, "scored", "NSS: z"),
        ("a", math.nan, "no_prediction", "NSS: lost"), ("b", 2.0, "scored", None), ("c", math.nan, "no_fixation", None),
        ("a", 5.0, "scored", "NSS: x"), ("a", 6.0, "scored", "CC: x"),
    ]  # fmt: skip
    ids, values, statuses, reasons = zip(*rows, strict=True)
    table = pa.table({"stimulus_id": ids, "NSS": values, "status": statuses, "reason": pa.array(reasons, pa.string())})
    found = summarize(table, {"NSS": "nss[x]"}, "stimulus")
    assert found.stimuli.to_dict("list") == {
        "stimulus_id": ["b", "a", "c"], "n_frames": [3, 4, 1], "n_scored": [3, 3, 0], "NSS": [1.5, 5.0, pytest.approx(math.nan, nan_ok=True)],
    }  # fmt: skip
    nss = found.metrics["NSS"]
    assert (nss.mean, nss.mean_stimuli, nss.mean_frames, nss.n) == (3.25, 3.25, 18 / 5, 5)
    assert nss.reason == "x (2 of 6 frames)", "of x and z, both twice, the first by name"
    assert found.counts.model_dump() == {"frames": 8, "scored": 6, "no_fixation": 1, "no_prediction": 1, "left_out": 0}
    infinite = table.set_column(1, "NSS", pa.array([math.inf, *values[1:]]))
    assert summarize(infinite, {"NSS": "nss[x]"}, "frame").metrics["NSS"].reason == "infinite in 1 of 5 frames"


@pytest.mark.parametrize("groups", [1, 5, 255, 256, 300])
def test_draws_that_are_kept_are_the_draws(groups: int) -> None:
    """The definition: pairs of 32 bits of the raw stream, scaled to a group."""
    raw = np.random.PCG64(9).random_raw(3 * ((groups + 1) // 2))
    halves = [h for word in raw.tolist() for h in (word >> 32, word & 0xFFFFFFFF)]
    width = 2 * ((groups + 1) // 2)
    expected = np.zeros((3, groups))
    for row in range(3):
        for half in halves[row * width : row * width + groups]:
            expected[row, half * groups >> 32] += 1
    for _ in range(2):
        found = list(resample_counts(9, groups, 3))
        np.testing.assert_array_equal(np.concatenate(found), expected)
        for part in found:
            part[:] = -1  # who changes what it got changes nothing for the next


def test_what_is_kept_of_draws_is_small() -> None:
    tracemalloc.start()
    try:
        for seed in range(6):
            for part in resample_counts(seed, 5000, 4000):
                assert part.dtype == np.float64
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1 << 23, "20 million numbers are too many to keep"
