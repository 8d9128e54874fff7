from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

from vidsal.loaders.conversion.convert import convert_own
from vidsal.loaders.errors import BadData, MissingExtra
from vidsal.loaders.own.column_map import ColumnMap, ready_map
from vidsal.loaders.own.eyelink import read_asc
from vidsal.loaders.own.form import TableForm
from vidsal.loaders.release.release import load

HERE = importlib.util.find_spec("pymovements") is not None
needs = pytest.mark.skipif(not HERE, reason="pymovements (the extra `gaze`) is not installed")

ASC = """** CONVERTED FROM a.edf using edfapi
** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED
** EYELINK II CL v6.12 Feb  1 2018 (EyeLink Portable Duo)
**
MSG\t990 TRIALID street
START\t1000 \tRIGHT\tSAMPLES\tEVENTS
SAMPLES\tGAZE\tRIGHT\tRATE\t 500.00\tTRACKING\tCR\tFILTER\t2
1000\t  960.0\t  540.0\t  800.0\t...
1040\t  970.0\t  540.0\t  800.0\t...
1042\t   .\t   .\t    0.0\t...
1080\t  980.0\t  540.0\t  800.0\t...
END\t1082 \tSAMPLES\tEVENTS\tRES\t  38.54\t  31.12
MSG\t1990 TRIALID park
START\t2000 \tRIGHT\tSAMPLES\tEVENTS
SAMPLES\tGAZE\tRIGHT\tRATE\t 500.00\tTRACKING\tCR\tFILTER\t2
2000\t  0.0\t  0.0\t  800.0\t...
END\t2004 \tSAMPLES\tEVENTS\tRES\t  38.54\t  31.12
"""


@needs
def test_the_ready_map_reads_an_asc_file(tmp_path: Path) -> None:
    (tmp_path / "anna.asc").write_text(ASC)
    wanted = tomllib.loads(ready_map("eyelink"))
    wanted["stimuli"] = {"width": 640, "height": 360, "fps": 25, "n_frames": 3}
    convert_own(TableForm(ColumnMap(**wanted)), tmp_path, tmp_path / "out", workers=1)
    release = load(tmp_path / "out")
    assert release.ids == ("park", "street")
    assert [release["street"].points(frame).tolist() for frame in range(3)] == [
        [[320.0, 180.0]],
        [[pytest.approx(970 / 3), 180.0]],
        [[pytest.approx(980 / 3), 180.0]],
    ]
    assert release["park"].points(0).tolist() == [[0.0, 0.0]]
    assert release.table("gaze")["label"].to_pylist() == ["lost"]
    assert release.fixations.observer_id.unique().tolist() == ["anna"]


@needs
def test_the_display_of_the_file_and_of_the_map_agree(tmp_path: Path) -> None:
    wanted = tomllib.loads(ready_map("eyelink"))
    wanted["stimuli"] = {"width": 640, "height": 360, "fps": 25, "n_frames": 3}
    form = TableForm(ColumnMap(**wanted))
    for name, right in (("told", 1919), ("past", 1920), ("other", 1279)):
        (tmp_path / name).mkdir()
        line = f"MSG\t980 DISPLAY_COORDS 0 0 {right} 1079\n"
        (tmp_path / name / "anna.asc").write_text(ASC.replace("MSG\t990", f"{line}MSG\t990", 1))
        if name != "other":
            made = convert_own(form, tmp_path / name, tmp_path / f"{name}-out", workers=1)
            assert not [a for a in made.anomalies if "display" in a.message]
    with pytest.raises(
        BadData, match=r"a display of 1280 x 1080 pixels, \[screen\] .* 1920 x 1080; say width_px = 1280"
    ):
        convert_own(form, tmp_path / "other", tmp_path / "out", workers=1)


@needs
def test_no_asc_file(tmp_path: Path) -> None:
    (tmp_path / "a.asc").write_text("time,x,y\n1,2,3\n")
    with pytest.raises(BadData, match=r"a\.asc: "):
        read_asc(tmp_path / "a.asc", ())


@pytest.mark.skipif(HERE, reason="pymovements is installed")
def test_without_pymovements_one_line_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "anna.asc").write_text(ASC)
    form = TableForm(ColumnMap(**tomllib.loads(ready_map("eyelink"))))
    with pytest.raises(MissingExtra, match=r"pip install 'vidsal\[gaze\]'"):
        convert_own(form, tmp_path, tmp_path / "out", workers=1)
