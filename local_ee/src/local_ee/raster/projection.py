"""Projections of Earth Engine: a coordinate system and the affine transform from pixels to its coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyproj
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.lazy import lazy_property

_ONE = Affine.identity()
_CRS_KEPT = 256  # clients may name any; PROJ takes some 100 kB for each pair
SINUSOIDAL = "SR-ORG:6974"  # of MODIS, as Google's projections say; no code that PROJ knows
_SINUSOIDAL_TEXT = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
METRES_PER_DEGREE = 111319.49079327357  # of the equator of WGS84, as Earth Engine's nominalScale of EPSG:4326 gives


@lru_cache(maxsize=_CRS_KEPT)
def crs_of(text: str) -> CRS:
    """The coordinate system of a code or WKT, parsed once."""
    try:
        return CRS(_SINUSOIDAL_TEXT if text == SINUSOIDAL else text)
    except (ValueError, pyproj.exceptions.CRSError) as error:
        raise EngineError(f"The CRS of a map projection could not be parsed: '{text}'.") from error


@lru_cache(maxsize=_CRS_KEPT)
def authority_code(text: str) -> str:
    """The code that a coordinate system's text names for itself, such as EPSG:27572, or else the text."""
    crs = crs_of(text)
    authority = crs.proj.to_json_dict().get("id")
    return f"{authority['authority']}:{authority['code']}" if authority else str(crs)


@lru_cache(maxsize=_CRS_KEPT)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """From one coordinate system to another, x before y."""
    return pyproj.Transformer.from_crs(crs_of(source).proj, crs_of(target).proj, always_xy=True)


@dataclass(frozen=True)
class Projection:
    """crs is a code such as EPSG:32650 (or WKT); transform maps (column, row) to coordinates."""

    crs: str
    transform: Affine = _ONE

    def __post_init__(self) -> None:
        if not (math.isfinite(self.transform.determinant) and self.transform.determinant):
            raise EngineError(f"The transform {list(self.transform)[:6]} of a projection cannot be inverted.")

    @lazy_property
    def is_geographic(self) -> bool:
        return bool(crs_of(self.crs).geographic)

    @lazy_property
    def unit_m(self) -> float:
        """Metres per unit of the coordinate system (at the equator for degrees)."""
        if self.is_geographic:
            return METRES_PER_DEGREE
        return float(crs_of(self.crs).proj.axis_info[0].unit_conversion_factor)

    @property
    def nominal_scale_m(self) -> float:
        """Side of a pixel in metres: the square root of its area, nominally."""
        return math.sqrt(abs(self.transform.determinant)) * self.unit_m

    def at_scale(self, scale_m: float) -> Projection:
        """The same coordinate system with square pixels of a side in metres, its origin on a pixel's corner."""
        step = scale_m / self.unit_m
        return Projection(self.crs, Affine(step, 0, 0, 0, -step, 0))

    def geobox(self, height: int, width: int, *, row: int = 0, col: int = 0) -> GeoBox:
        """A window of these pixels."""
        return GeoBox((height, width), self.transform * Affine.translation(col, row), crs_of(self.crs))

    def to_json(self) -> dict[str, Any]:
        return {"type": "Projection", "crs": self.crs, "transform": list(self.transform)[:6]}


WGS84 = Projection("EPSG:4326")  # pixels of one degree: the default projection of composites and constants


def key_of(geobox: GeoBox) -> tuple:
    """What tells grids apart, cheap to compare: GeoBox's own hash writes the coordinate system as text each time."""
    return (*geobox.shape, *tuple(geobox.affine)[:6], str(geobox.crs))


def projection_of(geobox: GeoBox) -> Projection:
    """The projection of a grid, its origin at the grid's upper-left corner."""
    return Projection(code_of(geobox.crs), geobox.affine)


def code_of(crs: Any) -> str:
    """The short code of a coordinate system (EPSG:32650), or its WKT where it has none."""
    if crs is None:
        raise EngineError("A pixel grid needs a CRS.")
    return _named(str(crs))


@lru_cache(maxsize=_CRS_KEPT)
def _named(text: str) -> str:
    """A text of a coordinate system, or the code that Google has for it and PROJ has not."""
    return SINUSOIDAL if "sinu" in text.lower() and crs_of(text) == crs_of(SINUSOIDAL) else text
