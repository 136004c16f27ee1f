"""Projections and pixel types as values (Projection.*, PixelType.*)."""

from __future__ import annotations

import re
from typing import Any

from affine import Affine
from pyproj.enums import WktVersion

from local_ee.algorithms.image_casts import pixel_type
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import to_projection
from local_ee.evaluation.registry import add, algorithm
from local_ee.raster.pixel_type import NAMED, PixelType
from local_ee.raster.projection import Projection, crs_of


@algorithm("Projection", "Proj")
def projection(crs: Any, transform: list | None, transformWkt: str | None) -> Projection:
    """A projection of a code or WKT, with a transform of six numbers or the text of a parametric transform."""
    base = to_projection(crs)
    if base is None:
        raise EngineError("The CRS of a map projection must be a string or a projection.")
    if transformWkt is not None:
        if transform is not None:
            raise EngineError("Cannot specify both 'transform' and 'transformWkt'.")
        return Projection(base.crs, _affine(transformWkt))
    if transform is None:
        return base
    if len(transform) != 6:
        raise EngineError(f"A transform has 6 numbers, got {len(transform)}.")
    return Projection(base.crs, Affine(*(float(coefficient) for coefficient in transform)))


def _affine(text: str) -> Affine:
    """The transform of a text such as Projection.transform gives."""
    if not re.match(r'\s*PARAM_MT\s*\[\s*"Affine"', text, re.IGNORECASE):
        raise EngineError(f"Invalid transform '{text[:80]}': expected PARAM_MT[\"Affine\", ...].")
    numbers = {
        name: float(coefficient) for name, coefficient in re.findall(r'"(elt_[01]_[012])"\s*,\s*([-+.\deE]+)', text)
    }
    return Affine(*(numbers.get(f"elt_{i}_{j}", float(i == j)) for i in range(2) for j in range(3)))


@algorithm("Projection.crs")
def crs(projection: Projection) -> str:
    """The code of the coordinate system."""
    return projection.crs


@algorithm("Projection.nominalScale")
def nominal_scale(proj: Projection) -> float:
    """The side of a pixel in metres."""
    return proj.nominal_scale_m


@algorithm("Projection.transform")
def transform(projection: Projection) -> str:
    """The transform as WKT of a parametric transform."""
    rows = (
        (projection.transform.a, projection.transform.b, projection.transform.c),
        (projection.transform.d, projection.transform.e, projection.transform.f),
    )
    parts = [
        f'PARAMETER["elt_{i}_{j}", {coefficient!r}]'
        for i, row in enumerate(rows)
        for j, coefficient in enumerate(row)
        if coefficient != (1.0 if i == j else 0.0)
    ]
    return f'PARAM_MT["Affine", {", ".join(["""PARAMETER["num_row", 3]""", """PARAMETER["num_col", 3]""", *parts])}]'


@algorithm("Projection.wkt")
def wkt(projection: Projection) -> str:
    """The coordinate system as WKT."""
    return crs_of(projection.crs).to_wkt(pretty=True, version=WktVersion.WKT1_GDAL)


@algorithm("Projection.atScale")
def at_scale(projection: Projection, meters: float) -> Projection:
    """The projection scaled so that a pixel's side is a number of metres."""
    if not projection.nominal_scale_m or not meters > 0:
        raise EngineError(f"Projection.atScale: cannot scale this projection to {meters:g} meters.")
    factor = meters / projection.nominal_scale_m
    return Projection(projection.crs, projection.transform * Affine.scale(factor))


@algorithm("Projection.scale")
def scale(projection: Projection, x: float, y: float) -> Projection:
    """The projection with its pixels scaled."""
    return Projection(projection.crs, projection.transform * Affine.scale(x, y))


@algorithm("Projection.translate")
def translate(projection: Projection, x: float, y: float) -> Projection:
    """The projection moved by pixels."""
    return Projection(projection.crs, projection.transform * Affine.translation(x, y))


@algorithm("PixelType")
def typed(precision: Any, minValue: float | None, maxValue: float | None, dimensions: int) -> PixelType:
    """A pixel type of a name or precision, within bounds."""
    base = pixel_type(precision)
    low = base.minimum if minValue is None else minValue
    high = base.maximum if maxValue is None else maxValue
    return PixelType(base.precision, low, high, dimensions)


def _named(name: str) -> Any:
    def make() -> PixelType:
        return NAMED[name]

    return make


for _name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float", "double"):
    add(f"PixelType.{_name}", _named(_name))


@algorithm("PixelType.precision")
def precision(pixelType: PixelType) -> str:
    """int, float or double."""
    return pixelType.precision


@algorithm("PixelType.minValue")
def minimum(pixelType: PixelType) -> float | None:
    """The least value."""
    return pixelType.minimum


@algorithm("PixelType.maxValue")
def maximum(pixelType: PixelType) -> float | None:
    """The greatest value."""
    return pixelType.maximum


@algorithm("PixelType.dimensions")
def dimensions(pixelType: PixelType) -> int:
    """The number of array dimensions: 0 for plain pixels."""
    return pixelType.dimensions
