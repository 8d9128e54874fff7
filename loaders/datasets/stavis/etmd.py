"""ETMD as packed by STAViS; see `pack`."""

from __future__ import annotations

from . import pack

INFO = pack.info(
    "etmd",
    "ETMD_av",
    3,
    title="ETMD: 12 film excerpts with sound, 10 observers",
    observers="10, free viewing with sound; pooled in the maps",
    splits="train_1, train_2, train_3: 8 videos each, test_1, test_2, test_3: 4 each",
    licence="not stated with the pack; research use with citation",
    citation="P. Koutras, P. Maragos. A perceptually based spatio-temporal computational framework for visual saliency "
    "estimation. Signal Processing: Image Communication 38, 2015.",
)

_SET = pack.PackSet("ETMD_av", 3, INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
