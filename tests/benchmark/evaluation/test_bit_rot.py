"""What the disk changes after it was written is found before it is believed, and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vidsal
from vidsal.benchmark import protocols
from vidsal.benchmark.evaluation.results.store import Run
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.benchmark.predictor import Prediction, StimulusInfo
from vidsal.benchmark.submissions.predict import Submission
from vidsal.cli.app import main
from vidsal.loaders.errors import BadData
from vidsal.loaders.records import Frame
from vidsal.loaders.release.release import Release

from ..runs import Brightness, small_release


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_release(tmp_path_factory.mktemp("rot"))


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "release")
    return tmp_path / "release"


def flip(path: Path, place: float = 0.5, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1 << bit
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["fixations.parquet", "stimuli.parquet"])
@pytest.mark.parametrize("place", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_a_flipped_bit_of_a_release_ends_a_run_with_its_name(root: Path, name: str, place: float) -> None:
    flip(root / name, place, bit=3)
    with pytest.raises(BadData, match=rf"{name}: not the file that was converted"):
        vidsal.evaluate(Brightness(), vidsal.load(root))


def test_an_edited_release_json_ends_a_run(root: Path) -> None:
    text = (root / "release.json").read_text()
    assert '"sigma_px": ' in text
    record = json.loads(text)
    record["truth"]["recipes"][record["truth"]["default"]]["sigma_px"] *= 2
    (root / "release.json").write_text(json.dumps(record))
    for work in (
        lambda: vidsal.evaluate(Brightness(), vidsal.load(root)),
        lambda: vidsal.predict(Brightness(), vidsal.load(root), root.parent / "sub"),
    ):
        with pytest.raises(BadData, match=r"release\.json: not what was converted"):
            work()


def test_only_what_a_command_reads_is_compared(root: Path, tmp_path: Path) -> None:
    """Predictions are made without the gaze."""
    flip(root / "fixations.parquet")
    vidsal.predict(Brightness(), vidsal.load(root), tmp_path / "sub", limit=1)
    with pytest.raises(BadData, match=r"fixations\.parquet"):
        vidsal.score(tmp_path / "sub", vidsal.load(root))
    with pytest.raises(BadData, match=r"fixations\.parquet"):
        vidsal.score(tmp_path / "sub", vidsal.load(root), truth_cache="build")
    assert not (root / ".cache").exists()


def test_a_release_without_digests_is_read_as_it_is(made: Path, root: Path) -> None:
    record = json.loads((root / "release.json").read_text())
    record |= {"files": {}, "digest": "0" * 64}
    (root / "release.json").write_text(json.dumps(record))
    expected = vidsal.evaluate(Brightness(), vidsal.load(made)).record["rows_digest"]
    assert vidsal.evaluate(Brightness(), vidsal.load(root)).record["rows_digest"] == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "uniform", "--data", "RELEASE", "-o", "OUT"),
        ("score", "SUBMISSION", "--data", "RELEASE", "-o", "OUT"),
        ("predict", "center_prior_fitted", "--data", "RELEASE", "-o", "OUT"),
    ],
)
def test_the_commands_exit_with_1_and_the_name(
    made: Path, root: Path, tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    vidsal.predict(Brightness(), vidsal.load(made), tmp_path / "sub")
    flip(root / "fixations.parquet")
    places = {"RELEASE": str(root), "OUT": str(tmp_path / "out"), "SUBMISSION": str(tmp_path / "sub")}
    with pytest.raises(SystemExit) as end:
        main([places.get(word, word) for word in arguments])
    assert end.value.code == 1
    said = capsys.readouterr()
    assert "fixations.parquet" in said.err
    assert not list(tmp_path.glob("out/**/run.json"))


def test_a_damaged_video_of_the_converted_folder_is_not_believed(tmp_path: Path) -> None:
    root = small_release(tmp_path, videos=2, frames=4)
    ds = vidsal.load(root)
    source = ds.frames_root()
    video = ds[ds.ids[1]].frames_path()
    assert source is not None
    assert video is not None
    with video.open("ab") as file:
        file.write(b"\0")  # which every decoder overlooks
    for work in (
        lambda: vidsal.evaluate(Brightness(), vidsal.load(root)),
        lambda: vidsal.predict(Brightness(), vidsal.load(root), tmp_path / "sub"),
    ):
        with pytest.raises(BadData, match=rf"{video.name}: not what was converted"):
            work()
    vidsal.evaluate(Brightness(), vidsal.load(root, frames=source))  # a folder that somebody names is taken as it is
    vidsal.evaluate(Brightness(needs_frames=False, missing="exclude"), vidsal.load(root))


class Stops(Brightness):
    """Fails at the last of three stimuli, unless it is told not to."""

    last: str | None = None

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        if stimulus.id == self.last:
            raise BadData("stop")
        yield from super().predict(frames, stimulus)


def _run(ds: Release, partial: Path, last: str | None, notes: list[str]) -> Run:
    model = Stops()
    model.last = last
    settings = Settings(protocols.protocol("exact-1"))
    return run(lambda: model, ModelRecord(model.info), ds, settings, partial=partial, note=notes.append)


def _predict(ds: Release, out: Path, last: str | None, notes: list[str]) -> Submission:
    model = Stops()
    model.last = last
    return vidsal.predict(model, ds, out, note=notes.append)


def _middle(path: Path) -> None:
    flip(path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _no_seal(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES: list[Callable[[Path], None]] = [_middle, _cut, _no_seal, _empty]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", ["*.parquet", "negatives-*.npz"])
def test_damaged_unfinished_rows_are_made_again_with_a_word(
    made: Path, tmp_path: Path, damage: Callable[[Path], None], pattern: str
) -> None:
    ds = vidsal.load(made)
    notes: list[str] = []
    with pytest.raises(BadData, match="stop"):
        _run(ds, tmp_path / "p", ds.ids[-1], notes)
    assert not notes
    damage(sorted((tmp_path / "p").rglob(pattern))[0])
    resumed = _run(ds, tmp_path / "p", None, notes)
    assert resumed.record["rows_digest"] == vidsal.evaluate(Brightness(), ds).record["rows_digest"]
    if pattern == "*.parquet":
        assert len(notes) == 1
        assert "damaged for 1 stimuli" in notes[0]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", [".partial/*/*.json", "predictions/*.npz"])
def test_damaged_unfinished_predictions_are_made_again_with_a_word(
    made: Path, tmp_path: Path, damage: Callable[[Path], None], pattern: str
) -> None:
    if damage is _no_seal and pattern.startswith("predictions"):
        pytest.skip("the digest of stored maps lies in the note")
    ds = vidsal.load(made)
    notes: list[str] = []
    with pytest.raises(BadData, match="stop"):
        _predict(ds, tmp_path / "s", ds.ids[-1], notes)
    damage(sorted((tmp_path / "s").glob(pattern))[0])
    _predict(ds, tmp_path / "s", None, notes)
    assert len(notes) == 1
    _predict(ds, tmp_path / "whole", None, notes)
    for path in sorted((tmp_path / "whole").rglob("*.npz")):
        assert (tmp_path / "s" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()
