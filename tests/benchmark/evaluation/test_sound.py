"""The sound that a model hears with each frame, proved by a click in a known frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import vidsal
from vidsal.benchmark.conformance import check
from vidsal.benchmark.evaluation.run import evaluate
from vidsal.benchmark.footage.predict import predict_footage
from vidsal.benchmark.predictor import Audio, ModelInfo, Prediction, StimulusInfo
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.formats.sound import SoundTrack
from vidsal.loaders.records import Frame

from ..runs import Brightness, small_release

FPS, FRAMES, CLICK = 25, 20, 13
AFTER_S = 0.012
"""The click is heard so long after frame 13 is seen."""


def write_video(
    path: Path, codec: str = "pcm_s16le", rate: int = 44100, late_s: float = 0.0, sound_s: float | None = None
) -> Path:
    """Write 20 frames, and a sound of noise with one click; the sound begins `late_s` before the pictures."""
    length = late_s + (FRAMES / FPS if sound_s is None else sound_s)
    wave = 0.002 * np.random.default_rng(0).standard_normal(round(length * rate))
    at = round((late_s + CLICK / FPS + AFTER_S) * rate)
    wave[at : at + 2] = 0.9
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("mpeg4", rate=FPS)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 24, "yuv420p"
        sound: Any = container.add_stream(codec, rate=rate)
        sound.layout = "stereo"
        sound.time_base = Fraction(1, rate)
        samples = np.round(np.repeat(wave[:, None], 2, 1) * 32767).astype(np.int16)
        resampler = av.AudioResampler(format=sound.format, layout="stereo", rate=rate)
        for begin in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[begin : begin + 1024].reshape(1, -1))
            piece = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            piece.sample_rate, piece.pts, piece.time_base = rate, begin, Fraction(1, rate)
            for ready in resampler.resample(piece):
                container.mux(sound.encode(ready))
        container.mux(sound.encode(None))
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(np.full((24, 32, 3), 9 * number, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number + round(late_s * FPS), Fraction(1, FPS)
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode(None))
    return path


class Listener(Brightness):
    """Keeps what it hears."""

    def __init__(self, audio: Audio, **changes: Any) -> None:
        super().__init__(name="listener", audio=audio, **changes)
        self.heard: list[Any] = []

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        self.heard.clear()
        for frame in frames:
            assert frame.sound is not None
            self.heard.append(frame.sound)
            yield Prediction(frame.index, frame.rgb[..., 1] + np.float32(np.abs(frame.sound).max()))


@pytest.mark.parametrize("late_s", [0.0, 0.4])
@pytest.mark.parametrize(
    ("suffix", "codec", "rate"), [(".mkv", "pcm_s16le", 44100), (".mp4", "aac", 48000), (".mov", "pcm_s16le", 8000)]
)
def test_a_click_is_heard_in_its_frame(tmp_path: Path, suffix: str, codec: str, rate: int, late_s: float) -> None:
    path = write_video(tmp_path / f"clip{suffix}", codec, rate, late_s)
    model = Listener(Audio(rate=16000, before_ms=20, after_ms=40))
    predict_footage(model, path, tmp_path / "maps")
    assert {sound.shape for sound in model.heard} == {(960, 1)}
    assert {sound.dtype for sound in model.heard} == {np.dtype(np.float32)}
    loudest = int(np.argmax([np.abs(sound).max() for sound in model.heard]))
    assert loudest in (CLICK, CLICK + 1)  # its last 20 ms are heard before the next frame, too
    at_ms = np.abs(model.heard[CLICK][:, 0]).argmax() / 16 - 20
    assert at_ms == pytest.approx(1000 * AFTER_S, abs=1.0)
    # Nothing else is loud, and the click is nowhere else.
    assert max(np.abs(sound).max() for n, sound in enumerate(model.heard) if n not in (CLICK, CLICK + 1)) < 0.1


def test_windows_follow_one_another_without_a_seam(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv")
    whole = SoundTrack(path, 16000, 2).window(-0.1, 16000)
    assert not whole[:1600].any()
    assert whole[1600:].any()
    track = SoundTrack(path, 16000, 2)
    parts = [track.window(-0.1 + n / 100, 160) for n in range(100)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert track.end_s == pytest.approx(FRAMES / FPS, abs=0.002)
    assert np.array_equal(whole[:, 0], whole[:, 1])


def test_no_sound_is_an_error_or_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = small_release(tmp_path, videos=1, frames=3)
    data = vidsal.load(root)
    with pytest.raises(MissingData, match=r"listener, .*there is no sound.*silence"):
        evaluate(Listener(Audio()), data)
    silent = Listener(Audio(missing="silence"))
    run = evaluate(silent, data)
    assert not np.concatenate(silent.heard).any()
    assert "no sound" in caplog.text
    assert run.record["model"]["audio"] is True
    assert run.record["model"]["sound"]["rate"] == 16000
    assert "sound" not in evaluate(Brightness(), data).record["model"]
    made = vidsal.predict(silent, data, tmp_path / "sub")
    assert json.loads((made.folder / "submission.json").read_text())["model"]["audio"] is True
    frames = (np.zeros((24, 32, 3), np.uint8) for _ in range(3))
    with pytest.raises(MissingData, match="no video file"):
        predict_footage(Listener(Audio()), frames, tmp_path / "maps")


def test_a_short_track_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_video(tmp_path / "clip.mkv", sound_s=0.56)
    own: dict[str, Any] = {"before_ms": 0.0, "after_ms": 40.0}
    with pytest.raises(
        BadData, match=r"clip: the sound track ends after 0\.5\d\d s, frame 18 of 20 is seen at 0\.720 s"
    ):
        predict_footage(Listener(Audio(**own)), path, tmp_path / "maps")
    silent = Listener(Audio(**own, missing="silence"))
    predict_footage(silent, path, tmp_path / "maps")
    assert not silent.heard[-1].any()
    assert silent.heard[CLICK].any()
    assert caplog.text.count("the sound track ends") == 1


def test_later_sound_counts_as_later_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv")
    with pytest.raises(WrongUse, match="looks 0 frames ahead and asks for 80 ms"):
        predict_footage(Listener(Audio(after_ms=80)), path, tmp_path / "maps")
    predict_footage(Listener(Audio(after_ms=80), causal=False, lookahead=1), path, tmp_path / "maps")
    for wrong in ({"rate": 10}, {"channels": 3}, {"before_ms": 0}, {"missing": "noise"}):
        with pytest.raises(WrongUse):
            Audio(**wrong)  # type: ignore[arg-type]
    assert all(finding.ok for finding in check(lambda: Listener(Audio())))
    assert ModelInfo("m").audio is False
