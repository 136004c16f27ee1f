"""JointSeg: impervious surface at 1 m from 10-m bands, against enlarging first, a cascade, and 10-m maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reproduction import pairs
from reproduction.fine import GFLOP, on_fine_labels
from reproduction.labels import AREA, LabelsAsMap
from reproduction.runs import Training
from reproduction.study import Evaluator, Measure, Preset, Row, Run, Study

F1 = Measure("f1_impervious", "F1")
IOU, UA, PA = Measure("iou_impervious", "IoU"), Measure("ua_impervious", "UA"), Measure("pa_impervious", "PA")
EXCESS = Measure(AREA, "area too large, %", ".1f", "none")
OPERATIONS = Measure(GFLOP, "GFLOP of a patch", ".2f", "none")

BILINEAR, CASCADE, JOINT = "Bilinear, then U-Net", "Cascade: Prog-ESRGAN, then U-Net", "JointSeg"
SHARP: Mapping[str, Any] = {"loss.sharp": 0.5}
DATED: Mapping[str, Any] = {"frames": pairs.DATES}
# what is trained: recipe, settings, and the abstract's F1
_NETWORKS: dict[str, tuple[str, Mapping[str, Any], Mapping[str, float]]] = {
    "U-Net at 10 m, classes repeated": ("unet", {}, {}),
    BILINEAR: ("bilinear-unet", {}, {F1.key: 0.7621}),
    f"{BILINEAR}, {pairs.DATES} dates": ("bilinear-unet", DATED, {}),
    CASCADE: ("progesrgan", {}, {}),
    JOINT: ("jointseg", {}, {F1.key: 0.8571}),
    f"{JOINT} + super-resolution loss": ("jointseg", SHARP, {}),
    f"{JOINT}, {pairs.DATES} dates": ("jointseg", DATED, {}),
    f"{JOINT}, {pairs.DATES} dates + super-resolution loss": ("jointseg", {**SHARP, **DATED}, {}),
}
_STRATA_NETWORKS = ("U-Net at 10 m, classes repeated", BILINEAR, JOINT)
_PRODUCTS = {"worldcover": "WorldCover", "esri": "ESRI land cover", "gisd30": "GISD30"}
MAJORITY = "The truth's majority at 10 m"

CPU = {"epochs": "12", "batch": "4", "patience": "12"}
# the 10-m network sees a hundredth of the pixels in a step
CPU_COARSE = {"epochs": "40", "batch": "4", "patience": "40"}
_SMALL = (
    f"CPU-sized: {pairs.PATCHES} patches of 320 m, {CPU['epochs']} epochs in batches of {CPU['batch']} for a network "
    f"that works at 1 m, {CPU_COARSE['epochs']} for the one at 10 m (0.49 million parameters, Adam, no averaged "
    "weights). JointSeg and the bilinear baseline have equal data, bands, steps, optimiser, learning rate, "
    "augmentation and averaged weights, and parameters within 6 % (0.128 and 0.121 million); the baseline costs twice "
    "the operations. The cascade is smaller, 0.036 million parameters at 1.2 times JointSeg's operations."
)
_UNEQUAL = (
    "What belongs to a method is not equal: JointSeg also learns the shares at 2.5 m and 10 m, the baseline cross "
    "entropy at 1 m alone. Of several dates the baseline segments their mean, in which clouds are 0.",
    "The cascade and the rows with a super-resolution loss also learn from the 1-m image of the training patches.",
)
_PAPER = (
    "The abstract prints 85.71 % F1 and a gain of 9.5 % over bilinear enlargement; 76.21 % stands here for the "
    "baseline, which holds if points are meant.",
    "The paper's full text was not available: blocks, losses and training settings are ours "
    "(docs/reference/networks.md#jointseg-sources). Its input was red, green and blue; ours are six bands of "
    "Sentinel-1 and Sentinel-2.",
)
_CLAIMS = (
    "The abstract's claims: 21.43 to 61.07 points of F1 more than other products; in dense cities (Suzhou, Nanjing) "
    "less area too many, in mountains (Ganzi, Zhaotong) more impervious area found. It prints no numbers by place.",
)
_TRAINED_ON = (
    "The networks were trained on Wuhan, Hangzhou, Guiyang and Dali (Yunnan) and never saw these four places, which "
    "are kilometres around their towns, not whole prefectures."
)


def _run(name: str, small: bool) -> Run:
    recipe, settings, _ = _NETWORKS[name]
    if not small:
        return Training(recipe, settings)
    return Training(f"{recipe}-tiny", {**(CPU_COARSE if recipe == "unet" else CPU), **settings})


def _bilinear(small: bool) -> tuple[Row, ...]:
    majority = Row(MAJORITY, None, LabelsAsMap(reference="fine"), note="what a perfect 10-m map would score")
    return (majority, *(Row(name, _run(name, small), on_fine_labels, _NETWORKS[name][2]) for name in _NETWORKS))


def _strata(small: bool) -> tuple[Row, ...]:
    return tuple(row for stratum in pairs.STRATA for row in _of_place(stratum, small))


def _of_place(stratum: str, small: bool) -> list[Row]:
    """Products and networks on one place."""

    def row(label: str, run: Run | None, evaluator: Evaluator) -> Row:
        return Row(f"{stratum.capitalize()}: {label}", run, evaluator, data=stratum)

    products = [row(title, None, LabelsAsMap(f"{stratum}-{name}", "fine")) for name, title in _PRODUCTS.items()]
    networks = [row(name, _run(name, small), on_fine_labels) for name in _STRATA_NETWORKS]
    return [*products, row(MAJORITY, None, LabelsAsMap(reference="fine")), *networks]


def _bilinear_preset(small: bool) -> Preset:
    data = {"pairs": pairs.pairs() if small else pairs.pairs(pairs.PAPER_PATCHES)}
    return Preset(_bilinear(small), data, 3, (*((_SMALL,) if small else ()), *_UNEQUAL))


def _strata_preset(small: bool) -> Preset:
    patches = pairs.STRATUM_PATCHES if small else pairs.PAPER_STRATUM_PATCHES
    data = {"pairs": pairs.pairs() if small else pairs.pairs(pairs.PAPER_PATCHES)}
    for region in pairs.STRATA:
        data[region] = pairs.stratum(region, patches)
        data |= {f"{region}-{name}": pairs.product(region, name, patches) for name in _PRODUCTS}
    return Preset(_strata(small), data, 1, (*((_SMALL,) if small else ()), _TRAINED_ON))


STUDIES = (
    Study(
        "jointseg-bilinear",
        "JointSeg against enlarging first, a cascade, and maps of 10 m",
        "JointSeg abstract",
        (F1, IOU, UA, PA, EXCESS, OPERATIONS),
        F1.key,
        {"cpu": lambda: _bilinear_preset(True), "paper": lambda: _bilinear_preset(False)},
        _PAPER,
    ),
    Study(
        "jointseg-strata",
        "Dense cities and mountains: networks and products at 1 m",
        "JointSeg abstract",
        (F1, IOU, UA, PA, EXCESS),
        EXCESS.key,
        {"cpu": lambda: _strata_preset(True), "paper": lambda: _strata_preset(False)},
        _CLAIMS,
    ),
)
