"""Which frame a stored map is of: the right value of submissions numbered in every way that people number them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vidsal
from vidsal.benchmark.submissions.frame_numbers import Asked, FrameFacts, settle
from vidsal.benchmark.submissions.score import score
from vidsal.loaders.errors import BadData
from vidsal.loaders.release.digests import release_digest
from vidsal.loaders.release.release import Release

from ..stored import FRAMES, Levels, gaze_only, levels, write_classic

OTHERS = Asked(None, option=False, usual=1)
OURS = Asked(None, option=False, usual=0)


def facts(n: int = 10, own: int | None = None, annotated: tuple[int, ...] | None = None, **more: Any) -> FrameFacts:
    return FrameFacts(n, own, (0, n - 1) if annotated is None else annotated, **more)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release whose second and third stimulus are numbered through a longer film."""
    root = gaze_only(tmp_path_factory.mktemp("shots"))
    record = json.loads((root / "release.json").read_text())
    ids = vidsal.load(root).ids
    record["first_frame_numbers"] = {ids[0]: 1, ids[1]: 3, ids[2]: 49}
    record["digest"] = release_digest(record)
    (root / "release.json").write_text(json.dumps(record))
    return vidsal.load(root)


def test_the_release_knows_its_numbers_and_names_may_count_from_one() -> None:
    assert settle(range(3, 13), facts(own=3), OTHERS, "names").first == 3
    assert settle(range(1, 11), facts(own=3), OTHERS, "names").first == 1
    assert settle(range(10), facts(own=3), OURS, "names").first == 0
    assert settle(range(3, 13), facts(own=3), OURS, "names").first == 3
    assert settle(range(1, 11), facts(), OURS, "names").first == 1


@pytest.mark.parametrize("numbered", ["names", "list"])
def test_what_both_fit_is_refused_with_what_settles_it(numbered: Any) -> None:
    some = facts(own=3, annotated=(4, 5))
    found = settle(range(4, 10), some, OTHERS if numbered == "names" else OURS, numbered)
    ways = "--first-frame own or --first-frame 1" if numbered == "names" else "--first-frame 0 or --first-frame own"
    assert ways in found.faults[0]
    for first, expected in ((1, 1), ("own", 3), (0, 0)):
        assert settle(range(4, 10), some, Asked(first, option=True, usual=1), numbered).first == expected  # type: ignore[arg-type]


def test_a_declared_rule_for_missing_frames_leaves_more_ambiguous() -> None:
    assert not settle(range(4, 11), facts(own=3), OTHERS, "names").faults
    assert settle(range(4, 11), facts(own=3, missing="exclude"), OTHERS, "names").faults
    assert settle(range(3, 10), facts(own=1, missing="first-available"), OURS, "names").first == 0
    assert settle(range(3, 11), facts(own=1, missing="first-available"), OURS, "names").first == 1


def test_an_option_that_cannot_apply_is_an_error(tmp_path: Path, shots: Release) -> None:
    given = Asked(0, option=True, usual=1)
    assert "cannot apply" in settle([0, 1], facts(2), given, "order").faults[0]
    assert settle([0, 1], facts(2), Asked(0, option=False, usual=0), "order").faults == ()
    assert "first_frame 1 of submission.json" in settle([0, 1], facts(2), Asked(1, False, 0), "order").faults[0]
    for stimulus in shots:
        (tmp_path / "m").mkdir(exist_ok=True)
        np.savez(tmp_path / "m" / f"{stimulus.id}.npz", np.stack([levels(stimulus.id, f) for f in range(FRAMES)]))
    for first in (0, 1, "own"):
        with pytest.raises(BadData, match=f"--first-frame {first} cannot apply: these maps have no numbers"):
            score(tmp_path / "m", shots, kind="saliency", first_frame=first)  # type: ignore[arg-type]


def write_npz(root: Path, data: Release, first: dict[str, int]) -> Path:
    root.mkdir()
    for s in data:
        arrays: dict[str, Any] = {f"{f + first[s.id]:04d}": levels(s.id, f) for f in range(s.n_frames)}
        np.savez(root / f"{s.id}.npz", **arrays)
    return root


def write_images(root: Path, data: Release, first: dict[str, int]) -> Path:
    for s in data:
        (root / s.id).mkdir(parents=True)
        for f in range(s.n_frames):
            Image.fromarray(levels(s.id, f)).save(root / s.id / f"clip00001_{f + first[s.id]:05d}.png")
    return root


@pytest.mark.parametrize("write", [write_npz, write_images])
def test_images_and_named_arrays_are_numbered_alike(tmp_path: Path, shots: Release, write: Any) -> None:
    expected = vidsal.evaluate(Levels(), shots).record["rows_digest"]

    def digest(folder: Path, first: Any = None) -> str:
        return str(score(folder, shots, kind="saliency", first_frame=first).record["rows_digest"])

    own = {s.id: s.first_frame_number or 0 for s in shots}
    as_input = write(tmp_path / "as_input", shots, own)
    assert digest(as_input) == expected
    assert digest(as_input, "own") == expected
    from_one = write(tmp_path / "from_one", shots, dict.fromkeys(shots.ids, 1))
    assert digest(from_one) == digest(from_one, 1) == expected
    from_zero = write(tmp_path / "from_zero", shots, dict.fromkeys(shots.ids, 0))
    assert digest(from_zero, 0) == expected
    with pytest.raises(BadData, match=r"they fit if frame 0 has the number 0: --first-frame 0"):
        digest(from_zero)
    with pytest.raises(BadData, match=r"they fit if frame 0 has the number 49: --first-frame own"):
        digest(as_input, 3)
    with pytest.raises(BadData, match="4 faults"):
        digest(from_one, "own")


def test_the_option_reaches_arrays_of_stimuli_with_gaze_in_some_frames_only(tmp_path: Path, shots: Release) -> None:
    """One more map than frames with gaze at either end: every number of frame 0 seems to fit."""
    some = facts(10, own=None, annotated=(1, 8))
    assert settle(range(1, 10), some, Asked(1, option=True, usual=1), "names").first == 1
    assert settle(range(1, 10), some, OTHERS, "names").first == 1
    assert settle(range(1, 10), some, OURS, "names").faults


@pytest.mark.usefixtures("warm_children")
def test_processes_number_as_one(tmp_path: Path, shots: Release) -> None:
    own = {s.id: s.first_frame_number or 0 for s in shots}
    folder = write_images(tmp_path / "m", shots, own)
    one, two = (score(folder, shots, kind="saliency", workers=n).record["rows_digest"] for n in (1, 2))
    assert one == two == vidsal.evaluate(Levels(), shots).record["rows_digest"]


def test_a_manifest_may_say_own(tmp_path: Path, shots: Release) -> None:
    own = {s.id: s.first_frame_number or 0 for s in shots}
    folder = write_images(tmp_path / "m", shots, own)
    (folder / "submission.json").write_text('{"prediction": {"kind": "saliency", "first_frame": "own"}}')
    assert score(folder, shots).record["model"]["submission"]["prediction"]["first_frame"] == "own"
    (folder / "submission.json").write_text('{"prediction": {"kind": "saliency", "first_frame": "mine"}}')
    with pytest.raises(BadData, match="first_frame"):
        score(folder, shots)


def test_no_number_of_the_release_is_said(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = vidsal.load(gaze_only(tmp_path_factory.mktemp("plain"), videos=1))
    folder = write_classic(tmp_path / "m", data)
    with pytest.raises(BadData, match="the release has no image numbers of its own"):
        score(folder, data, kind="saliency", first_frame="own")
