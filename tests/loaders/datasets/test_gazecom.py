"""GazeCom: both text forms, every trap of the release, the two variants by hand, and the real files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from vidsal.loaders import registry
from vidsal.loaders.conversion.convert import choose_form, convert
from vidsal.loaders.datasets.gazecom import arff, coord, labels, layout, samples as form
from vidsal.loaders.datasets.gazecom.recording import in_meters
from vidsal.loaders.errors import BadData, MissingData, WrongUse
from vidsal.loaders.formats.text_table import number
from vidsal.loaders.io import registers
from vidsal.loaders.records import Report

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
HEAD = "gaze 1280 720\ngeometry distance 0.45 width 0.4 height 0.225\n"
BODY = "2000 599.5 320.7 1\n6000 -12.3 720 1\n10000 0 0 0\n14000 1280 5.2 1\n"
METADATA = ("width_px 1280.0", "height_px 720.0", "width_mm 400.0", "height_mm 225.0", "distance_mm 450.0")
PLAIN = ("time INTEGER", "x NUMERIC", "y NUMERIC", "confidence NUMERIC")
LABELLED = (*PLAIN, "handlabeller1 INTEGER", "handlabeller2 INTEGER", "handlabeller_final INTEGER")


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def arff_text(body, attributes=PLAIN, metadata=METADATA, relation="gaze_recording", metadata_first=True):
    screen = [f"%@METADATA {line}" for line in metadata]
    name = [f"@RELATION {relation}"]
    lines = [*screen, *name] if metadata_first else [*name, *screen]
    return "\n".join(["% a comment", *lines, "", *(f"@ATTRIBUTE {a}" for a in attributes), "", "@DATA", body])


def track(*spans, step=4000, label=None):
    """Samples every 4 ms from `start` to before `end` at one place; with a label they are ARFF rows."""
    lines = []
    for start, end, x, y, mark in spans:
        for t in range(start, end, step):
            lines.append(f"{t} {x} {y} 1\n" if label is None else f"{t},{x},{y},1.0,0,0,{mark}\n")
    return "".join(lines)


def one(source, name, module=form, report=None):
    report = Report() if report is None else report
    row = next(r for r in module.stimuli(source, Report()) if r.stimulus_id == name)
    return row, module.gaze(source, row, report)


# --- the .coord form


def test_coord(tmp_path):
    read = coord.parse(put(tmp_path / "a.coord", "# a\n#b\n" + HEAD + BODY))
    assert read.t_us.tolist() == [2000, 6000, 10000, 14000]
    assert read.x.tolist() == [599.5, -12.3, 0.0, 1280.0]
    assert read.y.tolist() == [320.7, 720.0, 0.0, 5.2]
    assert read.confidence.tolist() == [1, 1, 0, 1]
    assert (read.size, read.geometry_m, read.label, read.notes) == ((1280, 720), (0.45, 0.4, 0.225), None, ())


@pytest.mark.parametrize(
    "text",
    [
        (HEAD + BODY).replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + (HEAD + BODY).encode(),
        (HEAD + BODY).replace(" ", "\t"),
        "geometry distance 0.45 width 0.4 height 0.225\n\ngaze 1280 720\n" + BODY,
        "geometry height 0.225 width 0.4 distance 0.45\ngaze 1280 720\n# a remark\n" + BODY,
    ],
)
def test_harmless_coord_forms(tmp_path, text):
    plain = coord.parse(put(tmp_path / "a.coord", HEAD + BODY))
    other = coord.parse(put(tmp_path / "b.coord", text))
    assert (other.size, other.geometry_m) == (plain.size, plain.geometry_m)
    for name in ("t_us", "x", "y", "confidence"):
        np.testing.assert_array_equal(getattr(other, name), getattr(plain, name))


def test_units_trap(tmp_path):
    text = HEAD.replace("0.45 width 0.4 height 0.225", "45 width 40 height 22.5")
    read = coord.parse(put(tmp_path / "a.coord", text + BODY))
    assert read.geometry_m == (0.45, 0.4, 0.225)
    assert read.notes == ("the geometry is in centimetres, not in metres",)
    assert in_meters((450.0, 400.0, 225.0)) == ((0.45, 0.4, 0.225), "millimetres")
    with pytest.raises(ValueError, match="fits neither"):
        in_meters((0.001, 1, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected `gaze"),
        (BODY, "line 1: expected `gaze"),
        (HEAD, "no gaze sample"),
        (HEAD[14:] + BODY, "line 2: expected `gaze"),
        (HEAD.replace("1280 720", "1280") + BODY, "line 1: not a header line"),
        (HEAD + HEAD + BODY, "line 3.*a second line of this kind"),
        (HEAD + HEAD[14:] + BODY, "line 3.*a second line of this kind"),
        (HEAD.replace("0.45", "0,45") + BODY, "line 2: not a header line"),
        (HEAD.replace("distance 0.45", "distance") + BODY, "line 2: not a header line"),
        (HEAD.replace("height", "depth") + BODY, "line 2: not a header line"),
        (HEAD.replace("0.45", "7000") + BODY, "line 2.*fits neither"),
        ("garbage\n" + HEAD + BODY, "line 1: (not a header|expected)"),
        (HEAD + BODY.replace("320.7 1", "320.7"), "line 3: 3 fields"),
        (HEAD + BODY.replace(".", ","), r"line 3: x is '599,5'"),
        (HEAD + BODY.replace("599.5", "nan"), "line 3: x is 'nan'"),
        (HEAD + BODY.replace("599.5", "1e9"), "line 3: the position is beyond"),
        (HEAD + BODY.replace("599.5", "1e99"), "line 3: x"),
        (HEAD + BODY.replace("6000", "2000"), "line 4: the time does not ascend"),
        (HEAD + BODY.replace("6000", "1000"), "line 4: the time does not ascend"),
        (HEAD + BODY.replace("2000", "-2000"), "line 3: the time is no whole"),
        (HEAD + BODY.replace("2000", "2000.5"), "line 3: the time is no whole"),
        (HEAD + BODY.replace("10000 0 0 0", "10000 0 0 2"), "line 5: the confidence"),
        (HEAD + "# c\n" + BODY.replace("10000 0 0 0", "10000 0 0 -1"), "line 6: the confidence"),
    ],
)
def test_bad_coord(tmp_path, text, message):
    with pytest.raises(BadData, match=message) as caught:
        coord.parse(put(tmp_path / "AAF_beach.coord", text))
    assert "AAF_beach.coord" in str(caught.value)


def test_a_file_without_its_last_line_end_is_noted(tmp_path):
    read = coord.parse(put(tmp_path / "a.coord", (HEAD + BODY)[:-1]))
    assert "cut off" in read.notes[0]


def test_folder_instead_of_a_file(tmp_path):
    (tmp_path / "a.coord").mkdir()
    for parse in (coord.parse, arff.parse):
        with pytest.raises(BadData, match="cannot be read"):
            parse(tmp_path / "a.coord")


def meaning(text):
    """Rows of a .coord text after its two header lines, by the plainest possible reader; None if it means nothing."""
    out = []
    for line in text.split("\n")[2:]:
        words = line.replace("\t", " ").strip(" \r").split(" ")
        words = [w for w in words if w]
        if not words or words[0].startswith("#"):
            continue
        try:
            out.append([number(w) for w in words])
        except ValueError:
            return None
        if len(words) != 4:
            return None
    return out


@FUZZ
@given(data=st.data())
def test_damaged_coord_never_gives_a_wrong_row(tmp_path, data):
    text = HEAD + BODY
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text)))
        how = data.draw(st.sampled_from(["cut", "insert", "replace", "drop", "twice"]))
        piece = data.draw(st.text(alphabet="0123456789 .,-+\n\r\teEnainf#;x\x00\xff", min_size=1, max_size=4))
        end = data.draw(st.integers(at, len(text)))
        middle = {"cut": "", "insert": piece, "replace": piece, "drop": "", "twice": text[at:end] * 2}[how]
        text = text[:at] + middle + {"cut": "", "insert": text[at:], "replace": text[at + 1 :]}.get(how, text[end:])
    path = put(tmp_path / "a.coord", text.encode("latin-1"))
    with suppress(BadData):
        read = coord.parse(path)
        assert (np.diff(read.t_us) > 0).all()
        if text.startswith(HEAD):
            found = np.column_stack([read.t_us, read.x, read.y, read.confidence])
            np.testing.assert_array_equal(found, meaning(text))


@FUZZ
@given(data=st.binary(max_size=300))
def test_any_bytes_in_a_text_file(tmp_path, data):
    for name, parse in (("a.coord", coord.parse), ("a.arff", arff.parse)):
        with suppress(BadData):
            parse(put(tmp_path / name, data))


# --- the ARFF form


@pytest.mark.parametrize("metadata_first", [True, False])
@pytest.mark.parametrize("metadata", [METADATA, METADATA[::-1]])
def test_arff(tmp_path, metadata, metadata_first):
    text = arff_text("1000,416.9,188.0,1.0\n5000,-1,188.1,0.0\n", metadata=metadata, metadata_first=metadata_first)
    read = arff.parse(put(tmp_path / "a.arff", text))
    assert (read.t_us.tolist(), read.x.tolist(), read.y.tolist()) == ([1000, 5000], [416.9, -1.0], [188.0, 188.1])
    assert read.confidence.tolist() == [1, 0]
    assert (read.size, read.geometry_m, read.label, read.notes) == ((1280, 720), (0.45, 0.4, 0.225), None, ())


def test_arff_with_labels_comments_and_windows_lines(tmp_path):
    text = arff_text("% data\n2000,1,2,1.0,1,0,3\n6000,1,2,1.0,1,0,4\n% \n% the end", LABELLED, relation="gaze_labels")
    path = put(tmp_path / "a.arff", text.replace("\n", "\r\n").replace("@DATA", "@data"))
    read = arff.parse(path)
    assert read.label.tolist() == [3, 4]
    assert read.notes == ()
    assert arff.labelled(path) is True


def test_arff_of_the_labelled_hollywood_2(tmp_path):
    """One labeller less, named with an underscore: columns go by name."""
    attributes = (*PLAIN, "handlabeller_1 INTEGER", "handlabeller_final INTEGER")
    read = arff.parse(put(tmp_path / "a.arff", arff_text("0,1,2,1,0,2\n", attributes)))
    assert read.label.tolist() == [2]
    plain = put(tmp_path / "b.arff", arff_text("0,1,2,1\n"))
    assert (arff.labelled(plain), arff.labelled(put(tmp_path / "c.arff", "x"))) == (False, None)


def test_arff_columns_in_another_order(tmp_path):
    attributes = ("y REAL", "'x' numeric", "Time integer", "confidence NUMERIC", "extra NUMERIC")
    read = arff.parse(put(tmp_path / "a.arff", arff_text("2.5,1.5,7000,1,99\n", attributes)))
    assert (read.t_us.tolist(), read.x.tolist(), read.y.tolist()) == ([7000], [1.5], [2.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line @DATA"),
        (arff_text("")[:-6], "no line @DATA"),
        (arff_text(""), "no gaze sample"),
        (arff_text("1,2,3,1\n", PLAIN[1:]), "no attribute time"),
        (arff_text("1,2,3,1\n", (*PLAIN, "x NUMERIC")), "second attribute x"),
        (arff_text("1,2,3,1,SP\n", (*PLAIN, "EM_type {FIX,SP}")), "output of an algorithm"),
        (arff_text("1,2,3,1\nfoo\n"), "line 16: 1 fields"),
        (arff_text("1,2,3\n"), "line 15: 3 fields"),
        (arff_text("1,2,?,1\n"), "line 15: y is '\\?'"),
        (arff_text("1;2;3;1\n"), "line 15: 1 fields"),
        (arff_text("1,2,NaN,1\n"), "line 15: y is 'NaN'"),
        (arff_text("{0 1, 1 2}\n"), "line 15"),
        (arff_text("5,2,3,1\n4,2,3,1\n"), "line 16: the time does not ascend"),
        (arff_text("5,2,3,1,0,0,5\n", LABELLED), "line 18: the label is 5"),
        (arff_text("5,2,3,1,0,0,1.5\n", LABELLED), "line 18: the label is 1.5"),
        (arff_text("5,2,3,1\n", metadata=("width_px wide", "height_px 720")), "line 2: width_px is 'wide'"),
        (arff_text("5,2,3,1\n", metadata=("width_px 12.5", "height_px 720")), "12.5x720 pixels"),
        (arff_text("5,2,3,1\n", relation="a\n@FOO"), "line 8: not a header line"),
        (HEAD + BODY, "line 1: not a header line"),
    ],
)
def test_bad_arff(tmp_path, text, message):
    with pytest.raises(BadData, match=message) as caught:
        arff.parse(put(tmp_path / "AAF_beach.arff", text))
    assert "AAF_beach.arff" in str(caught.value)


@FUZZ
@given(
    at=st.integers(0, 400),
    piece=st.text(alphabet="0123456789.,-%@ \n\rxDATA?{}'", min_size=0, max_size=3),
    cut=st.booleans(),
)
def test_damaged_arff_is_refused_or_read_in_order(tmp_path, at, piece, cut):
    text = arff_text("2000,599.5,320.7,1.0,1,0,1\n6000,600.5,320.7,0.0,1,1,2\n", LABELLED)
    text = text[:at] + piece + ("" if cut else text[at + len(piece) :])
    with suppress(BadData):
        read = arff.parse(put(tmp_path / "a.arff", text))
        data = text.replace("\r", "").lower().split("@data\n", 1)[1].split("\n")
        plain = [line.split(",") for line in data if line.strip() and not line.strip().startswith("%")]
        assert len(read.t_us) == len(plain)
        assert (np.diff(read.t_us) > 0).all()
        if "'" not in piece and "x" not in piece and len(plain[0]) == 7:
            assert read.x.tolist() == [float(row[1]) for row in plain]
            assert read.label is None or read.label.tolist() == [float(row[6]) for row in plain]


# --- what lies where


def release(source, *names, folder="gaze/natural_movies_gaze", body=BODY):
    for name in names:
        put(source / folder / f"{name}.coord", HEAD + body)
    return source


def test_names_split_at_the_first_underscore(tmp_path):
    release(tmp_path, "C1K_st_petri_gate", "I1H_breite_strasse", "AAF_welpen", "GGM_bridge_1")
    found = {r.stimulus_id: r.extra for r in form.stimuli(tmp_path, Report())}
    assert list(found) == ["breite_strasse", "bridge_1", "puppies", "st_petri_gate"]
    assert found["st_petri_gate"] == (("C1K", "gaze/natural_movies_gaze/C1K_st_petri_gate.coord"),)
    assert found["puppies"][0][0] == "AAF"


def test_what_is_missing_or_foreign_is_said(tmp_path):
    release(tmp_path, "AAF_beach", "AAF_nowhere", "beach", "_beach", "ZZZ_beach", "AAF_puppies", "AAF_welpen")
    report = Report()
    rows_found = list(form.stimuli(tmp_path, report))
    assert [r.stimulus_id for r in rows_found] == ["beach", "puppies"]
    assert [o for o, _ in rows_found[0].extra] == ["AAF", "ZZZ"]
    said = {(a.kind, a.where, a.count) for a in report}
    assert said == {
        ("surplus", "gaze/natural_movies_gaze", 3),
        ("surplus", "gaze/natural_movies_gaze/AAF_welpen.coord", 1),
        ("missing", "beach", 46),
        ("surplus", "beach", 1),
        ("missing", "puppies", 45),
        ("missing", ".", 16),
    }


def test_other_experiments_are_named_and_counted_but_not_converted(tmp_path):
    release(tmp_path, "AAF_beach")
    release(tmp_path, "V01_beach", "V02_beach", folder="gaze/stop_motion_movies_gaze")
    release(tmp_path, "AMS1_rep_10_beach", folder="gaze/repetitive_gaze")
    (tmp_path / "gaze" / "notes").mkdir()
    report = Report()
    (row,) = form.stimuli(tmp_path, report)
    assert [o for o, _ in row.extra] == ["AAF"]
    others = [(a.where, a.count, a.fatal) for a in report if "another experiment" in a.message]
    assert others == [("gaze/repetitive_gaze", 1, False), ("gaze/stop_motion_movies_gaze", 2, False)]


@pytest.mark.parametrize("inner", ["", "gaze", "gaze/natural_movies_gaze"])
def test_source_may_be_any_level(tmp_path, inner):
    release(tmp_path, "AAF_beach")
    assert form.present(tmp_path / inner)
    assert not labels.present(tmp_path / inner)
    (row,) = form.stimuli(tmp_path / inner, Report())
    assert len(row.extra) == 1


def test_a_folder_of_recordings_counts_unless_it_is_another_experiment(tmp_path):
    release(tmp_path, "AAF_beach", folder="mine")
    release(tmp_path, "V01_beach", folder="stop_motion_movies_gaze")
    assert [r.stimulus_id for r in form.stimuli(tmp_path / "mine", Report())] == ["beach"]
    assert not form.present(tmp_path / "stop_motion_movies_gaze")
    with pytest.raises(MissingData, match="natural_movies_gaze"):
        list(form.stimuli(tmp_path / "stop_motion_movies_gaze", Report()))


def test_coord_goes_before_arff_and_arff_fills_in(tmp_path):
    release(tmp_path, "AAF_beach")
    put(tmp_path / "gaze_arff" / "beach" / "AAF_beach.arff", arff_text("0,9,9,1\n"))
    put(tmp_path / "gaze_arff" / "beach" / "AAW_beach.arff", arff_text("0,8,8,1\n"))
    put(tmp_path / "ground_truth" / "beach" / "AAW_beach.arff", arff_text("0,7,7,1,0,0,1\n", LABELLED))
    put(tmp_path / "ground_truth" / "beach" / "APS_beach.arff", arff_text("0,6,6,1,0,0,1\n", LABELLED))
    put(tmp_path / "gaze_arff" / "golf" / "C1K_beach.arff", arff_text("0,8,8,1\n"))
    report = Report()
    (row,) = form.stimuli(tmp_path, report)
    assert dict(row.extra) == {
        "AAF": "gaze/natural_movies_gaze/AAF_beach.coord",
        "AAW": "gaze_arff/beach/AAW_beach.arff",
        "APS": "ground_truth/beach/APS_beach.arff",
    }
    assert [a.where for a in report if a.kind == "mismatch"] == ["gaze_arff/golf/C1K_beach.arff"]
    assert len(form.gaze(tmp_path, row, Report()).fixations["frame"]) == 6


def test_arff_in_the_folder_of_the_natural_movies(tmp_path):
    put(tmp_path / "natural_movies_gaze" / "beach" / "AAF_beach.arff", arff_text("0,8,8,1\n"))
    for source in (tmp_path, tmp_path / "natural_movies_gaze"):
        assert form.present(source)
        assert [r.stimulus_id for r in form.stimuli(source, Report())] == ["beach"]


def test_variants_are_told_apart(tmp_path):
    put(tmp_path / "a" / "beach" / "AAF_beach.arff", arff_text("0,8,8,1\n"))
    put(tmp_path / "b" / "beach" / "AAF_beach.arff", arff_text("0,8,8,1,0,0,1\n", LABELLED))
    release(tmp_path, "AAF_beach")
    put(tmp_path / "ground_truth" / "beach" / "AAF_beach.arff", arff_text("0,8,8,1,0,0,1\n", LABELLED))
    assert choose_form("gazecom", None, tmp_path / "a").INFO.variant == "samples"
    assert choose_form("gazecom", None, tmp_path / "b").INFO.variant == "labels"
    with pytest.raises(WrongUse, match="labels, samples"):
        choose_form("gazecom", None, tmp_path)
    with pytest.raises(MissingData, match="Luebeck"):
        choose_form("gazecom", None, put(tmp_path / "empty" / "x", "").parent)


def test_a_video_makes_a_row_and_leaves_the_frame_rate_to_the_decoder(tmp_path):
    release(tmp_path, "AAF_beach")
    put(tmp_path / "movies-m2t" / "beach.m2t", b"x")
    put(tmp_path / "movies-m2t" / "welpen.m2t", b"x")
    found = {r.stimulus_id: r for r in form.stimuli(tmp_path, Report())}
    assert (found["beach"].source_file, found["beach"].fps) == ("movies-m2t/beach.m2t", None)
    assert found["puppies"].source_file == "movies-m2t/welpen.m2t"
    report = Report()
    assert form.gaze(tmp_path, replace(found["puppies"], n_frames=600, fps=layout.FPS), report).annotated is False
    assert [a.kind for a in report] == ["missing"]


# --- variant samples


def test_every_sample_is_a_point_in_its_frame(tmp_path):
    edges = [0, 33_366, 33_367, 66_733, 66_734, 1_001_000, 19_999_999]
    body = "".join(f"{t} {t / 1e6:.1f} 5 1\n" for t in edges) + "20000000 1 1 1\n20004000 1 1 1\n"
    release(tmp_path, "AAF_beach", body=body)
    report = Report()
    row, gaze = one(tmp_path, "beach", report=report)
    assert gaze.fixations["frame"].tolist() == [0, 0, 1, 1, 2, 30, 599]
    assert gaze.fixations["onset_ms"].tolist() == [t / 1000 for t in edges]
    assert gaze.fixations["order"].tolist() == list(range(7))
    assert set(gaze.fixations["event"].to_pylist()) == {"point"}
    assert set(gaze.fixations["observer_id"].to_pylist()) == {"AAF"}
    assert gaze.samples is None
    assert (gaze.last_annotated, gaze.n_observers, row.fps) == (599, 1, Fraction(30000, 1001))
    assert [(a.kind, a.count, a.fatal) for a in report] == [("assumption", 1, False), ("after-end", 2, False)]


def test_koenigstrasse_lasts_19_s(tmp_path):
    release(tmp_path, "AAF_koenigstrasse", body="18999999 1 1 1\n19000000 1 1 1\n")
    report = Report()
    _, gaze = one(tmp_path, "koenigstrasse", report=report)
    assert gaze.fixations["frame"].tolist() == [569]
    assert gaze.last_annotated == 569
    assert "19 s" in report[0].message


def test_lost_samples_are_noise_and_flagged(tmp_path):
    release(tmp_path, "AAF_beach")
    _, gaze = one(tmp_path, "beach")
    assert gaze.fixations["event"].to_pylist() == ["point", "point", "noise", "point"]
    assert gaze.fixations["flags"]["lost"].tolist() == [False, False, True, False]
    assert gaze.fixations["x_px"].tolist() == [599.5, -12.3, 0, 1280]


def test_a_decoded_video_decides_where_the_clip_ends(tmp_path):
    release(tmp_path, "AAF_beach", body="".join(f"{t} 1 1 1\n" for t in range(0, 20_400_000, 4000)))
    put(tmp_path / "movies" / "beach.mpg", b"x")
    row = next(form.stimuli(tmp_path, Report()))
    report = Report()
    gaze = form.gaze(tmp_path, replace(row, n_frames=597, fps=layout.FPS), report)
    assert gaze.fixations["frame"].max() == 596
    assert gaze.fixations["onset_ms"].max() / 1000 < 597 * 1001 / 30000
    assert gaze.last_annotated is None
    assert [a.kind for a in report] == ["after-end"]
    early = Report()
    gaze = form.gaze(tmp_path, replace(row, n_frames=251, fps=layout.FPS), early)
    assert gaze.fixations["frame"].max() == 250
    assert (early[0].kind, early[0].fatal) == ("mismatch", True)
    assert "251 frames decoded, 8.4 s" in early[0].message
    strange = Report()
    form.gaze(tmp_path, replace(row, n_frames=1200, fps=Fraction(60000, 1001)), strange)
    assert "59.94 frames a second" in strange[0].message


def test_bad_recordings_are_left_out_and_named(tmp_path):
    whole = "".join(f"{t} 1 1 1\n" for t in range(0, 20_000_000, 200_000))
    release(tmp_path, "AAF_beach", body=whole)
    folder = tmp_path / "gaze" / "natural_movies_gaze"
    put(folder / "AAW_beach.coord", HEAD + BODY.replace("599.5", "nan"))
    put(folder / "APS_beach.coord", HEAD.replace("1280 720", "640 360") + whole)
    put(folder / "C1K_beach.coord", HEAD.replace("0.45", "0.60") + whole)
    put(folder / "CCB_beach.coord", HEAD + BODY)
    report = Report()
    _, gaze = one(tmp_path, "beach", report=report)
    assert sorted(set(gaze.fixations["observer_id"].to_pylist())) == ["AAF", "C1K", "CCB"]
    assert gaze.source_files == tuple(f"gaze/natural_movies_gaze/{o}_beach.coord" for o in ("AAF", "C1K", "CCB"))
    assert [(a.kind, a.where.split("/")[-1][:3], a.fatal) for a in report] == [
        ("assumption", "bea", False),
        ("unreadable", "AAW", True),
        ("wrong-size", "APS", True),
        ("mismatch", "C1K", False),
        ("incomplete", "CCB", True),
    ]
    assert "line 3: x is 'nan'" in report[1].message


def test_nothing_usable(tmp_path):
    release(tmp_path, "AAF_beach", body="oops\n")
    with pytest.raises(BadData, match="none of the 1 recordings"):
        one(tmp_path, "beach")


# --- variant labels


def labelled(source, body, name="AAF_beach"):
    put(source / "ground_truth" / "beach" / f"{name}.arff", arff_text(body, LABELLED, relation="gaze_labels"))
    return source


def test_runs_of_one_label_are_events(tmp_path):
    body = "".join(
        f"{t},{x},{y},{c},0,0,{mark}\n"
        for t, x, y, c, mark in [
            (2000, 10, 1, 1.0, 1), (6000, 30, 2, 1.0, 1), (10000, 20, 9, 1.0, 1),
            (40000, 100, 50, 1.0, 2), (44000, 200, 60, 1.0, 2),
            (66000, 300, 70, 1.0, 3), (70000, 310, 71, 1.0, 3), (74000, 320, 72, 1.0, 3), (78000, 500, 73, 1.0, 3),
            (82000, 0, 0, 0.0, 0), (86000, 0, 0, 0.0, 0), (90000, 1, 1, 1.0, 4), (94000, 7, 7, 1.0, 1),
        ]
    )  # fmt: skip
    report = Report()
    _, gaze = one(labelled(tmp_path, body), "beach", labels, report)
    f = gaze.fixations
    assert f["event"].to_pylist() == ["fixation", "saccade", "pursuit", "noise", "noise", "fixation"]
    assert f["x_px"].tolist() == [20, 150, 315, 0, 1, 7]
    assert f["y_px"].tolist() == [2, 55, 71.5, 0, 1, 7]
    assert f["onset_ms"].tolist() == [2, 40, 66, 82, 90, 94]
    assert f["duration_ms"].tolist() == [8, 4, 12, 4, 0, 0]
    assert f["frame"].tolist() == [0, 1, 1, 2, 2, 2]
    assert f["frame_end"].tolist() == [0, 1, 2, 2, 2, 2]
    assert f["order"].tolist() == [0, 1, 2, 3, 4, 5]
    assert f["flags"]["lost"].tolist() == [False, False, False, True, False, False]
    s = gaze.samples
    assert s["label"].to_pylist() == ["fixation"] * 3 + ["saccade"] * 2 + ["pursuit"] * 4 + ["noise"] * 3 + ["fixation"]
    assert (len(s["t_us"]), s["confidence"].tolist().count(0)) == (13, 2)
    assert set(s) == {"observer_id", "t_us", "x_px", "y_px", "confidence", "label"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_runs_equal_a_plain_loop(tmp_path, marks, seed):
    places = np.random.default_rng(seed).integers(0, 700, (len(marks), 2))
    body = "".join(f"{4000 * i},{x},{y},1,0,0,{m}\n" for i, (m, (x, y)) in enumerate(zip(marks, places, strict=True)))
    _, gaze = one(labelled(tmp_path, body), "beach", labels)
    runs = []
    for i, mark in enumerate(marks):
        if i == 0 or mark != marks[i - 1]:
            runs.append([])
        runs[-1].append(i)
    words = ["noise", "fixation", "saccade", "pursuit", "noise"]
    f = gaze.fixations
    assert f["event"].to_pylist() == [words[marks[run[0]]] for run in runs]
    np.testing.assert_array_equal(f["x_px"], [np.median(places[run, 0]) for run in runs])
    np.testing.assert_array_equal(f["y_px"], [np.median(places[run, 1]) for run in runs])
    np.testing.assert_array_equal(f["duration_ms"], [4 * (len(run) - 1) for run in runs])
    assert f["frame_end"].tolist() == [int(4000 * run[-1] * 30 / 1_001_000) for run in runs]


def test_events_after_the_end_go_and_all_samples_stay(tmp_path):
    body = track((19_000_000, 20_100_000, 5, 5, 1), (20_100_000, 20_200_000, 9, 9, 2), label=True)
    report = Report()
    _, gaze = one(labelled(tmp_path, body), "beach", labels, report)
    assert gaze.fixations["event"].to_pylist() == ["fixation"]
    assert gaze.fixations["frame_end"].tolist() == [599]
    assert gaze.fixations["duration_ms"].tolist() == [1096]
    assert len(gaze.samples["t_us"]) == 300
    assert [(a.kind, a.count) for a in report] == [("assumption", 1), ("incomplete", 1), ("after-end", 1)]


def test_files_without_labels_are_left_out(tmp_path):
    labelled(tmp_path, "0,1,1,1,0,0,1\n")
    put(tmp_path / "ground_truth" / "beach" / "AAW_beach.arff", arff_text("0,1,1,1\n"))
    put(tmp_path / "ground_truth" / "beach" / "APS_beach.arff", arff_text("0,1,1,1\n", metadata=()))
    report = Report()
    _, gaze = one(tmp_path, "beach", labels, report)
    assert gaze.n_observers == 1
    assert [a.where.split("/")[-1] for a in report if a.kind == "unreadable"] == ["AAW_beach.arff", "APS_beach.arff"]


def test_no_screen_in_the_file_is_an_assumption(tmp_path):
    put(tmp_path / "gaze_arff" / "beach" / "AAF_beach.arff", arff_text("0,1,1,1\n", metadata=()))
    report = Report()
    one(tmp_path, "beach", report=report)
    assert [a.kind for a in report] == ["assumption", "assumption", "incomplete"]


def test_no_labelled_recording(tmp_path):
    labelled(tmp_path, "oops\n")
    with pytest.raises(BadData, match="none of the 1"):
        one(tmp_path, "beach", labels)
    with pytest.raises(MissingData, match="gazecom_annotations"):
        list(labels.stimuli(put(tmp_path / "x" / "y", "").parent, Report()))


# --- whole conversions


def test_conversion(tmp_path):
    release(tmp_path / "src", "AAF_beach", "GGM_beach")
    made = convert("gazecom", tmp_path / "src", tmp_path / "out", workers=1)
    assert made.release["release"] == "gazecom-samples"
    table = pd.read_parquet(tmp_path / "out" / "fixations.parquet")
    assert len(table) == 8
    assert table.in_bounds.tolist().count(True) == 4
    assert not (tmp_path / "out" / "gaze.parquet").exists()
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet")
    assert stimuli[["n_frames", "fps_num", "fps_den", "n_observers"]].values.tolist() == [[600, 30000, 1001, 2]]
    assert "assumption" in {a["kind"] for a in made.release["anomalies"]}


def test_both_forms_are_registered():
    assert set(registry.variants("gazecom")) == {"labels", "samples"}
    for variant in ("labels", "samples"):
        info = registry.form("gazecom", variant).INFO
        assert info.release_id == f"gazecom-{variant}"
        truth = info.truths["gazecom"]
        assert (truth.kernel, truth.per) == ("gaussian", "row")
        assert truth.sigma_px == pytest.approx(32.04)


# --- real files


@pytest.fixture(scope="module")
def real(samples):
    return samples / "gazecom"


@pytest.mark.data
def test_real_release(real, tmp_path):
    made = convert("gazecom", real, tmp_path / "out", variant="samples", workers=1)
    table = pd.read_parquet(tmp_path / "out" / "fixations.parquet")
    stimuli = pd.read_parquet(tmp_path / "out" / "stimuli.parquet").set_index("stimulus_id")
    assert list(stimuli.index) == [line["video"] for line in registers.rows("gazecom")]
    assert stimuli.n_observers.sum() == 79
    assert stimuli.n_frames.to_dict() == {c: 570 if c == "koenigstrasse" else 600 for c in stimuli.index}
    expected = lost = 0
    for path in (real / "gaze" / "natural_movies_gaze").glob("*.coord"):
        lines = [line.split() for line in path.read_text().splitlines()[2:]]
        end = 19e6 if "koenigstrasse" in path.name else 20e6
        kept = [line for line in lines if int(line[0]) < end]
        expected += len(kept)
        lost += sum(line[3] == "0" for line in kept)
    assert len(table) == expected
    assert table.event.value_counts().to_dict() == {"point": expected - lost, "noise": lost}
    others = [a for a in made.anomalies if "another experiment" in a.message]
    assert [a.where.split("/")[1] for a in others] == [
        "hollywood_movies_gaze",
        "natural_movies_gaze_with_original_header",
        "repetitive_gaze",
        "static_images_gaze",
        "stop_motion_movies_gaze",
    ]
    assert not any(a.fatal for a in others)
    assert not [a for a in made.anomalies if a.kind in ("unreadable", "wrong-size", "note")]


@pytest.mark.data
def test_real_coord_and_arff_hold_the_same_samples(real):
    for clip, observer, folder in (("holsten_gate", "GGM", "ground_truth"), ("street", "AAF", "gaze_arff")):
        a = coord.parse(real / "gaze" / "natural_movies_gaze" / f"{observer}_{clip}.coord")
        b = arff.parse(real / folder / clip / f"{observer}_{clip}.arff")
        assert len(a.t_us) == {"holsten_gate": 4996, "street": 5002}[clip]
        for name in ("t_us", "x", "y", "confidence"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert (a.size, a.geometry_m) == (b.size, b.geometry_m)


@pytest.mark.data
def test_real_labels(real, tmp_path):
    made = convert("gazecom", real, tmp_path / "out", variant="labels", workers=1)
    table = pd.read_parquet(tmp_path / "out" / "fixations.parquet")
    gaze = pd.read_parquet(tmp_path / "out" / "gaze.parquet")
    assert table.event.value_counts().to_dict() == {"saccade": 61, "fixation": 60, "pursuit": 3, "noise": 2}
    assert gaze.label.value_counts().to_dict() == {"fixation": 3850, "saccade": 710, "pursuit": 267, "noise": 169}
    assert len(gaze) == 4996
    assert not [a for a in made.anomalies if a.kind in ("unreadable", "note", "incomplete")]


@pytest.mark.data
def test_real_header_and_units(real):
    long = coord.parse(real / "gaze/natural_movies_gaze_with_original_header/YFK_puppies.coord")
    assert (len(long.t_us), long.geometry_m, long.notes) == (4200, (0.45, 0.4, 0.225), ())
    still = coord.parse(real / "gaze/static_images_gaze/V01_doves.180.coord")
    assert (still.geometry_m, still.notes) == ((0.45, 0.4, 0.225), ("the geometry is in centimetres, not in metres",))


@pytest.mark.data
def test_real_positions_agree_with_the_framewise_table(real):
    """Another user's table: means over 8.34 samples a frame, cut to integers; the tie of file to clip and observer."""
    table = pd.read_parquet(real / "derived" / "framewise_handlabels_18videos.parquet")
    table = table[table.video != "bumblebee"].set_index(["video", "observer"]).sort_index()
    for path in sorted((real / "gaze" / "natural_movies_gaze").glob("*.coord"))[::4]:
        observer, _, clip = path.stem.partition("_")
        if clip == "bumblebee":
            continue
        theirs = table.loc[(clip, observer)]
        read = coord.parse(path)
        frame = (np.arange(len(read.t_us)) / 8.34).astype(int)
        ours = pd.DataFrame({"x": read.x, "y": read.y}).groupby(frame).mean().reindex(theirs.frame)
        for mine, column in ((ours.x, theirs.x_px), (ours.y, theirs.y_px)):
            assert (np.trunc(mine.to_numpy()) == column.to_numpy()).mean() > 0.7
