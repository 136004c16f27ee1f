"""Whether a source looks like what the network was trained on: ground step, units, range of values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Raster, Window, crs_of, ground_step_m
from isamap.inference.inputs.likeness import likeness_warnings
from isamap.inference.inputs.source import GeoTiffSource, InputSource

if TYPE_CHECKING:
    from isamap.training.checkpoints.checkpoint import Checkpoint

# Within 5 % objects have nearly their size in pixels; UTM's own scale differs by 0.1 %.
STEP_TOLERANCE = 0.05
# More than half outside is another unit; up to then it may be glints, snow or another season.
OUTSIDE_WARNS, OUTSIDE_REFUSES = 0.01, 0.5
SAMPLE_SIDE_PX, SAMPLES_PER_AXIS = 128, 3
BLOCKS_FROM_PX = 512  # from here on a sample lies within a block, if those have multiples of its size
# Wide enough for glints and bright roofs: most of what lies outside is in another unit.
MARGIN_STD = 6.0
STRIP_ROWS, PIECE_PX = 256, 4096


def step_warnings(geobox: GeoBox, trained_step_m: float) -> list[str]:
    """A sentence where the pixels' ground size differs from training's by more than 5 %."""
    steps_m = ground_step_m(geobox)
    if all(abs(step / trained_step_m - 1) <= STEP_TOLERANCE for step in steps_m):
        return []
    size = " x ".join(f"{step:.3g}" for step in steps_m)
    return [
        f"pixels of {size} m, but the network was trained at {trained_step_m:g} m: objects have another size in pixels "
        "than it knows; resample the input first"
    ]


def step_m(geobox: GeoBox) -> float:
    """A pixel's side in metres: the grid's own where its unit is the metre, else on the ground in its middle."""
    if crs_of(geobox).projected and crs_of(geobox).units[0] in ("metre", "meter", "m"):
        return float(np.sqrt(abs(geobox.affine.determinant)))
    return float(np.sqrt(np.prod(ground_step_m(geobox))))


def input_warnings(source: InputSource, trained: Checkpoint) -> list[str]:
    """Sentences about a foreign image that the network may not understand; nine windows of it are read.

    ValueError where its values are in other units.
    """
    samples = sampled(source)
    told = range_warnings(samples, trained.bands) + likeness_warnings(samples, trained)
    return fill_warnings(source) + told


def fill_warnings(source: InputSource) -> list[str]:
    """A sentence about a file that is 0 in all bands of some pixels and does not call them missing."""
    if not isinstance(source, GeoTiffSource):
        return []
    stored = (source.stored(window)[0] for window in _spread(*source.geobox.shape))
    sentence = source.fill.sentence(f"input {source.path.name}", stored)
    return [sentence] if sentence else []


def range_warnings(samples: Sequence[Raster], bands: Sequence[Any]) -> list[str]:
    """A sentence for each band of which more than 1 % of sampled values lie far outside training's range.

    bands: name, unit, mean, std, clip_min, clip_max as in a checkpoint. ValueError where more than half do, or where
    "dB" are mostly above 0: such values are in other units.
    """
    values_B = [
        np.concatenate([raster.values_BHW[at][raster.valid_BHW[at]] for raster in samples]) for at in range(len(bands))
    ]
    warnings = []
    for band, values in zip(bands, values_B, strict=True):
        if values.size == 0:
            continue
        low, high = usual_range(band)
        share = float(np.mean((values < low) | (values > high)))
        spread = f"{values.min():.4g} to {values.max():.4g}, training knew about {low:.4g} to {high:.4g} ({band.unit})"
        if share > OUTSIDE_REFUSES:
            raise ValueError(f"band {band.name} is in other units: it holds {spread}; set its scale and offset tags")
        # Linear power is above 0 and mostly below 1, which lies within the range of some bands in decibels.
        if band.unit.lower() == "db" and band.mean < 0 and np.mean(values > 0) > OUTSIDE_REFUSES:
            raise ValueError(f"band {band.name} is not in dB (mostly above 0: {spread}): give 10 log10 of the power")
        if share > OUTSIDE_WARNS:
            warnings.append(f"{share:.0%} of band {band.name} lies far outside training's range: it holds {spread}")
    return warnings


def why_empty(source: InputSource) -> str:
    """A sentence that says which bands of a source leave no pixel to map, and what to do; reads a file once more."""
    height, width = source.geobox.shape
    size = f"none of its {height} x {width} pixels has a value in every band"
    if not source.foreign:
        return f"{size}, as clouds or the scenes' edges hide them: choose a longer --period or another place"
    valid_B = np.zeros(len(source.bands), np.int64)
    for col, row in product(range(0, width, PIECE_PX), range(0, height, STRIP_ROWS)):
        raster = source.read(Window(row, col, min(STRIP_ROWS, height - row), min(PIECE_PX, width - col)))
        valid_B += raster.valid_BHW.sum(axis=(1, 2))
    empty = [name for name, count in zip(source.bands, valid_B, strict=True) if not count]
    names = f"band{'s' * (len(empty) > 1)} {', '.join(empty)} of the input hold only no-data or NaN" if empty else ""
    return f"{size}: {names or 'the bands of the input have no pixel in common'}; check the file and its no-data value"


def usual_range(band: Any) -> tuple[float, float]:
    """Limits that training's values keep by a wide margin: six standard deviations beyond its clip, or twelve."""
    low = band.mean - MARGIN_STD * band.std if band.clip_min is None else band.clip_min
    high = band.mean + MARGIN_STD * band.std if band.clip_max is None else band.clip_max
    return low - MARGIN_STD * band.std, high + MARGIN_STD * band.std


def sampled(source: InputSource) -> list[Raster]:
    """Windows spread over the source."""
    return [source.read(window) for window in _spread(*source.geobox.shape)]


def _spread(height: int, width: int) -> list[Window]:
    (rows, tops), (cols, lefts) = (_samples(side) for side in (height, width))
    return [Window(row, col, rows, cols) for row in tops for col in lefts]


def _samples(length: int) -> tuple[int, list[int]]:
    """Size and first pixels of samples along an axis; of long ones at multiples of their size."""
    side = min(SAMPLE_SIDE_PX, length)
    shares = [(2 * k + 1) / (2 * SAMPLES_PER_AXIS) for k in range(SAMPLES_PER_AXIS)]
    step = side if length > BLOCKS_FROM_PX else 1
    return side, sorted({round(share * (length - side)) // step * step for share in shares})
