"""Frames with the sound that belongs to them, for a model that asks for it; see `Audio`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.formats.sound import SoundTrack
from vidsal.loaders.records import Frame

from ..predictor import Audio, ModelInfo, Shown

_SLACK_MS = 150.0
"""So much of the last pictures may be without sound, as packets end where they end."""

log = logging.getLogger(__name__)


def with_sound(frames: Iterator[Frame], stimulus: Shown, info: ModelInfo) -> Iterator[Frame]:
    """Yield the frames, each with its sound if the model asks for it.

    Raises:
        MissingData: there is no sound. BadData: it ends before the pictures, or cannot be decoded. None of these where
            the model declares silence: it is given silence, and told of in the log.
        WrongUse: the model is causal, or declares how far it looks ahead, and asks for the sound of later frames.
    """
    asked = info.audio
    if not isinstance(asked, Audio):
        return frames
    _check_window(asked, stimulus, info)
    path = stimulus.frames_path()
    try:
        if path is None:
            raise MissingData(f"{stimulus.id}: no video file that sound could be read from")
        track = SoundTrack(path, asked.rate, asked.channels)
    except MissingData as error:
        if asked.missing == "error":
            raise MissingData(
                f"{info.name}, {stimulus.id}: the model listens, and there is no sound: {error}; give a video with its "
                "sound, or a model that declares Audio(missing='silence')"
            ) from error
        log.warning("%s, %s: no sound, so silence is heard: %s", info.name, stimulus.id, error)
        silence = np.zeros((asked.samples, asked.channels), np.float32)
        return (replace(frame, sound=silence) for frame in frames)
    return _heard(frames, track, asked, stimulus, info)


def _heard(
    frames: Iterator[Frame], track: SoundTrack, asked: Audio, stimulus: Shown, info: ModelInfo
) -> Iterator[Frame]:
    told = False
    for frame in frames:
        sound = track.window((frame.pts_ms - asked.before_ms) / 1000, asked.samples)
        if track.end_s is not None and not told and frame.pts_ms - 1000 * track.end_s > _SLACK_MS:
            said = (
                f"{info.name}, {stimulus.id}: the sound track ends after {track.end_s:.3f} s, frame {frame.index} of "
                f"{stimulus.n_frames} is seen at {frame.pts_ms / 1000:.3f} s"
            )
            if asked.missing == "error":
                raise BadData(f"{said}: sound is missing; a model that declares Audio(missing='silence') hears silence")
            log.warning("%s: silence is heard from there on", said)
            told = True
        yield replace(frame, sound=sound)


def _check_window(asked: Audio, stimulus: Shown, info: ModelInfo) -> None:
    if info.lookahead is None or stimulus.fps is None:
        return
    most = (info.lookahead + 1) * 1000 / float(stimulus.fps)
    if asked.after_ms > most + 0.5:
        raise WrongUse(
            f"the model looks {info.lookahead} frames ahead and asks for {asked.after_ms:g} ms of later sound, but its "
            f"frames end after {most:.4g} ms ({float(stimulus.fps):g} frames a second): declare its lookahead"
        )
