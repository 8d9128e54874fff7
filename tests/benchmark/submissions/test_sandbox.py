"""Decoding in child processes whose memory and time have an end: the same scores, and a bomb costs its stimulus."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidsal.benchmark.evaluation.children import ChildFault, Children
from vidsal.benchmark.evaluation.run import ModelRecord, Settings, run
from vidsal.benchmark.predictor import Prediction, StimulusInfo
from vidsal.benchmark.protocols import protocol
from vidsal.benchmark.submissions.importing import import_submission
from vidsal.benchmark.submissions.predict import predict
from vidsal.benchmark.submissions.sandbox import Sandbox, TimedChildren, sandbox
from vidsal.loaders import registry
from vidsal.loaders.conversion.convert import convert_own
from vidsal.loaders.datasets.synthetic.write import generate
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame, Gaze, Report, StimulusRow
from vidsal.loaders.release.release import load

from ...cli.commands import vidsal
from ..stored import Maps, gaze_only

GIB = 1 << 30
synthetic = registry.form("synthetic", None)


def greedy() -> int:
    return int(np.ones(GIB, np.float64).sum())


def endless() -> None:
    time.sleep(600)


def modest() -> int:
    return int(np.ones(1000).sum())


class Call:
    """A call that another process can make."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self) -> Any:
        return self.function()


@pytest.mark.usefixtures("warm_children")
def test_a_call_without_end_costs_itself() -> None:
    with Children(2, 3.0, GIB) as children:
        found = list(Sandbox(children).calls([Call(f) for f in (modest, greedy, endless, modest)]))
    assert (found[0], found[3]) == (1000, 1000)
    assert isinstance(found[1], ChildFault)
    assert "more than the 1 GiB of memory" in str(found[1])
    assert isinstance(found[2], ChildFault)
    assert "no sign of life for 3 s" in str(found[2])


def test_where_memory_cannot_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(WrongUse, match="darwin does not limit"), sandbox():
        pass


class Hostile:
    """A source whose second stimulus never ends, and whose third unfolds."""

    INFO = synthetic.INFO

    def present(self, source: Path) -> bool:
        return synthetic.present(source)

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        return synthetic.stimuli(source, report)

    def gaze(self, source: Path, row: StimulusRow, report: Report) -> Gaze:
        {"scene_002": endless, "scene_003": greedy}.get(row.stimulus_id, modest)()
        return synthetic.gaze(source, row, report)


class Endless(Hostile):
    """A source that cannot even be listed."""

    def stimuli(self, source: Path, report: Report) -> Iterator[StimulusRow]:
        endless()
        return super().stimuli(source, report)


@pytest.mark.usefixtures("warm_children")
def test_a_conversion_within(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same release; and what hangs or unfolds costs itself, be it the list of the stimuli."""
    generate(tmp_path / "source", videos=4, frames=3, width=64, height=48, observers=2)
    common = ("data", "convert", "synthetic", "--src", tmp_path / "source", "-q", "--workers", 1)
    assert vidsal(*common, "-o", tmp_path / "plain") == 0
    assert vidsal(*common, "-o", tmp_path / "boxed", "--sandbox") == 0
    for name in ("release.json", "stimuli.parquet", "fixations.parquet", "gaze.parquet"):
        assert (tmp_path / "boxed" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    with Children(1, 3.0, GIB) as children:
        within = TimedChildren(Sandbox(children))
        with pytest.raises(BadData, match="scene_002: .*no sign of life for 3 s.*; also failed: scene_003") as fault:
            convert_own(Hostile(), tmp_path / "source", tmp_path / "hostile", children=within)
        assert "what was done is kept, the same command does only the rest" in str(fault.value)
        with pytest.raises(BadData, match="source: no sign of life for 3 s"):
            convert_own(Endless(), tmp_path / "source", tmp_path / "endless", children=within)
    assert len(list((tmp_path / "hostile").rglob("*.json"))) == 2
    assert vidsal(*common, "-o", tmp_path / "x", "--sandbox", "--scheduler", "local:2") == 2
    assert "--sandbox and --scheduler contradict each other" in capsys.readouterr().err


class Gone(Sandbox):
    """Loses the process that takes over the second stimulus."""

    def calls(self, calls: Iterable[Callable[[], Any]]) -> Iterator[Any]:
        for number, call in enumerate(calls):
            taken_over = isinstance(call, partial) and call.func.__name__ == "_bring"
            yield ChildFault("it is gone") if taken_over and number == 1 else call()


@pytest.mark.usefixtures("cold_children")
def test_an_import_within(root: Path, tmp_path: Path) -> None:
    """The same submission; and what takes too much is named."""
    predict(Maps(), load(root), tmp_path / "sub", encoding="png8")
    common = ("submit", "import", tmp_path / "sub", "--data", root, "-q", "-o")
    assert vidsal(*common, tmp_path / "plain") == 0
    assert vidsal(*common, tmp_path / "boxed", "--sandbox") == 0
    files = {p.relative_to(tmp_path / "plain") for p in (tmp_path / "plain").rglob("*") if p.is_file()}
    assert len(files) > 3
    assert all((tmp_path / "boxed" / f).read_bytes() == (tmp_path / "plain" / f).read_bytes() for f in files)
    with Children(1, 60.0, 1 << 20) as children, pytest.raises(BadData, match="scene_003 .3.: it takes more than"):
        import_submission(tmp_path / "sub", load(root), tmp_path / "small", sandbox=Sandbox(children))
    with Children(1, 60.0, GIB) as children, pytest.raises(BadData, match="scene_002: it is gone"):
        import_submission(tmp_path / "sub", load(root), tmp_path / "small", sandbox=Gone(children))
    assert not (tmp_path / "small").exists()


def write_video(path: Path, maps: list[np.ndarray[Any, np.dtype[np.uint8]]]) -> None:
    """A motion JPEG: each picture tells its own size, so one of them can unfold to anything."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number, pixels in enumerate(maps):
            height, width = pixels.shape
            coder = av.CodecContext.create("mjpeg", "w")
            coder.width, coder.height, coder.pix_fmt = width, height, "yuvj420p"
            coder.time_base = Fraction(1, 25)
            picture = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format="yuvj420p")
            for packet in [*coder.encode(picture), *coder.encode(None)]:
                packet.stream, packet.pts, packet.dts = stream, number, number
                container.mux(packet)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gaze_only(tmp_path_factory.mktemp("sandbox"), videos=3)


@pytest.mark.usefixtures("warm_children")
def test_scores_are_the_same_within(root: Path, tmp_path: Path) -> None:
    predict(Maps(), load(root), tmp_path / "sub", encoding="png8")
    common = ("score", tmp_path / "sub", "--data", root)
    assert vidsal(*common, "-o", tmp_path / "plain") == 0
    assert vidsal(*common, "-o", tmp_path / "boxed", "--sandbox") == 0
    (plain,), (boxed,) = (list((tmp_path / name).rglob("frames.parquet")) for name in ("plain", "boxed"))
    assert boxed.read_bytes() == plain.read_bytes()
    assert vidsal("submit", "check", tmp_path / "sub", "--data", root, "--sandbox") == 0


class Unfolds(Maps):
    """Stands for a decoder whose picture unfolds to 8 GiB at one stimulus."""

    def predict(self, frames: Iterator[Frame], stimulus: StimulusInfo) -> Iterator[Prediction]:
        if stimulus.id == "scene_002":
            greedy()
        yield from super().predict(frames, stimulus)


@pytest.mark.slow
def test_what_unfolds_is_named_and_the_others_go_on(root: Path, tmp_path: Path) -> None:
    settings = Settings(protocol("exact-1"), threads=1)
    with Children(1, 60.0, 3 * GIB) as children, pytest.raises(BadData, match="scene_002: it takes more than") as fault:
        run(
            Unfolds,
            ModelRecord(Maps().info),
            load(root),
            settings,
            partial=tmp_path,
            children=children,
            fail_fast=False,
        )
    assert "2 of 3 stimuli are finished and kept" in str(fault.value)
    assert len(list(tmp_path.glob("*/*.parquet"))) == 2


@pytest.mark.usefixtures("warm_children")
def test_a_picture_of_another_size_in_a_video(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The header of its fourth picture says 16,000 x 16,000; the file's own header does not."""
    data = load(root)
    (tmp_path / "sub").mkdir()
    rng = np.random.default_rng(3)
    for stimulus in data:
        maps = [rng.integers(0, 255, (48, 64), np.uint8) for _ in range(stimulus.n_frames)]
        write_video(tmp_path / "sub" / f"{stimulus.id}.avi", maps)
    path = tmp_path / "sub" / "scene_002.avi"
    content = path.read_bytes()
    parts = content.split(SIZE)
    assert len(parts) == 1 + len(maps)
    path.write_bytes(SIZE.join(parts[:4]) + HUGE + SIZE.join(parts[4:]))
    command = ("score", tmp_path / "sub", "--kind", "saliency", "--data", root, "-o", tmp_path / "r", "--sandbox")
    assert vidsal(*command) == 1
    said = capsys.readouterr().err
    assert "scene_002.avi: " in said
    assert "2 of 3 stimuli are finished and kept" in said
    assert not list((tmp_path / "r").rglob("run.json"))


SIZE = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 48, 64)
HUGE = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 16_000, 16_000)
"""Start of frame of a JPEG: 8 bits, height, width."""
