"""xu-hevc with videos of other containers, codecs and lengths than the usual ones: frames, rates and spans hold."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidsal.loaders.conversion.convert import Conversion, convert
from vidsal.loaders.errors import MissingData
from vidsal.loaders.io import registers
from vidsal.loaders.release.release import load

from .test_xu_hevc import write_database

NAME = "BasketballPass"  # of 416 x 240 at 50 a second
FRAMES, SIZE = 100, (416, 240)
ROWS = [(1, 1, 0, 400, 100, 100), (1, 1, 1_700, 400, 5, 6), (2, 1, 1_990, 5, 415, 239)]


LINES, ROWS_OF = registers.rows("xu_hevc"), registers.rows


@pytest.fixture(autouse=True)
def a_short_video(monkeypatch: pytest.MonkeyPatch) -> None:
    """The register with 100 of this video's 500 frames: encoding the others takes longer and shows nothing."""
    lines = tuple({**line, "n_frames": str(FRAMES)} if line["video"] == NAME else line for line in LINES)
    monkeypatch.setattr(registers, "rows", lambda name: lines if name == "xu_hevc" else ROWS_OF(name))


def write(
    path: Path, codec: str = "libx264", pixels: str = "yuv420p", *, frames: int = FRAMES, size: tuple[int, int] = SIZE
) -> None:
    """A video whose frame i has the luma 20 + 7 i mod 200; 50 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fast = {"libx264": {"preset": "ultrafast", "bf": "3"}}
    with av.open(str(path), "w", format="mpegts" if path.suffix == ".m2t" else None) as container:
        stream = container.add_stream(codec, rate=50, options=fast.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for i in range(frames):
            gray = np.full((size[1], size[0]), 20 + i * 7 % 200, np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format=pixels)
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def converted(root: Path) -> Conversion:
    write_database(root / "video_database.mat", ROWS, videos=(NAME,))
    return convert("xu-hevc", root, root / "out", workers=1)


def odd(result: Conversion) -> list[tuple[str, str]]:
    """Anomalies of the video; those of the rest of the set are always there."""
    return [(a.kind, a.message) for a in result.anomalies if NAME in a.where and a.fatal]


@pytest.mark.parametrize(
    ("ending", "codec", "pixels"),
    [
        (".avi", "libx264", "yuv422p"),
        (".mp4", "libx264", "yuv420p10le"),
        (".mkv", "libx264", "yuv444p"),
        (".mov", "libx264", "yuvj420p"),
        (".m2t", "mpeg2video", "yuv420p"),
        (".AVI", "mpeg4", "yuv420p"),
        (".mkv", "ffv1", "yuv420p16le"),
    ],
)
def test_any_container_and_pixel_format_gives_the_same_release(
    ending: str, codec: str, pixels: str, tmp_path: Path
) -> None:
    write(tmp_path / "videos" / f"{NAME}{ending}", codec, pixels)
    result = converted(tmp_path)
    (stimulus,) = (s for s in load(tmp_path / "out") if s.id == NAME)
    assert not odd(result)
    assert (stimulus.n_frames, stimulus.width, stimulus.height, stimulus.fps) == (FRAMES, *SIZE, Fraction(50))
    points = stimulus.gaze_points
    assert points.frame.tolist() == [0, 84, 99]
    assert points.frame_end.tolist() == [19, 99, 99]
    lumas = np.array([float(f.rgb[::40, ::40].mean()) for f in stimulus.frames()])
    assert np.abs(lumas - (20 + np.arange(FRAMES) * 7 % 200)).max() < 20


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES + 1, 90])
def test_another_number_of_frames_is_told_with_both_and_decoded_ones_win(frames: int, tmp_path: Path) -> None:
    write(tmp_path / "videos" / f"{NAME}.avi", frames=frames)
    result = converted(tmp_path)
    assert ("mismatch", f"{frames} frames decoded, the register says {FRAMES}") in odd(result)
    (stimulus,) = load(tmp_path / "out")
    assert stimulus.n_frames == frames == len(list(stimulus.frames()))
    assert stimulus.gaze_points.frame_end.max() == frames - 1
    assert any(a.kind == "out-of-range" for a in result.anomalies) == (frames < FRAMES)


def test_a_bad_gaze_file_leaves_the_videos_and_without_them_nothing(tmp_path: Path) -> None:
    (tmp_path / "video_database.mat").write_bytes(b"no MAT file")
    with pytest.raises(MissingData, match=r"video_database\.mat.*remega/video_database"):
        convert("xu-hevc", tmp_path, tmp_path / "out", workers=1)
    write(tmp_path / "videos" / f"{NAME}.avi", "mpeg4", frames=5)
    write(tmp_path / "videos" / "Unknown.avi", "mpeg4", frames=3)
    result = convert("xu-hevc", tmp_path, tmp_path / "out", workers=1)
    assert [a.where for a in result.anomalies if a.kind == "unreadable"] == ["video_database.mat"]
    assert [(s.id, s.n_frames, s.annotated) for s in load(tmp_path / "out")] == [
        (NAME, 5, False),
        ("Unknown", 3, False),
    ]


def test_unregistered_names_and_videos_come_in_one_natural_order(tmp_path: Path) -> None:
    for name in ("Extra2", "Extra10"):
        write(tmp_path / "videos" / f"{name}.avi", "mpeg4", frames=2)
    rows = [(1, number, 0, 400, 10, 10) for number in (1, 2, 3)]
    write_database(tmp_path / "video_database.mat", rows, videos=("Extra9", NAME, "Extra11"))
    convert("xu-hevc", tmp_path, tmp_path / "out", workers=1)
    assert load(tmp_path / "out").ids == (NAME, "Extra2", "Extra9", "Extra10", "Extra11")


def test_another_size_and_a_cut_file_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a" / "videos" / f"{NAME}.avi", size=(400, 240))
    result = converted(tmp_path / "a")
    assert ("wrong-size", "frames are 400x240, the register says 416x240") in odd(result)
    assert any(a.kind == "out-of-range" and a.where == "fixations" for a in result.anomalies)
    path = tmp_path / "b" / "videos" / f"{NAME}.avi"
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    kinds = {kind for kind, _ in odd(converted(tmp_path / "b"))}
    assert "mismatch" in kinds
