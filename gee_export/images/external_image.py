"""A foreign image, found: an asset or a file with its own grid, laid on that one or on another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from isamap.gee_export.base.grid import Window, crop, crs_of
from isamap.gee_export.base.regions import Period, Region, bounds_in
from isamap.gee_export.datasets.manifest import Band
from isamap.gee_export.datasets.packing import Packing
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.images.image_asset import AssetOnGrid, ImageAsset, open_asset
from isamap.gee_export.images.image_file import FileOnGrid, ImageFile, open_file
from isamap.gee_export.images.imagery import ALIGNED_PX, Imagery
from isamap.gee_export.requests.channel import Channel

if TYPE_CHECKING:
    pass


# Found for a region and period, and then laid on a grid.
OpenImage = ImageAsset | ImageFile
AlignedImage = AssetOnGrid | FileOnGrid


def open_imagery(imagery: Imagery, region: Region | None, period: Period, *, small: bool = False) -> OpenImage:
    """The image, opened: asks the server what lies there, reads a file's head. small: bytes may stay bytes.

    ValueError for what is not there, has no coordinate system or cannot be stored; Fault where the server refuses.
    """
    if imagery.is_file:
        return open_file(imagery, small=small)
    if region is None:
        raise ValueError(f"nothing says which part of {imagery.source} is wanted: give --region, --bbox or --geometry")
    return open_asset(imagery, region, period, small=small)


@dataclass(frozen=True)
class ExternalImage:
    """A foreign image of every region and period of an export: the request, and how all of them are stored.

    sha256: of a file, which distinguishes it from another of the same name.
    """

    imagery: Imagery
    names: tuple[str, ...]
    packing: Packing
    small: bool = False
    sha256: str | None = None

    @classmethod
    def of(cls, imagery: Imagery, open_image: OpenImage, *, small: bool = False) -> ExternalImage:
        """The external image, described by what one of the regions has."""
        return cls(imagery, open_image.bands, open_image.packing, small, open_image.info.get("sha256"))

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands as datasets store them."""
        return tuple(self.packing.band(name) for name in self.names)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels requested from the server; none for a file."""
        return () if self.imagery.is_file else tuple(self.packing.channel(name) for name in self.names)

    def asked(self) -> dict[str, Any]:
        """The requested image as manifests hold it, without folders of this machine."""
        request: dict[str, Any] = {
            "name": self.imagery.name,
            "bands": list(self.imagery.bands),
            "unit": self.imagery.unit,
        }
        if self.imagery.most_cloud is not None:
            request["most_cloud"] = self.imagery.most_cloud
        return request | ({"sha256": self.sha256} if self.sha256 else {})

    def open(self, region: Region, period: Period) -> OpenImage:
        """The image of a region and period; ValueError where its bands are stored in another way than the first's."""
        open_image = open_imagery(self.imagery, region, period, small=self.small)
        if (open_image.bands, open_image.packing) != (self.names, self.packing):
            raise ValueError(
                f"{self.imagery.name} has other bands or pixel types over region {region.name!r} in {period} than over "
                "the first one: choose --bands that all have, or export them apart"
            )
        return open_image


def ground_of(open_image: OpenImage, region: Region, step_m: float | None) -> RegionGrid:
    """The region on the image's own lattice, or on its UTM lattice of step_m where that is another step.

    Rows and columns are the image's own, or, of collections, count from the pixel that holds the region's origin: parts
    of a region share their lattice. ValueError where the image has no north-up grid or does not touch the region.
    """
    own = open_image.grid
    if own is not None and (step_m is None or _is_step(own, step_m)):
        return _on_own_grid(open_image, own, region)
    if step_m is None:
        raise ValueError(f"{open_image.info['name']} has rotated pixels: say with --scale on which step to lay it")
    return utm_ground(region, step_m)


def utm_ground(region: Region, step_m: float) -> RegionGrid:
    """The region on its UTM lattice at another step than 10 m: the whole pixels that lie inside it."""
    left, bottom, right, top = region.bounds_m
    x0, y0 = region.origin_m
    lattice = GeoBox((1, 1), Affine(step_m, 0, x0, 0, -step_m, y0), f"EPSG:{region.epsg}")
    col, row = math.ceil((left - x0) / step_m - 1e-9), math.ceil((y0 - top) / step_m - 1e-9)
    end = math.floor((right - x0) / step_m + 1e-9), math.floor((y0 - bottom) / step_m + 1e-9)
    if end[0] <= col or end[1] <= row:
        raise ValueError(f"region {region.name!r} has no pixel of {step_m:g} m: widen it or give a smaller --scale")
    return RegionGrid(region, lattice, Window(row, col, end[1] - row, end[0] - col))


def _on_own_grid(open_image: OpenImage, own: GeoBox, region: Region) -> RegionGrid:
    to_own = Transformer.from_crs(region.epsg, own.crs, always_xy=True)
    col0, row0 = 0, 0
    if not open_image.bounded:
        origin = ~own.affine * to_own.transform(*region.origin_m)
        col0, row0 = (math.floor(value + ALIGNED_PX) for value in origin)
    left, bottom, right, top = to_own.transform_bounds(*region.bounds_m, densify_pts=21)
    (col, row), (end_col, end_row) = ~own.affine * (left, top), ~own.affine * (right, bottom)
    slack = ALIGNED_PX
    first_row, first_col = math.floor(row + slack), math.floor(col + slack)
    requested = Window(
        first_row, first_col, math.ceil(end_row - slack) - first_row, math.ceil(end_col - slack) - first_col
    )
    covered = requested.overlap(Window(0, 0, *own.shape)) if open_image.bounded else requested
    if covered is None:
        west, south, east, north = bounds_in(own.extent.boundingbox.bbox, own.crs, 4326)
        raise ValueError(
            f"{open_image.info['name']} does not cover any part of region {region.name!r}: it lies at {west:.4f} "
            f"{south:.4f} {east:.4f} {north:.4f} degrees (W S E N); choose another one"
        )
    window = Window(covered.row - row0, covered.col - col0, covered.height, covered.width)
    return RegionGrid(region, crop(own, Window(row0, col0, 1, 1)), window)


def _is_step(own: GeoBox, step_m: float) -> bool:
    if crs_of(own).geographic:
        return False
    return all(math.isclose(abs(side), step_m, rel_tol=1e-6) for side in (own.affine.a, own.affine.e))
