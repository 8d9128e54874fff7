"""DIEM, variant `stavis`: 81 of the 84 videos as frames, with pooled maps, as packed by STAViS; see `stavis.pack`."""

from __future__ import annotations

from dataclasses import replace

from ..stavis import pack
from . import facts

INFO = replace(
    facts.BASE,
    variant="stavis",
    truths=pack.TRUTHS,
    layout=pack.layout("DIEM", facts.FOLDS),
    verified=("names, frame counts, rates and split of 81 videos in the lists as another project carries them",),
    unverified=pack.UNVERIFIED,
)

_SET = pack.PackSet("DIEM", facts.FOLDS, INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
