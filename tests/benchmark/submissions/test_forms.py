"""A map is the same map in every coat; what was lost, or cannot be verified, is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.predictor import Prediction, StimulusInfo
from vidsal.benchmark.submissions.formats.codecs import Bits, h264_parameters
from vidsal.benchmark.submissions.formats.folder import ARRAYS, MapFiles
from vidsal.benchmark.submissions.formats.stored import Limits
from vidsal.benchmark.submissions.formats.video import VideoFile
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, Levels, gaze_only, levels

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return vidsal.load(gaze_only(tmp_path_factory.mktemp("forms"), videos=2))


@pytest.fixture(scope="module")
def exact(ds: Release) -> Run:
    """The maps that all forms hold, scored as they are."""
    return vidsal.evaluate(Levels(), ds)


@pytest.fixture(scope="module")
def expected(exact: Run) -> str:
    return str(exact.record["rows_digest"])


def scored(folder: Path, ds: Release, **options: Any) -> tuple[str, dict[str, Any], list[str]]:
    """Digest of the rows, what run.json says of the submission, notes."""
    notes: list[str] = []
    run = score(folder, ds, kind="saliency", note=notes.append, **options)
    return str(run.record["rows_digest"]), run.record["model"]["submission"], notes


def each_frame(root: Path, ds: Release, suffix: str, write: Callable[[Path, Any], object]) -> Path:
    for stimulus in ds:
        (root / stimulus.id).mkdir(parents=True)
        for frame in range(stimulus.n_frames):
            write(root / stimulus.id / f"{frame + 1:04d}{suffix}", levels(stimulus.id, frame))
    return root


def _mat(path: Path, **arrays: Any) -> None:
    from scipy.io import savemat

    savemat(path, arrays)


def _h5(path: Path, **arrays: Any) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


PER_FRAME: dict[str, tuple[str, Callable[[Path, Any], object]]] = {
    "rgb": (".png", lambda p, v: Image.fromarray(np.repeat(v[..., None], 3, 2)).save(p)),
    "palette": (".png", lambda p, v: Image.fromarray(v).convert("P").save(p)),
    "opaque": (".png", lambda p, v: Image.fromarray(v).convert("RGBA").save(p)),
    "bmp": (".bmp", lambda p, v: Image.fromarray(v).save(p)),
    "tiff8": (".tif", lambda p, v: Image.fromarray(v).save(p)),
    "npy": (".npy", lambda p, v: np.save(p, v)),
    "npy transposed": (".npy", lambda p, v: np.save(p, np.asfortranarray(v))),
    "npy channel last": (".npy", lambda p, v: np.save(p, v[..., None])),
    "npy batch": (".npy", lambda p, v: np.save(p, v[None, None])),
    "npz": (".npz", lambda p, v: np.savez(p, v)),
    "mat": (".mat", lambda p, v: _mat(p, map=v)),
    "h5": (".h5", lambda p, v: _h5(p, map=v)),
}


@pytest.mark.parametrize("form", PER_FRAME)
def test_files_of_one_map(tmp_path: Path, ds: Release, expected: str, form: str) -> None:
    found, said, notes = scored(each_frame(tmp_path / "m", ds, *PER_FRAME[form]), ds)
    assert found == expected
    assert "lossy" not in said
    assert notes == []


@pytest.mark.parametrize("form", ["tiff16", "tifffloat", "npybool", "npyint"])
def test_numbers_of_other_types(tmp_path: Path, ds: Release, form: str) -> None:
    change: dict[str, Callable[[Any], Any]] = {
        "tiff16": lambda v: v.astype(np.uint16) * 257,
        "tifffloat": lambda v: v.astype(np.float32) / 7,
        "npybool": lambda v: v > 100,
        "npyint": lambda v: v.astype(np.int32) * 3,
    }

    class Changed(Levels):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            for frame in range(stimulus.n_frames):
                yield Prediction(frame, change[form](levels(stimulus.id, frame)))

    write = (
        (lambda p, v: Image.fromarray(change[form](v)).save(p))
        if form[0] == "t"
        else (lambda p, v: np.save(p, change[form](v)))
    )
    folder = each_frame(tmp_path / "m", ds, ".tiff" if form[0] == "t" else ".npy", write)
    run = score(folder, ds, kind="saliency")
    for name, value in vidsal.evaluate(Changed(), ds).scores.items():
        assert run.scores[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5"])
def test_one_file_of_all_maps(tmp_path: Path, ds: Release, expected: str, suffix: str) -> None:
    (tmp_path / "m").mkdir()
    for n, stimulus in enumerate(ds):
        maps = np.stack([levels(stimulus.id, f) for f in range(stimulus.n_frames)])
        path = tmp_path / "m" / f"{stimulus.id}{suffix}"
        if suffix == ".npy":
            np.save(path, maps)
        elif suffix == ".npz":
            np.savez(path, *maps)  # arr_0, arr_1 ...
        elif suffix == ".mat":
            _mat(path, maps=np.moveaxis(maps, 0, 2) if n else maps)
        else:
            _h5(path, **({"maps": maps} if n else {f"{f + 1:04d}": m for f, m in enumerate(maps)}))
    assert scored(tmp_path / "m", ds)[0] == expected


@pytest.mark.parametrize("shape", ["n1hw", "nhw1", "1nhw", "fortran"])
def test_axes_of_batches_and_channels(tmp_path: Path, shape: str) -> None:
    maps = np.stack([levels("a", frame) for frame in range(FRAMES)])
    change: dict[str, Any] = {
        "n1hw": maps[:, None],
        "nhw1": maps[..., None],
        "1nhw": maps[None],
        "fortran": np.asfortranarray(maps),
    }
    stored = change[shape]
    np.save(tmp_path / "x.npy", stored)
    np.savez(tmp_path / "x.npz", stored)
    np.savez(tmp_path / "named.npz", **{f"{frame + 1:04d}": m[None] for frame, m in enumerate(maps)})
    _h5(tmp_path / "x.h5", maps=stored)
    _mat(tmp_path / "x.mat", maps=stored)
    limits = Limits(maps.shape[2], maps.shape[1])
    for path in sorted(tmp_path.iterdir()):
        file = ARRAYS[path.suffix](path, limits)
        found = file.inspect()
        first = int(path.stem == "named")
        assert (found.faults, found.frames) == ([], list(range(first, FRAMES + first))), path.name
        wanted = [1, FRAMES - 1]
        read = [(frame, values) for frame, values in file.read(wanted, 1) if values is not None]
        assert [frame for frame, _ in read] == wanted, path.name
        for frame, values in read:
            np.testing.assert_array_equal(values, maps[frame - first], err_msg=path.name)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"sal": np.zeros((48, 64)), "other": np.zeros((48, 64))}, "found other (48, 64), sal (48, 64)"),
        ({"sal": np.zeros((3, 48, 64))}, "it holds 3"),
        ({"sal": np.zeros((48, 64), complex)}, "of type complex128"),
    ],
)
def test_what_a_file_of_one_frame_holds_instead_is_said(tmp_path: Path, arrays: dict[str, Any], why: str) -> None:
    np.savez(tmp_path / "0001.npz", **arrays)
    (fault,) = MapFiles(tmp_path, Limits(64, 48)).inspect().faults
    assert fault.startswith("0001.npz: expected the map of one frame, an array (h, w): ")
    assert why in fault


def test_arrays_that_are_refused(tmp_path: Path) -> None:
    import h5py

    limits = Limits(64, 48)
    _mat(tmp_path / "text.mat", maps="hello")
    _mat(tmp_path / "axes.mat", maps=np.zeros((48, 64, 64)))
    _mat(tmp_path / "which.mat", maps=np.zeros((30, 30, 30)))
    np.save(tmp_path / "last.npy", np.zeros((48, 64, 7)))
    np.savez(tmp_path / "half.npz", maps=np.zeros((24, 32, 7)))
    (tmp_path / "x.h5").write_bytes(b"nothing")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["a"] = h5py.ExternalLink("/etc/passwd", "/")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["a"] = h5py.SoftLink("/nowhere")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'shape': (")
    for name, message in (
        ("text.mat", "no array of numbers"),
        ("which.mat", "does not tell which axis"),
        ("last.npy", "has shape (48, 64, 7), the frames last; store (frames, height, width)"),
        ("half.npz", "has shape (24, 32, 7), the frames last"),
        ("x.h5", "no HDF5 file"),
        ("link.h5", "no dataset of its own"),
        ("soft.h5", "no dataset of its own"),
        ("x.npy", "cannot be read"),
    ):
        found = ARRAYS[Path(name).suffix](tmp_path / name, limits).inspect()
        assert not found.readable
        assert message in found.faults[0], name
    assert ARRAYS[".mat"](tmp_path / "axes.mat", limits).inspect().frames == list(range(64))


def test_jpeg_is_scored_and_marked(tmp_path: Path, ds: Release, exact: Run) -> None:
    for name, write in (
        ("gray", lambda p, v: Image.fromarray(v).save(p, quality=95)),
        ("rgb", lambda p, v: Image.fromarray(np.repeat(v[..., None], 3, 2)).save(p, quality=95)),
    ):
        folder = each_frame(tmp_path / name, ds, ".jpg", write)
        notes: list[str] = []
        run = score(folder, ds, kind="saliency", note=notes.append)
        assert run.scores["NSS"] == pytest.approx(exact.scores["NSS"], abs=0.02)
        assert run.record["model"]["submission"]["lossy"] == ["JPEG"]
        assert len(notes) == 1
        assert "marked lossy" in notes[0]
        with pytest.raises(BadData, match="--strict: the maps lost detail in storing \\(JPEG\\)"):
            score(folder, ds, kind="saliency", strict=True)
    color = each_frame(
        tmp_path / "jet", ds, ".jpg", lambda p, v: Image.fromarray(np.stack([v, 255 - v, v // 2], 2)).save(p)
    )
    with pytest.raises(BadData, match="has colors, a rendering of the map"):
        score(color, ds, kind="saliency", note=notes.append)


# ---------------------------------------------------------------------------------------------------------------------
# Video

LOSSLESS = "x265-params", "lossless=1:log-level=none"
CODECS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "ffv1": ("ffv1", "gray", ".mkv", {}),
    "ffv1-avi": ("ffv1", "gray", ".avi", {}),
    "ffv1-rgb": ("ffv1", "bgr0", ".mkv", {}),
    "h264": ("libx264", "gray", ".mp4", {"qp": "0"}),
    "h264-mkv": ("libx264", "gray", ".mkv", {"qp": "0"}),
    "h264-full": ("libx264", "yuvj420p", ".mp4", {"qp": "0"}),
    "hevc": ("libx265", "gray", ".mp4", dict([LOSSLESS])),
    "hevc-mkv": ("libx265", "gray", ".mkv", dict([LOSSLESS])),
}


def write_video(path: Path, stimulus: str, codec: str, pixels: str, options: dict[str, str], n: int = FRAMES) -> None:
    try:
        container = av.open(str(path), "w")
        stream: Any = container.add_stream(codec, rate=25, options=options)
    except (av.error.FFmpegError, ValueError):
        pytest.skip(f"this PyAV has no encoder {codec}")
    stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
    with container:
        for frame in range(n):
            values = levels(stimulus, frame)
            if pixels == "gray10le":
                picture = av.VideoFrame.from_ndarray(values.astype(np.uint16) * 4, format="gray10le")
            elif pixels == "yuvj420p":
                neutral = np.full((24, 64), 128, np.uint8)
                picture = av.VideoFrame.from_ndarray(np.vstack([values, neutral]), format="yuvj420p")
            else:
                picture = av.VideoFrame.from_ndarray(values, format="gray").reformat(format=pixels)
            picture.pts, picture.time_base = frame, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def write_with_nulls(path: Path, codec: str, pixels: str, options: dict[str, str], at_end: int) -> None:
    """Frames 0, 1, 2, 5, 6 as pictures; 3 and 4 are a gap, in an AVI null chunks, and some more of these at its end."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for frame in (0, 1, 2, 5, 6):
            picture = av.VideoFrame.from_ndarray(levels("a", frame), format="gray").reformat(format=pixels)
            picture.pts, picture.time_base = frame, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    if not at_end:
        return
    data = path.read_bytes()
    index = data.rindex(b"idx1")
    path.write_bytes(data[:index] + at_end * b"00dc\0\0\0\0" + data[index:])


@pytest.mark.parametrize(("suffix", "at_end"), [(".avi", 0), (".avi", 3), (".mkv", 0), (".mov", 0)])
@pytest.mark.parametrize(
    ("codec", "pixels", "options"),
    [("ffv1", "gray", {}), ("libx264", "gray", {"qp": "0", "bf": "2"}), ("png", "gray", {})],
)
def test_null_chunks_and_gaps_repeat_the_map_before(
    tmp_path: Path, codec: str, pixels: str, options: dict[str, str], suffix: str, at_end: int
) -> None:
    if (codec, suffix) in (("ffv1", ".mov"), ("png", ".mkv")):
        pytest.skip("this container does not hold it")
    path = tmp_path / f"a{suffix}"
    write_with_nulls(path, codec, pixels, options, at_end)
    stored = VideoFile(path, Limits(64, 48))
    shown = [0, 1, 2, 2, 2, 5, 6] + at_end * [6]
    found = stored.inspect()
    assert not found.faults
    assert found.frames == list(range(len(shown)))
    read = {index: values for index, values in stored.read(range(len(shown)), 1) if values is not None}
    assert list(read) == found.frames
    for index, source in enumerate(shown):
        assert (read[index] == levels("a", source)).all(), index
    only = {index: values for index, values in stored.read([4], 1) if values is not None}
    assert list(only) == [4]
    assert (only[4] == levels("a", 2)).all()


def test_a_video_with_null_chunks_is_scored_like_one_without(tmp_path: Path, ds: Release) -> None:
    rows = []
    for name in ("nulls", "repeats"):
        folder = tmp_path / name
        folder.mkdir()
        for stimulus in ds:
            path = folder / f"{stimulus.id}.avi"
            with av.open(str(path), "w") as container:
                stream: Any = container.add_stream("ffv1", rate=25)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
                for frame in range(stimulus.n_frames):
                    source = frame - frame % 2
                    if name == "nulls" and source != frame and frame != stimulus.n_frames - 1:
                        continue
                    picture = av.VideoFrame.from_ndarray(levels(stimulus.id, source), format="gray")
                    picture.pts, picture.time_base = frame, Fraction(1, 25)
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
        rows.append(scored(folder, ds)[0])
    assert rows[0] == rows[1]


def videos(root: Path, ds: Release, codec: str, pixels: str, suffix: str, options: dict[str, str]) -> Path:
    root.mkdir()
    for stimulus in ds:
        write_video(root / f"{stimulus.id}{suffix}", stimulus.id, codec, pixels, options)
    return root


def test_a_list_of_another_stimulus_s_maps_is_no_video(tmp_path: Path, ds: Release) -> None:
    """FFmpeg would play those, were it not told which container to expect."""
    root = videos(tmp_path / "m", ds, "ffv1", "gray", ".mkv", {})
    (root / f"{ds.ids[-1]}.mkv").write_text(f"ffconcat version 1.0\nfile '{ds.ids[0]}.mkv'\n")
    with pytest.raises(BadData, match=f"{ds.ids[-1]}: not a readable video"):
        score(root, ds, kind="saliency")


@pytest.mark.parametrize("form", CODECS)
def test_lossless_video_is_the_map(tmp_path: Path, ds: Release, expected: str, form: str) -> None:
    codec, pixels, suffix, options = CODECS[form]
    found, said, notes = scored(videos(tmp_path / "m", ds, codec, pixels, suffix, options), ds)
    assert found == expected
    assert "lossy" not in said
    assert said["unverified"] is True
    assert [n for n in notes if "unverified" in n] == notes


@pytest.mark.parametrize(
    ("codec", "pixels", "options", "lost", "tolerance"),
    [
        ("ffv1", "gray10le", {}, None, 1e-9),
        ("ffv1", "yuv420p", {}, None, 0.02),  # FFV1 lost nothing of the luma of limited range that it was given
        ("libx264", "gray10le", {"crf": "0"}, "h264 (High 10)", 0.02),
        ("libx264", "yuv420p", {"crf": "0"}, None, 0.02),
        ("libx264", "yuv420p10le", {"crf": "0"}, "h264 (High 10)", 0.02),
        ("libx264", "yuv420p", {"crf": "10"}, "h264 (High)", 0.1),
        ("libx265", "gray10le", dict([LOSSLESS]), None, 1e-9),
        ("libx265", "gray", {"x265-params": "log-level=none"}, "hevc (Rext)", 0.3),
        ("libx265", "gray", {"x265-params": "cu-lossless=1:log-level=none"}, "hevc (Rext)", 0.3),
    ],
)
def test_loss_is_measured_in_the_stream(
    tmp_path: Path,
    ds: Release,
    exact: Run,
    codec: str,
    pixels: str,
    options: dict[str, str],
    lost: str | None,
    tolerance: float,
) -> None:
    suffix = ".mkv" if codec == "ffv1" else ".mp4"
    folder = videos(tmp_path / "m", ds, codec, pixels, suffix, options)
    notes: list[str] = []
    run = score(folder, ds, kind="saliency", note=notes.append)
    assert run.record["model"]["submission"].get("lossy") == (None if lost is None else [lost])
    for name in ("NSS", "SIM", "KLD"):
        assert run.scores[name] == pytest.approx(exact.scores[name], abs=tolerance), name


def test_videos_that_are_listed_are_verified(tmp_path: Path, ds: Release) -> None:
    folder = videos(tmp_path / "m", ds, *CODECS["ffv1"])
    files = [
        {
            "stimulus": s.id,
            "frames": [0, FRAMES - 1],
            "sha256": hashlib.sha256((folder / f"{s.id}.mkv").read_bytes()).hexdigest(),
        }
        for s in ds
    ]
    (folder / "submission.json").write_text(json.dumps({"prediction": {"kind": "saliency"}, "files": files}))
    assert "unverified" not in score(folder, ds, strict=True).record["model"]["submission"]
    path = folder / f"{ds.ids[0]}.mkv"
    path.write_bytes(path.read_bytes() + b"\0")  # harmless to a decoder, but not the file that was listed
    with pytest.raises(BadData, match="SHA-256 differs"):
        score(folder, ds)


@pytest.mark.parametrize("form", ["ffv1", "h264"])
def test_what_a_decoder_would_conceal_is_an_error(tmp_path: Path, ds: Release, form: str) -> None:
    codec, pixels, suffix, options = CODECS[form]
    write_video(tmp_path / f"v{suffix}", "x", codec, pixels, options)
    good = (tmp_path / f"v{suffix}").read_bytes()
    right = [m for _, m in VideoFile(tmp_path / f"v{suffix}", Limits(64, 48)).read(range(FRAMES), 1)]
    random = np.random.default_rng(3)
    outcomes = {"right": 0, "refused": 0}
    for n in range(30):
        data = bytearray(good)
        data[random.integers(len(good) // 8, 7 * len(good) // 8)] ^= 1 << int(random.integers(8))
        path = tmp_path / f"d{n}{suffix}"
        path.write_bytes(bytes(data))
        source = VideoFile(path, Limits(64, 48))
        if source.inspect().faults:
            outcomes["refused"] += 1
            continue
        try:
            found = [m for _, m in source.read(range(FRAMES), 1)]
        except BadData:
            outcomes["refused"] += 1
            continue
        same = all(a is not None and b is not None and (a == b).all() for a, b in zip(found, right, strict=True))
        outcomes["right" if same else "wrong"] = outcomes.get("right" if same else "wrong", 0) + 1
    assert outcomes["refused"] > 10
    # H.264 has no checksums: what decodes without a complaint is why a digest is asked for.
    assert outcomes.get("wrong", 0) <= (0 if form == "ffv1" else 9), outcomes


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_map_that_is_shown_turned_is_refused(tmp_path: Path, ds: Release, suffix: str) -> None:
    """Upside down it has the aspect of the frame; Pillow itself turns a TIFF."""
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = each_frame(tmp_path / "m", ds, suffix, lambda p, v: Image.fromarray(v[::-1, ::-1]).save(p, exif=exif))
    if suffix == ".tif":
        assert (
            scored(turned, ds)[0]
            == scored(each_frame(tmp_path / "n", ds, ".png", lambda p, v: Image.fromarray(v).save(p)), ds)[0]
        )
        return
    with pytest.raises(BadData, match=rf"^\S+/0001\{suffix}: its EXIF orientation 3 turns the map; store it upright"):
        scored(turned, ds)


def test_a_video_that_is_shown_turned_is_refused(tmp_path: Path, ds: Release) -> None:
    (tmp_path / "m").mkdir()
    for stimulus in ds:
        with av.open(str(tmp_path / "m" / f"{stimulus.id}.mov"), "w") as container:
            stream: Any = container.add_stream("png", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
            stream.set_display_rotation(180)
            for frame in range(stimulus.n_frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(levels(stimulus.id, frame), format="gray")))
            container.mux(stream.encode(None))
    with pytest.raises(BadData, match="its display matrix turns the maps; write them upright"):
        scored(tmp_path / "m", ds)


def test_colors_in_a_video_are_no_map(tmp_path: Path, ds: Release) -> None:
    (tmp_path / "m").mkdir()
    for stimulus in ds:
        with av.open(str(tmp_path / "m" / f"{stimulus.id}.mkv"), "w") as container:
            stream: Any = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for frame in range(FRAMES):
                v = levels(stimulus.id, frame)
                picture = av.VideoFrame.from_ndarray(np.stack([v, 255 - v, v // 3], 2), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    with pytest.raises(BadData, match="frame 0: the picture has colors"):
        score(tmp_path / "m", ds, kind="saliency", note=lambda _: None)


def test_bits_are_read_as_the_standard_says() -> None:
    bits = Bits(bytes([0b10100110, 0b01000010, 0b10000000]))
    assert [bits.golomb() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert h264_parameters(b"") == (False, False)
    assert h264_parameters(bytes([1, 244, 0, 10, 255, 0xE1, 0, 3, 0x67])) == (False, False)
    assert Bits(b"\0\0\3\1").take(24) == 1


def test_pictures_of_frames_are_named(tmp_path: Path, ds: Release) -> None:
    folder = each_frame(tmp_path / "m", ds, ".tif", PER_FRAME["tiff8"][1])
    (folder / ds.ids[0] / "0002.tif").write_bytes(b"II*\0")
    with pytest.raises(BadData, match=f"{ds.ids[0]}: 0002.tif: not a TIFF file"):
        score(folder, ds, kind="saliency")
