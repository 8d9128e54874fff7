"""Pictures of a stimulus: marks lie where the gaze is, in the colour of the event, and captions say what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import UnknownName, WrongUse
from vidsal.loaders.inspect.marks import MARKS, event_of, legend_rows
from vidsal.loaders.inspect.view import Painter, overlay, save_sheet, save_video
from vidsal.loaders.records import EVENTS

from ..releases import image, stimulus, write_release


@pytest.fixture
def root(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    frames.mkdir()
    Image.fromarray(np.full((300, 400, 3), (0, 0, 200), np.uint8)).save(frames / "still.png")
    size = {"width": 400, "height": 300}
    rows = {
        "event": list(EVENTS),
        "observer_id": list("ABABAB"),
        "frame": np.array([0, 0, 0, 0, 0, 0], np.int32),
        "frame_end": np.array([4, 0, 0, 0, 0, 0], np.int32),
        "x_px": np.array([60.0, 120, 180, 240, 300, 360]),
        "y_px": np.full(6, 100.0),
    }
    other = {k: v if isinstance(v, str) else v[:1] for k, v in rows.items()}
    gaze = {
        "observer_id": ["A", "A", "A", "A"],
        "t_us": np.array([0, 50_000, 99_999, 100_000]),
        "x_px": np.array([60.0, 120, 0, 180]),
        "y_px": np.array([250.0, 250, 0, 250]),
        "confidence": np.array([1.0, 1.0, 0.0, 1.0]),
        "label": ["pursuit", None, "blink", "saccade"],
    }
    lines = [stimulus("clip", **size), image("still", **size), stimulus("alone", annotated=False, **size)]
    return write_release(tmp_path / "r", lines, {"clip": rows, "still": other}, {"clip": gaze}, frames_root=frames)


def painted(root: Path, name: str, index: int = 0, **options) -> tuple[np.ndarray, Painter]:
    ds = vidsal.load(root)
    settings = {"density": False, "recipe": None, "samples": True, **options}
    painter = Painter(ds, ds[name], 400, settings["density"], settings["recipe"], settings["samples"])
    rgb = None if name == "clip" else np.full((300, 400, 3), 7, np.uint8)
    return np.asarray(painter.frame(index, rgb)), painter


def near(picture: np.ndarray, x: float, y: float, color: tuple[int, int, int], reach: int = 12) -> bool:
    part = picture[int(y) - reach : int(y) + reach, int(x) - reach : int(x) + reach]
    return bool((part == color).all(axis=2).any())


def test_every_event_is_drawn_in_its_color_at_its_place(root: Path) -> None:
    picture, painter = painted(root, "clip", samples=False)
    for event, x in zip(EVENTS, (60, 120, 180, 240, 300, 360), strict=True):
        for other in EVENTS:
            assert near(picture, x, 100, MARKS[other].color) == (other == event), (event, other)
    assert (picture[200:, :] == 128).all()
    assert len({m.color for m in MARKS.values()}) == len(MARKS)
    assert painter.caption(0) == "frame 0, 0.00 s: 6 events"


def test_a_fixation_stays_on_all_its_frames(root: Path) -> None:
    for frame, there in ((0, True), (4, True), (5, False)):
        picture, _ = painted(root, "clip", frame)
        assert near(picture, 60, 100, MARKS["fixation"].color) == there


def test_samples_of_the_frame_are_drawn_and_lost_ones_counted(root: Path) -> None:
    picture, painter = painted(root, "clip")
    assert near(picture, 60, 250, MARKS["pursuit"].color)
    assert near(picture, 120, 250, MARKS["sample"].color)
    assert not near(picture, 180, 250, MARKS["saccade"].color)  # the next frame's
    assert (picture[:20, :20] == 128).all()  # lost at (0, 0)
    assert painter.caption(0) == "frame 0, 0.00 s: 6 events + 3 samples, 1 lost"
    assert painter.caption(1) == "frame 1, 0.10 s: 1 event + 1 sample"
    assert painter.caption(7) == "frame 7, 0.70 s: 0 events"


def test_what_lies_outside_is_counted_not_drawn(tmp_path: Path) -> None:
    rows = {
        "event": "fixation",
        "frame": np.zeros(2, np.int32),
        "x_px": np.array([-1.0, 5.0]),
        "y_px": np.array([5.0, 30.0]),
        "flags": [[], ["lost"]],
    }
    ds = vidsal.load(write_release(tmp_path, [stimulus("a")], {"a": rows}))
    painter = Painter(ds, ds["a"], 400, False, None, True)
    assert (np.asarray(painter.frame(0, None)) == 128).all()
    assert painter.caption(0) == "frame 0, 0.00 s: 2 events, 1 outside, 1 lost"
    assert "observers pooled" in painter.title


def test_the_title_says_what_is_missing(root: Path) -> None:
    assert painted(root, "clip")[1].title.endswith("2 observers, the frames are not on this machine: grey ground")
    assert painted(root, "still")[1].title == "synthetic: still, 400 x 300, an image, 1 observer"
    title = painted(root, "alone")[1].title
    assert "no observer, " in title
    assert "no gaze is known" in title


def test_a_sheet_shows_annotated_frames_and_says_of_the_others_what_they_are(tmp_path: Path) -> None:
    rows = {"event": "point", "frame": np.array([2], np.int32), "x_px": np.array([9.0]), "y_px": np.array([9.0])}
    ds = vidsal.load(write_release(tmp_path, [stimulus("a", n_frames=900, annotated_frames=[2, 3])], {"a": rows}))
    painter = Painter(ds, ds["a"], 400, False, None, True)
    assert "2 of the frames annotated" in painter.title
    captions = [painter.caption(f) for f in (2, 3, 4)]
    assert [c.split(": ")[1] for c in captions] == ["1 event", "0 events", "not annotated"]
    save_sheet(ds, ds["a"], tmp_path / "few.png")
    assert np.asarray(Image.open(tmp_path / "few.png")).shape[1] < 900  # two pictures beside each other, not twelve


def test_the_density_is_laid_over() -> None:
    rgb = np.full((3, 3, 3), 100, np.uint8)
    density = np.zeros((3, 3), np.float32)
    np.testing.assert_array_equal(overlay(rgb, density), rgb)
    density[1, 1] = 0.5
    density[0, 0] = 0.001
    found = overlay(rgb, density)
    assert (found[2] == 100).all()
    assert found[1, 1].max() > 180  # the bright end of the map
    assert abs(int(found[0, 0].max()) - 100) < 10


def test_a_sheet_of_a_video_and_of_an_image(root: Path, tmp_path: Path) -> None:
    ds = vidsal.load(root)
    title = save_sheet(ds, ds["still"], tmp_path / "still.png", density=True)
    assert title.endswith("1 observer, density overlaid")
    sheet = np.asarray(Image.open(tmp_path / "still.png"))
    assert (sheet == (0, 0, 200)).all(axis=2).sum() > 10_000  # the frame itself, where the density is low
    save_sheet(ds, ds["clip"], tmp_path / "clip.png", frames=5)
    one = (tmp_path / "clip.png").read_bytes()
    save_sheet(ds, ds["clip"], tmp_path / "again.png", frames=5)
    assert one == (tmp_path / "again.png").read_bytes()
    wide = np.asarray(Image.open(tmp_path / "clip.png"))
    save_sheet(ds, ds["alone"], tmp_path / "alone.png", frames=99)
    many = np.asarray(Image.open(tmp_path / "alone.png"))
    assert wide.shape[1] == many.shape[1]
    assert many.shape[0] > wide.shape[0]  # ten frames in three rows, five in two


def test_a_video_holds_every_frame(tmp_path: Path) -> None:
    import av

    generate(tmp_path / "source", videos=1, frames=7, width=66, height=47, observers=2, val=0)
    convert("synthetic", tmp_path / "source", tmp_path / "release", workers=1)
    ds = vidsal.load(tmp_path / "release")
    told: list[tuple[int, int, str]] = []
    for suffix in (".mp4", ".avi"):
        path = tmp_path / f"out{suffix}"
        save_video(ds, ds["scene_001"], path, density=True, progress=lambda *step: told.append(step))
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
            assert stream.average_rate == 30
        assert len(frames) == 7
        assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
        original = next(iter(ds["scene_001"].frames())).rgb
        corner = frames[0][-30:, -30:].mean(axis=(0, 1))  # far from the gaze: the video's own colour
        assert np.abs(corner - original[-4:, -4:].mean(axis=(0, 1))).max() < 12
    assert told == [(n, 7, f"frame {n - 1}") for n in range(1, 8)] * 2


def test_a_video_of_an_image_lasts_a_second(root: Path, tmp_path: Path) -> None:
    import av

    ds = vidsal.load(root)
    save_video(ds, ds["still"], tmp_path / "still.mp4")
    with av.open(str(tmp_path / "still.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_wrong_names_and_recipes(root: Path, tmp_path: Path) -> None:
    ds = vidsal.load(root)
    with pytest.raises(WrongUse, match="a sheet is a PNG"):
        save_sheet(ds, ds["still"], tmp_path / "a.jpg")
    with pytest.raises(WrongUse, match=r"written as \.mp4, \.avi"):
        save_video(ds, ds["still"], tmp_path / "a.gif")
    with pytest.raises(UnknownName, match="truth recipe"):
        save_sheet(ds, ds["still"], tmp_path / "a.png", density=True, recipe="smooth")
    assert not [p for p in tmp_path.iterdir() if p.is_file()]


def test_labels_and_the_legend() -> None:
    words = ["fixation", "Smooth Pursuit", "SP", "saccade", "blink", "-", None]
    assert [event_of(w) for w in words] == ["fixation", "pursuit", "pursuit", "saccade", "noise", "noise", "sample"]
    assert legend_rows([], 500) == []
    assert legend_rows(["mouse", "fixation"], 5000) == [["fixation", "mouse"]]
    assert [len(row) for row in legend_rows(MARKS, 150)] == [1] * len(MARKS)
