from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import vidsal
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, MissingData, UnknownName, WrongUse
from vidsal.loaders.release.release import Release
from vidsal.loaders.release.torch_data import collate


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    generate(folder / "source", videos=3, frames=20, width=64, height=48, observers=3, seed=4)
    convert("synthetic", folder / "source", folder / "out", workers=1)
    return folder / "out"


@pytest.fixture
def ds(root: Path) -> Release:
    return vidsal.load(root)


def test_splits(root: Path, ds: Release) -> None:
    train, val = vidsal.load(root, split="train"), vidsal.load(root, "val")
    assert len(train) + len(val) == len(ds) == len(vidsal.load(root, "all")) == 3
    assert set(train.ids) | set(val.ids) == set(ds.ids)
    assert set(train.fixations["stimulus_id"]) <= set(train.ids)
    with pytest.raises(UnknownName, match="unknown split"):
        vidsal.load(root, "tset")


def test_tables_are_pandas_and_arrow(ds: Release) -> None:
    assert isinstance(ds.stimuli, pd.DataFrame)
    assert ds.table("fixations").num_rows == len(ds.fixations)
    with pytest.raises(UnknownName):
        ds.table("saccades")


def test_points_are_the_rows_that_cover_a_frame(ds: Release) -> None:
    rows = ds.fixations
    for stimulus in ds:
        mine = rows[(rows["stimulus_id"] == stimulus.id) & rows["in_bounds"]]
        mine = mine[mine["event"].isin(["fixation", "pursuit", "point", "mouse"])]
        end = mine["frame_end"].fillna(mine["frame"])
        for frame in (0, 7, 19):
            expected = mine[(mine["frame"] <= frame) & (end >= frame)][["x_px", "y_px"]].to_numpy()
            got = stimulus.points(frame)
            assert got.dtype == np.float32
            assert sorted(map(tuple, got.tolist())) == sorted(map(tuple, expected.tolist()))


def test_density_sums_to_one_inside_the_frame(ds: Release) -> None:
    for stimulus in ds:
        for frame in range(0, 20, 5):
            values = stimulus.density(frame)
            assert values.shape == (48, 64)
            assert values.dtype == np.float32
            if len(stimulus.points(frame)):
                assert float(values.sum(dtype=np.float64)) == pytest.approx(1, abs=1e-5)


def test_frames_are_the_videos(ds: Release) -> None:
    frames = list(ds["synthetic_0001" if "synthetic_0001" in ds.ids else ds.ids[0]].frames())
    assert [f.index for f in frames] == list(range(20))
    assert frames[0].rgb.shape == (48, 64, 3)


def test_frames_are_found_by_environment_and_argument(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSAL_FRAMES_SYNTHETIC", str(tmp_path))
    with pytest.raises(MissingData, match=str(tmp_path)):
        next(iter(vidsal.load(root))).frames()
    ds = vidsal.load(root, frames=root.parent / "source")
    assert next(iter(ds)).frames_path() is not None


def test_wrong_frame_and_name(ds: Release) -> None:
    stimulus = next(iter(ds))
    with pytest.raises(WrongUse, match="frames 0 to 19"):
        stimulus.points(20)
    with pytest.raises(UnknownName):
        ds["nobody"]
    with pytest.raises(UnknownName, match="truth recipe"):
        stimulus.density(0, "guess")


def test_no_release_and_damaged_release(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="vidsal data convert"):
        vidsal.load(tmp_path)
    (tmp_path / "release.json").write_text("{")
    with pytest.raises(BadData, match="damaged"):
        vidsal.load(tmp_path)


def test_a_swapped_video_is_refused(root: Path, tmp_path: Path) -> None:
    from ..trees import noise_video, write_video

    ds = vidsal.load(root, frames=tmp_path)
    stimulus = next(iter(ds))
    write_video(tmp_path / Path(stimulus.row["source_file"]).name, noise_video(5, 48, 64))
    with pytest.raises(BadData, match="5 frames decoded, the release says 20"):
        list(vidsal.load(root, frames=tmp_path)[stimulus.id].frames())


def test_clips(ds: Release) -> None:
    clips = ds.torch(clip=8, stride=4)
    assert len(clips) == 3 * 4
    item = clips[1]
    assert item["frames"].tolist() == list(range(4, 12))
    assert item["rgb"].shape == (8, 3, 48, 64)
    assert item["rgb"].dtype == torch.uint8
    assert item["density"].shape == (8, 48, 64)
    assert item["valid"].all()
    stimulus = ds[item["stimulus_id"]]
    frames = [f.rgb for f in stimulus.frames()]
    assert np.array_equal(item["rgb"][3].numpy().transpose(1, 2, 0), frames[7])
    assert np.array_equal(item["points"][2].numpy(), stimulus.points(6))


def test_a_short_stimulus_repeats_its_last_frame(ds: Release) -> None:
    item = ds.torch(clip=24)[0]
    assert item["frames"].tolist() == [*range(20), 19, 19, 19, 19]
    assert item["valid"].tolist() == [True] * 20 + [False] * 4
    assert torch.equal(item["rgb"][23], item["rgb"][19])


@pytest.mark.parametrize("clip", [1, 3, 8, 20, 24])
@pytest.mark.parametrize("stride", [1, 3, 8, 30])
def test_the_number_of_clips_and_the_tail(ds: Release, clip: int, stride: int) -> None:
    """Against a plain count; with a tail and clips that leave no gap every frame is valid in a clip."""
    starts = [t for t in range(0, 20, stride) if t == 0 or t + clip <= 20]
    plain = ds.torch(clip=clip, stride=stride)
    assert len(plain) == 3 * len(starts) == 3 * (max(20 - clip, 0) // stride + 1)
    whole = ds.torch(clip=clip, stride=stride, tail=True)
    mine = [whole[i] for i in range(len(whole)) if whole[i]["stimulus_id"] == ds.ids[0]]
    assert [int(item["frames"][0]) for item in mine][: len(starts)] == starts
    assert len(mine) - len(starts) in (0, 1)
    seen = {int(f) for item in mine for f, ok in zip(item["frames"], item["valid"], strict=True) if ok}
    if stride <= clip:
        assert seen == set(range(20))
    for item in mine:
        assert item["frames"][~item["valid"]].tolist() == [19] * int((~item["valid"]).sum())


def test_clips_in_any_order_and_in_workers_are_the_same(ds: Release) -> None:
    clips = ds.torch(clip=6, stride=3)
    forward = [clips[i]["rgb"].sum().item() for i in range(len(clips))]
    backward = [clips[i]["rgb"].sum().item() for i in reversed(range(len(clips)))]
    assert forward == backward[::-1]
    loader = torch.utils.data.DataLoader(clips, batch_size=2, num_workers=2, collate_fn=collate)
    assert [b["rgb"].sum().item() for b in loader] == [sum(forward[i : i + 2]) for i in range(0, len(forward), 2)]


def test_clips_refuse_nonsense(ds: Release) -> None:
    for nonsense in ({"clip": 0}, {"clip": 4, "stride": 0}):
        with pytest.raises(WrongUse):
            ds.torch(**nonsense)
    with pytest.raises(IndexError):
        ds.torch(clip=8)[99]


def test_a_release_of_several_row_groups_reads_whole(tmp_path: Path) -> None:
    from vidsal.loaders import schema
    from vidsal.loaders.io import parquet

    def table(name: str, rows: int) -> object:
        columns = {"event": "point", "frame": [3] * rows, "x_px": [1.0] * rows, "y_px": [1.0] * rows}
        columns["flags"] = [["lost"] if i % 7 == 0 else [] for i in range(rows)]
        place = {"dataset": "synthetic", "stimulus_id": name, "split": "val", "width": 64, "height": 48}
        return schema.fixations_table(columns, **place)  # type: ignore[arg-type]

    generate(tmp_path / "source", videos=1, frames=5, width=64, height=48, observers=2, val=1)
    convert("synthetic", tmp_path / "source", tmp_path / "out", workers=1)
    (name,) = vidsal.load(tmp_path / "out").ids
    parquet.write(tmp_path / "out" / "fixations.parquet", schema.FIXATIONS, iter([table(name, 140_000)]))
    ds = vidsal.load(tmp_path / "out")
    assert len(ds.fixations) == 140_000
    assert len(ds[name].points(3)) == 140_000


@pytest.mark.parametrize("damage", ["truth", "files", "digest"])
def test_a_record_that_lacks_something_is_bad_data(root: Path, tmp_path: Path, damage: str) -> None:
    import json
    import shutil

    shutil.copytree(root, tmp_path / "copy")
    record = json.loads((root / "release.json").read_text())
    del record[damage]
    (tmp_path / "copy" / "release.json").write_text(json.dumps(record))
    with pytest.raises(BadData, match="damaged"):
        vidsal.load(tmp_path / "copy")


@pytest.mark.parametrize("name", ["fixations.parquet", "stimuli.parquet"])
def test_a_damaged_or_missing_table_names_its_file(root: Path, tmp_path: Path, name: str) -> None:
    import shutil

    shutil.copytree(root, tmp_path / "copy")
    path = tmp_path / "copy" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadData, match=name):
        vidsal.load(tmp_path / "copy").fixations  # noqa: B018
    path.unlink()
    with pytest.raises(BadData, match=f"{name} is missing"):
        vidsal.load(tmp_path / "copy").fixations  # noqa: B018


def test_an_official_split_without_stimuli_is_empty(tmp_path: Path) -> None:
    from ..trees import dhf1k_raw

    convert("dhf1k", dhf1k_raw(tmp_path / "src"), tmp_path / "out", variant="raw", workers=1)
    assert len(vidsal.load(tmp_path / "out", "test")) == 0


@pytest.mark.parametrize(
    ("numbers", "message"), [((1, 2, 4), "frame 2 .number 3. is missing"), ((2, 3, 4), "frame 0 ")]
)
def test_a_hole_in_a_folder_of_images_is_refused(tmp_path: Path, numbers: tuple[int, int, int], message: str) -> None:
    """Also where it is the first image that is missing: DHF1K's are numbered from 1, so no frame is shifted."""
    from PIL import Image

    from ..trees import noise_video, write_map

    folder = tmp_path / "annotation" / "0002"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(noise_video(1, 360, 640, number)[0]).save(folder / "images" / f"{number:04d}.png")
    for number in range(1, 4):
        write_map(folder / "fixation" / f"{number:04d}.png", [(number, number)])
    result = convert("dhf1k", tmp_path, tmp_path / "out", variant="released", workers=1)
    (stimulus,) = vidsal.load(tmp_path / "out")
    assert stimulus.first_frame_number == 1
    with pytest.raises(BadData, match=message):
        list(stimulus.frames())
    assert any(a.kind == "frames" for a in result.anomalies)


def test_a_folder_of_images_given_later_is_held_to_the_numbers_of_the_release(tmp_path: Path) -> None:
    """Gaze converted without frames; then images numbered from 0, as many tools write them, and from 1."""
    from PIL import Image

    from ..trees import noise_video, repeat, write_map

    first = tmp_path / "src" / "annotation" / "0002" / "fixation" / "0001.png"
    write_map(first, [(1, 1)])
    repeat(first, range(2, 784))
    convert("dhf1k", tmp_path / "src", tmp_path / "out", variant="released", workers=1)
    picture = Image.fromarray(noise_video(1, 360, 640)[0])
    for number in (0, 1):
        (tmp_path / f"from{number}" / "002").mkdir(parents=True)
        picture.save(tmp_path / f"from{number}" / "002" / f"{number:04d}.png")
    with pytest.raises(BadData, match=r"0000.png: frame 0 is number 1, this is number 0"):
        next(vidsal.load(tmp_path / "out", frames=tmp_path / "from0")["002"].frames())
    assert next(vidsal.load(tmp_path / "out", frames=tmp_path / "from1")["002"].frames()).index == 0
