"""AVAD as packed by STAViS; see `pack`."""

from __future__ import annotations

from . import pack

INFO = pack.info(
    "avad",
    "AVAD",
    3,
    title="AVAD: 45 clips in which something sounds, 16 observers",
    observers="about 16, free viewing with sound; pooled in the maps",
    splits="train_1, train_2, train_3: 30 videos each, test_1, test_2, test_3: 15 each; three videos are tested twice,"
    " three never",
    licence="not stated with the pack; research use with citation",
    citation="X. Min, G. Zhai, K. Gu, X. Yang. Fixation prediction through multimodal analysis. ACM TOMM 13(1), 2017.",
)

_SET = pack.PackSet("AVAD", 3, INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
