"""Coutrot 1 as packed by STAViS; see `pack`."""

from __future__ import annotations

from . import pack

INFO = pack.info(
    "coutrot1",
    "Coutrot_db1",
    3,
    title="Coutrot 1: 60 clips of landscapes, objects, faces, 72 observers",
    observers="72 in four conditions of sound; maps are pooled",
    splits="train_1, train_2, train_3: 40 videos each, test_1, test_2, test_3: 20 each",
    licence="not stated with the pack; research use with citation",
    citation="A. Coutrot, N. Guyader. How saliency, faces, and sound influence gaze in dynamic social scenes. Journal "
    "of Vision 14(8):5, 2014.",
    unverified=pack.BY_SOUND,
)

_SET = pack.PackSet("Coutrot_db1", 3, INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
