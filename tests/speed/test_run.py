"""How well a run overlaps decoding, predicting and scoring: wall time against its parts measured apart, in one run.

`pytest tests/speed/test_run.py --benchmark-enable -s` prints the table; the same figures are in `extra_info`. The model
is TinyHD with its real weights on a real video of 640 x 360, torch on one thread and on two; the release's truths are
made from points while it runs. Asserted is only that every frame got a row.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_limits

from vidsal.baselines import load_model
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.split_negatives import split_negatives
from vidsal.benchmark.evaluation.stimulus import FrameScorer, info_of, score_stimulus
from vidsal.benchmark.scoring.frame import score
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.release.release import load

pytestmark = [pytest.mark.slow, pytest.mark.data]


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.mark.parametrize("name", ["tinyhd_m"])
@pytest.mark.parametrize("threads", [1, 2])
def test_overlap(
    name: str, threads: int, samples: Path, tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("dhf1k", samples / "dhf1k", tmp_path / "release", variant="raw", workers=1)
    data = load(tmp_path / "release")
    stimulus = data["002"]
    protocol = protocols.protocol("exact-1")
    judge = FrameScorer(
        protocol, None, split_negatives([s for s in data if s.annotated], (stimulus.height, stimulus.width), protocol)
    )
    weights = samples / "tinyhd" / f"d123{name[-1]}_rc4_rc1T.pth"
    before = torch.get_num_threads()
    model: Any = load_model(name, weights, threads=threads)
    try:
        with threadpool_limits(1, user_api="blas"):
            frames = list(stimulus.frames())
            predictions: list[Any] = []
            where = (stimulus.height, stimulus.width)

            def predict() -> None:
                predictions[:] = model.predict(iter(frames), info_of(stimulus))

            def judged() -> None:
                for p in predictions:
                    score(p.values, p.kind, judge.truth(stimulus, p.frame, None), protocol, encode=True)

            def run() -> Any:
                return score_stimulus(model, stimulus, judge)

            assert run().num_rows == len(frames), where
            decoding = seconds(lambda: [None for _ in stimulus.frames()])
            predicting = min(seconds(predict) for _ in range(2))
            scoring = seconds(judged)
            whole = min(seconds(run) for _ in range(2))
            benchmark.pedantic(lambda: None, rounds=1)
    finally:
        torch.set_num_threads(before)
    parts = decoding + predicting + scoring
    ratios = {"of_the_sum": whole / parts, "of_the_model": whole / predicting}
    benchmark.extra_info.update(decoding=decoding, predicting=predicting, scoring=scoring, whole=whole, **ratios)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{name}, {threads} torch threads: decode {decoding:.2f} s + predict {predicting:.2f} + score "
            f"{scoring:.2f}; run {whole:.2f} = {ratios['of_the_sum']:.2f} of the sum, "
            f"{ratios['of_the_model']:.2f} of the model alone\n"
        )
