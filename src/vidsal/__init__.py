"""vidsal: data sets, baselines, scores and leaderboards for video saliency and gaze prediction.

The public names are loaded when they are first used, so `import vidsal` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from vidsal.baselines.training.api import train
    from vidsal.benchmark.evaluation.results.store import Run
    from vidsal.benchmark.evaluation.run import evaluate
    from vidsal.benchmark.submissions.score import score
    from vidsal.loaders.release.release import load
    from vidsal.prediction import predict

_LAZY = {
    "load": "vidsal.loaders.release.release",
    "evaluate": "vidsal.benchmark.evaluation.run",
    "predict": "vidsal.prediction",
    "score": "vidsal.models",
    "train": "vidsal.baselines.training.api",
    "Run": "vidsal.benchmark.evaluation.results.store",
}

__all__ = ["Run", "__version__", "evaluate", "load", "predict", "score", "train"]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'vidsal' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
