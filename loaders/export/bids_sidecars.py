"""The JSON beside the tables of a BIDS data set: what it is, its columns, units and display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vidsal._version import __version__

from ..records import Screen
from .sample_streams import SampleStream

BIDS_VERSION = "1.11.1"
TASK = "viewing"

_STIMULUS_PX = "pixels of the stimulus, origin at its top left corner, x to the right, y down; (0, 0) is a corner"
_SCREEN_PX = "pixels of the screen, origin at its top left corner, x to the right, y down"

PARTICIPANTS: dict[str, Any] = {
    "participant_id": {"Description": "Label of the observer: the source's name, letters and digits only."},
    "observer_id": {"Description": "Name of the observer in the source."},
}

RUNS: dict[str, Any] = {
    "run": {"Description": "Number of the run, the same for all observers."},
    "stimulus_id": {"Description": "Name of the stimulus in the source."},
    "split": {"Description": "Official split of the data set."},
    "kind": {"Description": "Moving or still.", "Levels": {"video": "A video.", "image": "An image."}},
    "width": {"Description": "Width of the stimulus.", "Units": "pixel"},
    "height": {"Description": "Height of the stimulus.", "Units": "pixel"},
    "n_frames": {"Description": "Number of frames."},
    "duration": {"Description": "How long it was shown.", "Units": "s"},
}

EVENTS: dict[str, Any] = {
    "onset": {"Description": "Start, counted from the first frame of the stimulus.", "Units": "s"},
    "duration": {"Description": "Length; n/a where the source does not give it.", "Units": "s"},
    "trial_type": {
        "Description": "What happens.",
        "Levels": {
            "stimulus": "The stimulus is shown.",
            "fixation": "The eye rests.",
            "pursuit": "The eye follows a moving target.",
            "saccade": "The eye jumps.",
            "noise": "A blink, a loss of the eye, or an unknown movement.",
            "point": "A gaze sample that the source counts as looking.",
            "mouse": "A position of the mouse, which stands for the eye.",
        },
    },
    "identifier": {"Description": "Name of the stimulus in the source; sourcedata/runs.tsv describes it."},
    "frame": {"Description": "First frame that the event covers, counted from 0."},
    "frame_end": {"Description": "Last frame that the event covers; n/a means the first one."},
    "x_px": {"Description": f"Position, {_STIMULUS_PX}.", "Units": "pixel"},
    "y_px": {"Description": f"Position, {_STIMULUS_PX}.", "Units": "pixel"},
    "in_bounds": {"Description": "Whether the position is inside the stimulus.", "Levels": {"true": "", "false": ""}},
}


def description(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return dataset_description.json for the content of a release.json."""
    return {
        "Name": record["title"],
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "License": record["licence"],
        "HowToAcknowledge": record["citation"],
        "ReferencesAndLinks": [record["citation"]],
        "GeneratedBy": [
            {
                "Name": "vidsal",
                "Version": __version__,
                "Description": f"vidsal data export --to bids; release {record['release']}, digest {record['digest']}",
            }
        ],
    }


def readme(record: Mapping[str, Any]) -> str:
    """Return the text of README.md."""
    return (
        f"# {record['title']}\n\n"
        f"Converted from the release `{record['release']}` (digest {record['digest']}) by vidsal {__version__}.\n\n"
        "One subject an observer, one run a stimulus: `sourcedata/runs.tsv` names them. The stimuli are not part of "
        "this folder.\n\n"
        "Times count from the first frame of the stimulus. Timestamps are in microseconds; in files with the suffix "
        "`physioevents` onsets are timestamps, durations are in seconds.\n\n"
        f"Licence: {record['licence']}\n\nCite: {record['citation']}\n"
    )


def presentation(screen: Screen) -> dict[str, Any]:
    """Return the display, as far as it is known; metres, as BIDS wants."""
    known: dict[str, Any] = {"ScreenOrigin": ["top", "left"]}
    if screen.distance_mm is not None:
        known["ScreenDistance"] = screen.distance_mm / 1000
    if screen.width_px is not None and screen.height_px is not None:
        known["ScreenResolution"] = [screen.width_px, screen.height_px]
    if screen.width_mm is not None and screen.height_mm is not None:
        known["ScreenSize"] = [screen.width_mm / 1000, screen.height_mm / 1000]
    return known


def physio(columns: list[str], recording: SampleStream, on_screen: bool) -> dict[str, Any]:
    """Return the sidecar of a recording's samples."""
    where = _SCREEN_PX if on_screen else _STIMULUS_PX
    about: dict[str, Any] = {
        "timestamp": {"Description": "Time of the sample.", "Units": "us", "Origin": "first frame of the stimulus"},
        "x_coordinate": {"LongName": "Gaze position (x)", "Description": where, "Units": "pixel"},
        "y_coordinate": {"LongName": "Gaze position (y)", "Description": where, "Units": "pixel"},
        "x_stimulus": {"Description": f"Gaze position (x), {_STIMULUS_PX}.", "Units": "pixel"},
        "y_stimulus": {"Description": f"Gaze position (y), {_STIMULUS_PX}.", "Units": "pixel"},
        "x_screen": {"Description": f"Gaze position (x), {_SCREEN_PX}.", "Units": "pixel"},
        "y_screen": {"Description": f"Gaze position (y), {_SCREEN_PX}.", "Units": "pixel"},
        "pupil_size": {
            "Description": "Pupil size as the source gives it; it does not say whether area or diameter.",
            "Units": "arbitrary",
        },
        "confidence": {"Description": "The tracker's confidence, 0 to 1."},
        "label": {"Description": "The source's label of the sample; `point` counts as looking."},
    }
    known_eye = recording.eye in ("left", "right", "cyclopean")
    sidecar: dict[str, Any] = {
        "TaskName": TASK,
        "PhysioType": "eyetrack",
        "RecordedEye": recording.eye if known_eye else "cyclopean",
        "SampleCoordinateSystem": "gaze-on-screen" if on_screen else "custom",
        "SamplingFrequency": _rate_hz(recording),
        "StartTime": float(recording.t_us[0]) / 1e6,
        "Columns": columns,
        **{name: about[name] for name in columns},
    }
    if not known_eye:
        sidecar["RecordedEyeDescription"] = "The source does not say which eye was recorded, or whether both were."
    if not on_screen:
        sidecar["SampleCoordinateSystemDescription"] = where
        sidecar["SampleCoordinateSystemUnits"] = "pixel"
    return sidecar


def _rate_hz(recording: SampleStream) -> float:
    """The usual rate: from the median step; 0 where there is one sample only."""
    steps = np.diff(recording.t_us)
    steps = steps[steps > 0]
    return round(1e6 / float(np.median(steps)), 3) if len(steps) else 0.0


def physioevents() -> dict[str, Any]:
    """Return the sidecar of a recording's labelled events."""
    return {
        "TaskName": TASK,
        "Columns": ["onset", "duration", "trial_type", "x_px", "y_px"],
        "Description": "Eye movements as the source labels them",
        "OnsetSource": "timestamp",
        "duration": {"Description": "Length of the event.", "Units": "s"},
        "trial_type": EVENTS["trial_type"],
        "x_px": {"Description": f"Median position, {_STIMULUS_PX}.", "Units": "pixel"},
        "y_px": {"Description": f"Median position, {_STIMULUS_PX}.", "Units": "pixel"},
    }
