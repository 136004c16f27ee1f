"""Classes of a raster file: the one way in which commands read them, so that what one calls unknown is so for all."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.validity import alpha_bands, valid_pixels

PLAIN = ([MaskFlags.all_valid], [MaskFlags.nodata])  # of files whose stored numbers alone tell what is known


def read_classes(file: DatasetReader, band: int = 1, **where: Any) -> np.ndarray:
    """A band's stored classes (or steps), uint8 (rows, columns), UNKNOWN where the file marks a pixel as missing.

    where: window or out_shape, as rasterio's read() takes them. The no-data value, masks inside and beside the file
    and alpha bands count alike.
    """
    value_HW: np.ndarray = file.read(band, **where)
    if not tells_by_value(file, band):
        known_HW = valid_pixels(file, [band], value_HW[None], **where)[0]
        return np.where(known_HW, value_HW, np.uint8(UNKNOWN))
    nodata = file.nodatavals[band - 1]
    # Compared here: GDAL would decode each block once more for its mask.
    return value_HW if nodata in (None, UNKNOWN) else np.where(value_HW == nodata, np.uint8(UNKNOWN), value_HW)


def read_window(file: DatasetReader, window: Window, band: int = 1) -> np.ndarray:
    """Classes of a window that may reach outside the file, where they are UNKNOWN, too."""
    class_HW = np.full((window.height, window.width), UNKNOWN, np.uint8)
    shared = window.overlap(Window(0, 0, file.height, file.width))
    if shared is not None:
        where = RioWindow(shared.col, shared.row, shared.width, shared.height)
        class_HW[shared.within(window)] = read_classes(file, band, window=where)
    return class_HW


def tells_by_value(file: DatasetReader, band: int = 1) -> bool:
    """Whether the file has neither a mask nor an alpha band."""
    return list(file.mask_flag_enums[band - 1]) in PLAIN and not alpha_bands(file)
