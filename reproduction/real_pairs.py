"""JointSeg's first step on real pairs: changed buildings at 2.5 m from Sentinel-2 of two dates, and a sharper image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isamap.reproduction import bitemporal, sharpness
from isamap.reproduction.fine import on_fine_labels
from isamap.reproduction.labels import LabelsAsMap
from isamap.reproduction.runs import Training
from isamap.reproduction.study import FromFiles, Study, StudyMeasure, StudyPreset, StudyRow

IOU, F1 = StudyMeasure("iou_impervious", "IoU of change"), StudyMeasure("f1_impervious", "F1 of change")
UA, PA = StudyMeasure("ua_impervious", "UA"), StudyMeasure("pa_impervious", "PA")
SHARP = (
    StudyMeasure(sharpness.PSNR, "PSNR, dB", ".2f"),
    StudyMeasure(sharpness.SSIM, "SSIM", ".3f"),
    StudyMeasure(sharpness.EDGES, "r of gradients", ".3f"),
    StudyMeasure(sharpness.ANGLE, "spectral angle, deg", ".2f", "low"),
    StudyMeasure(sharpness.GAIN, "PSNR above bilinear, dB", "+.2f", "none"),
    StudyMeasure(sharpness.LOW, "its interval from", "+.2f", "none"),
    StudyMeasure(sharpness.HIGH, "to", "+.2f", "none"),
)
MOVED, CAME = "moved", "as-it-came"
STEP, NEAREST, BILINEAR = "JointSeg's first step", "Nearest, then U-Net", "Bilinear, then U-Net"
COARSE, UNMOVED = "U-Net at 10 m, classes repeated", "JointSeg's first step, date A as it came"
MAJORITY = "The label's majority at 10 m"
CPU = {"epochs": "36", "batch": "4", "patience": "36", "crop": "32", "lr": "0.002"}
CPU_COARSE = {"epochs": "100", "batch": "4", "patience": "100", "lr": "0.002"}
_SEEDS = 3
_FILES = (bitemporal.TILES, bitemporal.IMAGES, bitemporal.LABELS)
_TIMES: Mapping[str, Any] = {"model.times": str(bitemporal.RATIO)}
RUNS: Mapping[str, Training] = {
    NEAREST: Training("bilinear-unet-deep-tiny", {**CPU, **_TIMES, "model.method": "nearest"}),
    BILINEAR: Training("bilinear-unet-deep-tiny", {**CPU, **_TIMES}),
    STEP: Training("jointseg-tiny", {**CPU, "model.steps": "1"}),
    UNMOVED: Training("jointseg-tiny", {**CPU, "model.steps": "1"}, CAME),
    COARSE: Training("unet-tiny", CPU_COARSE),
}
_ABOUT = (
    "MS-HS-BCD (Fan et al. 2023, Remote Sensing 15(9) 2351), real: ten bands of Sentinel-2 of each of two dates, and "
    "buildings that were built or demolished between them, drawn at 2.5 m. What the report calls impervious "
    "is changed, what it calls pervious is not.",
    "Every image was stretched tile by tile and band by band, so there is no radiometry: the 2.5-m image is given the "
    "mean and deviation of Sentinel-2 in each tile, and PSNR is of numbers up to 255.",
    "The tiles lie on an invented grid, split by place as the authors did.",
)
_MOVED = "Date A is moved onto date B by `coregister` over all tiles together, but for the row that says otherwise."
_SMALL = (
    f"Small: Sentinel-2's {bitemporal.SIDE} px of a tile in crops of {CPU['crop']} px, batches of {CPU['batch']}, "
    f"{CPU['epochs']} epochs at the rate {CPU['lr']}; at 10 m whole tiles and {CPU_COARSE['epochs']} epochs. No rate "
    "was tuned. U-Nets behind an enlargement have six levels.",
    "Twelve test tiles decide little: a difference below about .05 of IoU cannot be seen here.",
)


def _changes() -> StudyPreset:
    trained = [StudyRow(label, run, on_fine_labels, data=run.data or MOVED) for label, run in RUNS.items()]
    majority = StudyRow(MAJORITY, None, LabelsAsMap(reference="fine"), note="what a perfect 10-m map would score")
    return _preset((majority, *trained))


def _images() -> StudyPreset:
    enlarged = tuple(
        StudyRow(f"{method.capitalize()} enlargement", None, sharpness.Enlarged(method)) for method in sharpness.METHODS
    )
    return _preset((*enlarged, StudyRow(STEP, RUNS[STEP], sharpness.of_network)))


def _preset(rows: tuple[StudyRow, ...]) -> StudyPreset:
    data = {
        MOVED: FromFiles("bitemporal-moved", bitemporal.moved, (*_ABOUT, _MOVED)),
        CAME: FromFiles("bitemporal-as-it-came", bitemporal.as_it_came),
    }
    return StudyPreset(rows, data, _SEEDS, _SMALL, files=_FILES)


STUDIES = (
    Study(
        "jointseg-real",
        "Changed buildings at 2.5 m from Sentinel-2 of two dates, on real pairs",
        "JointSeg, not in the paper",
        (IOU, F1, UA, PA),
        IOU.key,
        {"cpu": _changes},
        contrasts=((STEP, BILINEAR), (BILINEAR, NEAREST), (STEP, COARSE), (STEP, UNMOVED)),
    ),
    Study(
        "jointseg-real-sharp",
        "The sharpened image beside a real one of 2.5 m",
        "JointSeg, not in the paper",
        SHARP,
        sharpness.PSNR,
        {"cpu": _images},
    ),
)
