from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.human import OneVsRest
from vidsal.benchmark.predictor import ModelInfo, Prediction, StimulusInfo
from vidsal.benchmark.submissions import manifest_file as manifests
from vidsal.benchmark.submissions.manifest import FOLDER
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.errors import BadData, MissingData, NonFinite, UnknownName, WrongUse
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release

from ..runs import Brightness, small_release
from ..stored import FRAMES, Levels, Maps, gaze_only, levels, opened, seed_of, smooth, write_classic


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("submission"))


@pytest.fixture
def ds(root: Path) -> Release:
    return opened(root)


@pytest.fixture
def classic(tmp_path: Path, ds: Release) -> Path:
    return write_classic(tmp_path / "some_method", ds)


def rows(run: Run) -> str:
    """Digest of the rows, in which NaN equals NaN."""
    return str(run.record["rows_digest"])


def rewrite(sub: Path, change: Any) -> None:
    """Change the manifest of a submission."""
    path = sub / "submission.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# ---------------------------------------------------------------------------------------------------------------------
# What was stored scores as what was predicted


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1", "salema-1"])
@pytest.mark.parametrize(
    ("kind", "dtype", "shape"),
    [
        ("saliency", "float32", (48, 64)),
        ("saliency", "uint8", (48, 64)),
        ("saliency", "float64", (24, 32)),
        ("density", "float64", (48, 64)),
        ("density", "float32", (24, 32)),
        ("log_density", "float32", (48, 64)),
        ("log_density", "float16", (48, 64)),
    ],
)
def test_predict_then_score_is_run_to_the_byte(
    tmp_path: Path, ds: Release, protocol: str, kind: Any, dtype: str, shape: tuple[int, int]
) -> None:
    model = Maps(kind, dtype, shape)
    run = vidsal.evaluate(model, ds, protocol).save(tmp_path / "run")
    vidsal.predict(model, ds, out=tmp_path / "sub")
    scored = vidsal.score(tmp_path / "sub", ds, protocol=protocol).save(tmp_path / "scored")
    assert run.folder is not None
    assert scored.folder is not None
    assert (run.folder / "frames.parquet").read_bytes() == (scored.folder / "frames.parquet").read_bytes()
    assert run.record["metrics"] == scored.record["metrics"]
    assert run.record["coverage"]["scored"] == scored.record["coverage"]["scored"]
    assert scored.record["model"]["kind"] == "submission"
    assert len(scored.record["model"]["submission"]["digest"]) == 64


@pytest.mark.parametrize("missing", ["first-available", "center-bias", "exclude"])
def test_missing_frames_mean_the_same_when_stored(tmp_path: Path, ds: Release, missing: Any) -> None:
    model = Maps(missing=missing)
    model.skip = {0, 1} if missing == "first-available" else {1, 4}
    run = vidsal.evaluate(model, ds)
    predict(model, ds, tmp_path / "sub")
    scored = score(tmp_path / "sub", ds)
    assert rows(scored) == rows(run)
    assert scored.record["model"]["missing"] == missing
    if missing == "exclude":
        assert scored.record["counts"]["no_prediction"] == 2 * len(ds)


class Gaze:
    info = ModelInfo(name="gaze", output="point", needs_frames=False)

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        for frame in range(stimulus.n_frames):
            yield Prediction.point(frame, 3.25 + frame, 17.1)


def test_gaze_points_are_stored_and_scored_as_such(tmp_path: Path, ds: Release) -> None:
    run = vidsal.evaluate(Gaze(), ds)
    made = predict(Gaze(), ds, tmp_path / "sub")
    scored = score(tmp_path / "sub", ds)
    assert made.manifest.prediction.kind == "point"
    assert rows(scored) == rows(run)
    assert scored.record["gaze_points"] == run.record["gaze_points"]
    with pytest.raises(WrongUse, match="npz only"):
        predict(Gaze(), ds, tmp_path / "png", encoding="png8")


@pytest.mark.usefixtures("warm_children")
def test_with_frames_and_workers(tmp_path: Path) -> None:
    ds = vidsal.load(small_release(tmp_path / "data", videos=2, frames=4))
    run = vidsal.evaluate(Brightness(), ds)
    predict(Brightness(), ds, tmp_path / "one")
    predict(Brightness(), ds, tmp_path / "two", workers=2, make=Brightness)
    for file in sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    assert rows(score(tmp_path / "one", ds, workers=2)) == rows(run)


def test_stimuli_whose_frames_are_absent_are_left_out_and_declared(tmp_path: Path) -> None:
    release = small_release(tmp_path / "data", videos=3, frames=4)
    ds = vidsal.load(release)
    lost = ds.ids[1]
    next((tmp_path / "data" / "source").rglob(f"{lost}.avi")).unlink()
    run = vidsal.evaluate(Brightness(), ds)
    made = predict(Brightness(), ds, tmp_path / "sub")
    assert made.manifest.coverage is not None
    assert made.manifest.coverage.left_out == (lost,)
    scored = score(tmp_path / "sub", ds)
    assert rows(scored) == rows(run)
    assert scored.record["coverage"]["not_predicted"] == [lost]
    flat = Maps()
    predict(flat, ds, tmp_path / "flat")
    restricted = score(tmp_path / "flat", ds, with_frames_only=True)
    assert rows(restricted) == rows(vidsal.evaluate(flat, ds, with_frames_only=True))


@pytest.mark.parametrize(
    ("kind", "encoding", "tolerance"),
    [
        ("saliency", "png8", 0.03),
        ("saliency", "png16", 2e-4),
        ("saliency", "npz16", 5e-3),
        ("density", "png8", 0.03),
        ("density", "png16", 2e-3),
        ("log_density", "png16", 2e-3),
        ("log_density", "npz16", 5e-3),
    ],
)
def test_smaller_encodings_round_and_no_more(
    tmp_path: Path, ds: Release, kind: Any, encoding: str, tolerance: float
) -> None:
    model = Maps(kind, "float64")
    exact = vidsal.evaluate(model, ds)
    made = predict(model, ds, tmp_path / "sub", encoding=encoding)
    scored = score(tmp_path / "sub", ds)
    assert made.manifest.prediction.kind == ("saliency" if kind == "saliency" else "log_density")
    for name in ("AUC-J", "sAUC", "NSS", "CC", "SIM", "KLD"):
        assert scored.scores[name] == pytest.approx(exact.scores[name], abs=tolerance), name
    if encoding.startswith("png"):
        stored = np.asarray(Image.open(tmp_path / "sub" / "predictions" / ds.ids[0] / "000003.png"))
        assert stored.dtype == (np.uint8 if encoding == "png8" else np.uint16)


def test_log_levels_are_the_logarithms_they_claim(tmp_path: Path, ds: Release) -> None:
    model = Maps("density", "float64")
    made = predict(model, ds, tmp_path / "sub", encoding="png16")
    said = made.manifest.prediction.encoding
    stored = np.asarray(Image.open(tmp_path / "sub" / "predictions" / ds.ids[0] / "000000.png")).astype(float)
    logs = np.log(model.values(ds.ids[0], 0))
    assert np.abs(said.offset + said.scale * stored - (logs - logs.max())).max() <= said.scale / 2 + 1e-9


class AlmostAlike:
    """Maps in one and the same memory: the third differs from those before in one corner, the fourth in a sign of 0."""

    info = ModelInfo(name="almost_alike", needs_frames=False)
    maps = np.stack([np.outer(np.arange(48), np.arange(64)).astype(np.float32)] * 4)
    maps[2, -1, 0] = 1000
    maps[3, -1, 0] = -0.0

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        memory = np.empty((48, 64), np.float32)
        for frame in range(stimulus.n_frames):
            memory[:] = self.maps[min(frame, 3)]
            yield Prediction(frame, memory, "saliency")


def test_maps_that_are_almost_those_before_are_stored_as_they_are(tmp_path: Path, ds: Release) -> None:
    predict(AlmostAlike(), ds, tmp_path / "arrays", limit=1)
    predict(AlmostAlike(), ds, tmp_path / "pictures", encoding="png8", limit=1)
    first = next(iter(ds)).id
    arrays = np.load(tmp_path / "arrays" / FOLDER / f"{first}.npz")
    for frame, expected in enumerate(AlmostAlike.maps):
        assert arrays[f"{frame:06d}"].tobytes() == expected.tobytes()
        picture = np.asarray(Image.open(tmp_path / "pictures" / FOLDER / first / f"{frame:06d}.png"))
        assert (picture == np.rint(expected / 2961 * 255)).all()


def test_negative_saliency_keeps_its_scores_in_16_bits(tmp_path: Path, ds: Release) -> None:
    class Negative(Maps):
        def values(self, stimulus: str, frame: int) -> Any:
            return smooth(seed_of(stimulus, frame)) * 7 - 3

    exact = vidsal.evaluate(Negative(), ds)
    predict(Negative(), ds, tmp_path / "sub", encoding="png16")
    scored = score(tmp_path / "sub", ds)
    for name, value in exact.scores.items():
        # The lowest pixel becomes 0, and KLD looks at the logarithm of what is next to it.
        assert scored.scores[name] == pytest.approx(value, abs=0.1 if name == "KLD" else 2e-3), name


def test_the_map_that_was_published(tmp_path: Path, ds: Release) -> None:
    class Published(Maps):
        def published_map(self, values: Any, stimulus: StimulusInfo) -> Any:
            return (np.asarray(values) * 255).astype(np.uint8)

    model = Published()
    made = predict(model, ds, tmp_path / "sub", as_published=True)
    assert made.manifest.prediction.as_published
    assert made.manifest.prediction.encoding.files == "png8"
    stored = np.asarray(Image.open(tmp_path / "sub" / "predictions" / ds.ids[1] / "000002.png"))
    assert (stored == model.published_map(model.values(ds.ids[1], 2), None)).all()  # type: ignore[arg-type]
    with pytest.raises(WrongUse, match="nobody published"):
        predict(Maps(), ds, tmp_path / "other", as_published=True)
    with pytest.raises(WrongUse, match="8-bit PNG"):
        predict(model, ds, tmp_path / "other", as_published=True, encoding="png16")


def test_the_second_of_two_at_once_is_told_and_the_first_goes_on(tmp_path: Path, ds: Release) -> None:
    seen: list[str] = []

    class Rival(Maps):
        """Asks for the same folder while it predicts."""

        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            for fresh in (False, True):
                with pytest.raises(WrongUse, match="another process is writing") as caught:
                    predict(Maps("saliency", "uint8", (48, 64)), ds, tmp_path / "sub", fresh=fresh)
                seen.append(str(caught.value))
            yield from super().predict(frames, stimulus)

    alone = predict(Maps("saliency", "uint8", (48, 64)), ds, tmp_path / "alone")
    found = predict(Rival("saliency", "uint8", (48, 64)), ds, tmp_path / "sub")
    assert len(seen) == 2 * len(ds)
    assert found.manifest.files == alone.manifest.files
    assert {p.name for p in (tmp_path / "sub").iterdir()} == {p.name for p in (tmp_path / "alone").iterdir()}


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def test_files_are_listed_with_their_digests(tmp_path: Path, ds: Release) -> None:
    made = predict(Maps(), ds, tmp_path / "sub", encoding="png8")
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "sub" / "SHA256SUMS").read_text().splitlines())
    assert len(sums) == FRAMES * len(ds)
    for name, digest in sums.items():
        assert hashlib.sha256((tmp_path / "sub" / name).read_bytes()).hexdigest() == digest
    assert made.manifest.files is not None
    assert [f.stimulus for f in made.manifest.files] == list(ds.ids)
    assert made.manifest.files[0].frames == (0, FRAMES - 1)
    lines = [f"{Path(n).name} {d}\n" for n, d in sorted(sums.items()) if n.split("/")[1] == ds.ids[0]]
    assert made.manifest.files[0].sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert not (tmp_path / "sub" / ".partial").exists()


def test_npz_is_plain_numpy(tmp_path: Path, ds: Release) -> None:
    predict(Maps(), ds, tmp_path / "sub")
    with np.load(tmp_path / "sub" / "predictions" / f"{ds.ids[0]}.npz", allow_pickle=False) as stored:
        assert sorted(stored) == [f"{f:06d}" for f in range(FRAMES)]
        assert (stored["000004"] == Maps().values(ds.ids[0], 4)).all()
        assert stored["000004"].dtype == np.float32


class Breaks(Maps):
    """Fails at a stimulus, as a killed process does."""

    def __init__(self, at: str | None, log: list[str]) -> None:
        super().__init__()
        self.at, self.log = at, log

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        self.log.append(stimulus.id)
        for prediction in super().predict(frames, stimulus):
            if stimulus.id == self.at and prediction.frame == 3:
                raise KeyboardInterrupt
            yield prediction


@pytest.mark.parametrize("encoding", ["npz", "png8"])
def test_a_killed_call_goes_on_and_ends_the_same(tmp_path: Path, ds: Release, encoding: str) -> None:
    predict(Breaks(None, []), ds, tmp_path / "unbroken", encoding=encoding)
    with pytest.raises(KeyboardInterrupt):
        predict(Breaks(ds.ids[1], []), ds, tmp_path / "sub", encoding=encoding)
    assert not (tmp_path / "sub" / "submission.json").exists()
    with pytest.raises(BadData, match="unfinished"):
        score(tmp_path / "sub", ds)
    (tmp_path / "sub" / "predictions" / ".scene.1.tmp").write_bytes(b"left by a kill")
    log: list[str] = []
    predict(Breaks(None, log), ds, tmp_path / "sub", encoding=encoding)
    assert log == list(ds.ids[1:])
    files = sorted(p.relative_to(tmp_path / "unbroken") for p in (tmp_path / "unbroken").rglob("*"))
    assert files == sorted(p.relative_to(tmp_path / "sub") for p in (tmp_path / "sub").rglob("*"))
    for file in files:
        if (tmp_path / "sub" / file).is_file():
            assert (tmp_path / "sub" / file).read_bytes() == (tmp_path / "unbroken" / file).read_bytes(), file
    log.clear()
    predict(Breaks(None, log), ds, tmp_path / "sub", encoding=encoding)
    assert log == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, ds: Release) -> None:
    predict(Maps(), ds, tmp_path / "sub")
    with pytest.raises(WrongUse, match="another submission"):
        predict(Maps(version="2"), ds, tmp_path / "sub")
    predict(Maps(version="2"), ds, tmp_path / "sub", fresh=True)
    assert manifests.read(tmp_path / "sub").model.version == "2"  # type: ignore[union-attr]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("keep me")
    for fresh in (False, True):
        with pytest.raises(WrongUse, match="not empty"):
            predict(Maps(), ds, tmp_path / "mine", fresh=fresh)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "keep me"
    with pytest.raises(KeyboardInterrupt):
        predict(Breaks(ds.ids[1], []), ds, tmp_path / "begun")
    with pytest.raises(WrongUse, match="another command"):
        predict(Maps(), ds, tmp_path / "begun", encoding="png8")


def test_what_a_model_may_not_do(tmp_path: Path, ds: Release) -> None:
    class Late(Maps):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            yield Prediction(1, self.values(stimulus.id, 1))
            yield Prediction(1, self.values(stimulus.id, 1))

    class Mixed(Maps):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            for p in super().predict(frames, stimulus):
                yield Prediction(p.frame, np.exp(p.values), "saliency") if p.frame == 5 else p

    class Nan(Maps):
        def values(self, stimulus: str, frame: int) -> Any:
            values = super().values(stimulus, frame)
            if frame == 4:
                values[1, 2] = np.nan
            return values

    gap = Maps()
    gap.skip = {2}
    half = Maps(missing="first-available")
    half.skip = {6}
    with pytest.raises(BadData, match="got a prediction of frame 1, expected 2"):
        predict(Late(missing="exclude"), ds, tmp_path / "a")
    with pytest.raises(BadData, match="no prediction of frame 2 of 7"):
        predict(gap, ds, tmp_path / "b")
    with pytest.raises(BadData, match="no prediction of frame 6 of 7"):
        predict(half, ds, tmp_path / "c")
    with pytest.raises(BadData, match="kind saliency, those before it of kind log_density"):
        predict(Mixed("log_density"), ds, tmp_path / "d")
    with pytest.raises(NonFinite, match=f"{ds.ids[0]}, frame 4"):
        predict(Nan(), ds, tmp_path / "e", encoding="png8")
    with pytest.raises(WrongUse, match="vidsal run"):
        predict(OneVsRest(), ds, tmp_path / "f")
    with pytest.raises(UnknownName, match="png16"):
        predict(Maps(), ds, tmp_path / "g", encoding="png61")
    with pytest.raises(BadData, match="sums to 1"):
        predict(Maps("density", "uint8"), ds, tmp_path / "h", encoding="png8")


def test_limit_and_split(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = gaze_only(tmp_path_factory.mktemp("splits"), videos=4, val=2)
    val = opened(root, "val")
    made = predict(Maps(), val, tmp_path / "sub", limit=1)
    assert made.manifest.split == "val"
    assert made.manifest.coverage is not None
    assert made.manifest.coverage.left_out == (val.ids[1],)
    run = vidsal.evaluate(Maps(), val, limit=1)
    assert rows(score(tmp_path / "sub", val)) == rows(run)
    with pytest.raises(WrongUse, match="predictions of split val"):
        score(tmp_path / "sub", opened(root))
    predict(Maps(), opened(root), tmp_path / "all")
    assert rows(score(tmp_path / "all", val)) == rows(vidsal.evaluate(Maps(), val))


# ---------------------------------------------------------------------------------------------------------------------
# Folders of others


@pytest.mark.parametrize("protocol", ["exact-1", "dhf1k-1"])
def test_the_classic_layout_needs_no_renaming(classic: Path, ds: Release, protocol: str) -> None:
    run = vidsal.evaluate(Levels(), ds, protocol)
    scored = score(classic, ds, protocol, kind="saliency")
    assert rows(scored) == rows(run)
    assert scored.record["model"]["name"] == "some_method"
    assert scored.record["model"]["causal"] is None
    (classic / "submission.json").write_text('{"prediction": {"kind": "saliency"}, "model": {"name": "deep thing"}}')
    with pytest.raises(BadData, match=r"model\.name"):
        score(classic, ds, protocol)
    (classic / "submission.json").write_text('{"prediction": {"kind": "saliency"}, "model": {"name": "deep-thing"}}')
    assert score(classic, ds, protocol).record["model"]["name"] == "deep-thing"


def test_numbering_from_zero_is_said(tmp_path: Path, ds: Release) -> None:
    write_classic(tmp_path / "m", ds, first=0, digits=1)
    with pytest.raises(BadData, match="before the first frame, 1") as caught:
        score(tmp_path / "m", ds, kind="saliency")
    assert "the first gap is frame 6 (number 7 where frame 0 is number 1)" in str(caught.value)
    expected = vidsal.evaluate(Levels(), ds)
    assert rows(score(tmp_path / "m", ds, kind="saliency", first_frame=0)) == rows(expected)


def test_padded_numbers_name_a_stimulus(tmp_path: Path) -> None:
    from vidsal.benchmark.submissions.layout import scan

    for name in ("7", "0012", "x3"):
        (tmp_path / name).mkdir()
    layout = scan(tmp_path, ["007", "012", "x3", "100"])
    assert {i: e.name for i, e in layout.entries.items()} == {"007": "7", "012": "0012", "x3": "x3"}
    (tmp_path / "0007").mkdir()
    assert scan(tmp_path, ["007", "012", "x3"]).faults[0].what == "are both predictions of 007"
    faults = scan(tmp_path, ["007", "07", "012", "x3"]).faults
    assert [f.where for f in faults] == ["0007", "7"]
    assert {f.what for f in faults} == {"the release has no stimulus of this name, but 007 or 07"}


def test_what_systems_leave_is_no_prediction(classic: Path, ds: Release) -> None:
    expected = rows(score(classic, ds, kind="saliency"))
    for folder in (classic, classic / ds.ids[0]):
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0001.png"):
            (folder / name).write_bytes(b"left")
        (folder / "__MACOSX" / ds.ids[0]).mkdir(parents=True)
        (folder / "@eaDir").mkdir()
    assert rows(score(classic, ds, kind="saliency")) == expected


def test_names_of_ones_own_are_understood(tmp_path: Path, classic: Path, ds: Release) -> None:
    expected = rows(score(classic, ds, kind="saliency"))
    for n, stimulus in enumerate(ds.ids):
        folder = classic.rename(tmp_path / "m") if n == 0 else tmp_path / "m"
        (folder / stimulus).rename(folder / f"pred_{stimulus.replace('_00', '-').upper()}_saliency")
    for folder in (tmp_path / "m").iterdir():
        for file in list(folder.iterdir()):
            file.rename(folder / f"v2_{file.stem}_map8.png")
    assert rows(score(tmp_path / "m", ds, kind="saliency")) == expected


def test_the_map_of_an_image_is_a_file(tmp_path: Path) -> None:
    from vidsal.benchmark.submissions.formats.stored import Limits
    from vidsal.benchmark.submissions.layout import scan, stored

    Image.fromarray(levels("i", 0)).save(tmp_path / "COCO_000000123067.png")
    layout = scan(tmp_path, ["COCO_000000123067"])
    source = stored(tmp_path, layout.entries["COCO_000000123067"], Limits(64, 48))
    found = source.inspect()
    assert (found.frames, found.sizes, found.faults) == ([0], {(64, 48): "COCO_000000123067.png"}, [])
    ((frame, values),) = source.read({0}, 1)
    assert frame == 0
    assert (values == levels("i", 0)).all()
    assert source.digest() == hashlib.sha256((tmp_path / "COCO_000000123067.png").read_bytes()).hexdigest()


def test_a_kind_must_be_said_once(classic: Path, ds: Release) -> None:
    with pytest.raises(WrongUse, match="--kind saliency"):
        score(classic, ds)
    (classic / "submission.json").write_text('{"prediction": {"kind": "saliency", "first_frame": 1}}')
    with pytest.raises(WrongUse, match="kind density was asked for, submission.json says saliency"):
        score(classic, ds, kind="density")
    with pytest.raises(WrongUse, match="first_frame 0 was asked for"):
        score(classic, ds, first_frame=0)
    (classic / "submission.json").unlink()
    with pytest.raises(WrongUse, match="--name"):
        score(classic, ds, kind="saliency", name="../up")


def test_sixteen_bits_are_finer_than_eight(tmp_path: Path, ds: Release) -> None:
    class Fine(Levels):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            for frame in range(stimulus.n_frames):
                yield Prediction(frame, levels(stimulus.id, frame, 65535).astype(np.float64))

    for stimulus in ds:
        (tmp_path / "m" / stimulus.id).mkdir(parents=True)
        for frame in range(stimulus.n_frames):
            image = Image.fromarray(levels(stimulus.id, frame, 65535))
            image.save(tmp_path / "m" / stimulus.id / f"{frame + 1}.png")
    scored = score(tmp_path / "m", ds, kind="saliency")
    expected = vidsal.evaluate(Fine(), ds)
    for name, value in expected.scores.items():
        assert scored.scores[name] == pytest.approx(value, abs=1e-9), name


def test_a_scale_and_an_offset_make_logarithms(classic: Path, ds: Release) -> None:
    class Logs(Levels):
        def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
            for frame in range(stimulus.n_frames):
                yield Prediction(frame, levels(stimulus.id, frame) * 0.05 - 12.75, "log_density")

    expected = vidsal.evaluate(Logs(), ds)
    encoding = {"files": "png8", "scale": 0.05, "offset": -12.75}
    for prediction in (
        {"kind": "log_density", "encoding": encoding},
        {"kind": "density", "encoding": {**encoding, "transform": "log"}},
    ):
        (classic / "submission.json").write_text(json.dumps({"prediction": prediction}))
        assert rows(score(classic, ds)) == rows(expected)
    as_saliency = {"kind": "saliency", "encoding": {**encoding, "transform": "log"}}
    (classic / "submission.json").write_text(json.dumps({"prediction": as_saliency}))
    scored = score(classic, ds).scores
    for name in ("NSS", "CC", "SIM", "KLD"):
        assert scored[name] == pytest.approx(expected.scores[name], abs=1e-9), name
    twice = {"kind": "log_density", "encoding": {"transform": "log"}}
    (classic / "submission.json").write_text(json.dumps({"prediction": twice}))
    with pytest.raises(BadData, match="a logarithm already"):
        score(classic, ds)


def test_arrays_of_whole_stimuli(tmp_path: Path, ds: Release) -> None:
    run = vidsal.evaluate(Levels(), ds)
    (tmp_path / "m").mkdir()
    for n, stimulus in enumerate(ds):
        maps = np.stack([levels(stimulus.id, f) for f in range(stimulus.n_frames)])
        frames = {"frames": np.arange(len(maps))} if n % 2 else {}
        np.savez_compressed(tmp_path / "m" / f"{stimulus.id}.npz", **frames, anything=maps)
    assert rows(score(tmp_path / "m", ds, kind="saliency")) == rows(run)
    big = np.stack([levels(ds.ids[0], f) for f in range(FRAMES)]).astype(">f4")
    np.savez(tmp_path / "m" / f"{ds.ids[0]}.npz", big)
    expected = run.frames["NSS"].to_numpy()
    scored = score(tmp_path / "m", ds, kind="saliency").frames["NSS"].to_numpy()
    assert scored == pytest.approx(expected, abs=1e-9, nan_ok=True)


# ---------------------------------------------------------------------------------------------------------------------
# Exactly the right frames, all faults at once


def test_all_faults_are_reported_before_anything_is_scored(classic: Path, ds: Release) -> None:
    a, b, c = ds.ids
    (classic / a / "0003.png").unlink()
    (classic / a / "0006.png").unlink()
    Image.fromarray(levels(b, 0)).save(classic / b / "0008.png")
    Image.fromarray(levels(b, 0)[:24]).save(classic / b / "0002.png")
    (classic / b / "notes.doc").write_text("")
    shutil.rmtree(classic / c)
    (classic / "scene_999").mkdir()
    (classic / "README.md").write_text("beside")
    (classic / "scene_9.gif").write_bytes(b"")
    with pytest.raises(BadData) as caught:
        score(classic, ds, kind="saliency")
    text = str(caught.value)
    for fault in (
        f"{a}: 2 of 7 frames have no prediction; the first gap is frame 2 (number 3 where frame 0 is number 1)",
        f"{b}: 1 predictions beyond the last of 7 frames; the first is of frame 7",
        f"{b}: maps of several sizes: 0001.png is 64 x 48, 0002.png is 64 x 24",
        f"{b}: notes.doc is no numbered map",
        f"{c}: no predictions",
        "scene_999: the release has no stimulus of this name",
        "scene_9.gif does not belong here",
        "7 faults; nothing of it was used",
    ):
        assert fault in text, fault


def test_an_empty_folder_a_file_and_nothing_at_all(tmp_path: Path, ds: Release) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no predictions are here"):
        score(tmp_path / "empty", ds, kind="saliency")
    (tmp_path / "file.rar").write_bytes(b"Rar!")
    with pytest.raises(WrongUse, match="one is a folder, or a .zip, .tar or .tar.gz file"):
        score(tmp_path / "file.rar", ds)
    with pytest.raises(MissingData, match="vidsal predict"):
        score(tmp_path / "nowhere", ds)


def test_sizes_kinds_and_files_that_the_manifest_does_not_say(tmp_path: Path, ds: Release) -> None:
    predict(Maps(), ds, tmp_path / "sub", encoding="png8")
    rewrite(tmp_path / "sub", lambda m: m["prediction"].update(size=[48, 64]))
    with pytest.raises(BadData, match="is 64 x 48, submission.json says 48 x 64"):
        score(tmp_path / "sub", ds)
    rewrite(tmp_path / "sub", lambda m: (m["prediction"].pop("size"), m["prediction"]["encoding"].update(files="npz")))
    with pytest.raises(BadData, match="is png8, submission.json says npz"):
        score(tmp_path / "sub", ds)
    rewrite(tmp_path / "sub", lambda m: (m["prediction"].update(kind="density"), m["prediction"].pop("encoding")))
    with pytest.raises(BadData, match="do not sum to 1"):
        score(tmp_path / "sub", ds)
    rewrite(tmp_path / "sub", lambda m: m["prediction"].update(kind="log_density"))
    with pytest.raises(BadData, match="are no logarithms"):
        score(tmp_path / "sub", ds)
    rewrite(tmp_path / "sub", lambda m: m["prediction"].update(kind="point"))
    with pytest.raises(BadData, match="holds png8, submission.json says kind point"):
        score(tmp_path / "sub", ds)


def test_files_that_are_not_those_that_were_listed(tmp_path: Path, ds: Release) -> None:
    predict(Maps(), ds, tmp_path / "png", encoding="png8")
    Image.fromarray(levels("another", 0)).save(tmp_path / "png" / "predictions" / ds.ids[0] / "000003.png")
    with pytest.raises(BadData, match="SHA-256 differs"):
        score(tmp_path / "png", ds)
    predict(Maps(), ds, tmp_path / "npz")
    other = {f"{f:06d}": np.ones((48, 64), np.float32) for f in range(FRAMES)}
    np.savez(tmp_path / "npz" / "predictions" / f"{ds.ids[1]}.npz", **other)  # type: ignore[arg-type]
    with pytest.raises(BadData, match="SHA-256 differs"):
        score(tmp_path / "npz", ds)
    rewrite(tmp_path / "npz", lambda m: m["files"].pop())
    with pytest.raises(BadData, match=f"{ds.ids[2]}: is not listed"):
        score(tmp_path / "npz", ds)
    rewrite(tmp_path / "npz", lambda m: m["files"][0].update(frames=[0, 5]))
    with pytest.raises(BadData, match="frame 6 is there but not listed"):
        score(tmp_path / "npz", ds)
    rewrite(tmp_path / "npz", lambda m: m["files"][0].update(frames=[0, 99_999_999]))
    with pytest.raises(BadData, match="lists frame 99999999 of 7"):
        score(tmp_path / "npz", ds)


def test_other_data_is_not_scored(tmp_path: Path, ds: Release) -> None:
    predict(Maps(), ds, tmp_path / "sub")
    rewrite(tmp_path / "sub", lambda m: m["release"].update(digest="0" * 64))
    with pytest.warns(UserWarning, match="another conversion"):
        score(tmp_path / "sub", ds)
    rewrite(tmp_path / "sub", lambda m: m["release"].update(dataset="dhf1k", id="dhf1k"))
    with pytest.raises(WrongUse, match="predictions of dhf1k, the data is synthetic"):
        score(tmp_path / "sub", ds)


def test_nan_stops_a_run_and_keeps_what_was_finished(tmp_path: Path, ds: Release) -> None:
    (tmp_path / "m").mkdir()
    for stimulus in ds:
        maps = np.stack([levels(stimulus.id, f) for f in range(FRAMES)]).astype(np.float32)
        if stimulus.id == ds.ids[1]:
            maps[4, 7, 8] = np.nan
        np.savez(tmp_path / "m" / f"{stimulus.id}.npz", maps)
    with pytest.raises(NonFinite, match=f"{ds.ids[1]}, frame 4.*1 NaN"):
        score(tmp_path / "m", ds, kind="saliency", partial_folder=tmp_path / "partial")
    rows = [pq.read_table(p)["stimulus_id"][0].as_py() for p in (tmp_path / "partial").rglob("*.parquet")]
    assert rows == [ds.ids[0]]


def test_the_digest_is_of_the_content(tmp_path: Path, classic: Path, ds: Release) -> None:
    def digest(folder: Path) -> str:
        return str(score(folder, ds, kind="saliency").record["model"]["submission"]["digest"])

    first = digest(classic)
    shutil.copytree(classic, tmp_path / "copy")
    assert digest(tmp_path / "copy") == first
    Image.fromarray(levels("another", 0)).save(tmp_path / "copy" / ds.ids[0] / "0003.png")
    assert digest(tmp_path / "copy") != first


def test_faults_of_a_manifest_are_named(classic: Path, ds: Release) -> None:
    (classic / "submission.json").write_text('{"prediction": {"kindd": "saliency"}, "format": 2, "splitt": "val"}')
    with pytest.raises(BadData) as caught:
        score(classic, ds)
    for text in ("did you mean 'kind'", "did you mean 'split'", "prediction.kind: Field required", "format"):
        assert text in str(caught.value)
    (classic / "submission.json").write_text("{")
    with pytest.raises(BadData, match="no manifest of format 1"):
        score(classic, ds)


def test_training_data_of_a_manifest_is_named_by_ids(classic: Path, ds: Release) -> None:
    text = '{"prediction": {"kind": "saliency"}, "model": {"name": "m", "trained_on": ["DHF2K"]}}'
    (classic / "submission.json").write_text(text)
    with pytest.raises(
        BadData, match="trained_on holds 'DHF2K'.*did you mean 'dhf1k'.*write any other as other:<name>"
    ):
        score(classic, ds)
    # What was written before ids were checked is read.
    (classic / "submission.json").write_text(text.replace("DHF2K", "Hollywood-2"))
    assert score(classic, ds).record["model"]["trained_on"] == ["hollywood2"]


def test_a_manifest_survives_its_file(tmp_path: Path, ds: Release) -> None:
    made = predict(
        Maps("log_density", lookahead=2, causal=False, trained_on=("dhf1k", "other:b")), ds, tmp_path / "sub"
    )
    assert manifests.read(tmp_path / "sub") == made.manifest
    text = (tmp_path / "sub" / "submission.json").read_text()
    manifests.write(tmp_path, made.manifest)
    assert (tmp_path / "submission.json").read_text() == text
    info = made.manifest.info("x")
    assert (info.lookahead, info.trained_on, info.needs_frames) == (2, ("dhf1k", "other:b"), False)


def test_reading_runs_ahead_but_not_far(tmp_path: Path, classic: Path, ds: Release, monkeypatch: Any) -> None:
    from vidsal.benchmark.submissions.formats import folder as map_files
    from vidsal.benchmark.submissions.formats.stored import Limits

    read: list[str] = []
    real = map_files.read_bounded
    monkeypatch.setattr(map_files, "read_bounded", lambda p, most: (read.append(p), real(p, most))[1])
    for n in range(8, 101):
        shutil.copy(classic / ds.ids[0] / "0001.png", classic / ds.ids[0] / f"{n:04d}.png")
    source = map_files.MapFiles(classic / ds.ids[0], Limits(64, 48)).read(range(100), 2)
    assert next(source)[0] == 1
    assert len(read) <= 30
    assert [number for number, _ in source] == list(range(2, 100))


def test_what_travels_to_a_worker_is_small_and_reads_the_same(classic: Path, ds: Release) -> None:
    import pickle

    from vidsal.benchmark.submissions.opened import Reopen, open_submission
    from vidsal.benchmark.submissions.said import Said

    said = Said("saliency", name="m")
    opened = open_submission(classic, ds, said=said, threads=2)
    make = Reopen(classic, ds.root, None, said, 2)
    packed = pickle.dumps(make)
    assert len(packed) < 2000
    assert pickle.loads(packed)() == opened.reader  # noqa: S301 - our own bytes


def test_the_tool_says_what_wrote_it(tmp_path: Path, ds: Release) -> None:
    made = predict(Maps(), ds, tmp_path / "sub", threads=3)
    assert made.manifest.tool is not None
    assert made.manifest.tool["threads"] == 3
    assert made.manifest.tool["vidsal"] == vidsal.__version__
    assert FOLDER == "predictions"
    assert os.listdir(tmp_path / "sub" / "predictions") != []


def test_a_declaration_that_cannot_be_stored_is_reported_before_the_work(tmp_path: Path, ds: Release) -> None:
    log: list[str] = []
    model = Breaks(None, log)
    model.info = ModelInfo(name="deep", paper="x" * 5000, needs_frames=False)
    with pytest.raises(WrongUse, match=r"model 'deep' cannot be described in run\.json: paper: "):
        predict(model, ds, tmp_path / "sub")
    assert log == []
    assert not (tmp_path / "sub").exists()
