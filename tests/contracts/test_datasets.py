"""What every registered data set keeps, in each of its forms; new ones are found by themselves."""

from __future__ import annotations

import inspect
import json
import math
import pickle
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vidsal.cli.data import data
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.conversion.job import Job
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.io import registers
from vidsal.loaders.records import DatasetInfo, Form, Gaze, Report, StimulusRow
from vidsal.loaders.registry import DATASETS, form, forms, official_splits, variants
from vidsal.loaders.release.truth import density
from vidsal.loaders.schema import fixations_table, gaze_table

ROOT = Path(__file__).resolve().parents[2]
EVERY = [(name, variant) for name in DATASETS for variant in variants(name)]
IDS = [f"{name}-{variant}" if variant else name for name, variant in EVERY]
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
HEAVY = {"torch", "av", "matplotlib", "numba", "h5py", "PIL", "scipy"}
REGISTERS = sorted(path.stem for path in (ROOT / "loaders" / "registers").iterdir())


@pytest.fixture(params=EVERY, ids=IDS)
def one(request: pytest.FixtureRequest) -> Form:
    return form(*request.param)


@pytest.fixture(params=DATASETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_module_is_a_form(one: Form) -> None:
    assert isinstance(one.INFO, DatasetInfo)
    assert (one.INFO.name, one.INFO.variant) in EVERY
    assert form(one.INFO.name, one.INFO.variant) is one
    expected = {
        "present": {"source": "Path", "return": "bool"},
        "stimuli": {"source": "Path", "report": "Report", "return": "Iterator[StimulusRow]"},
        "gaze": {"source": "Path", "stimulus": "StimulusRow", "report": "Report", "return": "Gaze"},
    }
    assert inspect.getdoc(one)
    for name, types in expected.items():
        function = getattr(one, name)
        signature = inspect.signature(function)
        found = {argument: parameter.annotation for argument, parameter in signature.parameters.items()}
        assert {**found, "return": signature.return_annotation} == types, name
        assert inspect.getdoc(function), name


def test_it_answers_what_a_user_asks_first(one: Form) -> None:
    info = one.INFO
    for text in (info.title, info.licence, info.citation, info.obtain, info.observers, info.splits, *info.layout):
        assert text
        assert text == text.strip()
        assert "\n" not in text
    assert info.layout
    assert info.verified or info.unverified
    assert info.version.isdigit()


def test_names_and_release_ids_are_well_formed_and_unique() -> None:
    infos = [one.INFO for one in forms()]
    releases = [info.release_id for info in infos]
    assert len(set(releases)) == len(releases)
    for info in infos:
        assert NAME.fullmatch(info.name)
        assert info.variant is None or NAME.fullmatch(info.variant)
        assert info.release_id == info.name or info.release_id.startswith(f"{info.name}-")
        assert NAME.fullmatch(info.release_id)


def test_variants_are_several_or_none(name: str) -> None:
    known = variants(name)
    assert known == (None,) or None not in known


def test_every_data_set_has_its_test(name: str) -> None:
    assert (ROOT / "tests" / "loaders" / "datasets" / f"test_{name.replace('-', '_')}.py").is_file()


def test_its_forms_agree_on_the_splits_and_say_them(name: str) -> None:
    infos = [form(name, variant).INFO for variant in variants(name)]
    assert len({(info.register, info.split_names, info.splits) for info in infos}) == 1
    assert not (infos[0].register and infos[0].split_names), "splits come from the register, or from split_names"
    official = official_splits(name)
    assert len(set(official)) == len(official)
    if official == ("all",):
        assert "none" in infos[0].splits
    else:
        assert [split for split in official if not re.search(rf"\b{split}\b", infos[0].splits)] == []


def test_its_truth_recipes_make_densities(one: Form) -> None:
    assert one.INFO.truths
    xy = np.array([[20.5, 11.5], [30.0, 20.0], [30.0, 20.0]], np.float32)
    for recipe, truth in one.INFO.truths.items():
        assert NAME.fullmatch(recipe)
        assert math.isfinite(truth.sigma_px)
        assert truth.sigma_px > 0
        assert truth.orders is None or 0 <= truth.orders[0] <= truth.orders[1]
        assert (truth.kernel == "window") == (truth.size_px is not None) == (truth.anchor_px is not None)
        assert (truth.kernel == "fourier") == (truth.cycles is not None)
        made = density(xy, (36, 48), truth, np.ones(len(xy)))
        assert (made >= 0).all()
        assert made.sum() == pytest.approx(1, abs=1e-4)


def test_an_empty_folder_is_missing_data_and_says_what_was_expected(one: Form, tmp_path: Path) -> None:
    assert one.present(tmp_path) is False
    with pytest.raises(MissingData) as caught:
        list(one.stimuli(tmp_path, Report()))
    message = str(caught.value)
    assert str(tmp_path) in message
    assert one.INFO.obtain in message
    expected = {word for line in one.INFO.layout for word in re.split(r"[\s/{},()]+", line) if len(word) > 3}
    assert any(word in message.replace(one.INFO.obtain, "") for word in expected)
    with pytest.raises(MissingData):
        convert(one.INFO.name, tmp_path, tmp_path / "out", variant=one.INFO.variant, workers=1)
    assert not (tmp_path / "out").exists()


def test_what_goes_to_workers_survives_pickling(one: Form, tmp_path: Path) -> None:
    row = StimulusRow("a", "train", "a.avi", 4, 3, 2)
    for sent in (one.INFO, Job(one.INFO.name, one.INFO.variant, tmp_path, tmp_path, row)):
        assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301


@pytest.fixture(scope="module")
def loaded_by() -> dict[str, list[str]]:
    """Heavy modules by the form that was the first to import them, in a fresh process."""
    code = (
        "import json, sys; from vidsal.loaders.registry import DATASETS, form, variants\n"
        "seen = {}\n"
        "for name in DATASETS:\n"
        "    for variant in variants(name):\n"
        "        before = set(sys.modules); form(name, variant)\n"
        "        seen[f'{name}-{variant}' if variant else name] = sorted(set(sys.modules) - before)\n"
        "print(json.dumps(seen))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("form_id", IDS)
def test_it_is_light_to_import(loaded_by: dict[str, list[str]], form_id: str) -> None:
    assert HEAVY.intersection(loaded_by[form_id]) == set()


@pytest.mark.parametrize("register", REGISTERS)
def test_a_register_is_complete(register: str) -> None:
    owners = {one.INFO.name for one in forms() if one.INFO.register == register}
    assert len(owners) == 1, "a register belongs to one data set"
    lines = registers.rows(register)
    assert {line["dataset"] for line in lines} == {owners.pop().replace("-", "_")}
    names = [line["video"] for line in lines]
    assert len(set(names)) == len(names)
    assert all(names)
    for column in ("n_frames", "width", "height"):
        assert all(line[column] == "" or int(line[column]) > 0 for line in lines), column
    assert len({bool(line["split"]) for line in lines}) == 1, "every line has a split, or none has"


def test_every_register_that_a_form_names_is_there(one: Form) -> None:
    assert one.INFO.register is None or one.INFO.register in REGISTERS


def test_data_info_and_list_show_it(one: Form) -> None:
    info = one.INFO
    chosen = ["--variant", info.variant] if info.variant else []
    short = CliRunner().invoke(data, ["info", info.name])
    assert short.exit_code == 0
    assert [text for text in (info.licence, info.obtain, *info.layout) if text not in short.output] == []
    shown = CliRunner().invoke(data, ["info", info.name, *(chosen or ["--all"])])
    assert shown.exit_code == 0
    expected = (info.release_id, info.title, info.licence, info.citation, info.obtain, info.observers, info.splits)
    assert [text for text in (*expected, *info.layout, *info.verified, *info.truths) if text not in shown.output] == []
    told = json.loads(CliRunner().invoke(data, ["info", info.name, *chosen, "--json"]).output)
    assert [entry["release"] for entry in told] == [info.release_id]
    listed = json.loads(CliRunner().invoke(data, ["list", "--json"]).output)
    assert {"name": info.name, "variant": info.variant, "release": info.release_id, "title": info.title} in listed


@pytest.mark.data
def test_its_real_sample_is_read(one: Form, samples: Path) -> None:
    source = next((folder for folder in sorted(samples.iterdir()) if folder.is_dir() and one.present(folder)), None)
    if source is None:
        pytest.skip(f"no real file of {one.INFO.release_id} is among the samples")
    annotated = 0
    for row in islice(one.stimuli(source, Report()), 20):
        assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301
        try:
            gaze = one.gaze(source, row, Report())
        except BadData:
            continue  # a sample may lack what `gaze` needs of a stimulus
        assert isinstance(gaze, Gaze)
        annotated += gaze.annotated
        size = {"width": row.width or 640, "height": row.height or 480}
        table = fixations_table(
            gaze.fixations, dataset=one.INFO.name, stimulus_id=row.stimulus_id, split=row.split, **size
        )
        assert bool(table.num_rows) == gaze.annotated
        if gaze.samples is not None:
            gaze_table(gaze.samples, dataset=one.INFO.name, stimulus_id=row.stimulus_id)
    assert annotated
