from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.formats import frames

from ..trees import noise_video, write_video


def test_a_lossless_video_comes_back_exactly(tmp_path: Path) -> None:
    video = noise_video(7)
    write_video(tmp_path / "a.mkv", video, fps=25)
    found = frames.probe(tmp_path / "a.mkv")
    assert (found.n_frames, found.width, found.height, found.fps, found.notes) == (7, 64, 36, Fraction(25), ())
    read = list(frames.read(tmp_path / "a.mkv"))
    assert [f.index for f in read] == list(range(7))
    assert [f.pts_ms for f in read] == pytest.approx([40.0 * i for i in range(7)], abs=1)
    for frame, expected in zip(read, video, strict=True):
        assert np.array_equal(frame.rgb, expected)


def test_reordered_frames_of_an_avi_come_in_order(tmp_path: Path) -> None:
    video = np.stack([np.full((48, 64, 3), 8 * i, np.uint8) for i in range(24)])
    write_video(tmp_path / "b.avi", video, codec="libx264")
    means = [float(f.rgb.mean()) for f in frames.read(tmp_path / "b.avi")]
    assert len(means) == 24
    assert means == sorted(means)
    assert [f.pts_ms for f in frames.read(tmp_path / "b.avi")] == pytest.approx([i * 1000 / 30 for i in range(24)])


def test_one_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "one.mkv", noise_video(1))
    assert frames.probe(tmp_path / "one.mkv").n_frames == 1
    assert len(list(frames.read(tmp_path / "one.mkv"))) == 1


def test_a_folder_of_numbered_images(tmp_path: Path) -> None:
    for number in (3, 4, 10):
        Image.fromarray(noise_video(1, seed=number)[0]).save(tmp_path / f"clip_{number}.png")
    found = frames.probe(tmp_path)
    assert found.n_frames == 3
    assert "from 3 to 10 but there are 3 images" in found.notes[0]
    read = list(frames.read(tmp_path, first_number=3))
    assert [f.index for f in read] == [0, 1, 7]
    assert [f.pts_ms for f in read] == [0.0, 0.0, 0.0]
    timed = frames.read(tmp_path, first_number=3, fps=Fraction(30))
    assert [f.pts_ms for f in timed] == pytest.approx([0.0, 1000 / 30, 7000 / 30])
    assert np.array_equal(read[2].rgb, noise_video(1, seed=10)[0])


def test_gray_and_alpha_images_become_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 6), 9, np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(np.full((5, 6, 4), 9, np.uint8)).save(tmp_path / "alpha.png")
    for name in ("grey.png", "alpha.png"):
        (frame,) = frames.read(tmp_path / name)
        assert frame.rgb.shape == (5, 6, 3)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no frames at"):
        frames.probe(tmp_path / "absent.avi")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="no numbered images"):
        frames.probe(tmp_path / "empty")
    assert not frames.exists(tmp_path / "empty")


@pytest.mark.parametrize("content", [b"", b"no video", b"RIFF\x00\x00\x00\x00AVI LIST"])
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.avi"
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"bad\.avi"):
        frames.probe(path)


def test_a_truncated_image_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(noise_video(1)[0]).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadData, match=r"cut\.png: not a readable image"):
        list(frames.read(path))


def test_a_truncated_video_tells_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "cut.avi"
    write_video(path, noise_video(60, 90, 160), codec="mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = frames.probe(path)
    assert 0 < found.n_frames < 60
    assert any("60" in note and str(found.n_frames) in note for note in found.notes)


def test_reading_stops_its_thread_when_it_is_left(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", noise_video(40))
    before = threading.active_count()
    reader = frames.read(tmp_path / "a.mkv")
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
