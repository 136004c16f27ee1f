"""How far the labels lie from the images: structure of both correlated over a sample of patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.card.rasters import CardRaster
from isamap.gee_export.coregistration.structure import structure
from isamap.gee_export.coregistration.tiepoints import correlated, peak_of
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.manifest import DatasetManifest

# 80 m at 10 m: larger errors of place are seen in the card's pictures.
SEARCH_PX = 8
SAMPLE = 64  # patches at most
# Fewer have too few different draws for an interval.
LEAST_PATCHES = 5
_LEAST_SHARE = 0.03  # of either class, below which a label has no edges to speak of
_LEAST_KNOWN = 0.8  # share of pixels that image and label must show
# Enough for ends at 2.5 %; each draw costs a search for a peak.
_RESAMPLES = 300
# Half of the patch must stay inside the search on all sides.
_SMALLEST_PX = 4 * SEARCH_PX


@dataclass(frozen=True)
class Shift:
    """Labels lie `down` and `right` pixels from the images; half_width is of the 95 % interval in either direction.

    Found on `patches`; contrast: how high the correlation's top stands above the rest of the search, in its standard
    deviations. From bootstrap samples of the patches, so None values mean that no place fits best.
    """

    down: float | None
    right: float | None
    half_width: float | None
    contrast: float
    patches: int

    @property
    def length(self) -> float | None:
        return None if self.down is None or self.right is None else float(np.hypot(self.down, self.right))

    @property
    def is_sure(self) -> bool:
        """Whether the interval is narrower than a pixel either way."""
        return self.half_width is not None and self.half_width <= 1.0


@dataclass
class ShiftMeter:
    """Correlation surfaces of the sample's patches, collected as they pass by."""

    sample: frozenset[str]
    head: DatasetManifest
    surfaces: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def over(cls, data: Dataset) -> ShiftMeter:
        """For the patches with the most edges by their impervious shares, spread over the index."""
        mixed = [p for p in data.patches if _LEAST_SHARE <= (p.impervious_share or 0.0) <= 1 - _LEAST_SHARE]
        if len(mixed) > SAMPLE:
            mixed = [mixed[rank] for rank in np.linspace(0, len(mixed) - 1, SAMPLE).round().astype(int)]
        return cls(frozenset(patch.id for patch in mixed), data.manifest)

    def add(self, patch: Patch, image: CardRaster | None, label: CardRaster | None) -> None:
        """One more patch; passes over those that are not of the sample."""
        if image is None or label is None or patch.id not in self.sample:
            return
        surface = _surface(self.head, image, label)
        if surface is not None:
            self.surfaces.append(surface)

    def result(self) -> Shift:
        """What all patches together say."""
        surfaces = np.array(self.surfaces)
        if len(surfaces) < LEAST_PATCHES:
            return Shift(None, None, None, 0.0, len(surfaces))
        mean = surfaces.mean(axis=0)
        top = peak_of(mean)
        contrast = float((mean.max() - mean.mean()) / (mean.std() or 1.0))
        if top is None:
            return Shift(None, None, None, contrast, len(surfaces))
        # A fixed seed: the card of a dataset is the same file each time.
        rng = np.random.default_rng(0)
        draws = rng.integers(0, len(surfaces), (_RESAMPLES, len(surfaces)))
        tops = [peak_of(surfaces[draw].mean(axis=0)) for draw in draws]
        places = np.array([peak_row[:2] for peak_row in tops if peak_row is not None])
        # An interval over the draws that found a peak alone would hide those that found none.
        if len(places) < 0.95 * _RESAMPLES:
            return Shift(None, None, None, contrast, len(surfaces))
        low, high = np.quantile(places, (0.025, 0.975), axis=0)
        # the surface says where the image's structure lies as seen from the label's
        return Shift(-top[1], -top[0], float((high - low).max() / 2), contrast, len(surfaces))


def _surface(head: DatasetManifest, image: CardRaster, label: CardRaster) -> np.ndarray | None:
    label_HW = label.values_BHW[0]
    if image.values_BHW.shape[1:] != label_HW.shape or min(label_HW.shape) < _SMALLEST_PX:
        return None
    valid = np.stack([values != band.nodata for values, band in zip(image.values_BHW, image.bands, strict=True)])
    labelled = label_HW != UNKNOWN
    if min(valid.all(axis=0).mean(), labelled.mean()) < _LEAST_KNOWN:
        return None
    impervious = (label_HW == head.impervious_class).astype(np.float32)
    seen = structure(image.values_BHW.astype(np.float32), valid)
    mapped = structure(impervious[None], labelled[None])
    inner = slice(SEARCH_PX, -SEARCH_PX)
    return correlated(mapped.channels[:, inner, inner], seen.channels)


def described(shift: Shift) -> Mapping[str, float | int | None]:
    """Plain numbers, for the card's JSON."""
    return {
        "down_px": shift.down,
        "right_px": shift.right,
        "half_width_px": shift.half_width,
        "contrast": shift.contrast,
        "patches": shift.patches,
    }
