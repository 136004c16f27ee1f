"""A small grid with numbered columns, and pixels of it as plain JSON: None stands for masked ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.requests import pixels
from isamap.gee_export.requests.transport import grid_json

if TYPE_CHECKING:
    import ee

EPSG, LEFT, TOP, STEP = 32650, 240_000, 3_390_000, 10  # in Wuhan, on multiples of every step that is asked for
MASKED = "masked"


def grid_of(width: int, height: int) -> GeoBox:
    """Pixels of 10 m from the pattern's corner."""
    return GeoBox((height, width), Affine(STEP, 0, LEFT, 0, -STEP, TOP), f"EPSG:{EPSG}")


def column(ee: Any, step: int = STEP) -> ee.Image:
    """The number of the column of so many metres, counted from the corner; exact at every pixel's centre."""
    east = ee.Image.pixelCoordinates(ee.Projection(f"EPSG:{EPSG}")).select("x")
    return east.subtract(LEFT).divide(step).floor().toInt32().rename("v")


def pattern_projection(ee: Any) -> ee.Projection:
    """The pattern's grid."""
    return ee.Projection(*pattern_transform())


def pattern_transform() -> tuple[str, list[float]]:
    """The pattern's grid as requests and reductions name it: CRS and transform."""
    return f"EPSG:{EPSG}", list(grid_of(1, 1).affine)[:6]


def pattern_box(ee: Any, left: float, right: float, rows: float = 1) -> ee.Geometry:
    """The box between two columns of the pattern, from its top so many rows down."""
    ends = [LEFT + STEP * left, TOP - STEP * rows, LEFT + STEP * right, TOP]
    return ee.Geometry.Rectangle(ends, f"EPSG:{EPSG}", False)


def numbers(image: ee.Image, width: int, height: int) -> list[list[Any]]:
    """The first band's pixels by row."""
    raster = pixels.fetch(image.select([0], ["v"]), grid_of(width, height), ["v"])
    return [
        [shown(float(value) if valid else None) for value, valid in zip(*row, strict=True)]
        for row in zip(raster.values_BHW[0], raster.valid_BHW[0], strict=True)
    ]


def raw_numbers(image: ee.Image, width: int, height: int) -> list[list[int]]:
    """As `numbers`, as NPY brings whole numbers, without anything put in the place of masked ones."""
    import ee

    request = {
        "expression": image.rename("v"),
        "fileFormat": "NUMPY_NDARRAY",
        "grid": grid_json(grid_of(width, height)),
    }
    return [[int(value) for value in row] for row in ee.data.computePixels(request)["v"]]


def shown(value: float | None) -> float | str:
    """A pixel in a report."""
    return MASKED if value is None else value
