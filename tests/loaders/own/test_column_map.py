from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path

import pytest

from vidsal.loaders.errors import BadData, MissingData, UnknownName
from vidsal.loaders.own.column_map import READY, ColumnMap, read_map, ready_map

COLUMNS = '[columns]\nstimulus = "s"\ntime = "t"\nx = "x"\ny = "y"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind = 3 = 4", "not a TOML file"),
        (COLUMNS, "kind: is missing"),
        ('kind = "samples"\n', "columns: is missing"),
        ('kind = "gaze"\n' + COLUMNS, "kind: Input should be 'samples' or 'fixations'"),
        ('kind = "samples"\n[units]\nposition = "pixels"\n' + COLUMNS, "[units] position"),
        ('kind = "samples"\n' + COLUMNS + 'pupill = "p"\n', "[columns] pupill: is no key of this table"),
        ('kind = "samples"\n[columns]\nx = "x"\ny = "y"\ntime = "t"\n', "the stimulus is not given"),
        ('kind = "samples"\n[columns]\nx = "x"\ny = "y"\nstimulus = "s"\n', "no time is given"),
        ('kind = "samples"\n[units]\nposition = "screen_px"\n' + COLUMNS, "needs width_px and height_px in [screen]"),
        ('kind = "fixations"\n[events]\ndetector = "ivt"\n' + COLUMNS, "a detector needs samples"),
        ('kind = "samples"\n[file]\npattern = "{who}.csv"\n' + COLUMNS, "{who} is unknown"),
        ('kind = "samples"\n[file]\npattern = "{stimulus}.csv"\n' + COLUMNS, "name one of them"),
        ('kind = "samples"\n[stimuli]\nfps = 0\n' + COLUMNS, "0 frames a second"),
    ],
)
def test_a_wrong_map_names_the_key(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(BadData) as caught:
        read_map(tmp_path / "map.toml")
    assert message in str(caught.value)
    assert "map.toml" in str(caught.value)


def test_no_map(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="vidsal data template"):
        read_map(tmp_path / "map.toml")
    with pytest.raises(UnknownName, match="pupil"):
        ready_map("pupli")


def test_the_template_is_a_map_with_and_without_its_comments() -> None:
    text = ready_map("template")
    ColumnMap(**tomllib.loads(text))
    keys = {line.lstrip("# ").split(" = ")[0] for line in text.splitlines() if " = " in line}
    for table in ColumnMap.model_fields.values():
        fields = getattr(table.annotation, "model_fields", {})
        assert set(fields) <= keys, table.annotation


@pytest.mark.parametrize("name", READY)
def test_ready_maps(name: str) -> None:
    assert read_map(Path(name)).about.name == name


def test_patterns_and_one_stimulus_s_own_facts() -> None:
    wanted = ColumnMap(
        kind="samples",
        columns={"x": 1, "y": 2, "frame": "row"},
        file={"pattern": "{observer}/{stimulus}_{}.txt"},
        stimuli={"fps": 29.97, "width": 640, "height": 360, "long": {"n_frames": 900, "fps": "24000/1001"}},
    )
    assert wanted.fields_of(Path("P1/clip_2_v3.txt")) == {"observer": "P1", "stimulus": "clip"}
    assert wanted.fields_of(Path("clip.txt")) is None
    assert wanted.stimulus("any").rate == Fraction(30000, 1001)
    assert (wanted.stimulus("long").rate, wanted.stimulus("long").n_frames) == (Fraction(24000, 1001), 900)
