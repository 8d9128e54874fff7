"""The sound of a video file, resampled, by presentation time: what is heard when a picture is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, MissingData
from ..io.files import rule_out_machine
from ..records import Float32Array
from .container import open_container
from .frames import VIDEO_SUFFIXES

_JITTER_S = 0.02
"""So far from its place a packet may be stamped, and still follow the one before; farther, sound is missing there."""


class SoundTrack:
    """Reads the first sound track of a file from begin to end, in bounded memory.

    Args:
        path: a video file.
        rate: samples a second of what is handed out.
        channels: 1 or 2; others are mixed down or up as FFmpeg does.

    Raises:
        MissingData: the file has no sound, or is no video. BadData: it cannot be read.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self._path, self._rate, self._channels = path, rate, channels
        if not path.is_file() or path.suffix.lower() not in VIDEO_SUFFIXES:
            raise MissingData(f"{path}: pictures without sound")
        with open_container(path) as container:
            if not container.streams.audio:
                raise MissingData(f"{path}: this video has no sound track")
        self._chunks = self._decoded()
        self._buffer = np.zeros((0, channels), np.float32)
        self._first = 0  # sample at which the buffer begins; sample 0 is heard as the first picture is seen
        self._begun = self._ended = False

    @property
    def end_s(self) -> float | None:
        """When the sound ends, in seconds from the first picture; None before its end was read."""
        return (self._first + len(self._buffer)) / self._rate if self._ended else None

    def window(self, start_s: float, count: int) -> Float32Array:
        """Return samples from a time on; windows must not go back.

        Args:
            start_s: seconds from the first picture; may be negative.
            count: number of samples.

        Returns:
            float32, (count, channels); silence before the sound begins and after it ends.
        """
        start = round(start_s * self._rate)
        while not self._ended and self._first + len(self._buffer) < start + count:
            self._read_more()
        if self._begun and start > self._first:
            dropped = min(start - self._first, len(self._buffer))
            self._buffer, self._first = self._buffer[dropped:], self._first + dropped
        out = np.zeros((count, self._channels), np.float32)
        low, high = max(start, self._first), min(start + count, self._first + len(self._buffer))
        if low < high:
            out[low - start : high - start] = self._buffer[low - self._first : high - self._first]
        return out

    def _read_more(self) -> None:
        found = next(self._chunks, None)
        if found is None:
            self._ended = True
            return
        at, samples = found
        if not len(self._buffer) and not self._begun:
            self._first, self._begun = at, True
        end = self._first + len(self._buffer)
        silence = np.zeros((max(0, at - end), self._channels), np.float32)
        self._buffer = np.concatenate([self._buffer, silence, samples[max(0, end - at) :]])

    def _decoded(self) -> Iterator[tuple[int, Float32Array]]:
        """Yield the sample at which each piece belongs, and the piece."""
        import av

        try:
            with open_container(self._path) as container:
                picture, sound = container.streams.video[0], container.streams.audio[0]
                seen_s = float((picture.start_time or 0) * (picture.time_base or 0))
                run: _Run | None = None
                for piece in container.decode(sound):
                    heard_s = None if piece.time is None else piece.time - seen_s
                    if run is None or (heard_s is not None and abs(heard_s - run.next_s) > _JITTER_S):
                        if run is not None:
                            yield from run.resampled(None)
                        run = _Run(heard_s or 0.0, self._rate, self._channels)
                    yield from run.resampled(piece)
                if run is not None:
                    yield from run.resampled(None)
        except av.error.FFmpegError as error:
            rule_out_machine(self._path)
            raise BadData(
                f"{self._path}: its sound cannot be decoded ({error.strerror}); fetch the file again"
            ) from error


class _Run:
    """Pieces of sound that follow one another without a gap, resampled."""

    def __init__(self, start_s: float, rate: int, channels: int) -> None:
        import av

        self.next_s = start_s
        self._at, self._channels = round(start_s * rate), channels
        layout = "mono" if channels == 1 else "stereo"
        self._resampler = av.AudioResampler(format="flt", layout=layout, rate=rate)

    def resampled(self, piece: Any) -> Iterator[tuple[int, Float32Array]]:
        """Yield what comes of the next piece; None = the last one."""
        if piece is not None:
            self.next_s += piece.samples / piece.sample_rate
            piece.pts = None  # the place of a sample is its number: stated times of packets are rounded
        for out in self._resampler.resample(piece):
            values: Float32Array = np.asarray(out.to_ndarray(), np.float32).reshape(-1, self._channels)
            yield self._at, values
            self._at += len(values)
