"""Weight files: found, recognised, read without running code, fitted strictly."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidsal.baselines import build_module, checkpoints, load_model, registry, weight_files
from vidsal.baselines.base import KnownCheckpoint, Misfit
from vidsal.baselines.checkpoints import Checkpoint, CheckpointWarning
from vidsal.loaders.errors import BadData, MissingData, WrongUse


@pytest.fixture(autouse=True)
def _no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDSAL_CHECKPOINTS", raising=False)


@pytest.fixture
def small() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


@pytest.fixture(scope="module")
def tiny() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_module("tinyhd_s", reduced_channels=4)


def _save(path: Path, content: Any, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


def _known(path: Path, **fields: Any) -> KnownCheckpoint:
    return KnownCheckpoint("m", "v", path.name, "https://example.org/weights", "MIT", **fields)


# --- digests and identification


def test_digests_are_those_of_git_and_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"what is up, doc?")
    # The example of the book Pro Git, chapter 10.2.
    assert weight_files.digests(path)[1] == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    assert weight_files.digests(path)[0] == hashlib.sha256(b"what is up, doc?").hexdigest()


def test_a_file_is_recognized_by_either_digest(tmp_path: Path, small: torch.nn.Module) -> None:
    path = _save(tmp_path / "w.pth", small.state_dict())
    sha256, git_blob = weight_files.digests(path)
    blob = _known(path, git_blob_sha1=git_blob)
    sha = _known(path, sha256=sha256)
    other = _known(path, git_blob_sha1="0" * 40)
    assert checkpoints.read(path, [other, blob]).known is blob
    assert checkpoints.read(path, [other, sha]).known is sha
    assert checkpoints.read(path, [other]).known is None
    # Where both are known, the stronger one decides.
    forged = _known(path, git_blob_sha1=git_blob, sha256="0" * 64)
    assert checkpoints.read(path, [forged]).known is None


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="cannot be read: No such file"):
        weight_files.digests(tmp_path / "none")


# --- finding


def test_found_at_its_path_or_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here = tmp_path / "b" / "w.pth"
    here.write_bytes(b"x")
    known = [_known(Path("v.pth")), _known(Path("w.pth"))]
    assert checkpoints.find(here, "m", known) == here
    monkeypatch.setenv("VIDSAL_CHECKPOINTS", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert checkpoints.find(Path("w.pth"), "m", known) == here
    assert checkpoints.find(None, "m", known) == here
    first = tmp_path / "b" / "v.pth"
    first.write_bytes(b"y")
    assert checkpoints.find(None, "m", known) == first


def test_missing_says_where_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingData) as caught:
        load_model("tinyhd_s", tmp_path / "d123s_rc4_rc1T.pth")
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert str(tmp_path / "d123s_rc4_rc1T.pth") in message
    assert "https://github.com/feiyanhu/tinyHD" in message
    assert "licence: none stated" in message
    assert "VIDSAL_CHECKPOINTS is not set" in message
    assert "rc2" not in message
    monkeypatch.setenv("VIDSAL_CHECKPOINTS", str(tmp_path))
    with pytest.raises(MissingData, match="d1d2d3_M_lt.pth from https") as caught:
        load_model("tinyhd_m")
    assert str(tmp_path) in str(caught.value)
    assert "d1d2d3_S_lt" not in str(caught.value)


def test_a_model_without_published_weights(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="No weights of m were published"):
        checkpoints.find(None, "m", [])


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is a folder"):
        load_model("tinyhd_s", tmp_path)


# --- nestings


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"epoch": 3, "model_state_dict": s, "optimizer": {"lr": 0.1}},
        lambda s: {"student_model": s},
        lambda s: {"state_dict": s, "epoch": 1},
        lambda s: {"state_dict": {"model_state_dict": s}},
        lambda s: OrderedDict((f"module.{k}", v) for k, v in s.items()),
        lambda s: {"state_dict": {f"module.module.{k}": v for k, v in s.items()}},
        lambda s: {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in s.items()},
    ],
)
def test_every_nesting(tmp_path: Path, small: torch.nn.Module, wrap: Any, zipped: bool) -> None:
    path = _save(tmp_path / "w.pth", wrap(small.state_dict()), _use_new_zipfile_serialization=zipped)
    found = checkpoints.read(path)
    assert found.known is None
    fresh = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    checkpoints.fit(fresh, found, "small")
    for key, value in small.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value)


def test_a_key_that_merely_begins_alike_is_kept(tmp_path: Path) -> None:
    path = _save(tmp_path / "w.pth", {"module.a": torch.zeros(1), "b": torch.zeros(1)})
    assert set(checkpoints.read(path).state) == {"module.a", "b"}


def test_lightning_hyper_parameters(tmp_path: Path, small: torch.nn.Module) -> None:
    content = {
        "pytorch-lightning_version": "1.8.0",
        "state_dict": small.state_dict(),
        "hyper_parameters": {"rim_k": 4, "lr": 1e-6},
    }
    assert checkpoints.read(_save(tmp_path / "w.ckpt", content)).hyper_parameters == {"rim_k": 4, "lr": 1e-6}
    content["hyper_parameters"] = {"where": Path("somewhere")}
    with pytest.raises(BadData, match=r"holds pickled code or objects \(pathlib.*state_dict alone"):
        checkpoints.read(_save(tmp_path / "v.ckpt", content))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (torch.zeros(2, 2), r"holds a Tensor of shape \(2, 2\), no weights by name"),
        ([torch.zeros(1)], "holds a list"),
        ({}, "holds a dict of 0 entries"),
        ({"a": torch.zeros(1), "epoch": 3}, "entry 'epoch' is a int, not a plain tensor"),
        ({1: torch.zeros(1)}, "entry 1 is a Tensor"),
        ({"a": torch.zeros(3).to_sparse()}, "entry 'a' is a Tensor"),
        ({"weights": {"a": torch.zeros(1)}}, "entry 'weights' is a dict of 1 entries"),
    ],
)
def test_no_state_dict(tmp_path: Path, content: Any, what: str) -> None:
    path = _save(tmp_path / "w.pth", content)
    with pytest.raises(BadData, match=what) as caught:
        checkpoints.read(path)
    assert str(path) in str(caught.value)


# --- files that are none, or not safe


class _Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.check_call, (["touch", str(self.mark)],)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_pickled_code_is_refused_and_not_run(tmp_path: Path, small: torch.nn.Module, zipped: bool) -> None:
    mark = tmp_path / "was-run"
    content = {"state_dict": small.state_dict(), "more": _Attack(mark)}
    path = _save(tmp_path / "w.pth", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadData, match=r"\w+.check_call\) and was refused; nothing in it was run") as caught:
        load_model("tinyhd_s", path)
    assert not mark.exists()
    assert "weights_only" not in str(caught.value)  # torch's own advice is to switch the protection off


def test_whole_modules_are_refused(tmp_path: Path, small: torch.nn.Module) -> None:
    with pytest.raises(BadData, match=r"torch.nn.modules.container.Sequential\) and was refused"):
        checkpoints.read(_save(tmp_path / "w.pth", small))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kept", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_cut_off(tmp_path: Path, tiny: torch.nn.Module, kept: float, zipped: bool) -> None:
    path = _save(tmp_path / "w.pth", {"student_model": tiny.state_dict()}, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(BadData, match=r"cut off|no weight file") as caught:
        load_model("tinyhd_s", path)
    assert str(path) in str(caught.value)


def test_a_flipped_bit(tmp_path: Path, tiny: torch.nn.Module) -> None:
    """Torch itself reads on with another weight."""
    path = _save(tmp_path / "w.pth", {"student_model": tiny.state_dict()})
    content = bytearray(path.read_bytes())
    weight = max(tiny.state_dict().values(), key=lambda tensor: tensor.numel())
    place = content.find(weight.numpy().tobytes()[:64])
    assert place > 0
    content[place + 2] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)
    with pytest.raises(BadData, match=r"w\.pth is damaged: \S+data/\d+ does not meet the checksum"):
        load_model("tinyhd_s", path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "is a Git LFS pointer"),
        (b"hello", "no weight file|cut off"),
        (b"\x80\x04]\x94.", "no weight file|holds"),
        (b"PK\x03\x04" + bytes(100), "cut off"),
        (np.random.default_rng(0).bytes(5000), "no weight file|cut off"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(BadData, match=what):
        checkpoints.read(path)


def test_a_zip_that_expands_beyond_measure(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", bytes(80 << 20))
    with pytest.raises(BadData, match="would expand to 83886080 bytes"):
        checkpoints.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/readme.txt", "x")
    with pytest.raises(BadData, match="no file that torch.save wrote"):
        checkpoints.read(path)


# --- fitting


def _checkpoint(path: Path, state: dict[str, torch.Tensor], known: KnownCheckpoint | None = None) -> Checkpoint:
    return Checkpoint(path, known, state)


def test_misfit_names_the_first_keys_and_the_likely_model(tmp_path: Path, tiny: torch.nn.Module) -> None:
    path = _save(tmp_path / "w.pth", {"student_model": tiny.state_dict()})
    with pytest.raises(BadData) as caught:
        load_model("tinyhd_m", path, d1_last=False)
    message = str(caught.value)
    assert "do not fit tinyhd_m" in message
    assert "encoder.encoder.14.conv.1.0.weight is 144x1x3x3x3, expected 144x1x2x3x3" in message
    assert "and 18 more" in message
    assert "looks like tinyhd_s: load it under that name" in message


def test_missing_and_surplus_keys(tiny: torch.nn.Module) -> None:
    state = tiny.state_dict()
    state["extra.weight"] = state.pop("decoder.decoder.0.bias")
    with pytest.raises(Misfit) as caught:
        checkpoints.fit(tiny, _checkpoint(Path("f"), state), "tinyhd_s")
    message = f"{caught.value} {registry.likeness(caught.value, 'tinyhd_s')}"
    assert "Missing: decoder.decoder.0.bias" in message
    assert "Not expected: extra.weight" in message
    assert "looks like tinyhd_s, with other settings" in message
    with pytest.raises(Misfit) as caught:
        checkpoints.fit(tiny, _checkpoint(Path("f"), {"a": torch.zeros(1)}), "tinyhd_s")
    assert registry.likeness(caught.value, "tinyhd_s") == "The file looks like none of our models"


def test_a_file_that_lacks_one_key_is_recognized(tiny: torch.nn.Module) -> None:
    entry = registry.baseline("tinyhd_s")
    for key in (*entry.signature, "decoder.decoder.0.bias"):
        state = {name: value for name, value in tiny.state_dict().items() if name != key}
        with pytest.raises(Misfit, match=f"Missing: {key}") as caught:
            checkpoints.fit(tiny, _checkpoint(Path("f"), state), "tinyhd_s")
        assert registry.likeness(caught.value, "tinyhd_s") == "The file looks like tinyhd_s, but incomplete"


def test_a_misfit_leaves_the_module_as_it_was(small: torch.nn.Module) -> None:
    before = {key: value.clone() for key, value in small.state_dict().items()}
    state = {key: value + 1 for key, value in before.items()}
    state["0.weight"] = torch.zeros(2, 4)
    with pytest.raises(BadData, match="Other shape: 0.weight is 2x4, expected 2x3"):
        checkpoints.fit(small, _checkpoint(Path("f"), state), "small")
    assert all(torch.equal(small.state_dict()[key], value) for key, value in before.items())


def test_counters_of_old_files_may_be_missing(small: torch.nn.Module) -> None:
    state = {key: value + 1 for key, value in small.state_dict().items() if "num_batches" not in key}
    checkpoints.fit(small, _checkpoint(Path("f"), state), "small")
    assert torch.equal(small.state_dict()["1.running_mean"], torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precision_is_converted_and_said(small: torch.nn.Module, dtype: torch.dtype) -> None:
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in small.state_dict().items()}
    expected = state["0.weight"].float()
    with pytest.warns(CheckpointWarning, match=f"stored as {str(dtype)[6:]} were converted"):
        checkpoints.fit(small, _checkpoint(Path("f"), state), "small")
    assert small.state_dict()["0.weight"].dtype == torch.float32
    assert torch.equal(small.state_dict()["0.weight"], expected)


def test_nan_weights(small: torch.nn.Module) -> None:
    state = small.state_dict()
    state["0.bias"] = torch.tensor([0.0, float("nan")])
    with pytest.raises(BadData, match="0.bias holds NaN or infinity"):
        checkpoints.fit(small, _checkpoint(Path("f"), state), "small")


# --- settings


def test_settings_that_shapes_do_not_show() -> None:
    known = KnownCheckpoint("m", "v", "w.pth", "", "", options={"order": "b"})
    published, unknown = _checkpoint(Path("f"), {}, known), _checkpoint(Path("f"), {})
    assert checkpoints.hidden_setting("order", {}, published, "a") == "b"
    assert checkpoints.hidden_setting("order", {"order": "c"}, unknown, "a") == "c"
    with pytest.warns(CheckpointWarning, match=r"order=a is assumed.*--option order="):
        assert checkpoints.hidden_setting("order", {}, unknown, "a") == "a"
    with pytest.warns(CheckpointWarning, match=r"published w.pth, which belongs with order=b; order=c is used"):
        assert checkpoints.hidden_setting("order", {"order": "c"}, published, "a") == "c"


def test_settings_that_shapes_show() -> None:
    checkpoint = _checkpoint(Path("f"), {})
    assert checkpoints.shown_setting("size", {}, checkpoint, 4) == 4
    assert checkpoints.shown_setting("size", {"size": 4}, checkpoint, 4) == 4
    with pytest.raises(WrongUse, match="size=2 was given, but the shapes in f show size=4"):
        checkpoints.shown_setting("size", {"size": 2}, checkpoint, 4)


@pytest.mark.data
def test_the_real_files_are_known(samples: Path) -> None:
    for name, letter in (("tinyhd_s", "s"), ("tinyhd_m", "m")):
        from vidsal.baselines.tinyhd.predictor import CHECKPOINTS

        path = samples / "tinyhd" / f"d123{letter}_rc4_rc1T.pth"
        found = checkpoints.read(path, CHECKPOINTS)
        assert len(found.state) == 980
        assert found.known is not None
        assert found.known.model == name
        assert found.known.file == path.name
        assert weight_files.digests(path) == (found.known.sha256, found.known.git_blob_sha1)
        assert path.stat().st_size == found.known.n_bytes


@pytest.mark.data
def test_the_table_equals_the_list_of_published_files(goldens: Path) -> None:
    import json

    from vidsal.baselines.tinyhd.predictor import CHECKPOINTS

    listed = json.loads((goldens / "models" / "checkpoints.json").read_text())["checkpoints"]
    wanted = {e["file"]: (e["git_blob_sha1"], e["licence"]) for e in listed if e["model"] == "tinyhd"}
    assert {e.file: (e.git_blob_sha1, e.licence) for e in CHECKPOINTS} == wanted
