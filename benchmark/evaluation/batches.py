"""Scoring one stimulus where its predictions are: on the device of the model, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from vidsal.loaders.errors import WrongUse
from vidsal.loaders.release.release import Stimulus

from ..predictor import Prediction, Predictor
from ..scoring.device.batch import score_batch
from ..scoring.device.truths import upload
from ..scoring.frame import FrameScores
from ..scoring.inputs import as_map
from .stimulus import DEVICES_KEY, Case, FrameScorer, Item, Row, case_of, row_of, score_stimulus

_MOST_FRAMES = 64
_MOST_PIXELS = 1 << 23
"""Pixels of predictions and truths that wait together: about half a GB on the device while they are scored."""

_AS_THEY_ARE = (torch.uint8, torch.float16, torch.float32, torch.float64)


def score_in_batches(predictor: Predictor, stimulus: Stimulus, scorer: FrameScorer) -> pa.Table:
    """Run a predictor over one stimulus and score its predictions in batches on the device where they are.

    Returns, raises: as `score_stimulus`; the table's metadata name the kinds of devices under `DEVICES_KEY`.
    """
    batches = _BatchScorer(predictor)
    table = score_stimulus(predictor, stimulus, scorer, batches)
    devices = " ".join(sorted(batches.devices)).encode()
    return table.replace_schema_metadata({**(table.schema.metadata or {}), DEVICES_KEY: devices})


class _BatchScorer:
    """Scores predictions in batches; truths are prepared in a second thread meanwhile.

    Attributes:
        devices: kinds of the devices that scored.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._home = _device_of(predictor)
        self.devices: set[str] = set()

    def __call__(self, items: Iterator[Item], stimulus: Stimulus, scorer: FrameScorer) -> Iterator[Row]:
        negatives = scorer.negatives.of(stimulus)
        with ThreadPoolExecutor(1, "vidsal-truth") as pool:
            waiting: list[Future[Case]] = []
            pixels = 0
            for item in items:
                if isinstance(item, Prediction) and isinstance(item.values, Tensor):
                    item = replace(item, values=item.values.detach())  # lets go of the graph of a model that kept it
                new = stimulus.width * stimulus.height + _pixels(item)
                if len(waiting) == _MOST_FRAMES or pixels + new > _MOST_PIXELS:
                    yield from self._rows([case.result() for case in waiting], scorer)
                    waiting, pixels = [], 0
                waiting.append(pool.submit(case_of, item, stimulus, scorer, negatives))
                pixels += new
            yield from self._rows([case.result() for case in waiting], scorer)

    def _rows(self, cases: Sequence[Case], scorer: FrameScorer) -> Iterator[Row]:
        """Yield the rows of the frames that wait, in order; maps of one form are one batch."""
        batches: dict[Any, tuple[list[Case], list[Tensor]]] = {}
        form: dict[int, Any] = {}
        for case in cases:
            if case.values is not None and case.truth.n_fixated:
                values = self._tensor(case)
                form[case.frame] = key = (values.shape, values.dtype, values.device, case.kind)
                chosen, maps = batches.setdefault(key, ([], []))
                chosen.append(case)
                maps.append(values)
        scores = {
            key: score_batch(
                torch.stack(maps),
                upload([case.truth for case in chosen], maps[0].device),
                scorer.protocol,
                chosen[0].kind,
                [case.where for case in chosen],
            )
            for key, (chosen, maps) in batches.items()
        }

        def next_scores(case: Case) -> FrameScores:
            return next(scores[form[case.frame]])

        return (row_of(case, next_scores, scorer) for case in cases)

    def _tensor(self, case: Case) -> Tensor:
        """Return the map as a tensor of a type that is scored, on its own device; arrays go to the model's."""
        values = case.values
        device = values.device if isinstance(values, Tensor) else self._home
        if device.type not in ("cpu", "cuda"):
            raise WrongUse(f"{case.where}: predicted on {device.type}; only cpu and cuda score, so score on the host")
        self.devices.add(device.type)
        if isinstance(values, Tensor) and values.numel():
            if values.dtype in _AS_THEY_ARE:
                return values
            if values.dtype == torch.bfloat16:
                return values.float()
        array = np.require(as_map(values, case.where), requirements=("C", "W"))
        return torch.from_numpy(array).to(device)


def _pixels(item: Item) -> int:
    if isinstance(item, int) or item.values is None:
        return 0
    height, width = item.values.shape
    return int(height) * int(width)


def _device_of(predictor: Predictor) -> torch.device:
    """The device that a model says it runs on; the CPU for a model that says nothing that torch understands."""
    try:
        return torch.device(getattr(predictor, "device", "cpu"))
    except (RuntimeError, TypeError):
        return torch.device("cpu")
