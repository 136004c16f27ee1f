"""A request for pixels: which bands on which grid, checked against the limits before a pixel is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.values import Image
from local_ee.limits import Limits
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import crs_of


@dataclass(frozen=True)
class PixelRequest:
    """An image's bands over a grid."""

    image: Image
    geobox: GeoBox
    band_names: tuple[str, ...]

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The numpy type of each band, in order."""
        types = {band.name: band.type.dtype.name for band in self.image.bands}
        return tuple(types[name] for name in self.band_names)

    def read(self) -> Pixels:
        """The pixels."""
        return self.image.read(self.geobox, self.band_names)


def pixel_request(image: Image, body: Mapping[str, Any], limits: Limits) -> PixelRequest:
    """What a computePixels or getPixels body asks of an image (`grid`, `bandIds`); EngineError where it may not.

    Source: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels and
    .../reference/rest/v1/PixelGrid.
    """
    names = chosen_bands(image, body.get("bandIds"))
    request = PixelRequest(image, geobox_of(body.get("grid"), image, limits), names)
    height, width = request.geobox.shape
    limits.check_request(width, height, request.dtypes)
    return request


def chosen_bands(image: Image, band_ids: Sequence[str] | None) -> tuple[str, ...]:
    """The bands asked for in their order, or all of them."""
    if not image.bands:
        raise EngineError("Image has no bands.")
    if not band_ids:
        return image.band_names
    image.positions(band_ids)
    return tuple(band_ids)


def geobox_of(grid: Mapping[str, Any] | None, image: Image, limits: Limits) -> GeoBox:
    """The grid of a request; what it leaves out comes from the image's first band."""
    native = image.bands[0].grid
    grid = grid or {}
    crs = grid.get("crsCode") or grid.get("crsWkt")
    # In protobuf's JSON null is a field that was left out.
    transform = grid.get("affineTransform")
    affine = None if transform is None else affine_of(transform)
    dimensions = grid.get("dimensions")
    if dimensions is None:
        if affine is not None or crs is not None or native is None:
            raise EngineError(
                "The pixel grid has no dimensions: give grid.dimensions, "
                + ("or an image with a bounded footprint." if native is None else "or no grid for the native one.")
            )
        limits.check_grid(native.shape[1], native.shape[0])
        return native
    width, height = _whole(dimensions, "width"), _whole(dimensions, "height")
    limits.check_grid(width, height)
    projection = image.projection
    return GeoBox((height, width), affine or projection.transform, crs_of(crs or projection.crs))


def affine_of(transform: Mapping[str, Any]) -> Affine:
    """x = scaleX column + shearX row + translateX; y = shearY column + scaleY row + translateY."""
    keys = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    try:
        numbers = [float(transform.get(key, 0)) for key in keys]
    except (TypeError, OverflowError) as error:
        raise EngineError(f"The affine transform of the pixel grid needs numbers: {', '.join(keys)}.") from error
    affine = Affine(*numbers)
    if not all(math.isfinite(coefficient) for coefficient in numbers) or affine.determinant == 0:
        raise EngineError(f"The affine transform {numbers} of the pixel grid cannot be inverted.")
    return affine


def _whole(dimensions: Mapping[str, Any], key: str) -> int:
    try:
        return int(dimensions[key])
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(f"grid.dimensions.{key} must be a whole number of pixels.") from error
