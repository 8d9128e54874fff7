"""A submission as the MSU challenges take it, against a slow transcription of their published procedure.

The transcription below is the procedure in our own words: every picture of prediction and truth becomes the mean of its
channels, is stretched to 0..1 with the epsilon of float32 below the fraction, the prediction is brought to the truth's
size, and four scores are taken frame by frame; then means over frames, then over videos.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

import vidsal
from vidsal.benchmark.evaluation.explain.why import why
from vidsal.benchmark.evaluation.results.store import Run, load_run
from vidsal.benchmark.protocols import PROTOCOLS
from vidsal.benchmark.protocols.describe import diff
from vidsal.benchmark.scoring.stimulus_truth import text_order
from vidsal.benchmark.submissions.score import score as score_submission
from vidsal.loaders.conversion.convert import convert
from vidsal.loaders.errors import BadData, MissingData
from vidsal.loaders.release.release import Release

from ...cli.commands import vidsal as command
from ...loaders.msu_tree import blobs, write_h264, write_set

SPLITS = {
    "train": ["t_1"],
    "public_test": ["video_youtube_downloads_2_224", "video_youtube_shorts_5"],
    "private_test": ["video_youtube_downloads_2_2246", "a", "b", "c"],
}
TESTED = [*SPLITS["public_test"], *SPLITS["private_test"]]
EPS32 = 2.0**-23
FOUR = ("AUC-J", "CC", "NSS", "SIM")


# --- the transcription


def pictures(path: Path) -> list[np.ndarray]:
    """Every picture as its PNG would be read: channels averaged."""
    found = []
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            deep = "10" in picture.format.name
            channels = picture.to_ndarray(format="rgb48le" if deep else "rgb24").astype(np.float64)
            found.append(channels.mean(axis=2))
    return found


def stretched(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min() + EPS32)


def to_size(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear between pixel centres, edges repeated, pixel by pixel, down and then across; flat areas stay flat."""
    (h, w), (rows, columns) = values.shape, shape
    if (h, w) == shape:
        return values
    out = np.empty(shape)
    for r in range(rows):
        y = min(max((r + 0.5) * h / rows - 0.5, 0), h - 1)
        above = int(y)
        below = min(above + 1, h - 1)
        for c in range(columns):
            x = min(max((c + 0.5) * w / columns - 0.5, 0), w - 1)
            left = int(x)
            right = min(left + 1, w - 1)
            a = values[above, left] + (values[below, left] - values[above, left]) * (y - above)
            b = values[above, right] + (values[below, right] - values[above, right]) * (y - above)
            out[r, c] = a + (b - a) * (x - left)
    return out


def four_scores(prediction: np.ndarray, truth: np.ndarray, points: list[list[int]]) -> dict[str, float]:
    s, g = prediction, truth
    at = [s[r, c] for r, c in points]
    n, pixels = len(at), s.size
    distinct = np.unique(np.array(points), axis=1).shape[-1]  # columns, where rows were meant
    area, x, y = 0.0, 0.0, 0.0
    for i, threshold in enumerate(sorted(at, reverse=True), 1):
        fp, tp = ((s >= threshold).sum() - i) / (pixels - distinct), i / n
        area += (fp - x) * (tp + y) / 2
        x, y = fp, tp
    area += (1 - x) * (1 + y) / 2
    a = (s - s.mean()) / (s.std() + 1e-7)
    b = (g - g.mean()) / (g.std() + 1e-7)
    a, b = a - a.mean(), b - b.mean()
    p, q = s / (s.sum() + 1e-7), g / (g.sum() + 1e-7)
    return {
        "AUC-J": area,
        "CC": (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-7),
        "NSS": sum((v - s.mean()) / (s.std() + 1e-7) for v in at) / n,
        "SIM": np.minimum(p, q).sum(),
    }


def published(source: Path, submission: Path, name: str) -> list[dict[str, float]]:
    """Score one video: three lists in the order of the script, pictures by name as text, walked to the shortest."""
    points = json.loads((source / "FixationsTest" / "Test" / name / "fixations.json").read_text())
    made = pictures(submission / f"{name}.mp4")
    truth = pictures(source / "SaliencyTest" / "Test" / f"{name}.mp4")
    assert len(made) == len(truth)
    order = [int(file[:-4]) - 1 for file in sorted(f"{n + 1:03d}.png" for n in range(len(truth)))]
    scores = {}
    for n, fixations in zip(order, points, strict=False):
        g = stretched(truth[n])
        scores[n] = four_scores(to_size(stretched(made[n]), g.shape), g, fixations)
    return [scores[n] for n in sorted(scores)]


# --- the tests


def score(submission: Path, data: Release, protocol: str, **options: object) -> Run:
    """Score, whatever is said of lossy videos without digests."""
    return score_submission(submission, data, protocol, note=lambda _: None, **options)


@pytest.fixture(scope="module")
def challenge(tmp_path_factory):
    """A set, its release, and a submission of six videos in the forms that participants send."""
    root = tmp_path_factory.mktemp("challenge")
    write_set(root / "src", SPLITS, frames=5)
    convert("avimos", root / "src", root / "release", workers=1)
    forms = [
        {"crf": 0},
        {"crf": 23},  # as the winner of 2026 sends
        {"deep": True},
        {"pix_fmt": "yuvj420p", "full": True},
        {"size": (24, 32), "crf": 12},  # smaller than the truth
        {"size": (50, 50), "crf": 12},  # of another aspect
    ]
    for seed, (name, form) in enumerate(zip(TESTED, forms, strict=True), 40):
        form = dict(form)
        size = form.pop("size", (48, 64))
        write_h264(root / "submission" / f"{name}.mp4", blobs(5, seed, size), **form)
    return root


def test_six_videos_are_scored_as_the_script_does(challenge, tmp_path):
    words = ["score", challenge / "submission", "--data", challenge / "release", "--protocol", "msu-1"]
    for split in ("public_test", "private_test"):
        assert command(*words, "--split", split, "-o", tmp_path / split) == 0
        scored = load_run(next((tmp_path / split).rglob("run.json")).parent)
        expected = {name: published(challenge / "src", challenge / "submission", name) for name in SPLITS[split]}
        for name, frames in expected.items():
            rows = scored.frames[scored.frames["stimulus_id"] == name]
            for label in FOUR:
                np.testing.assert_allclose(rows[label], [f[label] for f in frames], rtol=0, atol=1e-9)
        for label in FOUR:
            mean = np.mean([np.mean([f[label] for f in frames]) for frames in expected.values()])
            assert scored.record["metrics"][label]["mean"] == pytest.approx(mean, abs=1e-9)


def scores_of(challenge: Path, protocol: str, **options: object) -> Run:
    return score(challenge / "submission", vidsal.load(challenge / "release", "private_test"), protocol, **options)


@pytest.mark.parametrize("options", [pytest.param({"workers": 2}, marks=pytest.mark.slow), {"truth_cache": "build"}])
def test_workers_and_precomputed_truth_change_nothing(challenge, options):
    assert scores_of(challenge, "msu-1", **options).frames.equals(scores_of(challenge, "msu-1").frames)


def test_maps_that_are_no_videos_pass_through_8_bits_as_ever(challenge, tmp_path):
    maps = np.stack(pictures(challenge / "submission" / "a.mp4")) / 255  # 10 bits: not the levels of an 8-bit map
    tested = SPLITS["private_test"]
    for name in tested:
        for values, folder in ((maps, "floats"), (np.rint(255 * maps / maps.max((1, 2), keepdims=True)), "levels")):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.savez(tmp_path / folder / f"{name}.npz", values=values.astype(np.float32), frames=np.arange(5))
    data = vidsal.load(challenge / "release", "private_test")
    floats, levels = (score(tmp_path / folder, data, "msu-1").frames for folder in ("floats", "levels"))
    np.testing.assert_allclose(floats[[*FOUR]], levels[[*FOUR]], atol=0.02)
    assert not floats["CC"].equals(scores_of(challenge, "msu-1").frames["CC"])


def test_of_points_the_density_is_made_and_videos_are_read_as_maps(challenge):
    made = scores_of(challenge, "msu-1", recipe="crowdsal").frames
    assert (made["CC"] - scores_of(challenge, "msu-1").frames["CC"]).abs().max() > 0.01
    other = scores_of(challenge, "exact-1", kind="saliency", fit="stretch").frames
    assert np.isfinite(other["CC"]).all()  # other protocols read released densities too


def test_a_submission_that_lacks_a_video_or_a_frame_is_refused(challenge, tmp_path):
    shutil.copytree(challenge / "submission", tmp_path / "submission")
    write_h264(tmp_path / "submission" / "a.mp4", blobs(4, 1))
    (tmp_path / "submission" / "b.mp4").unlink()
    with pytest.raises(BadData, match=r"(?s)a: .*frame 4.*b") as caught:
        score(tmp_path / "submission", vidsal.load(challenge / "release", "private_test"), "msu-1")
    assert "video_youtube" not in str(caught.value)


def test_a_video_without_a_released_density_is_named_before_it_is_scored(challenge, tmp_path):
    shutil.copytree(challenge / "src", tmp_path / "src")
    (tmp_path / "src/SaliencyTest/Test/b.mp4").unlink()
    convert("avimos", tmp_path / "src", tmp_path / "release", workers=1)
    data = vidsal.load(tmp_path / "release", "private_test")
    with pytest.raises(MissingData, match="b: the data set has no released density"):
        score(challenge / "submission", data, "msu-1")
    assert len(score(challenge / "submission", data, "msu-1", recipe="sigma=9").frames) == 20


def test_pictures_sorted_as_text():
    assert text_order(999) == tuple(range(999))
    order = text_order(1005)
    assert sum(place != frame for frame, place in enumerate(order)) == 905  # of 1005, as the original was seen to do
    assert (order[99], order[999], order[100]) == (99, 100, 106)


def test_over_999_frames_the_order_of_the_script_mixes_points_up(tmp_path):
    write_set(tmp_path / "src", {"private_test": ["long", "short"]}, frames=1005, size=(16, 16))
    for folder in ("Videos", "SaliencyTest/Test"):
        write_h264(tmp_path / "src" / folder / "short.mp4", blobs(30, 7, (16, 16)), deep=True)
    file = tmp_path / "src/FixationsTest/Test/short/fixations.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:30]))
    convert("avimos", tmp_path / "src", tmp_path / "release", workers=1)
    for seed, (name, frames) in enumerate((("long", 1005), ("short", 30))):
        write_h264(
            tmp_path / "submission" / f"{name}.mp4", (blobs(frames, seed, (16, 16)) + blobs(frames, 9, (16, 16))) / 2
        )
    data = vidsal.load(tmp_path / "release")
    one, two = (score(tmp_path / "submission", data, name) for name in ("msu-1", "msu-2"))
    expected = {name: published(tmp_path / "src", tmp_path / "submission", name) for name in ("long", "short")}
    for name, frames in expected.items():
        rows = two.frames[two.frames["stimulus_id"] == name]
        for label in FOUR:
            np.testing.assert_allclose(rows[label], [f[label] for f in frames], rtol=0, atol=1e-9)
    a, b = (r.frames.set_index(["stimulus_id", "frame"]) for r in (one, two))
    assert a[["CC", "SIM"]].equals(b[["CC", "SIM"]])
    moved = (a["NSS"] != b["NSS"]).groupby("stimulus_id").sum()
    assert (moved["short"], moved["long"] > 850) == (0, True)
    assert one.record["metrics"]["NSS"]["mean"] > two.record["metrics"]["NSS"]["mean"] + 0.1
    told = [cause for cause in why(one, two).causes if cause.what == "protocol: frame order"]
    assert len(told) == 1
    assert "over 999 frames" in told[0].effect


def test_the_second_protocol_is_the_first_but_for_the_order():
    one, two = PROTOCOLS["msu-1"], PROTOCOLS["msu-2"]
    assert (one.metrics, "frame_order" in one.to_dict(), two.to_dict()["frame_order"]) == (two.metrics, False, "text")
    assert [d.choice for d in diff(one, two)] == ["frame order"]
