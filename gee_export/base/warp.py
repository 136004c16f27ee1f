"""A user's raster file laid on another grid, so that whatever hides its pixels hides them there, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.validity import alpha_bands, has_own_mask

if TYPE_CHECKING:
    from rasterio import DatasetReader
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

NO_MARKS: Mapping[str, Any] = MappingProxyType({})
EXACT_PX = 1e-6  # so small a tolerance means exact coordinates; else they are interpolated between a window's corners


@contextmanager
def warped(
    file: DatasetReader, geobox: GeoBox, resampling: Resampling, marks: Mapping[str, Any] = NO_MARKS
) -> Iterator[WarpedVRT]:
    """The file on a grid; `valid_pixels` tells what of it is known.

    marks: options that name fill which the file does not (fill.py).
    A file that marks missing pixels by nothing, or by a mask, gets an alpha band as its last one: ground outside of it
    would else be 0.
    """
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    with ExitStack() as stack:
        # First pixel for pixel: GDAL guesses a filter's width from windows, which begin at a turned file's other end.
        if settled := stored_grid(file) | (dict(marks) or _one_mark(file)):
            own = GeoBox(file.shape, file.transform, file.crs.to_wkt())
            file = stack.enter_context(WarpedVRT(file, **(_options(file, own, Resampling.nearest) | settled)))
        yield stack.enter_context(WarpedVRT(file, **_options(file, geobox, resampling)))


def _options(file: DatasetReader, geobox: GeoBox, resampling: Resampling) -> dict[str, Any]:
    height, width = geobox.shape
    grid = {"crs": str(crs_of(geobox)), "transform": geobox.affine, "height": height, "width": width}
    add_alpha = file.nodata is None and not alpha_bands(file)
    return grid | {"resampling": resampling, "tolerance": EXACT_PX, "add_alpha": add_alpha}


def _one_mark(file: DatasetReader) -> dict[str, Any]:
    """How the no-data value takes in what a mask hides, of files that have both: a warp looks at one of them alone."""
    both = file.nodata is not None and has_own_mask(file)
    return {"src_nodata": None, "nodata": file.nodata} if both else {}


def stored_grid(file: DatasetReader) -> dict[str, Any]:
    """What a warp must be told of a file that is stored another way round: it reads the stored pixels."""
    from isamap.gee_export.base.north_up import NorthUp

    return {"src_transform": file.stored_transform} if isinstance(file, NorthUp) else {}
