"""Codes of a label raster that its rule does not name: which there are over a region, and their share of its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.base.regions import Region, bounds_in
from isamap.gee_export.base.validity import valid_pixels
from isamap.gee_export.labelling.rules import BuiltArea, Codes

if TYPE_CHECKING:
    from rasterio import DatasetReader

# Of a tile of most GeoTIFFs, so that each window reads few blocks.
TILE_PX = 256
TILES = 16  # a side at most: 4,096 pixels a side are looked at whole, of larger files so many tiles spread evenly
# A wrong product has hundreds of codes, and the sentence must stay one.
MOST_NAMED = 5


def undeclared_codes(file: DatasetReader, band: int, rule: Codes | BuiltArea, region: Region) -> dict[str, float]:
    """Percent of the valid pixels over a region by undeclared code, the most frequent first; empty where none is.

    Of a file of more than 4,096 x 4,096 pixels over the region, those of 16 x 16 tiles of 256 pixels count.
    """
    counts: Counter[float] = Counter()
    valid = 0
    for window in _windows(file, region):
        values = file.read(band, window=window)
        is_valid_HW = valid_pixels(file, [band], values[None], window=window)[0] & ~np.isnan(values)
        valid += int(is_valid_HW.sum())
        codes, numbers = np.unique(values[is_valid_HW & rule.undeclared(values)], return_counts=True)
        counts.update(dict(zip(codes.tolist(), numbers.tolist(), strict=True)))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {f"{code:g}": round(100 * count / valid, 2) for code, count in ranked}


def codes_in_words(undeclared: Mapping[str, float]) -> str:
    """Such as `2 codes not declared: 7 (12 %), 9 (0.3 %)`."""
    named = ", ".join(f"{code} ({_percent(percent)})" for code, percent in list(undeclared.items())[:MOST_NAMED])
    more = ", ..." if len(undeclared) > MOST_NAMED else ""
    return f"{len(undeclared)} code{'s' * (len(undeclared) > 1)} not declared: {named}{more}"


def _percent(percent: float) -> str:
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _windows(file: DatasetReader, region: Region) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Windows of a raster (rows, columns) over a region, spread evenly where it has more pixels there."""
    left, bottom, right, top = bounds_in(region.bounds_m, region.epsg, file.crs)
    corners = [~file.transform * corner for corner in ((left, bottom), (left, top), (right, bottom), (right, top))]
    cols, rows = zip(*corners, strict=True)
    row_starts, height = _starts(min(rows), max(rows), file.height)
    col_starts, width = _starts(min(cols), max(cols), file.width)
    return [((row, row + height), (col, col + width)) for row in row_starts for col in col_starts]


def _starts(low: float, high: float, size: int) -> tuple[list[int], int]:
    """First pixels of the windows along a side, and their length."""
    first, last = max(int(np.floor(low)), 0), min(int(np.ceil(high)), size)
    if last <= first:
        return [], 0
    if last - first <= TILES * TILE_PX:
        return [first], last - first
    return np.linspace(first, last - TILE_PX, TILES).astype(int).tolist(), TILE_PX
