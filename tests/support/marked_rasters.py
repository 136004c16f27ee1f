"""Small rasters whose missing pixels are marked in each of the ways that GDAL knows, written by rasterio alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

# Of equal areas: the ground of each pixel is that of its square on the grid.
EQUAL_AREA = {"crs": "EPSG:6933", "transform": Affine(10, 0, 11_000_000, 0, -10, 3_700_000)}
MARKS = ("no-data value", "internal mask", ".msk file", "alpha band", "no-data value and mask")
NODATA = 7


def write_marked(path: Path, value_HW: np.ndarray, hidden_HW: np.ndarray, mark: str, **options) -> Path:
    """A GeoTIFF of uint8 values, some of them hidden by a mark; what lies under it is the value all the same."""
    tags, name = options.pop("tags", {}), options.pop("name", None)
    value_HW, bands = value_HW.astype(np.uint8), 1
    profile = {"driver": "GTiff", "dtype": "uint8", "nodata": None, **EQUAL_AREA, **options}
    by_value, by_mask = np.zeros_like(hidden_HW), hidden_HW
    if mark.startswith("no-data value"):
        half = np.arange(hidden_HW.shape[1]) % 2 == 0 if mark.endswith("mask") else True
        by_value, by_mask, profile["nodata"] = hidden_HW & half, hidden_HW & ~np.asarray(half), NODATA
    if mark == "alpha band":
        bands = 2
    internal = mark != ".msk file"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal),
        rasterio.open(path, "w", count=bands, height=value_HW.shape[0], width=value_HW.shape[1], **profile) as file,
    ):
        file.write(np.where(by_value, NODATA, value_HW).astype(np.uint8), 1)
        if mark == "alpha band":
            file.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
            file.write(np.where(hidden_HW, 0, 255).astype(np.uint8), 2)
        elif mark not in ("no-data value", "none"):
            file.write_mask(~by_mask)
        if name:
            file.set_band_description(1, name)
        file.update_tags(**tags)
    return path


def southern(path: Path, target: Path, *, mirrored: bool = False) -> Path:
    """The file again with its rows from south to north (mirrored: and its columns from east to west), mask and all."""
    with rasterio.open(path) as file:
        profile, values, mask = file.profile, file.read(), file.dataset_mask()
        names, scales, tags, units = file.descriptions, file.scales, file.tags(), file.units
        own_mask = rasterio.enums.MaskFlags.per_dataset in file.mask_flag_enums[0]
    flip = (slice(None, None, -1), slice(None, None, -1) if mirrored else slice(None))
    corner = Affine.translation(profile["width"] if mirrored else 0, profile["height"])
    profile["transform"] *= corner * Affine.scale(-1 if mirrored else 1, -1)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(target, "w", **profile) as file:
        file.write(values[:, *flip])
        file.descriptions, file.scales, file.units = names, scales, units
        file.update_tags(**{key: text for key, text in tags.items() if key != "AREA_OR_POINT"})
        if own_mask:
            file.write_mask(mask[flip])
    return target
