"""Exact integer sums of stored pixels, patch by patch, and the statistics that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isamap.gee_export.datasets.manifest import Band, BandStatistics


@dataclass(frozen=True)
class Sums:
    """Per band, of stored values: valid pixels, their total and that of their squares, least and greatest.

    pixels: valid or not, of one band.
    """

    count: tuple[int, ...]
    total: tuple[int, ...]
    squares: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    pixels: int

    @classmethod
    def of(cls, values_BHW: np.ndarray, nodata: int) -> Sums:
        """The sums of an array (bands, rows, columns); in bands without a valid pixel low lies above high."""
        rows = zip(*(_band_sums(band, nodata) for band in values_BHW), strict=True)
        count, total, squares, low, high = (tuple(row) for row in rows)
        return cls(count, total, squares, low, high, values_BHW[0].size)

    def __add__(self, addend: Sums) -> Sums:
        """The sums of both arrays together."""
        count, total, squares = (
            tuple(a + b for a, b in zip(getattr(self, name), getattr(addend, name), strict=True))
            for name in ("count", "total", "squares")
        )
        low = tuple(map(min, self.low, addend.low))
        return Sums(count, total, squares, low, tuple(map(max, self.high, addend.high)), self.pixels + addend.pixels)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Sums:
        values: dict[str, Any] = {name: value if name == "pixels" else tuple(value) for name, value in document.items()}
        return cls(**values)


def statistics(sums_list: Sequence[Sums], bands: Sequence[Band]) -> dict[str, BandStatistics]:
    """Per band over the sums in their order, in float64 and physical units; none for bands without valid pixels."""
    pixels = sum(sums.pixels for sums in sums_list)
    named = {band.name: _statistics(sums_list, band_index, band, pixels) for band_index, band in enumerate(bands)}
    return {name: statistic for name, statistic in named.items() if statistic is not None}


def _statistics(sums_list: Sequence[Sums], band_index: int, band: Band, pixels: int) -> BandStatistics | None:
    count = sum(sums.count[band_index] for sums in sums_list)
    if not count:
        return None
    mean = sum(float(sums.total[band_index]) for sums in sums_list) / count
    variance = sum(float(sums.squares[band_index]) for sums in sums_list) / count - mean * mean
    seen = [sums for sums in sums_list if sums.count[band_index]]
    return BandStatistics(
        mean=mean * band.scale + band.offset,
        std=max(variance, 0.0) ** 0.5 * band.scale,
        min=min(sums.low[band_index] for sums in seen) * band.scale + band.offset,
        max=max(sums.high[band_index] for sums in seen) * band.scale + band.offset,
        valid_share=count / pixels,
    )


def _band_sums(band_HW: np.ndarray, nodata: int) -> tuple[int, int, int, int, int]:
    """Band by band, so that a 1-m patch needs no 64-bit copy of itself as a whole."""
    valid = band_HW != nodata
    kinds = np.iinfo(band_HW.dtype)
    seen = band_HW[valid].astype(np.int64)
    low, high = (int(seen.min()), int(seen.max())) if seen.size else (int(kinds.max), int(kinds.min))
    return int(seen.size), int(seen.sum()), int((seen * seen).sum()), low, high
