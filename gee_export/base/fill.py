"""Pixels that are 0 in all bands of a file that says nothing of missing ones: fill around or between images.

A band alone may be 0, as of a deep shadow or at 0 dB. All bands of one unit are not, where that unit is reflectance,
decibels or an embedding of length 1 (azavea/raster-vision#703); there such pixels are missing. Of other numbers, as
counts or the bytes of a picture, nobody knows: they stay, and a sentence says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.base.validity import alpha_bands

if TYPE_CHECKING:
    from rasterio import DatasetReader

NEVER_0 = ("reflectance", "db", "embedding")  # units of which no pixel is 0 in all bands
TOLD_SHARE = 0.01  # of sampled pixels: a picture may have a few black ones
Group = tuple[int, ...]


@dataclass(frozen=True)
class Fill:
    """Positions of bands that are fill where all of a group are 0: missing for certain, or to be told only."""

    missing: tuple[Group, ...] = ()
    doubtful: tuple[Group, ...] = ()

    @classmethod
    def of_units(cls, units: Sequence[str]) -> Fill:
        """Of bands in these units, of which nothing says what is missing; one band alone tells nothing."""
        by_unit: dict[str, list[int]] = {}
        for at, unit in enumerate(units):
            by_unit.setdefault(unit.lower(), []).append(at)
        certain = [at for unit in NEVER_0 for at in by_unit.pop(unit, ())]
        groups = [[at for at in certain if units[at].lower() == unit] for unit in NEVER_0]
        together = [tuple(group) for group in groups if len(group) > 1]
        if not together and len(certain) > 1:
            together = [tuple(sorted(certain))]
        return cls(tuple(together), tuple(tuple(group) for group in by_unit.values() if len(group) > 1))

    @classmethod
    def of_file(cls, file: DatasetReader, numbers: Sequence[int], units: Sequence[str]) -> Fill:
        """Of a file's bands (numbered from 1); none where it has a no-data value, a mask or an alpha band."""
        return cls() if says_missing(file, numbers) else cls.of_units(units)

    def without(self, stored_BHW: np.ndarray, valid_BHW: np.ndarray) -> np.ndarray:
        """Which of the valid numbers are no fill."""
        for group in self.missing:
            bands = list(group)
            valid_BHW[bands] &= stored_BHW[bands].any(axis=0)
        return valid_BHW

    def sentence(self, name: str, samples: Iterable[np.ndarray]) -> str:
        """What is told of a file whose stored numbers (bands, rows, columns) hold fill at samples; else empty."""
        if not (self.missing or self.doubtful):
            return ""
        kept = list(samples)
        certain, doubtful = (_share(kept, groups) for groups in (self.missing, self.doubtful))
        if certain > 0:
            return (
                f"about {certain:.1%} of the pixels of {name} are 0 in all bands and count as missing: the file names "
                "no no-data value; where 0 was measured, name one that no pixel has (gdal_edit.py -a_nodata -9999 FILE)"
            )
        if doubtful > TOLD_SHARE:
            return (
                f"about {doubtful:.1%} of the pixels of {name} are 0 in all bands and count as measured: the file "
                "names no no-data value; where 0 is fill, name it (gdal_edit.py -a_nodata 0 FILE)"
            )
        return ""


NO_FILL = Fill()


def says_missing(file: DatasetReader, numbers: Sequence[int]) -> bool:
    """Whether a file names missing pixels of some of the bands: by a no-data value, a mask or an alpha band."""
    from rasterio.enums import MaskFlags

    # GDAL itself knows alpha in files of two and four bands only.
    return bool(alpha_bands(file)) or any(file.mask_flag_enums[n - 1] != [MaskFlags.all_valid] for n in numbers)


def warp_marks(file: DatasetReader) -> dict[str, Any]:
    """Options of a WarpedVRT by which pixels of 0 in all bands are missing, so that no neighbour is blended with them.

    The warped file marks them by a no-data value that its numbers hardly reach.
    """
    dtype = np.dtype(file.dtypes[0])
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    unused = float("nan") if limits is None else limits.max if dtype.kind == "u" else limits.min
    # Unified: a single band of 0 is a measurement (GDALWarpOptions, UNIFIED_SRC_NODATA).
    return {"src_nodata": 0, "nodata": unused, "UNIFIED_SRC_NODATA": "YES", "add_alpha": False}


def _share(samples: Sequence[np.ndarray], groups: Sequence[Group]) -> float:
    """The share of pixels that are 0 in all bands of one of the groups."""
    pixels = sum(stored_BHW[0].size for stored_BHW in samples)
    filled = [
        np.any([~stored_BHW[list(group)].any(axis=0) for group in groups], axis=0) for stored_BHW in samples if groups
    ]
    return sum(int(each.sum()) for each in filled) / max(int(pixels), 1)
