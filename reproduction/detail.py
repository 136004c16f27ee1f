"""What JointSeg's sharpening brings at 1 m, trained to its end, on labels as people draw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isamap.reproduction import pairs
from isamap.reproduction.context import ended, rehearsed
from isamap.reproduction.fine import on_fine_labels
from isamap.reproduction.jointseg import EXCESS, F1, IOU, PA, UA
from isamap.reproduction.labels import LabelsAsMap
from isamap.reproduction.runs import Training
from isamap.reproduction.study import Run, Study, StudyPreset, StudyRow
from isamap.reproduction.tuning import shared

BILINEAR, COARSE = "Bilinear, then U-Net of six levels", "U-Net at 10 m, classes repeated"
JOINT, BLIND = "JointSeg", "JointSeg without image losses"
MAJORITY = "The label's majority at 10 m"
BATCH, STEPS = 4, 4_000
PATCHES, RATIOS = 600, (4, 1, 1)
EPOCHS = STEPS * BATCH // (PATCHES * RATIOS[0] // sum(RATIOS))
REHEARSAL_SHARE = 10  # of 40 epochs a thirtieth would be one
# Crops of 160 m: a network at 10 m sees whole patches, in a step still a twenty-fifth of the others' pixels.
_CROP_PX = 16
_NETWORKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    COARSE: ("unet-tiny", {}),
    BILINEAR: ("bilinear-unet-deep-tiny", {"crop": str(_CROP_PX)}),
    BLIND: ("jointseg-tiny", {"crop": str(_CROP_PX), "loss.sharp": 0.0, "loss.low": 0.0, "loss.edges": 0.0}),
    JOINT: ("jointseg-tiny", {"crop": str(_CROP_PX)}),
}
_SMALL = (
    f"At most {STEPS:,} steps of {BATCH} crops of 160 m; a training ends when validation has not got better for a "
    "quarter of them. Rates are 0.0005, 0.002 or 0.008, whichever validates best in a rehearsal of "
    f"{100 // REHEARSAL_SHARE} % of the steps with another seed. JointSeg and the bilinear baseline have parameters "
    "within 2 %; the baseline sees 20 pixels of 10 m around a tile, JointSeg 32.",
    f"Labels at 1 m hold nothing smaller than {pairs.DRAWN_M2} m2, as people draw them.",
)


def _run(name: str) -> Run:
    recipe, changes = _NETWORKS[name]
    settings = {**ended(EPOCHS), "batch": str(BATCH), **changes}
    return shared(recipe, settings, Training(recipe, {**settings, **rehearsed(EPOCHS, REHEARSAL_SHARE)}))


def _preset() -> StudyPreset:
    majority = StudyRow(MAJORITY, None, LabelsAsMap(reference="fine"), note="what a perfect 10-m map would score")
    networks = tuple(StudyRow(name, _run(name), on_fine_labels) for name in _NETWORKS)
    return StudyPreset((majority, *networks), {"pairs": pairs.drawn_pairs(PATCHES, RATIOS)}, 5, _SMALL)


STUDIES = (
    Study(
        "detail-world",
        "What JointSeg's sharpening brings at 1 m, trained to its end",
        "JointSeg, not in the paper",
        (F1, IOU, UA, PA, EXCESS),
        F1.key,
        {"cpu": _preset},
        contrasts=((JOINT, BILINEAR), (JOINT, BLIND), (BLIND, BILINEAR), (JOINT, COARSE)),
    ),
)
