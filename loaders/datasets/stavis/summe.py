"""SumMe as packed by STAViS; see `pack`."""

from __future__ import annotations

from . import pack

INFO = pack.info(
    "summe",
    "SumMe",
    3,
    title="SumMe: 25 videos by amateurs, 10 observers",
    observers="10, free viewing; pooled in the maps",
    splits="train_1, train_2: 17 videos, train_3: 16; test_1, test_3: 8, test_2: 7; two videos are never tested, two "
    "folds list 24 of 25",
    licence="not stated with the pack; research use with citation",
    citation="M. Gygli, H. Grabner, H. Riemenschneider, L. Van Gool. Creating summaries from user videos. ECCV 2014.",
)

_SET = pack.PackSet("SumMe", 3, INFO)
present, stimuli, gaze = _SET.present, _SET.stimuli, _SET.gaze
