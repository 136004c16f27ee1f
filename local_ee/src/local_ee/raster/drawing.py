"""Shapes drawn on pixels: areas, strokes of a width in pixels, dashes, and markers at points.

Assumption (Google does not publish its renderer): a pixel is drawn where its centre lies in the shape, without
anti-aliasing; everything is drawn in absolute pixels, so that a pixel does not depend on the window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.ops import substring

from local_ee import budget
from local_ee.raster.geometry import Geometry
from local_ee.raster.lattice import place_of

LINE_TYPES: dict[str, tuple[float, float] | None] = {
    "solid": None,
    "dotted": (1.0, 1.0),
    "dashed": (4.0, 2.0),
}  # lengths on and off, in widths
_TIE = 1e-6  # of a pixel, by which shapes are moved so that a centre is never on an edge
_MOST_DASHES = 200_000
_ALIASES = {"o": "circle", "s": "square", "d": "diamond", "x": "cross", "+": "plus", "p": "pentagram", "h": "hexagram"}
_ALIASES |= {"^": "triangle", "triangle_up": "triangle", "v": "triangle_down", "<": "triangle_left"}
_ALIASES |= {">": "triangle_right", "star5": "pentagram", "star6": "hexagram"}
_TURNED = {  # corners, and by how much the first one is turned from the top, clockwise
    "square": (4, 45.0),
    "diamond": (4, 0.0),
    "triangle": (3, 0.0),
    "triangle_right": (3, 90.0),
    "triangle_down": (3, 180.0),
    "triangle_left": (3, 270.0),
    "pentagon": (5, 0.0),
    "hexagon": (6, 0.0),
    "pentagram": (5, 0.0),
    "hexagram": (6, 0.0),
}
_STARS = {"pentagram": 0.382, "hexagram": 0.577}  # radius of the inner corners
_CROSSES = {"plus": ((0, 1), (1, 0)), "cross": ((0.7071, 0.7071), (0.7071, -0.7071))}
MARKERS = tuple(sorted({"circle", *_TURNED, *_CROSSES, *_ALIASES}))


def in_pixels(geometry: Geometry, geobox: GeoBox) -> shapely.Geometry:
    """The shape in columns and rows of the grid, counted from its origin and not from the window's corner."""
    lattice_window = place_of(geobox)
    shape = geometry.in_crs(str(geobox.crs)).drawn
    return shapely.transform(shape, lambda xy: np.column_stack(lattice_window.pixels(xy[:, 0], xy[:, 1])) + _TIE)


def covered(shape: shapely.Geometry, geobox: GeoBox) -> np.ndarray:
    """bool [row, column]: pixels of the window whose centre is in a shape of absolute pixels."""
    lattice_window, size = place_of(geobox), tuple(geobox.shape)
    window = shapely.box(
        lattice_window.col, lattice_window.row, lattice_window.col + size[1], lattice_window.row + size[0]
    )
    if shape.is_empty or not shape.area or not shape.intersects(window):
        return np.zeros(size, bool)
    offset = Affine.translation(lattice_window.col, lattice_window.row)
    burnt = rasterio.features.rasterize([(shape, 1)], size, transform=offset, dtype="uint8")
    return np.asarray(burnt.astype(bool))


def edges(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """The lines of a shape and the rings of its areas."""
    if hasattr(shape, "geoms"):
        return [edge for member in shape.geoms for edge in edges(member)]
    if shape.geom_type == "Polygon":
        return [shape.exterior, *shape.interiors]
    return [shape] if shape.length else []


def areas(shape: shapely.Geometry) -> shapely.Geometry:
    """The areas of a shape; rings that cross themselves, as simplified or cut borders may, are made valid."""
    members = [member for member in _parts(shape) if member.geom_type == "Polygon"]
    try:
        return shapely.union_all(members)
    except shapely.errors.GEOSException:
        return shapely.union_all(shapely.make_valid(members))


def points(shape: shapely.Geometry) -> list[shapely.Point]:
    """The points of a shape."""
    return [member for member in _parts(shape) if member.geom_type == "Point"]


def _parts(shape: shapely.Geometry) -> list[shapely.Geometry]:
    if hasattr(shape, "geoms"):
        return [member for each in shape.geoms for member in _parts(each)]
    return [shape]


def stroke(lines: list[shapely.Geometry], width: float, line_type: str = "solid") -> shapely.Geometry:
    """The area within half a width of lines, in dashes for other types than solid."""
    if width <= 0 or not lines:
        return shapely.Polygon()
    pattern = LINE_TYPES[line_type]
    cut = lines if pattern is None else [dash for line in lines for dash in _dashes(line, width, pattern)]
    return shapely.union_all(shapely.buffer(cut, width / 2, cap_style="flat" if pattern else "round"))


def _dashes(line: shapely.Geometry, width: float, pattern: tuple[float, float]) -> Iterator[shapely.Geometry]:
    shown, gap = (max(member * width, 1.0) for member in pattern)
    count = math.ceil(line.length / (shown + gap))
    step = shown + gap if count <= _MOST_DASHES else line.length / _MOST_DASHES
    for i in range(min(count, _MOST_DASHES)):
        budget.check()
        yield substring(line, i * step, min(i * step + shown, line.length))


def marker(name: str, at: shapely.Point, size: float) -> tuple[shapely.Geometry, list[shapely.Geometry]]:
    """The area of a marker of a size in pixels at a point, and its lines."""
    own, radius = _ALIASES.get(name, name), size / 2
    if own in _CROSSES:
        arms = [(dx * radius, dy * radius) for dx, dy in _CROSSES[own]]
        lines = [shapely.LineString([(at.x - dx, at.y - dy), (at.x + dx, at.y + dy)]) for dx, dy in arms]
        return shapely.Polygon(), lines if size > 0 else []
    area = at.buffer(radius) if own == "circle" else shapely.Polygon(list(_corners(own, at, radius)))
    return area, edges(area)


def _corners(name: str, at: shapely.Point, radius: float) -> Iterator[tuple[float, float]]:
    count, turn = _TURNED[name]
    inner = _STARS.get(name)
    steps = count if inner is None else 2 * count
    for i in range(steps):
        angle = math.radians(turn + 360 * i / steps)
        reach = radius * (inner if inner is not None and i % 2 else 1.0)
        yield at.x + reach * math.sin(angle), at.y - reach * math.cos(angle)
