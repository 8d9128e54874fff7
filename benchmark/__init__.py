"""How a prediction is judged: the predictor protocol, metrics, protocols, runs and results.

The public names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if __name__ != "vidsal.benchmark":
    raise ImportError(
        "this folder is a part of the package vidsal and is not imported by its own name: "
        "install the project and write `import vidsal.benchmark`"
    )

if TYPE_CHECKING:
    from vidsal.loaders.errors import NonFinite
    from vidsal.loaders.records import Frame

    from .predictor import Audio, ModelInfo, Prediction, Predictor, StimulusInfo
    from .protocols import PROTOCOLS, Protocol, protocol
    from .scoring.frame import FrameScores, FrameTruth, prepare_truth, score_frame
    from .scoring.negatives import Negatives

_LAZY = {
    "Audio": "vidsal.benchmark.predictor",
    "Frame": "vidsal.loaders.records",
    "FrameScores": "vidsal.benchmark.scoring.frame",
    "FrameTruth": "vidsal.benchmark.scoring.frame",
    "ModelInfo": "vidsal.benchmark.predictor",
    "Negatives": "vidsal.benchmark.scoring.negatives",
    "NonFinite": "vidsal.loaders.errors",
    "PROTOCOLS": "vidsal.benchmark.protocols",
    "Prediction": "vidsal.benchmark.predictor",
    "Predictor": "vidsal.benchmark.predictor",
    "Protocol": "vidsal.benchmark.protocols",
    "StimulusInfo": "vidsal.benchmark.predictor",
    "prepare_truth": "vidsal.benchmark.scoring.frame",
    "protocol": "vidsal.benchmark.protocols",
    "score_frame": "vidsal.benchmark.scoring.frame",
}

__all__ = [
    "PROTOCOLS",
    "Audio",
    "Frame",
    "FrameScores",
    "FrameTruth",
    "ModelInfo",
    "Negatives",
    "NonFinite",
    "Prediction",
    "Predictor",
    "Protocol",
    "StimulusInfo",
    "prepare_truth",
    "protocol",
    "score_frame",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'vidsal.benchmark' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
