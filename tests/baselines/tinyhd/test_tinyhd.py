"""The predictors of TinyHD: which frames they see, real weights on a real video, what they hold in memory."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from vidsal.baselines import build_module, load_model
from vidsal.baselines.checkpoints import CheckpointWarning
from vidsal.baselines.preprocess import imagenet_frame, normalize
from vidsal.baselines.tinyhd import predictor as tinyhd
from vidsal.baselines.tinyhd.predictor import TinyHDPredictor, all_windows, last_frames
from vidsal.benchmark.predictor import Predictor, StimulusInfo
from vidsal.loaders.errors import BadData, WrongUse
from vidsal.loaders.records import Frame

NAMES = ("tinyhd_s", "tinyhd_m")
PUBLISHED_SIZE = (192, 256)


@pytest.fixture
def small_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the published width and a third of the height: a twelfth of the work, for what no size changes."""
    monkeypatch.setattr(tinyhd, "HEIGHT", 64)
    monkeypatch.setattr(tinyhd, "WIDTH", 64)


def _inputs(n: int) -> Iterator[tuple[int, torch.Tensor]]:
    """Frames that are their own number."""
    return ((i, torch.full((3, 1, 1), float(i))) for i in range(n))


def _log(results: int, calls: list[list[list[int]]]) -> Callable[[list[torch.Tensor]], torch.Tensor]:
    """A network that notes its windows and answers with 1000 times their first frame, plus the place."""

    def infer(windows: list[torch.Tensor]) -> torch.Tensor:
        calls.append([[int(v) for v in window[0, :, 0, 0]] for window in windows])
        answers = [[1000.0 * float(w[0, 0, 0, 0]) + place for place in range(results)] for w in windows]
        return torch.tensor(answers).view(len(windows), results, 1, 1)

    return infer


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 40])
def test_windows_of_s(n: int, batch: int) -> None:
    calls: list[list[list[int]]] = []
    found = [index for index, _ in last_frames(_inputs(n), _log(1, calls), batch)]
    assert found == list(range(n))
    windows = [window for call in calls for window in call]
    # Frame i: 15 - i copies of the first frame, then frames 0 to i; later on the sixteen up to i.
    assert windows == [[max(i - 15 + place, 0) for place in range(16)] for i in range(n)]
    assert all(len(call) == batch for call in calls[:-1])


# Starts of the windows as the authors' sampler gives them (golden `eval_windows`).
STARTS = {16: [0], 17: [0, 1], 20: [0, 4], 31: [0, 15], 32: [0, 16], 33: [0, 16, 17], 40: [0, 16, 24], 48: [0, 16, 32]}


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("n", STARTS)
def test_windows_of_m(n: int, batch: int) -> None:
    calls: list[list[list[int]]] = []
    found = [(index, float(v)) for index, v in all_windows(_inputs(n), _log(16, calls), batch)]
    windows = [window for call in calls for window in call]
    assert windows == [list(range(start, start + 16)) for start in STARTS[n]]
    written: dict[int, float] = {}
    for start in STARTS[n]:  # in this order, each over the one before
        written.update({start + place: 1000.0 * start + place for place in range(16)})
    assert found == sorted(written.items())
    assert len(found) == n


@pytest.mark.data
def test_windows_of_m_as_published(golden_cases: Any) -> None:
    windows = golden_cases("tinyhd")["eval_windows"]["windows"]
    for n in (*STARTS, 540):
        calls: list[list[list[int]]] = []
        assert len(list(all_windows(_inputs(n), _log(16, calls), 1))) == n
        assert [call[0][0] for call in calls] == windows[f"n{n}_step16"]


@pytest.mark.parametrize("n", [1, 2, 15])
def test_m_fills_short_videos_with_their_last_frame(n: int) -> None:
    calls: list[list[list[int]]] = []
    found = [(index, float(v)) for index, v in all_windows(_inputs(n), _log(16, calls), 4)]
    assert calls == [[[min(place, n - 1) for place in range(16)]]]
    assert found == [(i, float(i)) for i in range(n)]
    assert list(all_windows(_inputs(0), _log(16, calls), 1)) == []


@pytest.mark.parametrize(("walk", "results", "most"), [(last_frames, 1, 20), (all_windows, 16, 50)])
def test_memory_does_not_grow(walk: Any, results: int, most: int) -> None:
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    peak = 0

    def frames() -> Iterator[tuple[int, torch.Tensor]]:
        nonlocal peak
        for index in range(300):
            image = torch.full((3, 1, 1), float(index))
            alive.add(image)
            peak = max(peak, len(alive))
            yield index, image

    assert sum(1 for _ in walk(frames(), _log(results, []), 1)) == 300
    assert peak <= most


def test_m_answers_before_the_end() -> None:
    taken = 0

    def frames() -> Iterator[tuple[int, torch.Tensor]]:
        nonlocal taken
        for pair in _inputs(200):
            taken += 1
            yield pair

    next(all_windows(frames(), _log(16, []), 1))
    assert taken == 32


# --- the predictors, with weights of the recipe


def _predictor(name: str, filled: Any, **options: Any) -> TinyHDPredictor:
    module = filled(name, "tinyhd", reduced_channels=4)
    return TinyHDPredictor(module, **options)


def _clip(recipe: ModuleType, n: int, seed: int = 1, height: int = 45, width: int = 80) -> list[Frame]:
    return [Frame(i, i * 40.0, rgb) for i, rgb in enumerate(recipe.make_video(seed, n, height, width))]


def _info(frames: list[Frame], kind: Any = "video") -> StimulusInfo:
    height, width = frames[0].rgb.shape[:2]
    return StimulusInfo("clip", width, height, 25.0 if kind == "video" else None, kind, len(frames))


def _maps(model: TinyHDPredictor, frames: list[Frame], kind: Any = "video") -> list[np.ndarray]:
    predictions = list(model.predict(iter(frames), _info(frames, kind)))
    assert [p.frame for p in predictions] == [f.index for f in frames]
    assert all(p.kind == "saliency" and p.values.shape == (tinyhd.HEIGHT, tinyhd.WIDTH) for p in predictions)
    assert all(p.values.dtype == np.float32 and 0 <= p.values.min() <= p.values.max() <= 1 for p in predictions)
    return [p.values for p in predictions]


@pytest.mark.usefixtures("small_input")
def test_s_is_the_network_on_padded_windows(recipe: ModuleType, filled: Any) -> None:
    frames = _clip(recipe, 2)
    found = _maps(_predictor("tinyhd_s", filled), frames)
    images = [imagenet_frame(frame, tinyhd.HEIGHT, tinyhd.WIDTH) for frame in frames]
    module = filled("tinyhd_s", "tinyhd", reduced_channels=4)
    with torch.inference_mode():
        for index, window in enumerate(([0] * 16, [0] * 15 + [1])):
            wanted = module(torch.stack([images[i] for i in window], 1)[None])[0, 0].numpy()
            np.testing.assert_allclose(found[index], wanted, atol=2e-4)


@pytest.mark.usefixtures("small_input")
def test_m_is_the_network_on_its_window(recipe: ModuleType, filled: Any) -> None:
    frames = _clip(recipe, 18)
    found = _maps(_predictor("tinyhd_m", filled), frames)
    images = torch.stack([imagenet_frame(frame, tinyhd.HEIGHT, tinyhd.WIDTH) for frame in frames], 1)
    module = filled("tinyhd_m", "tinyhd", reduced_channels=4)
    with torch.inference_mode():
        first, last = (module(images[None, :, start : start + 16])[0, 0].numpy() for start in (0, 2))
    np.testing.assert_allclose(found[:2], first[:2], atol=2e-4)
    np.testing.assert_allclose(found[2:], last, atol=2e-4)


@pytest.mark.usefixtures("small_input")
def test_s_does_not_look_ahead(recipe: ModuleType, filled: Any) -> None:
    model = _predictor("tinyhd_s", filled)
    assert model.info.causal
    frames = _clip(recipe, 4)
    changed = [*frames[:2], *(Frame(f.index, f.pts_ms, g.rgb) for f, g in zip(frames[2:], frames[:1:-1], strict=True))]
    one, other = _maps(model, frames), _maps(model, changed)
    assert all(np.array_equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))
    assert not np.array_equal(one[2], other[2])


@pytest.mark.usefixtures("small_input")
def test_m_looks_fifteen_frames_ahead_and_says_so(recipe: ModuleType, filled: Any) -> None:
    model = _predictor("tinyhd_m", filled)
    assert (model.info.causal, model.info.lookahead) == (False, 15)
    frames = _clip(recipe, 18)
    changed = [*frames[:15], _clip(recipe, 18, seed=2)[15], *_clip(recipe, 18, seed=2)[16:]]
    one, other = _maps(model, frames), _maps(model, changed)
    assert not np.array_equal(one[0], other[0])
    changed = [*frames[:16], *changed[16:]]
    other = _maps(model, changed)
    assert all(np.array_equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))
    assert not np.array_equal(one[2], other[2])


@pytest.mark.usefixtures("small_input")
@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_a_video_that_stands_still(name: str, recipe: ModuleType, filled: Any) -> None:
    model = _predictor(name, filled)
    frame = _clip(recipe, 1)
    (image,) = _maps(model, frame, "image")
    still = [Frame(i, 0.0, frame[0].rgb) for i in range(16)]
    assert np.array_equal(image, _maps(model, still[:1] if name == "tinyhd_s" else still)[0])


@pytest.mark.usefixtures("small_input")
def test_batches_and_threads_change_nothing_but_rounding(recipe: ModuleType, filled: Any) -> None:
    frames = _clip(recipe, 2)
    wanted = _maps(_predictor("tinyhd_s", filled, batch=1, threads=1), frames)
    np.testing.assert_allclose(_maps(_predictor("tinyhd_s", filled, batch=2, threads=1), frames), wanted, atol=2e-4)
    more, before, seen = _predictor("tinyhd_s", filled, threads=2), torch.get_num_threads(), []
    more._network = lambda x: seen.append(torch.get_num_threads()) or torch.zeros(1, 1, tinyhd.HEIGHT, tinyhd.WIDTH)
    _maps(more, frames[:1])
    assert seen == [2]
    assert torch.get_num_threads() == before
    again = _maps(_predictor("tinyhd_s", filled, threads=1), frames)
    assert all(np.array_equal(a, b) for a, b in zip(wanted, again, strict=True))


@pytest.mark.usefixtures("small_input")
def test_two_stimuli_at_once_and_pickling(recipe: ModuleType, filled: Any) -> None:
    model = _predictor("tinyhd_s", filled)
    assert isinstance(model, Predictor)
    one, two = _clip(recipe, 3), _clip(recipe, 3, seed=9, height=60, width=40)
    apart = [*_maps(model, one), *_maps(model, two)]
    model = pickle.loads(pickle.dumps(model))  # noqa: S301
    walks = model.predict(iter(one), _info(one)), model.predict(iter(two), _info(two))
    mixed = [p.values for pair in zip(*walks, strict=True) for p in pair]
    assert all(np.array_equal(a, b) for a, b in zip(apart, [*mixed[::2], *mixed[1::2]], strict=True))


@pytest.mark.usefixtures("small_input")
def test_wrong_use(recipe: ModuleType, filled: Any) -> None:
    module = build_module("tinyhd_s", reduced_channels=4)
    assert isinstance(module, torch.nn.Module)
    for options, what in (({"batch": 0}, "batch=0"), ({"threads": 0}, "threads=0")):
        with pytest.raises(WrongUse, match=what):
            _predictor("tinyhd_s", filled, **options)
    with pytest.raises(WrongUse, match="device 'gpu'"):
        TinyHDPredictor(module, "gpu")  # type: ignore[arg-type]
    frames = _clip(recipe, 2)
    frames[1] = Frame(1, 40.0, np.zeros((40, 80, 3), np.uint8))
    with pytest.raises(BadData, match=r"clip, frame 1: the frame has the shape \(40, 80, 3\)"):
        list(_predictor("tinyhd_s", filled).predict(iter(frames), _info(frames)))


def test_settings_of_an_unknown_file(tmp_path: Path, recipe: ModuleType, filled: Any) -> None:
    module = filled("tinyhd_m", "tinyhd", reduced_channels=2)
    path = tmp_path / "mine.pth"
    torch.save(module.state_dict(), path)
    with pytest.warns(CheckpointWarning, match="do not show d1_last; d1_last=False is assumed"):
        model = load_model("tinyhd_m", path)
    assert isinstance(model, TinyHDPredictor)
    load_model("tinyhd_m", path, d1_last=True, reduced_channels=2)
    with pytest.raises(WrongUse, match="show reduced_channels=2"):
        load_model("tinyhd_m", path, d1_last=True, reduced_channels=4)
    full = tmp_path / "full.pth"
    torch.save({"student_model": build_module("tinyhd_m").state_dict()}, full)
    with pytest.warns(CheckpointWarning, match="d1_last=True is assumed"):
        load_model("tinyhd_m", full)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(BadData, match=r"do not fit tinyhd_m. Missing: encoder.encoder.0.0.weight.*Not expected: a"):
        load_model("tinyhd_m", path)


# --- real files


@pytest.mark.data
def test_preprocessing(goldens: Path) -> None:
    full = np.load(goldens / "models" / "inputs" / "real_0068.npz")["full"]
    golden = np.load(goldens / "models" / "tinyhd" / "pre_real_192x256.npz")["x"]
    found = imagenet_frame(Frame(0, 0.0, full[0]), 192, 256).numpy()
    np.testing.assert_allclose(found, golden[:, 0], atol=1e-5)


def _video(samples: Path, n: int) -> list[Frame]:
    import av

    with av.open(str(samples / "dhf1k" / "video" / "068.AVI")) as container:
        frames = []
        for index, frame in enumerate(container.decode(video=0)):
            if index == n:
                break
            frames.append(Frame(index, index * 1000 / 30, frame.to_ndarray(format="rgb24")))
    return frames


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (192, 256), (100, 90), (361, 641), (1080, 1920)])
def test_the_input_is_torch_s_bilinear_resize_of_the_whole_frame(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    whole = normalize(torch.from_numpy(rgb).permute(2, 0, 1).float() / 255)
    expected = torch.nn.functional.interpolate(whole[None], (192, 256), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(imagenet_frame(Frame(0, 0.0, rgb), 192, 256), expected, rtol=0, atol=2e-5)


@pytest.mark.data
@pytest.mark.parametrize(("name", "n"), [pytest.param("tinyhd_s", 23, marks=pytest.mark.slow), ("tinyhd_m", 37)])
def test_real_weights_on_the_real_video(
    name: str, n: int, samples: Path, goldens: Path, golden_cases: Any, assert_golden: Any
) -> None:
    letter = name[-1]
    model = load_model(name, samples / "tinyhd" / f"d123{letter}_rc4_rc1T.pth", threads=1)
    assert isinstance(model, TinyHDPredictor)
    assert model.info.trained_on == ("dhf1k",)
    frames = _video(samples, n)
    stimulus = _info(frames)
    maps = _maps(model, frames)
    assert {m.shape for m in maps} == {PUBLISHED_SIZE}

    case = golden_cases("tinyhd")[f"real_{letter.upper()}_rc4_window0"]
    window = np.load(goldens / "models" / "tinyhd" / case["file"])["out"]
    floor = case["f32_vs_f64_max_abs"]["out"]
    if name == "tinyhd_s":
        assert_golden(maps[15], window[0, 0], floor)
    else:
        for place, index in enumerate((0, 7, 15)):
            assert_golden(maps[index], window[0, 0, place], floor)

    quick = np.load(goldens / "models" / "tinyhd" / f"quickstart_{letter.upper()}_rc4.npz")
    compared = 0
    for index, golden in zip(quick["index"], quick["png8"], strict=True):
        if index >= n or (name == "tinyhd_s" and index < 15):
            continue
        difference = np.abs(model.published_map(maps[index], stimulus).astype(int) - golden)
        assert difference.max() <= 2
        assert (difference == 0).mean() >= 0.99
        compared += 1
    assert compared >= 4


@pytest.mark.data
def test_real_weights_on_real_windows_of_s(samples: Path, goldens: Path, golden_cases: Any, assert_golden: Any) -> None:
    """Three of the frames of the test above, without those before them that nothing is known of."""
    model = load_model("tinyhd_s", samples / "tinyhd" / "d123s_rc4_rc1T.pth", threads=1)
    assert isinstance(model, TinyHDPredictor)
    frames = _video(samples, 21)
    stimulus = _info(frames)
    images = [image for _, image in model._inputs(iter(frames), stimulus)]
    quick = np.load(goldens / "models" / "tinyhd" / "quickstart_S_rc4.npz")
    case = golden_cases("tinyhd")["real_S_rc4_window0"]
    assert_golden(
        model._infer([torch.stack(images[:16], dim=1)])[0, 0],
        np.load(goldens / "models" / "tinyhd" / case["file"])["out"][0, 0],
        case["f32_vs_f64_max_abs"]["out"],
    )
    compared = 0
    for index, golden in zip(quick["index"], quick["png8"], strict=True):
        if not 15 < index < len(images):
            continue
        values = model._infer([torch.stack(images[index - 15 : index + 1], dim=1)])[0, 0]
        difference = np.abs(model.published_map(values, stimulus).astype(int) - golden)
        assert difference.max() <= 2
        assert (difference == 0).mean() >= 0.99
        compared += 1
    assert compared >= 1


@pytest.mark.usefixtures("small_input")
def test_the_start_as_quick_start_writes_it(filled: Any) -> None:
    module = filled("tinyhd_s", "tinyhd", reduced_channels=4)
    video = np.random.default_rng(3).integers(0, 256, (17, 32, 48, 3)).astype(np.uint8)

    def maps(first_frames: str, n: int) -> list[np.ndarray]:
        model = TinyHDPredictor(module, first_frames=first_frames)
        frames = (Frame(i, 40.0 * i, rgb) for i, rgb in enumerate(video[:n]))
        return [p.values for p in model.predict(frames, StimulusInfo("v", 48, 32, 25.0, "video", n))]

    padded, repeated = maps("padded", 17), maps("quick-start", 17)
    assert all(np.array_equal(repeated[i], padded[15]) for i in range(15))
    assert all(np.array_equal(repeated[i], padded[i]) for i in range(15, 17))
    assert not np.array_equal(padded[3], padded[15])
    assert [m.tobytes() for m in maps("quick-start", 4)] == [m.tobytes() for m in padded[:4]]
    assert TinyHDPredictor(module, first_frames="quick-start").info.lookahead == 15


@pytest.mark.data
def test_quick_start_repeats_frame_15_at_the_start_of_s(goldens: Path) -> None:
    """The authors' quick_start computes the padded windows of frames 0 to 14, then writes frame 15's map for them.

    Their script for the published maps writes what it computes; so does the predictor.
    """
    quick = np.load(goldens / "models" / "tinyhd" / "quickstart_S_rc4.npz")
    at = {int(index): golden for index, golden in zip(quick["index"], quick["png8"], strict=True)}
    assert min(at) < 15
    assert all(np.array_equal(golden, at[15]) for index, golden in at.items() if index < 15)
