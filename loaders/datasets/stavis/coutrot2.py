"""Coutrot 2 as packed by STAViS; see `pack`."""

from __future__ import annotations

from . import pack

INFO = pack.info(
    "coutrot2",
    "Coutrot_db2",
    3,
    title="Coutrot 2: 15 conversations of four people, 40 observers",
    observers="40, with and without sound; maps are pooled",
    splits="train_1, train_2, train_3: 10 videos each, test_1, test_2, test_3: 5 each",
    licence="not stated with the pack; research use with citation",
    citation="A. Coutrot, N. Guyader. An efficient audiovisual saliency model to predict eye positions when looking at "
    "conversations. EUSIPCO 2015.",
    unverified=pack.BY_SOUND,
)

_SET = pack.PackSet("Coutrot_db2", 3, INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
