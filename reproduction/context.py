"""What a network gains over single pixels, trained to its end: on the simulated world, and on real form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isamap.reproduction import footprints
from isamap.reproduction.crofusenet import MIOU, OA
from isamap.reproduction.evaluators import on_split
from isamap.reproduction.jointseg import F1, IOU
from isamap.reproduction.runs import Training
from isamap.reproduction.study import Export, FromFiles, Run, Study, StudyPreset, StudyRow
from isamap.reproduction.tuning import shared
from isamap.reproduction.worlds import OPTICAL_10M, TRUTH_10

FOREST, UNET, FUSION = "Forest", "U-Net", "CroFuseNet"
FOREST_OF_YEAR, UNET_OF_YEAR = "Forest, year statistics", "U-Net, year statistics"
MONTH, YEAR = "month", "year"
SIZE_PX, BATCH, STEPS = 64, 4, 10_000
TRAIN, VAL, TEST = 300, 100, 100
# San Marcos is 4.1 km wide: side by side it holds 36 patches, so they overlap by half, and training has fewer
FORM_STRIDE_PX = 32
# Blocks leave 252 whole patches of the world's 300 to train and 55 of San Marcos: 63 and 13 batches an epoch.
WORLD_EPOCHS, FORM_EPOCHS = STEPS // 63, STEPS // 13
# A quarter of the epochs: on the first two seeds a better one came after up to 17 % of them without (23 of 133).
PATIENCE_SHARE = 4
# A thirtieth: three rates then cost a tenth of a training.
REHEARSAL_SHARE = 30
_WHEN: Mapping[str, Mapping[str, Any]] = {
    MONTH: {"month": "2019-07"},
    YEAR: {"period": "2019", "composite": "year-statistics"},
}
_PATCHES: Mapping[str, Any] = {"size": SIZE_PX, "stride": SIZE_PX, "label": TRUTH_10, "bands": OPTICAL_10M}
# W S E N in degrees: Wuhan's centre, suburbs and fields, 36 x 36 km
WUHAN = (114.14, 30.42, 114.52, 30.75)
# by row: the recipe, and of what time its pixels are
_ROWS: Mapping[str, tuple[str, str]] = {
    "NDVI, a threshold": ("ndvi", MONTH),
    FOREST: ("random_forest-tiny", MONTH),
    FOREST_OF_YEAR: ("random_forest-year-tiny", YEAR),
    UNET: ("unet-tiny", MONTH),
    UNET_OF_YEAR: ("unet-year-tiny", YEAR),
    FUSION: ("crofusenet-tiny", MONTH),
}
_NETWORKS = (UNET, UNET_OF_YEAR, FUSION)
_SMALL = (
    f"A quarter of the papers' widths, whole patches of {SIZE_PX} px, batches of {BATCH}, at most {STEPS:,} steps; a "
    f"training ends when validation has not got better for a quarter of them. Adam's rate is 0.0005, 0.002 or 0.008, "
    f"whichever validates best in a rehearsal of {100 // REHEARSAL_SHARE} % of the steps with another seed.",
    "Bands are B2, B3, B4, B8, VV and VH: means of July 2019, or statistics of the year 2019 of the same patches.",
)
# Taps of pyramid pooling lie 6, 12 and 18 cells of 16 px apart: on 256 px those of 6 and 12 see ground, on 64 px none.
POOLED, UNPOOLED = "RU-Net++", "RU-Net++ without pyramid pooling"
WIDE_PX, WIDE_RATIOS, WIDE_EPOCHS, WIDE_BATCH = 256, (60, 20, 30), 166, 2
_WIDE = (
    f"Patches of {WIDE_PX} px; RU-Net++ of an eighth of ResNet-50's widths that ends at a sixteenth of the resolution, "
    f"batches of {WIDE_BATCH}, at most {WIDE_EPOCHS * WIDE_RATIOS[0] // WIDE_BATCH:,} steps. Both rows take the rate "
    "that validates best for the whole network."
)
_FORM = (
    "San Marcos in California: SpaceNet 7's footprints are roofs, the colours of its 4-m image say pavement, plants "
    "and soil (a guess), and the world's sensors draw them: form is real, radiometry is not.",
    "One town, 4.1 km wide: patches overlap by half within their split.",
)


def _world(when: str) -> Export:
    """Patches of Wuhan side by side, by blocks, of a month or a year."""
    patches = TRAIN + VAL + TEST
    limits = {"max_patches": patches, "ratios": (TRAIN, VAL, TEST)}
    arguments = {**_PATCHES, **limits, "region": "wuhan", "bbox": WUHAN, **_WHEN[when]}
    return Export(f"context-world-{when}-{patches}", arguments)


def _form(when: str) -> FromFiles:
    """Patches of San Marcos of a month or a year."""

    def make(folder: Path, target: Path) -> None:
        from isamap.gee_export.export.export import export_patches

        classes = footprints.class_map(folder, target.with_name("san_marcos.tif"))
        where = {"bbox": footprints.bounds(classes), "catalog": str(classes), "name": "san-marcos"}
        division = {"stride": FORM_STRIDE_PX, "ratios": (3, 1, 1)}
        export_patches(**{**_PATCHES, **where, **division, **_WHEN[when]}, out=target)

    return FromFiles(f"context-form-{when}", make)


def _rows(epochs: int) -> tuple[StudyRow, ...]:
    runs = {
        name: _trained(recipe, when, epochs) if name in _NETWORKS else Training(recipe, {}, when)
        for name, (recipe, when) in _ROWS.items()
    }
    return tuple(StudyRow(name, run, on_split(), data=_ROWS[name][1]) for name, run in runs.items())


def _trained(recipe: str, when: str, epochs: int) -> Run:
    settings = {**ended(epochs), "batch": str(BATCH)}
    return shared(recipe, settings, Training(recipe, {**settings, **rehearsed(epochs)}, when), when)


def ended(epochs: int) -> dict[str, str]:
    """Settings of a training that ends after so many epochs, or a quarter of them without a better one."""
    return {"epochs": str(epochs), "patience": str(max(1, epochs // PATIENCE_SHARE))}


def rehearsed(epochs: int, share: int = REHEARSAL_SHARE) -> dict[str, str]:
    """What a rehearsal changes in these settings."""
    return {"epochs": str(max(1, epochs // share))}


def _of_world() -> StudyPreset:
    return StudyPreset(_rows(WORLD_EPOCHS), {when: _world(when) for when in _WHEN}, 5, _SMALL)


def _of_form() -> StudyPreset:
    data = {when: _form(when) for when in _WHEN}
    return StudyPreset(_rows(FORM_EPOCHS), data, 5, (*_SMALL, *_FORM), files=footprints.FILES)


def _of_pooling() -> StudyPreset:
    common = {
        "bands": ",".join(OPTICAL_10M),
        "model.variant": "dilated",
        "batch": str(WIDE_BATCH),
        **ended(WIDE_EPOCHS),
    }
    rehearsal = Training("runetpp-tiny", {**common, **rehearsed(WIDE_EPOCHS)})
    switches: Mapping[str, Mapping[str, Any]] = {POOLED: {}, UNPOOLED: {"model.aspp": False}}
    rows = tuple(
        StudyRow(name, shared("runetpp-tiny", {**common, **switch}, rehearsal), on_split())
        for name, switch in switches.items()
    )
    where = {**_PATCHES, "size": WIDE_PX, "stride": WIDE_PX, "sensors": "sentinel2", "region": "wuhan"}
    limits = {"max_patches": sum(WIDE_RATIOS), "ratios": WIDE_RATIOS}
    wide = Export(f"context-wide-{sum(WIDE_RATIOS)}", {**where, **limits, **_WHEN[MONTH]})
    return StudyPreset(rows, {MONTH: wide}, 5, (_WIDE,))


CONTRASTS = ((UNET, FOREST), (FUSION, UNET), (UNET_OF_YEAR, UNET), (UNET_OF_YEAR, FOREST_OF_YEAR))

STUDIES = (
    Study(
        "context-world",
        "What a network gains over single pixels, trained to its end",
        "CroFuseNet, not in the paper",
        (MIOU, OA, IOU, F1),
        MIOU.key,
        {"cpu": _of_world},
        contrasts=CONTRASTS,
    ),
    Study(
        "context-form",
        "The same on real form: a town of real footprints under the world's sensors",
        "CroFuseNet, not in the paper",
        (MIOU, OA, IOU, F1),
        MIOU.key,
        {"cpu": _of_form},
        contrasts=CONTRASTS,
    ),
    Study(
        "context-pooling",
        "What pyramid pooling brings where its taps see ground",
        "RU-Net++, not in the paper",
        (IOU, MIOU, OA, F1),
        IOU.key,
        {"cpu": _of_pooling},
    ),
)
