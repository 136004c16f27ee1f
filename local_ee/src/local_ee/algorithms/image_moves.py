"""Images moved as a whole: between projections, and by a distance (apidocs ee-image-changeproj, ee-image-translate)."""

from __future__ import annotations

from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_grid import elsewhere
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster import kernel as kernels
from local_ee.raster import resample
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixels import Pixels, join
from local_ee.raster.projection import Projection, crs_of, projection_of


@algorithm("Image.changeProj")
def change_proj(input: Image, srcProj: Projection, dstProj: Projection) -> Image:
    """The image with each pixel moved from its place in srcProj to the same coordinates in dstProj.

    Assumptions (not documented): coordinates are those of the projections' pixels, so that their transforms count; a
    band in the CRS of srcProj gets a default projection in dstProj, others get dstProj itself.
    """
    return _moved(input, srcProj, dstProj)


@algorithm("Image.translate")
def translate(input: Image, x: float, y: float, units: str, proj: Projection | None) -> Image:
    """The image moved by metres, or by pixels of a projection (that of the first band).

    Assumption (not documented): along the axes of the projection: metres of its coordinates (111,319 a degree), or its
    columns and rows.
    """
    home = proj or input.projection
    if kernels.metres(units):
        moved = Affine.translation(x / home.unit_m, y / home.unit_m) * home.transform
    else:
        moved = home.transform * Affine.translation(x, y)
    return _moved(input, home, Projection(home.crs, moved))


def _moved(image: Image, source: Projection, target: Projection) -> Image:
    for projection in (source, target):
        if projection.transform.is_degenerate:
            raise EngineError("The transform of a projection must be invertible.")
    bands = [_moved_band(band, source, target) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        if crs_of(target.crs) == geobox.crs:
            return image.read_at(_source_window(geobox, source, target), positions)
        return join([_through(image, i, bands[i], (source, target), geobox) for i in positions])

    def footprint() -> Geometry | None:
        return _moved_footprint(image.footprint, source, target)

    return recomputed(
        image,
        bands,
        reading,
        footprint_of=footprint,
        needs=lambda positions: [positions],
        around=elsewhere,
    )


def _source_window(geobox: GeoBox, source: Projection, target: Projection) -> GeoBox:
    """The window of the input whose pixels are shown in a window of the target's CRS."""
    affine = source.transform * ~target.transform * geobox.affine
    return GeoBox(geobox.shape, affine, crs_of(source.crs))


def _through(
    image: Image, position: int, band: Band, projections: tuple[Projection, Projection], geobox: GeoBox
) -> Pixels:
    """A band on another CRS than the target's: nearest, from its own pixels or from ones of the output's size."""
    source, target = projections
    scale = projection_of(geobox).nominal_scale_m
    native = band.projection if image.bands[position].dimensions else Projection(target.crs).at_scale(scale)

    def fetch(window: GeoBox) -> Pixels:
        return image.read_at(_source_window(window, source, target), (position,))

    return resample.read(resample.ResampleSource(native, fetch, (band.type.dtype,)), geobox)


def _moved_band(band: Band, source: Projection, target: Projection) -> Band:
    if crs_of(band.projection.crs) != crs_of(source.crs):
        return band.on(target)
    transform = target.transform * ~source.transform * band.projection.transform
    return band.on(Projection(target.crs, transform), band.dimensions)


def _moved_footprint(footprint: Geometry | None, source: Projection, target: Projection) -> Geometry | None:
    if footprint is None or footprint.unbounded:
        return footprint
    from shapely.affinity import affine_transform

    a, b, c, d, e, f = tuple(target.transform * ~source.transform)[:6]
    shape = affine_transform(footprint.in_crs(source.crs).drawn, [a, b, d, e, c, f])
    return Geometry(shape, target.crs, False)
