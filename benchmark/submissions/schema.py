"""The JSON Schema of submission.json, and the template that people fill in: both made from the model."""

from __future__ import annotations

from typing import Any

from vidsal.loaders.io.files import canonical
from vidsal.loaders.release.release import Release

from ..predictor import check_name
from .manifest import Manifest
from .manifest_file import PLACEHOLDER

SCHEMA_ID = "submission.schema.json"
"""Name of the published file, in docs/."""


def json_schema() -> str:
    """Return the JSON Schema of a manifest as canonical JSON."""
    schema = Manifest.model_json_schema()
    return canonical({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema})


def template(data: Release, kind: str | None, name: str | None) -> dict[str, Any]:
    """Return a manifest to fill in: what can be known is there, each other field says what belongs into it.

    Args:
        data: the release, opened with the split that was predicted.
        kind: what the maps are; None = to be filled in.
        name: of the model; None = to be filled in.

    Raises:
        WrongUse: this can be no model's name.
    """
    if name is not None:
        check_name(name)

    def ask(what: str) -> str:
        return f"{PLACEHOLDER}: {what}; null if unknown"

    return {
        "format": 1,
        "release": {"id": data.id, "digest": data.digest, "dataset": str(data.record["dataset"])},
        "split": data.split or "all",
        "model": {
            "name": name or f"{PLACEHOLDER}: name of the model, letters, digits and . _ + -",
            "version": ask("version of the model, a text"),
            "causal": ask("true if the prediction of a frame uses that frame and earlier ones only, else false"),
            "lookahead": ask("largest number of later frames used, 0 for a causal model"),
            "audio": ask("true if the model listens to the sound, else false"),
            "trained_on": ask('data sets whose gaze the weights have seen, ["dhf1k", "other:my lab"]; [] for none'),
            "pretrained_on": ask('data sets of the weights that training began with, ["salicon", "other:imagenet"]'),
            "parameters": ask("number of parameters"),
            "input_fps": ask("frames a second that the model is given, where not the video's own"),
            "input_size": ask("width and height to which frames are brought, [256, 192]"),
            "code": ask("https address of the code"),
            "commit": ask("commit of the code, in hex"),
            "weights": ask("https address of the weights"),
            "checkpoint_sha256": ask("SHA-256 of the file of weights"),
            "licence": f"{PLACEHOLDER}: licence of the weights; an empty text if unknown",
            "paper": f"{PLACEHOLDER}: citation of the paper; an empty text if there is none",
        },
        "prediction": {
            "kind": kind or f"{PLACEHOLDER}: saliency, density, log_density or point",
            "encoding": {
                "transform": "linear",
                "scale": 1.0,
                "offset": 0.0,
                "rounding": ask("how levels were made of values: nearest, down or up"),
            },
            "first_frame": ask('number of frame 0 in the names of files, or "own"'),
            "missing": "error",
            "fit": ask("stretch, letterbox or crop, where maps have another aspect than the frames"),
            "tuned_for": ask("metric for which the maps were tuned"),
            "upsampling": "protocol",
            "post_processing": ask("what was done to the model's output: smoothing, center bias"),
        },
        "run": {
            "version": ask("version of the program that predicted"),
            "command": ask("command that predicts again"),
            "seed": ask("seed of random numbers"),
            "hardware": ask("hardware that predicted"),
            "frames_per_second": ask("speed, in frames of the stimuli a second"),
            "peak_memory_bytes": ask("peak memory of the device that predicted"),
        },
        "authors": [f"{PLACEHOLDER}: who made these predictions; [] if nobody is to be named"],
        "licence": ask("licence of these predictions, CC-BY-4.0"),
        "declarations": {
            "no_test_labels": ask("true if no gaze of this split was used, in training or in choosing"),
            "external_data": ask("data beyond trained_on and pretrained_on: false, true, or which"),
        },
    }
