"""What a run leaves to look at: which frames, which grays, which files; whole, or named as damaged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

import vidsal
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.human_stimulus import MeanMap
from vidsal.benchmark.evaluation.previews.cells import cell_size, in_levels, shrink
from vidsal.benchmark.evaluation.previews.choose import MOST_EVEN, MOST_EXTREME, Chooser
from vidsal.benchmark.evaluation.previews.collector import RankedBy
from vidsal.benchmark.evaluation.previews.record import PreviewsRecord, read_record
from vidsal.benchmark.evaluation.previews.sprites import gray_png
from vidsal.benchmark.evaluation.results.folder import merge, verify
from vidsal.benchmark.evaluation.results.store import Run, load_run
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.benchmark.human import OneVsRest
from vidsal.benchmark.predictor import Prediction, StimulusInfo
from vidsal.loaders.errors import MissingData, UnknownName, WrongUse
from vidsal.loaders.io.files import sha256, sha256_text
from vidsal.loaders.records import Frame
from vidsal.loaders.release.digests import release_digest
from vidsal.loaders.release.release import Release

from ..runs import Brightness, Scripted, small_release

CELL = np.zeros((2, 2), np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("previews"), frames=70)


@pytest.fixture(scope="module")
def ds(root: Path) -> Release:
    return vidsal.load(root)


@pytest.fixture(scope="module")
def made(ds: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = vidsal.evaluate(Brightness(), ds).save(tmp_path_factory.mktemp("results")).folder
    assert folder is not None
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """The same run in a place where it may be damaged."""
    target = tmp_path / "results" / Path(*made.parts[-5:])
    shutil.copytree(made, target)
    return target


def record_of(folder: Path) -> PreviewsRecord:
    return read_record(folder, json.loads((folder / "run.json").read_text())["previews_digest"])


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "previews").iterdir())}


def chosen(scores: list[float], *, higher: bool = True, step: int = 1, apart: int = 1) -> Any:
    chooser = Chooser(higher_is_better=higher, apart=apart)
    for place, score in enumerate(scores):
        chooser.look(place * step, score, lambda: (CELL, CELL))
    return chooser.chosen()


@pytest.mark.parametrize("n", [1, 2, 55, 56, 57, 112, 113, 783, 3000])
def test_even_frames_are_evenly_spaced_and_about_forty(n: int) -> None:
    even = list(chosen([0.0] * n).even)
    assert even[0] == 0
    assert len(set(np.diff(even))) <= 1
    assert len(even) == n if n <= MOST_EVEN else MOST_EVEN / 2 <= len(even) <= MOST_EVEN


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(float("nan")), st.just(float("inf"))), max_size=150),
    st.booleans(),
)
def test_best_and_worst_are_those_of_a_sort(scores: list[float], higher: bool) -> None:
    found = chosen(scores, higher=higher)
    ranked = [(s, f) for f, s in enumerate(scores) if np.isfinite(s)]
    most = min(MOST_EXTREME, len(ranked) // 2)
    sign = -1 if higher else 1
    best = [f for _, f in sorted((sign * s, f) for s, f in ranked)][:most]
    assert list(found.best) == best
    least = [f for _, f in sorted((-sign * s, f) for s, f in ranked)][:MOST_EXTREME]
    assert list(found.worst) == [f for f in least if f not in best][:most]
    named = {*found.best, *found.worst}
    assert set(found.extreme) == named - set(found.even)
    assert list(found.even) == list(range(len(scores)))[:: max(1, found_step(found.even))]


@pytest.mark.parametrize("rising", [1, -1])
def test_best_and_worst_lie_apart(rising: int) -> None:
    """A steady rise is the hardest: each frame is better than the one before, and only the last ones are the best."""
    found = chosen([rising * k / 500 + 2 * (k == 250) for k in range(500)], apart=12)
    for frames in (found.best, found.worst):
        assert len(frames) == MOST_EXTREME
        assert np.diff(sorted(frames)).min() >= 12
    assert found.best[:2] == ((250, 499) if rising > 0 else (250, 0))
    assert np.diff(sorted(set(found.best) - {250})).max() < 24, "no stretch between them is passed over"


def found_step(even: dict[int, Any]) -> int:
    frames = list(even)
    return frames[1] - frames[0] if len(frames) > 1 else 1


def test_cells_are_made_only_for_what_is_kept() -> None:
    calls = []
    chooser = Chooser(higher_is_better=True)
    for frame in range(2000):
        chooser.look(frame, float(frame % 7), lambda frame=frame: calls.append(frame) or (CELL, CELL))  # type: ignore[misc]
    assert len(calls) < 400


@pytest.mark.parametrize("shape", [(360, 640), (50, 90), (20, 31), (7, 5), (1, 2)])
def test_a_cell_is_the_average_of_its_area(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(3).random(shape)
    width, height = cell_size(shape[1], shape[0])
    found = shrink(values, "density", (width, height)).astype(float)
    means = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            a, c = i * shape[0] // height, j * shape[1] // width
            b, d = max((i + 1) * shape[0] // height, a + 1), max((j + 1) * shape[1] // width, c + 1)
            means[i, j] = values[a:b, c:d].mean()
    assert np.abs(found / 255 - means / means.max()).max() <= 0.5 / 31 + 1e-2
    assert found.max() == 255
    assert len(np.unique(found)) <= 32


def test_scales() -> None:
    ramp = np.tile(np.linspace(1.0, 2.0, 96), (54, 1))
    size = (96, 54)
    assert shrink(ramp, "saliency", size)[0, [0, -1]].tolist() == [0, 255], "the zero of saliency means nothing"
    assert shrink(ramp - 50, "saliency", size).tolist() == shrink(ramp, "saliency", size).tolist()
    assert shrink(ramp, "density", size)[0, [0, -1]].tolist() == [132, 255], "half of the largest density"
    logs = np.log(ramp / ramp.sum())
    assert np.array_equal(shrink(logs, "log_density", size), shrink(ramp / ramp.sum(), "density", size))
    logs[0, 0] = -np.inf
    assert shrink(logs, "log_density", size)[0, 0] == 0
    for kind in ("saliency", "density", "log_density"):
        assert (shrink(np.full((9, 9), 0.25), kind, size) == 64).all(), "one value: all places are alike"
    assert np.array_equal(shrink(ramp.astype(np.float16), "density", size), shrink(ramp, "density", size))
    for extreme in (1e-300, 1e300):
        assert np.array_equal(shrink(ramp * extreme, "density", size), shrink(ramp, "density", size))


def test_ragged_maps_keep_to_the_budget() -> None:
    random = np.random.default_rng(0)
    rough = [random.integers(0, 256, (54, 96)).astype(np.uint8) for _ in range(8)]
    smooth = [np.tile(np.linspace(0, 255, 96), (54, 1)).astype(np.uint8)] * 8
    content, size = gray_png(smooth)
    assert (len(content) < 600 * 8, size) == (True, (96, 54))
    blobs = [gaussian_filter(random.random((54, 96)), 4) for _ in range(8)]
    ragged = [in_levels((b - b.min()) / np.ptp(b), 32) for b in blobs]
    content, size = gray_png(ragged)
    assert len(content) < 600 * 8
    assert size == (64, 36), "smaller, not in few levels: steps would be taken for the model's"
    with Image.open(BytesIO(content)) as image:
        assert image.size == (8 * 64, 36)
        assert len(np.unique(np.asarray(image))) >= 16
        assert abs(np.asarray(image)[:, :64].mean() - ragged[0].mean()) < 2
    content, size = gray_png(rough)
    with Image.open(BytesIO(content)) as image:
        assert (size, image.size) == ((48, 27), (8 * 48, 27)), "noise is given smaller still, in fewer levels"
        assert len(np.unique(np.asarray(image))) <= 16


def test_cells_stand_in_the_sprite_in_their_order(made: Path, ds: Release) -> None:
    record = record_of(made)
    for name, preview in record.stimuli.items():
        stimulus = ds[name]
        frames = {f.index: f.rgb[..., 1] for f in stimulus.frames()}
        for group in preview.groups:
            for sprite, shown in ((group.maps, frames.__getitem__), (group.truth, stimulus.density)):
                kind = "saliency" if sprite is group.maps else "density"
                with Image.open(made / "previews" / sprite.file) as image:
                    assert image.mode == "L"
                    pixels = np.asarray(image).astype(int)
                for place, frame in enumerate(group.frames):
                    y, x = place // 8 * sprite.height, place % 8 * sprite.width
                    cell = pixels[y : y + sprite.height, x : x + sprite.width]
                    expected = shrink(shown(frame), kind, (sprite.width, sprite.height)).astype(int)  # type: ignore[arg-type]
                    assert np.abs(cell - expected).max() <= 18, (name, frame)  # at most the rounding of 8 levels


def test_the_record_says_what_the_rows_say(made: Path, ds: Release) -> None:
    record, rows = record_of(made), load_run(made).frames
    assert (record.metric, record.higher_is_better) == ("NSS", True)
    for name, preview in record.stimuli.items():
        scored = rows[(rows["stimulus_id"] == name) & (rows["status"] == "scored")].set_index("frame")["NSS"]
        assert list(preview.even.frames) == list(scored.index)[:: found_step(dict.fromkeys(preview.even.frames))]
        ranked = scored.sort_values(kind="stable", ascending=False)
        assert list(preview.best) == list(ranked.index[:10])
        assert set(preview.worst) == set(ranked.index[-10:])
        for group in preview.groups:
            assert list(group.scores) == [round(scored[f], 4) for f in group.frames]
            for frame, text in zip(group.frames, group.fixations, strict=True):
                points = ds[name].points(frame) / (ds[name].width, ds[name].height) * 10_000
                shown = np.array([pair.split(",") for pair in text.split()], int)
                assert all(np.abs(np.floor(points) - p).max(axis=1).min() <= 1 for p in shown)


def saved(ds: Release, out: Path, model: Any, **options: Any) -> Path:
    folder = vidsal.evaluate(model, ds, **options).save(out).folder
    assert folder is not None
    return folder


class Late(Brightness):
    """Gives nothing for its first frames, and says so."""

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        return (p for p in super().predict(frames, stimulus) if p.frame >= 9)


def test_models_that_score_the_same_frames_share_the_truth(ds: Release, tmp_path: Path) -> None:
    late = saved(ds, tmp_path / "late", Late(missing="exclude"))
    plain = saved(ds, tmp_path / "plain", Scripted(list(range(70))), frames_of=late)
    one, other = record_of(late), record_of(plain)
    for name, preview in one.stimuli.items():
        assert preview.even.frames[0] >= 9
        assert preview.even.frames == other.stimuli[name].even.frames
        assert preview.even.truth == other.stimuli[name].even.truth, "byte for byte"
        assert preview.even.fixations == other.stimuli[name].even.fixations


def test_previews_leave_the_numbers_alone(ds: Release, made: Path, tmp_path: Path) -> None:
    with_them, without = load_run(made), vidsal.evaluate(Brightness(), ds, show="nothing").save(tmp_path)
    assert without.folder is not None
    assert sorted(p.name for p in without.folder.iterdir()) == [
        "LOG.txt",
        "frames.parquet",
        "run.json",
        "stimuli.parquet",
    ]
    assert "previews_digest" not in json.loads((without.folder / "run.json").read_text())
    for name in ("frames.parquet", "stimuli.parquet"):
        assert (without.folder / name).read_bytes() == (made / name).read_bytes()
    assert with_them.record["digest"] == without.record["digest"]


@pytest.mark.parametrize("show", ["maps", "frames"])
@pytest.mark.usefixtures("warm_children")
def test_workers_and_a_cut_run_do_not_change_a_byte(ds: Release, tmp_path: Path, show: Any) -> None:
    def score(name: str, **options: Any) -> Path:
        settings = Settings(protocols.protocol("exact-1"), show=options.pop("show", show))
        done = run(
            Brightness, ModelRecord(Brightness().info), ds, settings, partial=tmp_path / f"{name}.partial", **options
        ).save(tmp_path / name)
        assert done.folder is not None
        return done.folder

    one = files(score("one"))
    assert any(name.endswith("-frames.jpg") for name in one) == (show == "frames")
    assert files(score("two", workers=2)) == one

    def stop(done: int, total: int, name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score("cut", progress=stop)
    left = sorted((tmp_path / "cut.partial").rglob(f"*.{show}.json"))
    assert len(left) == 2
    left[0].write_bytes(left[0].read_bytes()[:-9])
    notes: list[str] = []
    assert files(score("cut", note=notes.append)) == one
    assert [n for n in notes if "damaged for 1 stimuli" in n], "a damaged one is made again"
    with pytest.raises(KeyboardInterrupt):
        score("plain", show="nothing", progress=stop)
    notes = []
    assert files(score("plain", note=notes.append)) == one
    assert not notes, "rows without previews are no damage"


def test_where_nothing_is_scored_there_is_nothing_to_see(ds: Release) -> None:
    assert RankedBy.of(protocols.protocol("exact-1")) == RankedBy("NSS", True)
    empty = vidsal.evaluate(Scripted([], missing="exclude"), ds)
    assert empty.previews is not None
    assert json.loads(empty.previews.text)["stimuli"] == {}


def test_human_references_have_previews(ds: Release, tmp_path: Path) -> None:
    folder = saved(ds, tmp_path, OneVsRest())
    assert set(record_of(folder).stimuli) == set(ds.ids)
    assert [item for item in verify(tmp_path) if not isinstance(item, Run)] == []


def test_the_device_engine_keeps_the_same_maps(ds: Release, made: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    device = saved(ds, tmp_path, Brightness(), score_on="device")
    for name, preview in record_of(device).stimuli.items():
        assert preview.even.maps == record_of(made).stimuli[name].even.maps
        assert preview.even.truth == record_of(made).stimuli[name].even.truth


def test_saving_and_merging_keep_them(copy: Path, made: Path, tmp_path: Path) -> None:
    assert files(merge([tmp_path / "results"], tmp_path / "joint").added[0]) == files(made)
    again = load_run(copy).save(tmp_path / "again")
    assert again.folder is not None
    assert files(again.folder) == files(made)
    next((copy / "previews").glob("*.png")).write_bytes(b"")
    without = load_run(copy).save(tmp_path / "without")
    assert without.folder is not None
    assert "previews_digest" not in without.record, "what is damaged is not handed on"
    assert not (without.folder / "previews").exists()


def of_a_liar(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change previews.json and give run.json the digest that fits."""

    def lie(folder: Path) -> None:
        path = folder / "previews" / "previews.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        record = json.loads((folder / "run.json").read_text())
        record["previews_digest"] = sha256_text(path.read_text())
        (folder / "run.json").write_text(json.dumps(record))

    return lie


def first(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["stimuli"]["scene_001"]
    return found


def a_map(folder: Path) -> Path:
    return sorted((folder / "previews").glob("*-even-maps.png"))[0]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: shutil.rmtree(f / "previews"), r"previews\.json: cannot be read"),
        (lambda f: (f / "previews" / "previews.json").write_text("{}"), "not what was written"),
        (lambda f: a_map(f).unlink(), "even-maps.png: cannot be read"),
        (lambda f: a_map(f).write_bytes(a_map(f).read_bytes()[:-20]), "damaged on the disk"),
        (of_a_liar(lambda c: c.update(more=1)), "not of format 1: more"),
        (of_a_liar(lambda c: c.update(metric="none")), "ranks by none"),
        (of_a_liar(lambda c: first(c)["even"]["scores"].__setitem__(0, 9.0)), "NSS of scene_001, frame 0, is not"),
        (of_a_liar(lambda c: first(c)["even"]["frames"].__setitem__(-1, 99999)), "frame 99999, which is not scored"),
        (of_a_liar(lambda c: first(c)["even"]["frames"].reverse()), "do not ascend"),
        (of_a_liar(lambda c: first(c)["even"]["fixations"].__setitem__(0, "<b>")), "fixations"),
        (of_a_liar(lambda c: first(c)["even"]["maps"].update(file="../../run.json")), "file"),
        (of_a_liar(lambda c: first(c).update(best=[0, 0])), "named twice"),
        (of_a_liar(lambda c: first(c)["even"]["maps"].update(width=95)), "a picture of"),
        (
            of_a_liar(lambda c: first(c)["even"].update(maps=c["stimuli"]["scene_002"]["even"]["maps"])),
            "picture of another stimulus",
        ),
    ],
)
def test_damage_is_named_and_spares_the_numbers(copy: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(copy)
    load_run(copy)
    found = [str(item) for item in verify(copy.parents[4]) if not isinstance(item, Run)]
    assert len(found) == 1
    assert re.search(said, found[0]), found
    assert "its scores are whole" in found[0]


def test_a_picture_that_is_none(copy: Path) -> None:
    path = a_map(copy)
    path.write_bytes(b"<svg onload=alert(1)>")
    digest = sha256(path)

    def lie(content: dict[str, Any]) -> None:
        for preview in content["stimuli"].values():
            if preview["even"]["maps"]["file"] == path.name:
                preview["even"]["maps"]["sha256"] = digest

    of_a_liar(lie)(copy)
    (found,) = (str(item) for item in verify(copy.parents[4]) if not isinstance(item, Run))
    assert "no PNG that can be read" in found


def test_frames_are_shown_only_by_licence(ds: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def license_as(text: str) -> None:
        monkeypatch.setitem(ds.record, "licence", text)
        monkeypatch.setitem(ds.record, "digest", release_digest(ds.record))

    license_as("CC BY-NC 4.0")
    with pytest.raises(WrongUse, match=r"licence is 'CC BY-NC 4\.0'.*--with-frames"):
        vidsal.evaluate(Brightness(), ds, show="frames")
    license_as("CC0-1.0")
    monkeypatch.setattr(type(ds[ds.ids[0]]), "frames_path", lambda self: None)
    with pytest.raises(MissingData, match="leave --with-frames out"):
        vidsal.evaluate(Scripted(list(range(70))), ds, show="frames")


def test_an_unknown_wish() -> None:
    with pytest.raises(UnknownName, match="maps"):
        Settings(protocols.protocol("exact-1"), show="film")  # type: ignore[arg-type]


def test_an_image_has_one() -> None:
    found = chosen([1.5])
    assert (list(found.even), found.extreme, found.best, found.worst) == ([0], {}, (), ())


def test_the_mean_of_people_is_that_of_all_their_maps_to_the_bit() -> None:
    maps = np.random.default_rng(0).random((29, 33, 57), np.float32)
    mean = MeanMap()
    for values in maps:
        mean.add(values)
    assert mean.mean().tobytes() == np.mean(list(maps), axis=0).tobytes()
    assert maps.tobytes() == np.random.default_rng(0).random((29, 33, 57), np.float32).tobytes(), (
        "none was written into"
    )
