"""Boards whose truth nobody else has: what a page may say of a run there without giving that truth away.

Scores of single frames, gaze and maps would, to whoever submits often enough: none is published. What is tested and how
sure it is, is computed from the full numbers; the pages of stimuli show rounded ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from vidsal.loaders.errors import UnknownName

from .boards import Board
from .collect import Loaded
from .config import NAME
from .rows import Rows

DECIMALS = 2
"""Of the scores of a stimulus."""


def check_known(held_out: Iterable[str], runs: Iterable[Loaded]) -> None:
    """Refuse the name of a release that no run is of: a slip of the pen would publish what is held out.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    known = {run.entry.record.release.id for run in runs}
    for name in held_out:
        if name not in known:
            raise UnknownName(f"release in held_out of {NAME}", name, sorted(known))


def held_back(run: Loaded) -> Loaded:
    """Return what may be shown of a run."""
    stimuli = replace(run.stimuli, means=np.round(run.stimuli.means, DECIMALS))
    nothing = np.zeros((0, len(run.columns)), np.float32)
    rows = Rows(np.zeros(len(stimuli.ids) + 1, np.int64), np.zeros(0, np.int32), nothing)
    return replace(run, stimuli=stimuli, rows=rows, previews={}, key=run.key and f"{run.key}:held-out")


def submitted(board: Board) -> list[tuple[str, int]]:
    """Return how often the models of each name were scored on a board, the most frequent ones first."""
    every = [e for runs in board.history.values() for e in runs if e.record.model.kind not in ("reference", "human")]
    counts = Counter(entry.record.model.name for entry in every)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
