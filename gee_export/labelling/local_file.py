"""Files of labels on this machine: that they are there, what identifies them, and how grids lie on them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from isamap.gee_export.base import exchanged
from isamap.gee_export.base.errors import notice
from isamap.gee_export.base.grid import Window, crs_of, tiles
from isamap.gee_export.base.regions import Region, bounds_in
from isamap.gee_export.labelling.label_source import LabelSource

_SHAPEFILE = (".shp", ".dbf", ".prj", ".cpg")
_METRES_PER_DEGREE = 111_320  # along the equator and any meridian, within 0.6 %


def found(source: LabelSource) -> Path:
    """The source's file; ValueError where there is none."""
    path = Path(source.address).expanduser()
    if not path.is_file():
        raise ValueError(f"label file {source.address} was not found: check the path, or `isamap labels` for products")
    return path


def fingerprint(path: Path) -> dict[str, Any]:
    """Name, size and digest of a file (of a shapefile's parts together); no folder of this machine."""
    shapefile = path.suffix.lower() == ".shp"
    parts = [path.with_suffix(suffix) for suffix in _SHAPEFILE] if shapefile else [path]
    existing = [component for component in parts if component.is_file()]
    size, digest = _digest(
        tuple((component, component.stat().st_mtime_ns, component.stat().st_size) for component in existing)
    )
    return {"file": path.name, "bytes": size, "sha256": digest}


@cache
def _digest(parts: tuple[tuple[Path, int, int], ...]) -> tuple[int, str]:
    """Size and digest of files as they are now (time and size tell): read once a run, for they may be large."""
    digest, size = hashlib.sha256(), 0
    for component, _, _ in parts:
        with component.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()[:16]


def touches(bounds: Sequence[float], crs: Any, region: Region) -> bool:
    """Whether a file's bounds (left, bottom, right, top in its own system) meet a region's in degrees.

    Where they meet only with longitude and latitude exchanged, a note says so.
    """
    west, south, east, north = bounds_in(bounds, crs, 4326)
    if west > east or region.bounds_wsen[0] > region.bounds_wsen[2]:  # across the antimeridian: not judged
        return True
    held = _meet((west, south, east, north), region.bounds_wsen)
    if not held and _meet((south, west, north, east), region.bounds_wsen):
        notice(f"note: a label file would lie in {region.name} the other way: {exchanged.WORDS}")
    return held


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def step_m(geobox: GeoBox) -> float:
    """Side of a grid's pixels in metres; of grids in degrees, north to south."""
    step = abs(geobox.resolution.y)
    return step * _METRES_PER_DEGREE if crs_of(geobox).geographic else step


def finer(geobox: GeoBox, side: int) -> GeoBox:
    """Each pixel cut into side x side."""
    shape = (geobox.shape[0] * side, geobox.shape[1] * side)
    return GeoBox(shape, geobox.affine * geobox.affine.scale(1 / side), geobox.crs)


def pieces(geobox: GeoBox, pixels: int) -> Iterator[Window]:
    """Windows of a grid of at most about so many pixels each."""
    side = max(1, math.isqrt(pixels))
    yield from tiles(*geobox.shape.yx, side)
