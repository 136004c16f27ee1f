"""Whether a foreign image looks like what the network learned from: its offset, its processing level, its values.

Processing baseline 04.00 (25 January 2022) adds 1000 to the numbers of Sentinel-2, so that nothing reflects less than
0.1; subtracted twice, as from pixels that an archive has corrected already, it leaves much below 0. Haze above the
ground makes L1C (top of the atmosphere) bluer than L2A: the darkest blue of ten real scenes of either level is 0.07
to 0.10 and 0.03 to 0.05 above the darkest red in L1C, below 0.05 in L2A (2026-11-24: Leipzig, Slovenia, BigEarthNet,
TerraMesh).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.datasets.manifest import DARK
from isamap.gee_export.sentinel.level import L1C, L2A
from isamap.inference.inputs.source import same_band

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import BandNorm, Checkpoint

LOWEST_SHARE = 1  # percent: the quantile that stands for the darkest pixel, as of `isamap inspect`
TWICE_SHARE = 5  # percent: so much below 0 is no noise over water
HAZE, HAZY_BLUE, CLEAR_BLUE = 0.03, (0.06, 0.105), 0.05
UNLIKE_STD = 2.5  # of training's standard deviations, between the medians
_OPTICAL = "reflectance"


def likeness_warnings(samples: Sequence[Raster], trained: Checkpoint) -> list[str]:
    """A sentence for each way in which windows of an image are unlike the network's training."""
    offset = _offset(samples, trained.bands)
    if offset:  # which makes every band unlike
        return [offset]
    return [*_level(samples, trained), *_unlike(samples, trained.bands)]


def _offset(samples: Sequence[Raster], bands: Sequence[BandNorm]) -> str:
    """Of Sentinel-2's reflectance that is too bright, or below 0, in most of the windows; else empty."""
    optical = [at for at, band in enumerate(bands) if band.unit == _OPTICAL and same_band(band.name)[1:2].isdigit()]
    lows, fifths = (_darkest(samples, optical, percent) for percent in (LOWEST_SHARE, TWICE_SHARE))
    if lows.size and np.mean(lows >= DARK) > 0.5:
        return (
            f"nothing in it reflects less than {DARK:g} (the darkest: {lows.min():.3f}), as where 1000 was not "
            "subtracted from Sentinel-2 of 2022 and later: set the offset (`gdal_edit.py -offset -0.1 ...` of the "
            "optical bands), unless it is all snow or cloud"
        )
    if fifths.size and np.mean(fifths < 0) > 0.5:
        return (
            f"a twentieth of it reflects less than 0 (down to {fifths.min():.3f}), as where 1000 was subtracted twice "
            "from Sentinel-2: take the offset away (`gdal_edit.py -offset 0 ...` of the optical bands)"
        )
    return ""


def _darkest(samples: Sequence[Raster], optical: Sequence[int], percent: float) -> np.ndarray:
    """That percentile of the darkest band in each of the windows that have pixels."""
    seen = [[low for at in optical if (low := _low(raster, at, percent)) is not None] for raster in samples]
    return np.array([min(each) for each in seen if each])


def _level(samples: Sequence[Raster], trained: Checkpoint) -> list[str]:
    """Of an image whose darkest blue is that of the other level."""
    numbers = {same_band(band.name): at for at, band in enumerate(trained.bands) if band.unit == _OPTICAL}
    if not trained.learned_levels or not {"B2", "B4"} <= numbers.keys():
        return []
    blue, red = (_lowest(samples, numbers[name]) for name in ("B2", "B4"))
    if blue is None or red is None:
        return []
    is_hazy = HAZY_BLUE[0] <= blue <= HAZY_BLUE[1] and blue - red >= HAZE
    seen = L1C if is_hazy else L2A if blue < CLEAR_BLUE else None
    if seen is None or seen in trained.learned_levels:
        return []
    words = {L1C: "the top of the atmosphere (L1C)", L2A: "the ground without atmosphere (L2A)"}
    return [
        f"the darkest blue (B2 {blue:.3f}, B4 {red:.3f}) looks like {words[seen]}, but the network was trained on "
        f"{trained.level}: give {trained.level}, or a checkpoint of {seen}"
    ]


def _unlike(samples: Sequence[Raster], bands: Sequence[BandNorm]) -> list[str]:
    """Of bands whose median lies far from training's mean."""
    unlike = []
    for at, band in enumerate(bands):
        values = _values(samples, at)
        if values.size and abs((median := float(np.median(values))) - band.mean) > UNLIKE_STD * band.std:
            unlike.append(f"{band.name} {median:.3g} (training {band.mean:.3g} ± {band.std:.2g})")
    if not unlike:
        return []
    return [
        f"it is unlike the training images, so the map may be noise: medians {', '.join(unlike)}; take a network of "
        "such places and seasons, or fine-tune one (isamap train --from)"
    ]


def _low(raster: Raster, at: int, percent: float = LOWEST_SHARE) -> float | None:
    valid = raster.values_BHW[at][raster.valid_BHW[at]]
    return float(np.percentile(valid, percent)) if valid.size else None


def _lowest(samples: Sequence[Raster], at: int) -> float | None:
    return min((low for raster in samples if (low := _low(raster, at)) is not None), default=None)


def _values(samples: Sequence[Raster], at: int) -> np.ndarray:
    return np.concatenate([raster.values_BHW[at][raster.valid_BHW[at]] for raster in samples])
