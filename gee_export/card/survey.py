"""Everything that is counted in one pass over a dataset's files, in memory bounded by its number of patches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from isamap.gee_export.base.fill import Fill
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.card.histogram import Histogram
from isamap.gee_export.card.mosaic import CardMosaic
from isamap.gee_export.card.rasters import CardRaster, rasters
from isamap.gee_export.card.shift import Shift, ShiftMeter
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.datasets.manifest import NODATA, Band

TRUE_COLOUR = (("B4", "B3", "B2"), ("red", "green", "blue"), ("R", "G", "B"))
PER_SPLIT = 4  # patches of a split that are shown
_WHOLE = 0.95  # valid share of patches that are preferred


@dataclass(frozen=True)
class PatchFacts:
    """What the pixels of one patch say. valid_shares, lows and fifths (physical, 1 % and 5 % quantiles; None: no pixel)
    by band.
    """

    patch: Patch
    valid_share: float  # of pixels at which every band is valid
    valid_shares: tuple[float, ...]
    lows: tuple[float | None, ...]
    fifths: tuple[float | None, ...]
    fill_share: float  # of pixels that are 0 in all bands of a unit
    classes: Mapping[int, int] | None  # label pixels by class, None without labels
    digest: str  # of the image's pixels


@dataclass
class CardSurvey:
    """What a pass over the files found.

    histograms: by layer, band and split. broken: files missing or damaged. misplaced: by file, how it is off its place.
    chosen: patches for the contact sheet with their rasters by layer. mosaics: by region.
    """

    bands: tuple[Band, ...]
    patches: int = 0
    files: int = 0
    histograms: dict[tuple[str, str, str], Histogram] = field(default_factory=dict)
    classes: dict[tuple[str, int], int] = field(default_factory=dict)  # label pixels by split and class
    facts: list[PatchFacts] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    misplaced: dict[str, str] = field(default_factory=dict)
    sheet_rasters: dict[str, dict[str, CardRaster]] = field(default_factory=dict)
    mosaics: dict[str, CardMosaic] = field(default_factory=dict)
    shift: Shift | None = None

    def histogram(self, layer: str, band: str, split: str | None = None) -> Histogram | None:
        """A band's histogram over a split, or over all of them; None where no file was read."""
        candidates = [self.histograms.get((layer, band, name)) for name in ([split] if split else SPLITS)]
        present = [candidate for candidate in candidates if candidate is not None]
        return sum(present[1:], present[0]) if present else None

    def class_counts(self, split: str | None = None) -> dict[int, int]:
        """Label pixels by class (255 unknown), of a split or of all."""
        counted: dict[int, int] = {}
        for (name, value), count in sorted(self.classes.items()):
            if split in (None, name):
                counted[value] = counted.get(value, 0) + count
        return counted


def survey(data: Dataset, tick: Callable[[int], object] = lambda done: None) -> CardSurvey:
    """Reads every file once; `tick` receives how many patches are done."""
    data_survey = CardSurvey(data.manifest.bands)
    picked_ids = {patch.id for patch in picked(data.patches)}
    meter = ShiftMeter.over(data)
    for patch_count, patch in enumerate(data.patches, 1):
        layers: dict[str, CardRaster] = {}
        for raster in rasters(data, patch):
            data_survey.files += 1
            if isinstance(raster, str):
                data_survey.broken.append(raster)
                continue
            if raster.misplaced:
                data_survey.misplaced[raster.name] = raster.misplaced
            if raster.bands and len(raster.values_BHW) == len(raster.bands):
                _count(data_survey, patch, raster)
                layers.setdefault(raster.layer, raster)
        _take(data_survey, data, patch, layers)
        meter.add(patch, layers.get("image"), layers.get("labels"))
        if patch.id in picked_ids and "image" in layers:
            data_survey.sheet_rasters[patch.id] = layers
        tick(patch_count)
    data_survey.shift = meter.result()
    return data_survey


def picked(patches: Sequence[Patch]) -> list[Patch]:
    """PER_SPLIT patches of each split, evenly over its impervious shares; whole ones where there are."""
    selection: list[Patch] = []
    for split in SPLITS:
        mine = [patch for patch in patches if patch.split == split]
        complete = [patch for patch in mine if patch.valid_share >= _WHOLE]
        mine = sorted(complete if len(complete) >= PER_SPLIT else mine, key=lambda p: (p.impervious_share or 0.0, p.id))
        if mine:
            places = np.unique(np.linspace(0, len(mine) - 1, min(PER_SPLIT, len(mine))).round().astype(int))
            selection += [mine[rank] for rank in places]
    return selection


def _count(data_survey: CardSurvey, patch: Patch, raster: CardRaster) -> None:
    if raster.layer in ("labels", "fine_labels"):
        if raster.layer == "labels":
            for value, count in _classes(raster.values_BHW[0]).items():
                share = patch.split, value
                data_survey.classes[share] = data_survey.classes.get(share, 0) + count
        return
    for band, values in zip(raster.bands, raster.values_BHW, strict=True):
        key = raster.layer, band.name, patch.split
        if key not in data_survey.histograms:
            data_survey.histograms[key] = Histogram.empty(band, values.dtype.name)
        data_survey.histograms[key].add(values)


def _take(data_survey: CardSurvey, data: Dataset, patch: Patch, layers: Mapping[str, CardRaster]) -> None:
    """The patch's own facts, and its place in the region's mosaic."""
    if "image" not in layers:
        return
    data_survey.patches += 1
    values = layers["image"].values_BHW
    bands = data.manifest.bands
    valid = np.stack([band_HW != band.nodata for band, band_HW in zip(bands, values, strict=True)])
    label = layers["labels"].values_BHW[0] if "labels" in layers else None
    data_survey.facts.append(
        PatchFacts(
            patch,
            float(valid.all(axis=0).mean()),
            tuple(float(band_valid.mean()) for band_valid in valid),
            tuple(_low(band, values[n], valid[n], 0.01) for n, band in enumerate(bands)),
            tuple(_low(band, values[n], valid[n], 0.05) for n, band in enumerate(bands)),
            _fill_share(bands, values, valid),
            None if label is None else _classes(label),
            # Of the pixels and not of the file, whose bytes also hold its place: equal images elsewhere are to be
            # found.
            hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
        )
    )
    if values.shape[1:] != (data.manifest.size, data.manifest.size):
        return
    shown = [data.manifest.band_names.index(name) for name in colours(data.manifest.band_names)]
    if patch.region not in data_survey.mosaics:
        data_survey.mosaics[patch.region] = CardMosaic.over(data.manifest.grids[patch.region], len(shown) + 1)
    scale = np.array([[bands[n].scale] for n in shown])[..., None]
    offset = np.array([[bands[n].offset] for n in shown])[..., None]
    physical = values[shown] * scale + offset
    every = np.asarray(valid.all(axis=0))  # the last band of the mosaic: where nothing at all is missing
    data_survey.mosaics[patch.region].add(
        patch.row, patch.col, np.concatenate([physical, every[None]]), np.concatenate([valid[shown], every[None]])
    )


def colours(names: Sequence[str]) -> tuple[str, ...]:
    """The bands shown as red, green and blue: true colours where there are, else the first three, or one."""
    for triple in TRUE_COLOUR:
        if set(triple) <= set(names):
            return triple
    return tuple(names[:3]) if len(names) >= 3 else tuple(names[:1])


def _fill_share(bands: Sequence[Band], values_BHW: np.ndarray, valid_BHW: np.ndarray) -> float:
    """The share of pixels that are valid and 0 in all bands of a unit."""
    zero_BHW = [_zero(band, values_HW) for band, values_HW in zip(bands, values_BHW, strict=True)]
    fill = Fill.of_units([band.unit for band in bands])
    groups = [list(group) for group in (*fill.missing, *fill.doubtful)]
    measured_BHW = np.where(valid_BHW, ~np.stack(zero_BHW), True)
    return float(np.any([~measured_BHW[group].any(axis=0) for group in groups], axis=0).mean()) if groups else 0.0


def _zero(band: Band, values_HW: np.ndarray) -> np.ndarray:
    """Where a source's 0 was stored: physical 0, or the least number, which stands for 0 of bytes and moved words."""
    least = 1 if values_HW.dtype == np.uint8 else NODATA + 1
    zero: np.ndarray = (np.abs(values_HW * band.scale + band.offset) < abs(band.scale) / 2) | (values_HW == least)
    return zero


def _low(band: Band, values_HW: np.ndarray, valid_HW: np.ndarray, share: float) -> float | None:
    seen = values_HW[valid_HW]
    return float(np.quantile(seen, share)) * band.scale + band.offset if seen.size else None


def _classes(label_HW: np.ndarray) -> dict[int, int]:
    numbers, counts = np.unique(label_HW, return_counts=True)
    return {int(value): int(count) for value, count in zip(numbers, counts, strict=True)}


def known(classes: Mapping[int, int]) -> int:
    """Label pixels that are not unknown."""
    return sum(count for value, count in classes.items() if value != UNKNOWN)
