"""The definitions and `score_frame` against frozen numbers: slow exact definitions, and the official MATLAB code."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidsal.benchmark import NonFinite, score_frame
from vidsal.benchmark.metrics import find
from vidsal.benchmark.scoring.resize import bilinear_half_pixel

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SHORT = {"AUC_Judd": "AUC-J", "sAUC": "sAUC", "NSS": "NSS", "CC": "CC", "SIM": "SIM", "KLD": "KLD"}
FAMILY = {
    "AUC_Judd": "auc_judd", "sAUC": "shuffled_auc", "AUC_Borji": "auc_borji", "NSS": "nss", "CC": "cc",
    "SIM": "sim", "KLD": "kld", "IG": "information_gain",
}  # fmt: skip
EXACT = {
    "AUC_Judd": "mw;pos=fixated_pixels;neg=unfixated_pixels",
    "sAUC": "mw;pos=fixated_pixels;neg=other_list",
    "NSS": "ddof=0;pos=fixated_pixels",
    "CC": "pearson",
    "SIM": "sum",
    "KLD": "gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16",
}
OCTAVE = {
    "AUC_Judd": "jitter=1", "sAUC": "Nsplits=100;step=0.1", "NSS": "ddof=1", "CC": "", "SIM": "minmax;sum",
    "KLD": "eps=2.2e-16",
}  # fmt: skip
REFUSED = ("nansome", "nanall", "inf")
CONSTANT = ("const_", "constu8_", "zero_")
RESIZED = "resize=bilinear-halfpixel;"


@dataclass(frozen=True)
class Case:
    name: str
    maps: dict[str, Any]

    @property
    def fixations(self) -> np.ndarray:
        return self.maps["fix_yx"][:, ::-1] + 0.5

    @property
    def others(self) -> np.ndarray:
        return self.maps["other_yx"][:, ::-1] + 0.5

    def counts(self, key: str) -> np.ndarray:
        yx = self.maps[key]
        counts = np.zeros(self.maps["gt"].shape, np.int64)
        np.add.at(counts, (yx[:, 0], yx[:, 1]), 1)
        return counts


@dataclass(frozen=True)
class Row:
    case: Case
    metric: str
    implementation: str
    params: str
    value: float
    tolerance: float
    status: str


def read(values: Path, load: Any) -> Iterator[Row]:
    cases: dict[str, Case] = {}
    with values.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            name = line["case"]
            if name not in cases:
                cases[name] = Case(name, load(name))
            random = line["sd"] and float(line["n_seeds"]) > 1
            wide = 5 * float(line["sd"]) / math.sqrt(float(line["n_seeds"])) + 1e-6 if random else 1e-9
            yield Row(
                cases[name], line["metric"], line["implementation"], line["params"], float(line["value"]), wide,
                line["status"],
            )  # fmt: skip


def local_rows() -> Iterator[Row]:
    with np.load(GOLDEN / "metrics_cases.npz") as file:
        store = dict(file)

    def load(case: str) -> dict[str, Any]:
        return {k.split("/")[1]: v for k, v in store.items() if k.startswith(case + "/")}

    return read(GOLDEN / "metrics_values.csv", load)


def shared_rows(goldens: Path) -> Iterator[Row]:
    folder = goldens / "metrics"

    def load(case: str) -> dict[str, Any]:
        with np.load(folder / "cases" / f"{case}.npz") as store:
            return {k: store[k] for k in store.files}

    return read(folder / "values.csv", load)


def agree(found: float, expected: float, tolerance: float) -> bool:
    if math.isnan(expected) or math.isinf(expected):
        return found == expected or (math.isnan(found) and math.isnan(expected))
    return abs(found - expected) <= tolerance


# Where a definition says something on purpose that the slow definitions leave undefined.
STATED = {
    ("NSS", "ddof=0;pos=fixated_pixels"): 0.0,
    ("NSS", "ddof=0;pos=fixation_list"): 0.0,
    ("CC", "pearson"): 0.0,
}


def check_definitions(rows: Iterator[Row]) -> tuple[int, list[str]]:
    wrong, n = [], 0
    for row in rows:
        if row.implementation != "exact_float64" or row.case.name.startswith(REFUSED):
            continue
        maps = row.case.maps
        params = row.params.removeprefix(RESIZED)
        saliency = bilinear_half_pixel(maps["pred"], maps["gt"].shape)
        others = row.case.counts("other_yx")
        if params.startswith("step"):
            others = others > 0
        found = find(f"{FAMILY[row.metric]}[{params}]")(
            saliency=saliency, fixated=row.case.counts("fix_yx"), negatives=others,
            density=maps["gt"], baseline=maps.get("baseline"),
        )  # fmt: skip
        expected = row.value
        if row.case.name.startswith(CONSTANT):
            expected = STATED.get((row.metric, params), expected)
        if (row.metric, params) == ("SIM", "minmax;sum") and row.case.name.startswith(("zero_", "gtzero_")):
            expected = 0.0  # as the MATLAB code does
        n += 1
        if not agree(found, expected, 1e-9):
            wrong.append(f"{row.case.name} {row.metric} {row.params}: {found} instead of {expected}")
    return n, wrong


def check_score_frame(rows: Iterator[Row]) -> tuple[int, list[str]]:
    wrong, n, scores = [], 0, {}
    for row in rows:
        case = row.case
        if case.name.startswith(REFUSED) or row.metric not in SHORT:
            continue
        params = row.params.removeprefix(RESIZED).removeprefix("resize=imresize-bicubic").removeprefix(";")
        if row.implementation == "exact_float64" and params == EXACT[row.metric]:
            protocol = "exact-1"
        elif row.implementation.startswith("DHF1K/") and params == OCTAVE[row.metric]:
            protocol = "dhf1k-1"
        else:
            continue
        key = (case.name, protocol)
        if key not in scores:
            scores[key] = score_frame(
                case.maps["pred"], case.fixations, case.maps["gt"], case.others, protocol=protocol
            )
        found, expected = scores[key][SHORT[row.metric]], row.value
        if protocol == "exact-1" and case.name.startswith(CONSTANT):
            expected = STATED.get((row.metric, params), expected)
        n += 1
        if not agree(found, expected, row.tolerance):
            wrong.append(f"{case.name} {protocol} {row.metric}: {found} instead of {expected} +- {row.tolerance}")
        if math.isnan(found) and not scores[key].reasons.get(SHORT[row.metric]):
            wrong.append(f"{case.name} {protocol} {row.metric}: NaN without a reason")
    return n, wrong


def test_definitions_meet_the_golden_values() -> None:
    n, wrong = check_definitions(local_rows())
    assert not wrong, "\n".join(wrong)
    assert n > 300


def test_score_frame_meets_the_golden_values() -> None:
    n, wrong = check_score_frame(local_rows())
    assert not wrong, "\n".join(wrong)
    assert n > 150


@pytest.mark.data
def test_definitions_meet_every_golden_value(goldens: Path) -> None:
    n, wrong = check_definitions(shared_rows(goldens))
    assert not wrong, "\n".join(wrong)
    assert n > 1000


@pytest.mark.data
def test_score_frame_meets_every_golden_value(goldens: Path) -> None:
    n, wrong = check_score_frame(shared_rows(goldens))
    assert not wrong, "\n".join(wrong)
    assert n > 500


def test_maps_with_nan_are_refused() -> None:
    case = next(row.case for row in local_rows() if row.case.name.startswith("nansome"))
    for protocol in ("exact-1", "dhf1k-1"):
        with pytest.raises(NonFinite, match="4 NaN, 0 [+]inf and 0 -inf of 2304"):
            score_frame(case.maps["pred"], case.fixations, case.maps["gt"], protocol=protocol)
