from __future__ import annotations

import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.formats import frames
from vidsal.loaders.formats.sound import SoundTrack

from ..trees import noise_video, write_timed_video, write_video


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


def test_two_images_of_one_number_are_named(tmp_path: Path) -> None:
    """One is missing, so that their count is right."""
    for name in ("0.png", "2.png", "02.jpg"):
        Image.fromarray(noise_video(1)[0]).save(tmp_path / name)
    for look in (frames.probe, lambda path: list(frames.read(path))):
        with pytest.raises(BadData, match=r"02\.jpg and 2\.png are both image 2; leave one of them"):
            look(tmp_path)


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


GREYS = np.stack([np.full((48, 64, 3), 20 * i + 10, np.uint8) for i in range(6)])
TIMES = (0, 1, 2, 5, 6, 7)
SHOWN = [10, 30, 50, 50, 50, 70, 90, 110]


def assert_shown(path: Path, levels: list[int], fps: int) -> None:
    found = frames.probe(path)
    read = list(frames.read(path))
    assert found.n_frames == len(levels)
    assert found.fps == fps
    assert [f.index for f in read] == list(range(len(levels)))
    assert [f.pts_ms for f in read] == pytest.approx([i * 1000 / fps for i in range(len(levels))])
    assert [float(f.rgb.mean()) for f in read] == pytest.approx(levels, abs=4)


@pytest.mark.parametrize("codec", ["ffv1", "mpeg4", "mjpeg"])
def test_null_chunks_of_an_avi_repeat_the_picture_before(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "null.avi"
    write_timed_video(path, GREYS, TIMES, codec=codec)
    assert_shown(path, SHOWN, 25)
    assert frames.probe(path).notes == (
        "6 pictures for 8 frames: null chunks; the picture on the screen is repeated 2 times",
    )


def test_null_chunks_among_reordered_frames(tmp_path: Path) -> None:
    write_timed_video(tmp_path / "null.avi", GREYS, TIMES, codec="libx264")
    assert_shown(tmp_path / "null.avi", SHOWN, 25)


def test_null_chunks_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "end.avi"
    write_timed_video(path, GREYS, TIMES, codec="mjpeg")
    data = path.read_bytes()
    at = data.index(b"idx1")
    path.write_bytes(data[:at] + 3 * b"00dc\0\0\0\0" + data[at:])
    assert_shown(path, [*SHOWN, 110, 110, 110], 25)


@pytest.mark.parametrize(("name", "codec"), [("gap.mkv", "ffv1"), ("gap.mp4", "libx264"), ("gap.mp4", "mpeg4")])
def test_a_gap_in_the_presentation_times_repeats_the_picture(tmp_path: Path, name: str, codec: str) -> None:
    write_timed_video(tmp_path / name, GREYS, TIMES, codec=codec)
    assert_shown(tmp_path / name, SHOWN, 25)
    (note,) = frames.probe(tmp_path / name).notes
    assert note == (
        "6 pictures for 8 frames: gaps in the presentation times; the picture on the screen is repeated 2 times"
    )


def test_one_frame_dropped_of_many_is_found(tmp_path: Path) -> None:
    video = np.stack([np.full((16, 16, 3), 2 * i, np.uint8) for i in range(100)])
    times = [t for t in range(101) if t != 50]
    write_timed_video(tmp_path / "a.mkv", video, times, fps=30)
    assert_shown(tmp_path / "a.mkv", [2 * (t if t < 50 else t - 1) for t in range(101)], 30)


@pytest.mark.parametrize(("name", "codec"), [("ms.mp4", "libx264"), ("ms.mp4", "mpeg4"), ("ms.mkv", "ffv1")])
@pytest.mark.parametrize("round_to_ms", [np.rint, np.floor])
def test_times_in_whole_milliseconds_are_of_one_rate(
    tmp_path: Path, name: str, codec: str, round_to_ms: np.ufunc
) -> None:
    """An MP4 counts in sixteenths of them, so that neighboring steps differ by 16 ticks."""
    video = np.stack([np.full((16, 16, 3), 4 * i, np.uint8) for i in range(60)])
    times = round_to_ms(np.arange(60) * 1000 / 30).astype(int).tolist()
    write_timed_video(tmp_path / name, video, times, fps=1000, codec=codec, stated=30)
    found = frames.probe(tmp_path / name)
    assert found.notes == ()
    assert float(found.fps or 0) == pytest.approx(30, rel=0.002)


def test_steps_that_change_are_a_variable_rate(tmp_path: Path) -> None:
    times = np.cumsum([33, 39, 27, 33] * 7 + [33, 33]).tolist()
    write_timed_video(tmp_path / "a.mp4", noise_video(30, 16, 16), times, fps=1000, codec="libx264", stated=30)
    assert frames.probe(tmp_path / "a.mp4").notes[0].startswith("variable frame rate: ")


def test_presentation_times_win_over_the_rate_of_the_header(tmp_path: Path) -> None:
    times = np.rint(np.arange(60) * 1000 / 24).astype(int).tolist()
    write_timed_video(tmp_path / "a.mkv", noise_video(60, 16, 16), times, fps=1000, stated=30)
    found = frames.probe(tmp_path / "a.mkv")
    assert found.fps == 24
    assert found.notes == ("the header says 30 frames a second, the presentation times 24; taken by the times",)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_rotated_video_is_turned_upright(tmp_path: Path, rotation: int) -> None:
    stored = noise_video(3, 32, 64)
    write_timed_video(tmp_path / "phone.mov", stored, (0, 1, 2), codec="png", rotation=rotation)
    found = frames.probe(tmp_path / "phone.mov")
    assert (found.width, found.height) == ((64, 32) if rotation == 180 else (32, 64))
    assert found.notes == ()
    assert found.remarks == ("turned upright, as its display matrix says",)
    for frame, expected in zip(frames.read(tmp_path / "phone.mov"), stored, strict=True):
        assert np.array_equal(frame.rgb, np.rot90(expected, rotation // 90))


def test_the_matrix_of_a_phone_turns_clockwise(tmp_path: Path) -> None:
    """The track header as phones write it: x to the right is shown downwards."""
    write_with_matrix(tmp_path / "phone.mov", [0, 0x10000, 0, -0x10000, 0, 0, 32 << 16, 0, 0x40000000])
    (frame,) = frames.read(tmp_path / "phone.mov")
    assert np.array_equal(frame.rgb, noise_video(1, 32, 64)[0].swapaxes(0, 1)[:, ::-1])


def test_a_mirrored_video(tmp_path: Path) -> None:
    write_with_matrix(tmp_path / "selfie.mov", [-0x10000, 0, 0, 0, 0x10000, 0, 64 << 16, 0, 0x40000000])
    (frame,) = frames.read(tmp_path / "selfie.mov")
    assert np.array_equal(frame.rgb, noise_video(1, 32, 64)[0][:, ::-1])


def write_with_matrix(path: Path, matrix: list[int]) -> None:
    """Write one frame, and the matrix into its track header."""
    write_timed_video(path, noise_video(1, 32, 64), (0,), codec="png")
    data = path.read_bytes()
    upright = np.array([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000], ">i4").tobytes()
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + np.array(matrix, ">i4").tobytes() + data[at + 36 :])


def grey_ramp() -> np.ndarray:
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


RAMPS = {
    "shifted.png": lambda v: v.astype(np.uint16) << 8,
    "stretched.png": lambda v: v.astype(np.uint16) * 257,
    "deep.tif": lambda v: v.astype(np.uint16) << 8,
    "unit.tif": lambda v: v.astype(np.float32) / 255,
    "float.tif": lambda v: v.astype(np.float32),
    "wide.tif": lambda v: v.astype(np.int32) << 8,
    "narrow.tif": lambda v: v.astype(np.int32),
}


@pytest.mark.parametrize("name", RAMPS)
def test_grey_of_any_depth_is_the_same_picture(tmp_path: Path, name: str) -> None:
    Image.fromarray(RAMPS[name](grey_ramp())).save(tmp_path / name)
    (frame,) = frames.read(tmp_path / name)
    assert np.array_equal(frame.rgb, np.repeat(grey_ramp()[..., None], 3, axis=2))
    assert len(frames.probe(tmp_path / name).remarks) == 1


def test_grey_that_fits_no_range_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 300.0, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(BadData, match=r"a\.tif: floating-point grey from 300 to 300"):
        frames.probe(tmp_path / "a.tif")


def test_encodings_of_one_picture(tmp_path: Path) -> None:
    black_white = np.where(grey_ramp() > 127, 255, 0).astype(np.uint8)
    grey = Image.fromarray(black_white)
    for name, image in (
        ("bit.png", grey.convert("1")),
        ("palette.png", grey.convert("P")),
        ("a.png", grey.convert("LA")),
    ):
        image.save(tmp_path / name)
        (frame,) = frames.read(tmp_path / name)
        assert np.array_equal(frame.rgb, np.repeat(black_white[..., None], 3, axis=2)), name
        assert frames.probe(tmp_path / name).remarks == ()


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_an_image_of_several_pictures_says_so(tmp_path: Path, suffix: str) -> None:
    one, two = (Image.fromarray(np.full((8, 12), level, np.uint8)) for level in (50, 90))
    one.save(tmp_path / f"1.{suffix}", save_all=True, append_images=[two], lossless=True)
    assert frames.probe(tmp_path / f"1.{suffix}").notes == ("holds 2 pictures, of which only the first is read",)
    (frame,) = frames.read(tmp_path / f"1.{suffix}")
    assert np.unique(frame.rgb).tolist() == [50]
    two.save(tmp_path / f"2.{suffix}")
    (note,) = frames.probe(tmp_path).notes
    assert note == f"images that hold several pictures, of which only the first is read: 1.{suffix}"


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    """The upright picture is bright at the top left; where that corner lies in the file is EXIF's own table."""
    upright = np.zeros((24, 40), np.uint8)
    upright[:8, :8] = 255
    upright[:8, 8:16] = 128  # to the right of the corner
    row_0, column_0 = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "lt", 6: "rt", 7: "rb", 8: "lb"}[orientation]
    # EXIF: the 0th row of the file is this side of the picture, the 0th column is that side
    stored = upright if row_0 in "tb" else upright.T
    stored = stored[::-1] if row_0 in "br" else stored
    stored = stored[:, ::-1] if column_0 in "br" else stored
    image = Image.fromarray(np.ascontiguousarray(stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / f"a.{suffix}", exif=exif, **({"quality": 100} if suffix == "jpg" else {}))
    (frame,) = frames.read(tmp_path / f"a.{suffix}")
    assert frame.rgb.shape == (24, 40, 3)
    assert np.abs(frame.rgb[..., 0].astype(int) - upright).max() <= 3
    found = frames.probe(tmp_path / f"a.{suffix}")
    assert (found.width, found.height) == (40, 24)
    assert bool(found.remarks) == (orientation != 1)


def test_what_systems_leave_behind_is_no_image(tmp_path: Path) -> None:
    for number in (1, 2):
        Image.fromarray(noise_video(1)[0]).save(tmp_path / f"{number}.png")
        (tmp_path / f"._{number}.png").write_bytes(b"\0\5\26\7")
    assert [path.name for _, path in frames.numbered_images(tmp_path)] == ["1.png", "2.png"]
    assert frames.probe(tmp_path).n_frames == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_never_collects_the_decoders_that_it_inherits() -> None:
    code = (
        "import sys; sys.path.insert(0, 'src'); import gc, os; import vidsal.loaders.formats.video; "
        "child = os.fork(); child or os._exit(3 if gc.get_freeze_count() > 100 else 4); "
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 3


def test_a_picture_of_ten_billion_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    path = tmp_path / "0001.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    for read in (frames.probe, lambda place: list(frames.read(place))):
        for place in (path, tmp_path):
            with pytest.raises(BadData, match=r"0001\.png: more pixels than are read"):
                read(place)


def test_a_play_list_is_no_video(tmp_path: Path) -> None:
    """It would lead to other files, or to other machines."""
    for name, text in (
        ("list.mp4", "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.mp4\n#EXT-X-ENDLIST\n"),
        ("list.avi", "ffconcat version 1.0\nfile 'http://127.0.0.1:9/x.avi'\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadData, match="not a readable video"):
            frames.probe(tmp_path / name)


def test_a_list_of_videos_beside_it_is_no_video(tmp_path: Path) -> None:
    """FFmpeg would play the other one under its name."""
    write_video(tmp_path / "other.avi", np.zeros((3, 48, 64, 3), np.uint8))
    (tmp_path / "list.avi").write_text("ffconcat version 1.0\nfile 'other.avi'\n")
    for read in (frames.probe, lambda place: list(frames.read(place)), lambda place: SoundTrack(place, 16_000, 1)):
        with pytest.raises(BadData, match=r"list\.avi: a play list \(concat\), which names other files"):
            read(tmp_path / "list.avi")
