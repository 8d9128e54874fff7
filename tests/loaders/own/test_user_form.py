from __future__ import annotations

from pathlib import Path

import pytest

from vidsal.loaders.conversion.convert import convert_own
from vidsal.loaders.errors import MissingData, WrongUse
from vidsal.loaders.own.user_form import user_form

FORM = '''
from fractions import Fraction
from vidsal.loaders.records import DatasetInfo, Gaze, StimulusRow, Truth

class MyForm:
    """Files <clip>.gaze of lines `observer frame x y`."""

    INFO = DatasetInfo(
        name="mine", title="Mine", truths={"plain": Truth(sigma_px=9.0)}, licence="none", citation="me", obtain="", layout=("",)
    )

    def present(self, source):
        return any(source.glob("*.gaze"))

    def stimuli(self, source, report):
        for file in sorted(source.glob("*.gaze")):
            yield StimulusRow(file.stem, "all", f"{file.stem}.mp4", 64, 36, 5, Fraction(25), extra=file.name)

    def gaze(self, source, stimulus, report):
        rows = [line.split() for line in (source / stimulus.extra).read_text().splitlines()]
        columns = {"observer_id": [r[0] for r in rows], "event": "fixation", "frame": [int(r[1]) for r in rows]}
        columns |= {"x_px": [float(r[2]) for r in rows], "y_px": [float(r[3]) for r in rows]}
        return Gaze(columns, n_observers=1, source_files=(stimulus.extra,))

FORM = MyForm()
LAME = 3
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "my_form.py").write_text(FORM)
    (tmp_path / "src").mkdir()
    for name in "ab":
        (tmp_path / "src" / f"{name}.gaze").write_text("p 0 1 2\np 4 3 4\n")
    return tmp_path


def test_any_number_of_workers_gives_the_same(place: Path) -> None:
    made = [
        convert_own(
            user_form(f"{place}/my_form.py:{name}"), place / "src", place / f"out{workers}", workers=workers
        ).release
        for workers, name in ((1, "FORM"), (2, "MyForm"))
    ]
    assert made[0] == made[1]
    assert (made[0]["release"], made[0]["counts"]["fixations"]) == ("mine", 4)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("absent.py:FORM", MissingData, "no such file"),
        ("my_form.py:NONE", WrongUse, "it defines no NONE; it defines Fraction"),
        ("my_form.py:LAME", WrongUse, "it lacks INFO, present, stimuli, gaze"),
        ("my_form", WrongUse, "expected FILE.py:NAME"),
        ("broken.py:FORM", WrongUse, "it cannot be imported: ZeroDivisionError"),
    ],
)
def test_a_wrong_form_is_told(spec: str, error: type[Exception], message: str, place: Path) -> None:
    (place / "broken.py").write_text("1 / 0")
    with pytest.raises(error, match=message):
        user_form(f"{place}/{spec}")
