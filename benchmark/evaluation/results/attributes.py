"""The scores of a run by what its stimuli have in common."""

from __future__ import annotations

import numpy as np

from ...statistics import AttributeScore, by_attribute, seed_of
from .store import Run


def attribute_scores(run: Run) -> dict[str, dict[str, AttributeScore]]:
    """Return the mean of each metric over the stimuli with each attribute, by attribute and label.

    A mean over stimuli of which one is infinite is left undefined.
    """
    table, labels = run.stimuli, list(run.metrics)
    values = table[labels].to_numpy(dtype=np.float64)
    plain = np.where(np.isinf(values).any(axis=0), np.nan, values)
    seed = seed_of(str(run.typed.coverage.frames_digest))
    found = by_attribute(plain, table["group_id"].tolist(), [list(a) for a in table["attributes"]], seed=seed)
    return {name: dict(zip(labels, scores, strict=True)) for name, scores in found.items()}
