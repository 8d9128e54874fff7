"""Any video, image, folder or arrays through a model, without a release."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.evaluation.run import ModelRecord
from vidsal.benchmark.footage.overlay import blend
from vidsal.benchmark.footage.predict import Maps, predict_footage
from vidsal.benchmark.predictor import Prediction, StimulusInfo
from vidsal.benchmark.submissions.held import held
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.formats import frames as frame_files
from vidsal.loaders.io.workers import Processes, Task
from vidsal.loaders.records import Frame

from ...loaders.trees import noise_video, write_video
from ..runs import Brightness, Scripted, small_release


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("footage"), videos=2, frames=5)


@pytest.fixture(scope="module")
def clip(root: Path) -> Path:
    return next(p for p in sorted((root.parent / "source").rglob("*")) if p.suffix in frame_files.VIDEO_SUFFIXES)


class Published(Brightness):
    """Has maps that its authors would have written."""

    def published_map(self, values: Any, stimulus: StimulusInfo) -> Any:
        return (values / 2).astype(np.uint8)


def pixels(folder: Path) -> dict[str, Any]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def frames_of(path: Path) -> list[Frame]:
    return list(frame_files.read(path))


def write_frames(folder: Path, count: int = 3, size: tuple[int, int] = (32, 24), first: int = 1) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        rgb = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(rgb).save(folder / f"img_{number + first:04d}.png")
    return folder


# ---------------------------------------------------------------------------------------------------------------------
# The same maps as those of a release


@pytest.mark.parametrize("as_published", [False, True])
def test_the_maps_are_those_of_the_release(tmp_path: Path, root: Path, clip: Path, as_published: bool) -> None:
    model, ds = Published(), vidsal.load(root)
    vidsal.predict(model, ds, tmp_path / "sub", encoding="png8", as_published=as_published)
    made = vidsal.predict(model, clip, tmp_path / "maps", as_published=as_published)
    assert isinstance(made, Maps)
    stored = tmp_path / "sub" / "predictions" / clip.stem
    assert sorted(p.name for p in made.places[clip.stem].iterdir()) == [f"{n:06d}.png" for n in range(5)]
    assert all((made.places[clip.stem] / p.name).read_bytes() == p.read_bytes() for p in stored.iterdir())
    assert not (tmp_path / "maps" / ".partial").exists()


def test_frames_in_memory_and_on_disk_give_the_maps_of_the_video(tmp_path: Path, clip: Path) -> None:
    torch = pytest.importorskip("torch")
    model, rgb = Brightness(), np.stack([f.rgb for f in frames_of(clip)])
    expected = pixels(predict_footage(model, clip, tmp_path / "a").places[clip.stem])
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, picture in enumerate(rgb):
        Image.fromarray(picture).save(folder / f"{number + 7}.png")
    tensor = torch.from_numpy(rgb).permute(0, 3, 1, 2)
    for number, data in enumerate(
        [rgb, list(rgb), iter(rgb), (f for f in frames_of(clip)), tensor, tensor.float() / 255, [folder], str(folder)]
    ):
        made = predict_footage(model, data, tmp_path / f"b{number}", name="folder")
        assert same(pixels(made.places["folder"]), expected), number


def test_an_iterator_is_told_how_long_it_is(tmp_path: Path) -> None:
    class Asks(Brightness):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            assert (stimulus.n_frames, stimulus.fps, stimulus.size) == (3, 30.0, (8, 6))
            for frame in frames:
                assert frame.pts_ms == pytest.approx(frame.index * 1000 / 30)
                yield Prediction(frame.index, np.full((6, 8), float(frame.index)) + np.eye(6, 8))

    made = predict_footage(Asks(), (np.zeros((6, 8, 3), np.uint8) for _ in range(3)), tmp_path / "m", fps=30)
    assert made.frames == {"frames": 3}


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "not one frame"),
        ([np.zeros((4, 4), np.uint8)], "shape"),
        ([np.full((4, 4, 3), 300.0)], "0 to 1"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)], "frame 1 is 6 x 4"),
    ],
)
def test_what_are_no_frames(tmp_path: Path, frames: list[Any], words: str) -> None:
    for given in (frames, iter(frames)):
        with pytest.raises(BadData, match=words):
            predict_footage(Brightness(), given, tmp_path / "m")
    with pytest.raises(WrongUse, match="int"):
        predict_footage(Brightness(), 3, tmp_path / "m")  # type: ignore[arg-type]
    assert not (tmp_path / "m").exists()


# ---------------------------------------------------------------------------------------------------------------------
# What the paths name


def test_a_folder_is_a_video_or_all_that_lies_in_it(tmp_path: Path, clip: Path) -> None:
    notes: list[str] = []
    home = tmp_path / "home"
    write_frames(home / "a.b")
    write_frames(home / "deep" / "c", count=2)
    shutil.copy(clip, home / f"film{clip.suffix}")
    Image.new("RGB", (12, 9)).save(home / "photo.jpg")
    Image.new("RGB", (12, 9)).save(home / "phone.webp")
    (home / "readme.txt").write_text("text")
    (home / ".DS_Store").write_text("text")
    made = predict_footage(Brightness(), home, tmp_path / "m", note=notes.append)
    assert dict(made.frames) == {"a.b": 3, "c": 2, "film": 5, "photo": 1, "phone": 1}
    kinds = {name: json.loads((tmp_path / "m" / f"{name}.json").read_text())["input"]["kind"] for name in made.frames}
    assert kinds == {"a.b": "video", "c": "video", "film": "video", "photo": "image", "phone": "image"}
    assert len(notes) == 1
    assert "readme.txt" in notes[0]
    photos = predict_footage(Brightness(), home / "a.b", tmp_path / "p", photos=True)
    assert list(photos.frames) == ["img_0001", "img_0002", "img_0003"]


def test_two_of_one_name_are_named(tmp_path: Path, clip: Path) -> None:
    other = tmp_path / "other" / clip.name
    other.parent.mkdir()
    shutil.copy(clip, other)
    with pytest.raises(WrongUse, match="both are named") as caught:
        predict_footage(Brightness(), [clip, other], tmp_path / "m")
    assert str(clip) in str(caught.value)
    assert str(other) in str(caught.value)


def test_bad_inputs_say_what_they_are(tmp_path: Path) -> None:
    def refused(path: Path, words: str, error: type[Exception] = BadData) -> None:
        with pytest.raises(error, match=words):
            predict_footage(Brightness(), path, tmp_path / "m")

    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("not a video")
    (tmp_path / "fake.mp4").write_bytes(b"\0" * 500)
    mixed = write_frames(tmp_path / "mixed")
    Image.new("RGB", (40, 24)).save(mixed / "img_0004.png")
    gaps = write_frames(tmp_path / "gaps")
    (gaps / "img_0002.png").unlink()
    named = write_frames(tmp_path / "named")
    Image.new("RGB", (32, 24)).save(named / "cat.png")
    refused(tmp_path / "none.mp4", "no such file", MissingData)
    refused(tmp_path / "empty", "no video and no image", MissingData)
    refused(tmp_path / "notes.txt", "neither a video nor an image")
    refused(tmp_path / "fake.mp4", "not a readable video")
    refused(mixed, "several sizes.*--photos")
    refused(gaps, "numbers run from 1 to 3.*--photos")
    refused(named, "without a number.*cat.png")
    assert not (tmp_path / "m").exists()


# ---------------------------------------------------------------------------------------------------------------------
# The output


def test_a_finished_call_does_nothing_and_others_may_follow(tmp_path: Path, clip: Path) -> None:
    calls: list[str] = []

    class Counted(Brightness):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            calls.append(stimulus.id)
            return super().predict(frames, stimulus)

    folder, out = write_frames(tmp_path / "folder"), tmp_path / "m"
    predict_footage(Counted(), clip, out)
    predict_footage(Counted(), [clip, folder], out)
    assert calls == [clip.stem, "folder"]
    spoiled = out / clip.stem / "000002.png"
    before = spoiled.read_bytes()
    spoiled.write_bytes(before[:-9])
    notes: list[str] = []
    predict_footage(Counted(), clip, out, note=notes.append)
    assert calls[2:] == [clip.stem]
    assert "damaged" in notes[0]
    assert spoiled.read_bytes() == before
    with pytest.raises(WrongUse, match="holds maps by brightness.*--fresh"):
        predict_footage(Brightness(version="2"), clip, out)
    predict_footage(Brightness(version="2"), clip, out, fresh=True)
    assert json.loads((out / f"{clip.stem}.json").read_text())["model"]["version"] == "2"


def test_a_damaged_video_is_an_error_that_keeps_what_was_predicted(tmp_path: Path, clip: Path) -> None:
    pictures = noise_video(12)
    for name, codec in (("cut.avi", "mpeg4"), ("broken.mp4", "libx264")):
        write_video(tmp_path / name, pictures, codec=codec)
    content = bytearray((tmp_path / "broken.mp4").read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(
        255 - b for b in content[len(content) // 3 : len(content) // 2]
    )
    (tmp_path / "broken.mp4").write_bytes(content)
    content = bytearray((tmp_path / "cut.avi").read_bytes())
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    for name, why in (("cut.avi", "header promises 12 frames"), ("broken.mp4", "decoder stopped after")):
        stem, out = name.split(".")[0], tmp_path / "m"
        with pytest.raises(BadData, match=rf"{name}: the {why}.*frames 0 to \d+, are in .*Fetch .* again") as said:
            predict_footage(Brightness(), [tmp_path / name, clip], out)
        last = int(re.findall(r"frames 0 to (\d+)", str(said.value))[0])
        assert [p.name for p in sorted((out / stem).iterdir())] == [f"{n:06d}.png" for n in range(last + 1)]
        assert 0 <= last < 11
        assert (out / f"{clip.stem}.json").is_file()
        with pytest.raises(BadData, match=why):  # nor is it whole the second time
            predict_footage(Brightness(), tmp_path / name, out)


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (
            lambda content, at: content[:at] + bytes([255 - content[at]]) + content[at + 1 :],
            "makes up what it cannot read",
        ),
        (lambda content, at: content[:at], "the file is cut off"),
        (lambda content, at: content[:-1], "the file is cut off"),
    ],
)
def test_damage_that_a_decoder_conceals_is_an_error(
    tmp_path: Path, damaged: Callable[[bytes, int], bytes], why: str
) -> None:
    clip = tmp_path / "clip.mkv"
    write_video(clip, noise_video(12), codec="mpeg4")
    predict_footage(Brightness(), clip, tmp_path / "whole")
    content = clip.read_bytes()
    clip.write_bytes(damaged(content, len(content) // 2))
    with pytest.raises(BadData, match=rf"{why}.*; the maps of what could be decoded, frames 0 to \d+, are in"):
        predict_footage(Brightness(), clip, tmp_path / "m")
    assert (tmp_path / "m" / "clip" / "000000.png").is_file()


def test_a_video_that_was_trimmed_without_decoding_is_whole(tmp_path: Path) -> None:
    """Its header counts pictures that are not to be shown."""
    write_video(tmp_path / "long.mp4", noise_video(12), codec="libx264")
    with av.open(str(tmp_path / "long.mp4")) as source, av.open(str(tmp_path / "trimmed.mp4"), "w") as trimmed:
        stream = trimmed.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is not None and packet.dts is not None and packet.time_base:
                packet.pts, packet.dts = (at - int(4 / 30 / packet.time_base) for at in (packet.pts, packet.dts))
                packet.stream = stream
                trimmed.mux(packet)
    notes: list[str] = []
    predict_footage(Brightness(), tmp_path / "trimmed.mp4", tmp_path / "m", note=notes.append)
    assert "promises 12 frames, 8 were decoded" in notes[0]
    assert len(list((tmp_path / "m" / "trimmed").iterdir())) == 8


class InTurn(Processes):
    """Does tasks here, one after the other."""

    away = False

    def each(self, tasks: Sequence[Task], watch: Any = None) -> Iterator[tuple[int, Any]]:
        for number, (function, arguments) in enumerate(tasks):
            yield number, function(*arguments)


def test_the_longest_is_begun_first_for_nobody_to_wait_for_it_at_the_end(tmp_path: Path) -> None:
    begun: list[str] = []

    class Noted(Brightness):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            begun.append(stimulus.id)
            return super().predict(frames, stimulus)

    folders = [write_frames(tmp_path / name, count) for name, count in (("short", 1), ("long", 5), ("middle", 3))]
    predict_footage(None, folders, tmp_path / "m", make=Noted, record=ModelRecord(Noted().info), children=InTurn())
    assert begun == ["long", "middle", "short"]


def test_nothing_of_others_is_replaced(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "m"
    (out / clip.stem).mkdir(parents=True)
    (out / clip.stem / "mine.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(WrongUse, match="is there already"):
            predict_footage(Brightness(), clip, out, fresh=fresh)
    assert (out / clip.stem / "mine.txt").read_text() == "mine"
    (out / f"{clip.stem}.json").write_text("{}")
    with pytest.raises(WrongUse, match="in the way"):
        predict_footage(Brightness(), clip, out, fresh=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="a file has this name"):
        predict_footage(Brightness(), clip, tmp_path / "file")
    # Frames that lie where their maps would go.
    frames = write_frames(tmp_path / "frames")
    with pytest.raises(WrongUse, match="is there already"):
        predict_footage(Brightness(), frames, tmp_path, fresh=True)
    assert len(list(frames.iterdir())) == 3


def test_the_second_of_two_at_once_is_told(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "m"
    with held(out) as partial:
        (partial / "begun").write_text("")
        with pytest.raises(WrongUse, match="another process is writing"):
            predict_footage(Brightness(), clip, out)
        assert (partial / "begun").exists()
    predict_footage(Brightness(), clip, out)


def test_gaze_positions_are_arrays(tmp_path: Path, clip: Path) -> None:
    class Points(Brightness):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            for frame in frames:
                yield Prediction.point(frame.index, frame.index + 0.5, 2.0)

    made = predict_footage(Points(output="point"), clip, tmp_path / "m")
    assert made.kind == "point"
    with np.load(tmp_path / "m" / f"{clip.stem}.npz") as data:
        assert data["xy"].tolist() == [[n + 0.5, 2.0] for n in range(5)]


def test_models_that_learn_from_gaze_are_refused(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(WrongUse, match="give it a release"):
        vidsal.predict("center_prior_fitted", clip, tmp_path / "m")
    with pytest.raises(WrongUse, match="fps"):
        predict_footage(Brightness(), clip, tmp_path / "m", fps=-1)


# ---------------------------------------------------------------------------------------------------------------------
# Overlays and servers


def test_an_overlay_shows_each_frame(tmp_path: Path, clip: Path) -> None:
    shown = tmp_path / "over.mp4"
    predict_footage(Brightness(), clip, tmp_path / "m", overlay=shown)
    with av.open(str(shown)) as container:
        assert len(list(container.decode(video=0))) == 5
        assert container.streams.video[0].average_rate == frame_files.probe(clip).fps
    for bad, words in (("over.gif", ".mp4"), ("over.png", ".mp4")):
        with pytest.raises(WrongUse, match=words):
            predict_footage(Brightness(), clip, tmp_path / "m", overlay=tmp_path / bad)


def test_a_map_tints_only_where_it_is_high() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    heat = np.zeros((4, 6), np.float32)
    heat[1, 2] = 1
    mixed = blend(rgb, heat)
    assert np.array_equal(mixed[heat == 0], rgb[heat == 0])
    # The end of the ramp at a strength of 0.75, by hand.
    assert mixed[1, 2].tolist() == [
        round(0.25 * int(v) + 0.75 * top) for v, top in zip(rgb[1, 2], (252, 255, 164), strict=True)
    ]


def test_servers_get_their_names_and_sizes(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, tmp_path / f"701{clip.suffix}")
    made = predict_footage(Brightness(), tmp_path / f"701{clip.suffix}", tmp_path / "d", for_server="dhf1k")
    assert made.places == {"701": tmp_path / "d" / "0701"}
    maps = pixels(tmp_path / "d" / "0701")
    assert list(maps) == [f"{n:04d}.png" for n in range(1, 6)]
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["0701"]
    for frame, found in zip(frames_of(clip), maps.values(), strict=True):
        green = frame.rgb[..., 1].astype(float)  # the 8-bit map by its formula
        assert np.array_equal(found, np.rint(255 * (green - green.min()) / (green.max() - green.min())))
    Image.new("RGB", (20, 10), (9, 200, 9)).save(tmp_path / "i300.jpg")
    predict_footage(Published(), tmp_path / "i300.jpg", tmp_path / "m", for_server="mit300")
    with Image.open(tmp_path / "m" / "i300.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (20, 10))
        assert abs(int(np.asarray(image).mean()) - 100) <= 1  # as published: half of the green
    Image.new("RGB", (20, 10)).save(tmp_path / "COCO_test2014_000000000042.jpg")
    predict_footage(
        Brightness(), tmp_path / "COCO_test2014_000000000042.jpg", tmp_path / "s", for_server="salicon", workers=1
    )
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["COCO_test2014_000000000042.png"]


class NearlyFlat(Brightness):
    """Maps that vary by a share of their size."""

    share = 0.005

    def published_map(self, values: Any, stimulus: StimulusInfo) -> Any:
        return np.rint((values - 9) * 4 / self.share / 9).astype(np.uint8)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in frames:
            yield Prediction(frame.index, 9 + 9 * self.share * np.indices(frame.rgb.shape[:2])[0] / frame.rgb.shape[0])


@pytest.mark.parametrize(
    ("how", "share", "told"),
    [
        ({}, 0.005, "few levels: the maps hold at most 8 different values"),
        ({}, 0.0005, "constant: 3 of 3 maps vary, but are stored as one value"),
        ({"for_server": "dhf1k"}, 0.005, "few levels: the maps hold at most 8 different values"),
        ({"encoding": "npz"}, 0.0005, None),
    ],
)
def test_what_an_encoding_flattens_is_named_where_it_is_written(
    tmp_path: Path, how: Any, share: float, told: str | None
) -> None:
    model, said = NearlyFlat(), list[str]()
    model.share = share
    write_frames(tmp_path / "701")
    predict_footage(model, tmp_path / "701", tmp_path / "out", note=said.append, **how)
    assert len(said) == (told is not None)
    assert all(text.startswith(f"suspicious: 701: {told}") for text in said)
    assert all(("--encoding npz" in text) == (how == {}) for text in said)
    if told and not how:
        assert json.loads((tmp_path / "out" / "701.json").read_text())["suspicious"][0].startswith(told)


def test_servers_refuse_what_is_not_theirs(tmp_path: Path, clip: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "i301.jpg")
    for path, asked, words in (
        (clip, "dhf1k", "names its stimuli"),
        (clip, "mit300", "takes images"),
        (tmp_path / "i301.jpg", "mit300", "i1 to i300"),
        (tmp_path / "i301.jpg", "dhf1k", "takes videos"),
    ):
        with pytest.raises(WrongUse, match=words):
            predict_footage(Brightness(), path, tmp_path / "m", for_server=asked)
    shutil.copy(clip, tmp_path / f"0702{clip.suffix}")
    late = Scripted([2, 3, 4], missing="exclude")
    with pytest.raises(BadData, match="wants every frame"):
        predict_footage(late, tmp_path / f"0702{clip.suffix}", tmp_path / "m", for_server="dhf1k")
    late = Scripted([2, 3, 4], missing="first-available")
    predict_footage(late, tmp_path / f"0702{clip.suffix}", tmp_path / "m", for_server="dhf1k")
    assert len(list((tmp_path / "m" / "0702").iterdir())) == 5


def test_a_real_video_and_its_release_give_the_same_maps(tmp_path: Path, samples: Path) -> None:
    from vidsal.loaders.conversion.convert import convert

    convert("mit300", samples / "mit300", tmp_path / "rel", workers=1)
    image = samples / "mit300" / "BenchmarkIMAGES" / "i112.jpg"
    vidsal.predict(Brightness(), vidsal.load(tmp_path / "rel"), tmp_path / "sub", encoding="png8")
    made = vidsal.predict(Brightness(), image, tmp_path / "maps")
    assert same(pixels(made.places["i112"]), pixels(tmp_path / "sub" / "predictions" / "i112"))
