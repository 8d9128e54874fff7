"""`vidsal.predict`: a model over any video, image, folder or arrays, or over every stimulus of a release."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

from vidsal.benchmark.evaluation.pool import Model
from vidsal.benchmark.footage.predict import Maps, predict_footage
from vidsal.benchmark.submissions.predict import Submission, predict as predict_release
from vidsal.loaders.release.release import Release

from .models import ModelSpec


@overload
def predict(model: Model | str | None, data: Release, out: str | Path, **options: Any) -> Submission: ...


@overload
def predict(model: Model | str | None, data: str | Path | Iterable[Any], out: str | Path, **options: Any) -> Maps: ...


def predict(
    model: Model | str | None, data: Release | str | Path | Iterable[Any], out: str | Path, **options: Any
) -> Submission | Maps:
    """Store what a model predicts.

    Args:
        model: any object that follows the predictor protocol, or the name of a registered model whose weights are
            found in VIDSAL_CHECKPOINTS; for others see `vidsal.baselines.load_model`.
        data: a release from `vidsal.load`: a submission is written, to be scored. Or a video, an image, a folder of
            frames, a folder of these, or a list of such paths: their maps are written as pictures. Or frames in memory:
            a sequence of arrays or tensors, one with time first, or an iterator over them.
        out: folder to write.
        options: see `vidsal.benchmark.submissions.predict.predict` for a release, and
            `vidsal.benchmark.footage.predict.predict_footage` for all else.

    Returns:
        For a release its `Submission`, else the `Maps` that were written.

    Raises:
        MissingData: no frames, or no such file. WrongUse: `out` holds something else, or the model cannot be stored
            this way. BadData: a file is no video, or the model broke the protocol.

    >>> import vidsal
    >>> vidsal.predict("center_prior", "clip.mp4", out="maps")  # doctest: +SKIP
    """
    if isinstance(model, str):
        spec = ModelSpec(model)
        model = spec()
        options.setdefault("record", spec.record(model))
    if isinstance(data, Release):
        return predict_release(model, data, out, **options)
    return predict_footage(model, data, out, **options)
