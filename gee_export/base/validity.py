"""Which pixels of a raster file are known: its no-data value, its masks and its alpha band, for all readers alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rasterio import DatasetReader


def valid_pixels(file: DatasetReader, numbers: Sequence[int], values_BHW: np.ndarray, **where: Any) -> np.ndarray:
    """Which values of some bands are known, bool (bands, rows, columns): none of the file's marks hides them.

    where: the window or shape with which rasterio read the values. GDAL's mask of a band is but one of a mask (inside
    the file or beside it), the no-data value, and alpha, which it knows in files of two and four bands only
    (https://gdal.org/en/stable/development/rfc/rfc15_nodatabitmask.html).
    """
    numbers, alphas = list(numbers), alpha_bands(file)
    # Beside alpha, GDAL's mask of the no-data value comes with a warning that alpha is not read.
    by_gdal = has_own_mask(file) or (not alphas and any(not _all_valid(file, number) for number in numbers))
    valid_BHW = file.read_masks(numbers, **where) > 0 if by_gdal else np.ones(values_BHW.shape, bool)
    for valid_HW, value_HW, number in zip(valid_BHW, values_BHW, numbers, strict=True):
        valid_HW &= ~_is_nodata(file, number, value_HW)
    for alpha in alphas:
        valid_BHW &= file.read(alpha, **where) > 0
    return valid_BHW


def alpha_bands(file: DatasetReader) -> tuple[int, ...]:
    """Numbers of the bands that say how opaque a pixel is."""
    from rasterio.enums import ColorInterp

    kinds = zip(file.indexes, file.colorinterp, strict=True)
    return tuple(number for number, kind in kinds if kind == ColorInterp.alpha)


def has_own_mask(file: DatasetReader) -> bool:
    """Whether the file has a mask of all its bands, inside or beside it, that is no band of its own."""
    from rasterio.enums import MaskFlags

    flags = file.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _all_valid(file: DatasetReader, number: int) -> bool:
    from rasterio.enums import MaskFlags

    return list(file.mask_flag_enums[number - 1]) == [MaskFlags.all_valid]


def _is_nodata(file: DatasetReader, number: int, value_HW: np.ndarray) -> np.ndarray:
    """Where the no-data value is, of files with another mask, beside which GDAL leaves it aside."""
    nodata = file.nodatavals[number - 1]
    if nodata is None or not (has_own_mask(file) or alpha_bands(file)):
        return np.zeros(value_HW.shape, bool)
    same_HW: np.ndarray = np.isnan(value_HW) if np.isnan(nodata) else value_HW == nodata
    return same_HW
