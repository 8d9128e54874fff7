"""One small source tree for every form of every data set: two stimuli at most, one or two observers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

from vidsal.loaders.datasets.synthetic import generate

from .msu_tree import write_crowdsal, write_set
from .stavis_pack import write_video
from .trees import dhf1k_raw, write_map


def _image(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (90, 120, 60)).save(path)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _mat(path: Path, **values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, values)


def _dhf1k_released(root: Path) -> None:
    for number in (1, 2):
        write_map(root / "annotation" / "0601" / "fixation" / f"{number:04d}.png", [(9 * number, 40)])


def _maps(folder: Path, names: list[str], width: int, height: int) -> None:
    for row, name in enumerate(names):
        write_map(folder / "fixation" / name, [(row, 5)], (height, width))
        _image(folder / "images" / name, width, height)


def _hollywood2_released(root: Path) -> None:
    folder = root / "training" / "actioncliptrain00001_1"
    _maps(folder, [f"actioncliptrain00001_{number:05d}.png" for number in (3, 4)], 528, 224)


def _ucf_2017(root: Path) -> None:
    names = [f"Diving-Side_001_{number:03d}.png" for number in (1, 2)]
    _maps(root / "testing" / "Diving-Side-001", names, 720, 404)


def _ucf_2018(root: Path) -> None:
    _maps(root / "test" / "Diving-Side_001", ["0001.png", "0002.png"], 720, 404)


def _eye(root: Path, folder: str, video: str) -> None:
    for observer in ("001", "002"):
        rows = "".join(f"{t} 1 1 {600 + t // 1000} 500 F\n" for t in range(0, 200_000, 2000))
        _text(root / folder / "samples" / f"{observer}_{video}.avi.txt", rows)
    _text(root / folder / "geometry.txt", "475 295 600 1280 1024\n")
    _text(root / folder / "resolution.txt", f"{video}.avi 640 480 1\n")


_HEAD = "gaze 1280 720\ngeometry distance 0.45 width 0.4 height 0.225\n"


def _gazecom_samples(root: Path) -> None:
    rows = "".join(f"{t} 600 300 1\n" for t in range(0, 20_000_000, 40_000))
    _text(root / "gaze" / "natural_movies_gaze" / "AAF_beach.coord", _HEAD + rows)


def _gazecom_labels(root: Path) -> None:
    attributes = ("time INTEGER", "x NUMERIC", "y NUMERIC", "confidence NUMERIC")
    attributes += ("handlabeller1 INTEGER", "handlabeller2 INTEGER", "handlabeller_final INTEGER")
    screen = ("width_px 1280.0", "height_px 720.0", "width_mm 400.0", "height_mm 225.0", "distance_mm 450.0")
    head = [*(f"%@METADATA {s}" for s in screen), "@RELATION gaze", *(f"@ATTRIBUTE {a}" for a in attributes), "@DATA"]
    rows = [f"{t},600,300,1,1,1,1" for t in range(0, 20_000_000, 40_000)]
    _text(root / "ground_truth" / "beach" / "AAF_beach.arff", "\n".join([*head, *rows]) + "\n")


def _ledov(root: Path) -> None:
    folder = root / "animal_alpaca01"
    folder.mkdir(parents=True)
    with h5py.File(folder / "Data.mat", "w", userblock_size=512) as file:
        data = file.create_group("Data")
        data.attrs["MATLAB_class"] = np.bytes_("struct")
        data["VideoName"] = np.array([[ord(c)] for c in folder.name], np.uint16)
        data["VideoName"].attrs["MATLAB_class"] = np.bytes_("char")
        for name, value in (
            ("VideoFrameRate", [[23.976]]),
            ("VideoFrames", [[360.0]]),
            ("VideoSize", [[1280.0], [720.0]]),
        ):
            data[name] = np.array(value)
        data["fixdata"] = np.array([(1, 0, 200, 640, 360), (1, 300, 200, 100, 100)], float).T


def _mit1003_mat(root: Path) -> None:
    name = "i1000274881"
    _image(root / "ALLSTIMULI" / f"{name}.jpeg", 1024, 768)
    eye = np.repeat([[300.0, 200.0], [700.0, 400.0]], 360, axis=0)
    _mat(root / "DATA" / "CNG" / f"{name}.mat", **{name: {"imgName": f"{name}.jpeg", "DATA": {"eyeData": eye}}})


def _mit1003_fixatons(root: Path) -> None:
    _image(root / "STIMULI" / "i1000274881.jpeg", 1024, 768)
    _text(root / "SCANPATHS" / "i1000274881" / "CNG", "512 384 0.004 0.3\n100 200 0.4 0.6\n")


def _mit300(root: Path) -> None:
    for number in (1, 210):
        _image(root / "BenchmarkIMAGES" / f"i{number}.jpg", 64, 48)
    points = np.zeros((48, 64), np.uint8)
    points[3, 4] = 1
    _mat(root / "FIXATIONLOCS" / "i210.mat", fixLocs=points)


_COCO = "COCO_train2014_000000123067"


def _salicon_json(root: Path) -> None:
    _image(root / "images" / f"{_COCO}.jpg", 640, 480)
    listed = [{"id": 1, "file_name": f"{_COCO}.jpg", "width": 640, "height": 480}]
    track = [{"image_id": 1, "fixations": [[5, 6], [7, 8]], "worker_id": 3, "id": 1}]
    content = {"images": listed, "annotations": track}
    _text(root / "annotations" / "fixations_train2014.json", json.dumps(content))


def _salicon_mat(root: Path) -> None:
    _image(root / "images" / "train" / f"{_COCO}.jpg", 640, 480)
    worker = {"location": [[1.0, 1.0], [9.0, 9.0]], "timestamp": [[0.0], [16.0]], "fixations": [[9.0, 9.0]]}
    gaze = np.zeros((1,), dtype=[(name, object) for name in worker])
    for name, value in worker.items():
        gaze[0][name] = np.array(value)
    _mat(root / "train" / f"{_COCO}.mat", image=_COCO, resolution=np.array([[480, 640]]), gaze=gaze)


def _xu_hevc(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "video_database.mat", "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def cell(group: h5py.Group, name: str, values: list[str]) -> None:
            node = group.create_dataset(name, (1, len(values)), dtype=h5py.ref_dtype)
            node.attrs["MATLAB_class"] = np.bytes_("cell")
            for i, value in enumerate(values):
                part = refs.create_dataset(f"r{len(refs)}", data=np.array([[ord(c)] for c in value], np.uint16))
                part.attrs["MATLAB_class"] = np.bytes_("char")
                node[0, i] = part.ref

        data, info = file.create_group("video_database"), file.create_group("video_database/videos_info")
        for group in (data, info):
            group.attrs["MATLAB_class"] = np.bytes_("struct")
        data["fixdata"] = np.array([(1, 1, 120, 100, 7, 9)], float).T
        cell(data, "video_names_list", ["Lee"])
        cell(data, "subj_names_list", ["AB"])
        cell(info, "name_list", ["Lee"])
        info["size"], info["framerate_fps"], info["frames"] = [[1920.0], [1080.0]], [[25.0]], [[150.0]]


def _diem_raw(root: Path) -> None:
    rows = "".join(f"{n}\t640\t480\t900\t1\t642\t481\t900\t1\r\n" for n in range(1, 5))
    for observer in ("diem1s01", "diem1s02"):
        _text(root / "bears_64x48" / "event_data" / f"{observer}.asc_2_bears_64x48.txt", rows)


def _andersson2017(root: Path) -> None:
    pos = np.array([(t, 1, 1, 500 + t // 20_000, 400, 1 + (t > 40_000)) for t in range(2000, 90_000, 2000)], float)
    file = root / "annotated_data" / "data used in the article" / "video" / "TL30_video_jump_labelled_RA.mat"
    _mat(file, ETdata={"pos": pos, "screenRes": np.array([[1024.0, 768.0]])})


def _pack(name: str) -> Callable[[Path], object]:
    return lambda root: write_video(root, name, "clip1", {1: [(3, 5)], 2: [(4, 6)]}, frames=2)


TREES: dict[tuple[str, str | None], Callable[[Path], object]] = {
    ("dhf1k", "released"): _dhf1k_released,
    ("dhf1k", "raw"): dhf1k_raw,
    ("hollywood2", "released"): _hollywood2_released,
    ("hollywood2", "raw"): lambda root: _eye(root, "gaze_hollywood2", "actioncliptrain00001"),
    ("ucf-sports", "2018"): _ucf_2018,
    ("ucf-sports", "2017"): _ucf_2017,
    ("ucf-sports", "raw"): lambda root: _eye(root, "gaze_ucfsa", "Diving-Side_001"),
    ("gazecom", "labels"): _gazecom_labels,
    ("gazecom", "samples"): _gazecom_samples,
    ("ledov", None): _ledov,
    ("mit1003", "mat"): _mit1003_mat,
    ("mit1003", "fixatons"): _mit1003_fixatons,
    ("mit300", None): _mit300,
    ("salicon", "2015-json"): _salicon_json,
    ("salicon", "2015"): _salicon_mat,
    ("salicon", "2017"): _salicon_mat,
    ("xu-hevc", None): _xu_hevc,
    ("diem", "stavis"): _pack("DIEM"),
    ("diem", "raw"): _diem_raw,
    ("andersson2017", None): _andersson2017,
    ("coutrot1", None): _pack("Coutrot_db1"),
    ("coutrot2", None): _pack("Coutrot_db2"),
    ("avad", None): _pack("AVAD"),
    ("etmd", None): _pack("ETMD_av"),
    ("summe", None): _pack("SumMe"),
    ("avimos", None): lambda root: write_set(root, {"train": ["clip_1"], "public_test": ["clip_2"]}, frames=2),
    ("ntire26", None): lambda root: write_set(root, {"train": ["clip_1"], "public_test": ["clip_2"]}, frames=2),
    ("crowdsal", None): write_crowdsal,
    ("synthetic", None): lambda root: generate(root, videos=1, frames=3, observers=1, width=32, height=24),
}
"""The builder of each form's tree, by data set and variant; that of a form which is not here is `TREES[variant]` in the
test of its data set."""
