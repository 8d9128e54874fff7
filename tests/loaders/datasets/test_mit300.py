"""MIT300: the public image, the withheld ones, and files that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from vidsal.loaders.datasets import mit300
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.records import Report, StimulusRow


@pytest.mark.data
def test_the_public_image_and_a_withheld_one(samples):
    from PIL import Image

    source = samples / "mit300"
    assert mit300.present(source)
    report = Report()
    rows = {r.stimulus_id: r for r in mit300.stimuli(source, report)}
    assert list(rows) == ["i112", "i210"]
    assert [(a.kind, a.count) for a in report] == [("missing", 298)]
    with Image.open(source / rows["i210"].source_file) as image:
        assert image.size == (1024, 675)
    report = Report()
    assert not mit300.gaze(source, rows["i112"], report).annotated
    row = StimulusRow("i210", "all", "x", 1024, 675, 1, kind="image")
    gaze = mit300.gaze(source, row, report)
    assert not report
    assert gaze.annotated
    assert gaze.n_observers is None
    assert "observer_id" not in gaze.fixations
    assert gaze.source_files == ("demo/FIXATIONLOCS/i210.mat",)
    assert len(gaze.fixations["x_px"]) == 259
    assert gaze.fixations["x_px"].max() < 1024
    assert gaze.fixations["y_px"].max() < 675


@pytest.mark.data
def test_the_published_map_follows_from_the_points(samples):
    from PIL import Image

    from vidsal.loaders.release.truth import density

    source = samples / "mit300"
    f = mit300.gaze(source, StimulusRow("i210", "all", "x", 1024, 675, 1), Report()).fixations
    published = np.asarray(Image.open(source / "demo/FIXATIONMAPS/i210.jpg").convert("L"), float)
    mine = density(np.column_stack([f["x_px"], f["y_px"]]), (675, 1024), mit300.INFO.truths["benchmark"])
    assert round(np.corrcoef(mine.ravel(), published.ravel())[0, 1], 4) == 0.9999


def tree(tmp_path, names, matrix=None, folder="BenchmarkIMAGES"):
    (tmp_path / folder).mkdir(parents=True)
    for name in names:
        (tmp_path / folder / name).write_bytes(b"")
    if matrix is not None:
        (tmp_path / "FIXATIONLOCS").mkdir()
        savemat(tmp_path / "FIXATIONLOCS" / "i2.mat", {"anything": matrix})
    return tmp_path


def test_order_is_by_number_and_strangers_are_told_of(tmp_path):
    tree(tmp_path, ["i10.jpg", "i9.jpg", "i1.JPG", "i301.jpg", "Thumbs.db", "i5.png", "xi3.jpg"])
    report = Report()
    rows = list(mit300.stimuli(tmp_path, report))
    assert [r.stimulus_id for r in rows] == ["i1", "i9", "i10", "i301"]
    assert rows[0].source_file == "BenchmarkIMAGES/i1.JPG"
    assert {(r.kind, r.split, r.n_frames, r.fps) for r in rows} == {("image", "all", 1, None)}
    assert [(a.kind, a.count) for a in report] == [("missing", 297), ("surplus", 1)]


def test_pixels_become_their_centers(tmp_path):
    matrix = np.zeros((3, 5), np.uint8)
    matrix[2, 4] = matrix[0, 1] = 1
    tree(tmp_path, ["i2.jpg"], matrix)
    gaze = mit300.gaze(tmp_path, StimulusRow("i2", "all", "x", 5, 3, 1), Report())
    assert sorted(zip(gaze.fixations["x_px"].tolist(), gaze.fixations["y_px"].tolist(), strict=True)) == [
        (1.5, 0.5),
        (4.5, 2.5),
    ]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.full((3, 5), 255, np.uint8), "up to 255"),
        (np.full((3, 5), np.nan), "zeros and ones"),
        (np.zeros((5, 3)), "3 x 5 pixels, the image has 5 x 3"),
        ("text", "found text"),
        (np.zeros((3, 5)) * 1j, "found numbers"),
        (np.array([[1, "x"]], dtype=object), "cell array"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(tmp_path, matrix, message):
    tree(tmp_path, ["i2.jpg"], matrix)
    with pytest.raises(BadData, match=message) as caught:
        mit300.gaze(tmp_path, StimulusRow("i2", "all", "x", 5, 3, 1), Report())
    assert "i2.mat" in str(caught.value)


def test_nothing_there(tmp_path):
    assert not mit300.present(tmp_path)
    with pytest.raises(MissingData, match="BenchmarkIMAGES"):
        list(mit300.stimuli(tmp_path, Report()))
