"""The raw text of "Actions in the Eye": mapping and frames by hand, events, and every kind of damage."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from vidsal.loaders.errors import BadData
from vidsal.loaders.formats.actions_in_the_eye import frame_of, gaze, parse, read_setup, recordings, to_video
from vidsal.loaders.formats.text_table import number
from vidsal.loaders.records import Report, StimulusRow

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TEXT = (
    "0 3.1 3.2 640 512 F\n2000 3.1 3.2 0 0 F\n4000 3.0 3.0 -5.5 300.25 S\n"
    "6000 0 0 0 0 B\n40000 3 3 1279.5 625 F\n90000 3 3 10 10 F\n"
)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def stimulus(*files, n_frames=2, fps=Fraction(25), size=(640, 360), screen=(1280, 1024)):
    listed = tuple((f.split("_")[0], "v.avi", f) for f in files)
    return StimulusRow("v", "all", "v.avi", *size, n_frames, fps, extra=(screen, listed))


def test_parse(tmp_path):
    read = parse(put(tmp_path / "a.txt", TEXT))
    assert read.t_us.tolist() == [0, 2000, 4000, 6000, 40000, 90000]
    assert read.x.tolist() == [640, 0, -5.5, 0, 1279.5, 10]
    assert read.y.tolist() == [512, 0, 300.25, 0, 625, 10]
    assert bytes(read.event) == b"FFSBFF"


def test_windows_lines_mark_and_tabs(tmp_path):
    plain = parse(put(tmp_path / "a.txt", TEXT))
    other = parse(put(tmp_path / "b.txt", b"\xef\xbb\xbf" + TEXT.replace(" ", "\t").replace("\n", " \r\n").encode()))
    np.testing.assert_array_equal(plain.x, other.x)
    np.testing.assert_array_equal(plain.event, other.event)


def test_letterbox_by_hand():
    """720 x 404 on 1280 x 1024: scale 0.5625, picture 718.2 px high, bars of 152.9 px."""
    x, y = to_video(np.array([0.0, 1280.0, 640.0]), np.array([152.889, 871.111, 512.0]), (720, 404), (1280, 1024))
    np.testing.assert_allclose(x, [0, 720, 360])
    np.testing.assert_allclose(y, [0, 404, 202], atol=1e-3)


@given(t=st.integers(0, 10**9), fps=st.sampled_from([Fraction(24), Fraction(24000, 1001), Fraction(10)]))
def test_frames_are_rounded_exactly(t, fps):
    position = Fraction(t) * fps / 1_000_000
    assert frame_of(np.array([t]), fps).tolist() == [(position + Fraction(1, 2)).__floor__()]


def test_fixation_samples_are_points_and_the_rest_gaze(tmp_path):
    put(tmp_path / "001_v.avi.txt", TEXT)
    put(tmp_path / "019_v.avi.txt", "1000 1 1 100 600 F\n")
    report = Report()
    found = gaze(tmp_path, stimulus("001_v.avi.txt", "019_v.avi.txt"), report, usual_fps=Fraction(24))
    f, s = found.fixations, found.samples
    assert f["observer_id"].tolist() == ["001", "001", "001", "019"]
    assert f["frame"].tolist() == [0, 0, 1, 0]
    assert f["onset_ms"].tolist() == [0, 2, 40, 1]
    assert f["x_screen_px"].tolist() == [640, 0, 1279.5, 100]
    assert f["x_px"].tolist() == [320, 0, 639.75, 50]
    np.testing.assert_allclose(f["y_px"], [180, -76, 236.5, 224])
    assert f["flags"] == [[], ["lost"], [], []]
    assert f["event"] == "point"
    assert s["label"].tolist() == ["saccade", "blink", "fixation"]
    assert s["t_us"].tolist() == [4000, 6000, 90000]
    assert (found.n_observers, found.last_annotated, found.annotated) == (2, None, True)
    assert [(a.kind, a.count, a.fatal) for a in report] == [("after-end", 1, False)]


def test_without_a_video_the_frame_rate_is_an_assumption(tmp_path):
    put(tmp_path / "001_v.avi.txt", TEXT)
    report = Report()
    found = gaze(tmp_path, stimulus("001_v.avi.txt", n_frames=None, fps=None), report, usual_fps=Fraction(10))
    assert found.fixations["frame"].tolist() == [0, 0, 0, 1]
    assert found.last_annotated == 1
    assert [(a.kind, a.fatal) for a in report] == [("assumption", False)]
    assert "10 frames a second" in report[0].message


def test_unknown_letters_and_no_fixation_at_all(tmp_path):
    put(tmp_path / "001_v.avi.txt", "0 1 1 5 5 U\n1000 1 1 5 5 P\n2000 1 1 5 5 P\n")
    report = Report()
    found = gaze(tmp_path, stimulus("001_v.avi.txt"), report, usual_fps=Fraction(24))
    assert not found.annotated
    assert found.samples["label"].tolist() == ["U", "P", "P"]
    assert [(a.kind, a.count) for a in report] == [("assumption", 2), ("assumption", 1), ("mismatch", 1)]


def test_samples_before_the_video_are_no_points(tmp_path):
    put(tmp_path / "001_v.avi.txt", "-2000 1 1 5 5 F\n0 1 1 5 5 F\n")
    found = gaze(tmp_path, stimulus("001_v.avi.txt"), Report(), usual_fps=Fraction(24))
    assert found.fixations["frame"].tolist() == [0]
    assert found.samples["t_us"].tolist() == [-2000]


def test_a_bad_recording_is_left_out(tmp_path):
    put(tmp_path / "001_v.avi.txt", TEXT)
    put(tmp_path / "002_v.avi.txt", TEXT.replace("1279.5", "1279,5"))
    report = Report()
    found = gaze(tmp_path, stimulus("001_v.avi.txt", "002_v.avi.txt"), report, usual_fps=Fraction(24))
    assert found.source_files == ("001_v.avi.txt",)
    assert (report[0].kind, report[0].where) == ("unreadable", "002_v.avi.txt")
    assert "line 5: x is '1279,5'" in report[0].message
    with pytest.raises(BadData, match="none of the 1 recordings"):
        gaze(tmp_path, stimulus("002_v.avi.txt"), Report(), usual_fps=Fraction(24))


def test_no_recordings(tmp_path):
    report = Report()
    assert not gaze(tmp_path, stimulus(), report, usual_fps=Fraction(24)).annotated
    assert report[0].kind == "missing"


def test_a_video_taller_than_the_screen_is_noted(tmp_path):
    put(tmp_path / "001_v.avi.txt", TEXT)
    report = Report()
    gaze(tmp_path, stimulus("001_v.avi.txt", size=(360, 640)), report, usual_fps=Fraction(24))
    assert "taller" in report[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no gaze sample"),
        ("0 1 1 5 5\n", "line 1: 5 fields"),
        ("0 1 1 5 5 F F\n", "line 1: 7 fields"),
        ("0 1 1 5 5 FF\n", "line 1: event is 'FF'"),
        ("0 1 1 5 5 7\n", "line 1: event is '7'"),
        ("0.5 1 1 5 5 F\n", "line 1: the time is no whole"),
        ("5 1 1 5 5 F\n4 1 1 5 5 F\n", "line 2: the time runs backwards"),
        ("0 1 1 nan 5 F\n", "line 1: x is 'nan'"),
        ("0 1 1 5 1e7 F\n", "line 1: the position is beyond"),
        ("time a b x y event\n", "line 1: event is 'event'"),
    ],
)
def test_bad_recordings(tmp_path, text, message):
    with pytest.raises(BadData, match=message) as caught:
        parse(put(tmp_path / "001_v.avi.txt", text))
    assert "001_v.avi.txt" in str(caught.value)
    with pytest.raises(BadData, match="cannot be read"):
        parse(tmp_path / "absent.txt")


@FUZZ
@given(data=st.data())
def test_damage_never_gives_a_wrong_row(tmp_path, data):
    text = TEXT
    at = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.text(alphabet="0123456789 .,-+\n\rFSBxnaei\t\x00\xff", max_size=4))
    text = text[:at] + piece + text[at + data.draw(st.integers(0, 30)) :]
    path = put(tmp_path / "a.txt", text.encode("latin-1"))
    with suppress(BadData):
        read = parse(path)
        plain = [line.replace("\t", " ").strip(" \r").split(" ") for line in text.split("\n")]
        plain = [[w for w in words if w] for words in plain]
        plain = [words for words in plain if words]
        assert all(len(words) == 6 for words in plain)
        assert read.t_us.tolist() == [number(w[0]) for w in plain]
        assert read.x.tolist() == [number(w[3]) for w in plain]
        assert read.y.tolist() == [number(w[4]) for w in plain]
        assert [chr(c) for c in read.event] == [w[5] for w in plain]


# --- the files beside the samples


def test_setup(tmp_path):
    put(tmp_path / "geometry.txt", "60.0 47.5 29.5 1680 1050\n")
    put(tmp_path / "resolution.txt", "a.avi 528 224 25.0\r\n\nb.avi 640 352 23.976\n")
    report = Report()
    setup = read_setup(tmp_path, report)
    assert setup.screen == (1680, 1050)
    assert setup.sizes == {"a.avi": (528, 224), "b.avi": (640, 352)}
    assert [(a.kind, a.fatal) for a in report] == [("mismatch", False)]


def test_setup_missing(tmp_path):
    report = Report()
    setup = read_setup(tmp_path, report)
    assert (setup.screen, dict(setup.sizes)) == ((1280, 1024), {})
    assert [(a.kind, a.where) for a in report] == [("missing", "geometry.txt"), ("missing", "resolution.txt")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("geometry.txt", "1 2 3 1280\n", "geometry.txt, line 1: 4 fields"),
        ("geometry.txt", "1 2 3 1280 x\n", "geometry.txt, line 1: 'x'"),
        ("resolution.txt", "a.avi 1 2 3\nb.avi 0 2 3\n", "resolution.txt, line 2: '0'"),
        ("resolution.txt", "a.avi 5.5 2 3\n", "'5.5' is not a number of pixels"),
        ("resolution.txt", "a b.avi 5 2 3\n", "line 1: 5 fields"),
    ],
)
def test_bad_setup(tmp_path, name, text, message):
    put(tmp_path / name, text)
    with pytest.raises(BadData, match=message):
        read_setup(tmp_path, Report())


def test_observers_come_from_the_names(tmp_path):
    for name in ("001_a.avi.txt", "019_a.avi.txt", "x_a.avi.txt", "007_b.avi.txt", "readme.txt", "._001_a.avi.txt"):
        put(tmp_path / "samples" / name, "")
    report = Report()
    found = recordings(tmp_path, tmp_path, {"a.avi": "a"}.get, report)
    assert [(o, v) for o, v, _ in found["a"]] == [("001", "a.avi"), ("019", "a.avi")]
    assert [(a.kind, a.count) for a in report] == [("surplus", 3)]


def test_a_second_recording_of_an_observer_is_told_and_left_out(tmp_path):
    for name in ("001_v.avi.txt", "001_V.AVI.txt", "002_v.avi.txt"):
        put(tmp_path / "samples" / name, TEXT)
    report = Report()
    found = recordings(tmp_path, tmp_path, lambda video: "v" if video.lower() == "v.avi" else None, report)
    assert [(observer, file) for observer, _, file in found["v"]] == [
        ("001", "samples/001_V.AVI.txt"),
        ("002", "samples/002_v.avi.txt"),
    ]
    assert [(a.kind, a.where) for a in report] == [("surplus", "samples/001_v.avi.txt")]
