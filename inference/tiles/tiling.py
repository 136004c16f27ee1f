"""The squares of each UTM zone's own grid that an area needs: the same ones whatever the area, its name or its edges.

Squares are counted from the origin of the zone's coordinate system, so two runs that share ground share tiles. What an
outline or the meridian between two zones cuts off is no part of a tile: a pixel belongs to the region that holds its
centre (gee_export/base/zones.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import outline, regions, zones
from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.base.regions import STEP_M, BoundsWSEN, Region

# At 10 m some minutes of work: a killed worker loses little, and lists of tiles stay short.
STEP_PX = 2048
SMALLEST_PX, LARGEST_PX = 16, 16_384
_GROUND_M = 0.001  # coordinates of a tile's ground are whole millimetres: equal bytes on every machine
_STRAIGHT_M = 1000.0  # a line that is straight in metres is not straight in degrees: points this close follow it
_TOUCH_DEG2 = 1e-10  # neighbours that only touch share less (about 1 m2)
_PROBES = 16  # a side: few pixels show that a large piece of ground holds one


@dataclass(frozen=True, slots=True)
class TileWindow:
    """One square of a zone's grid, `row` squares to the south and `col` squares to the east of the zone's (0, 0).

    epsg: the zone. step_px: pixels a side; pixel_m: metres of one. ground_m: where pixels are wanted, in metres of
    the zone; None where all are.
    """

    epsg: int
    row: int
    col: int
    step_px: int = STEP_PX
    pixel_m: float = STEP_M
    ground_m: BaseGeometry | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_step(self.step_px)

    @property
    def name(self) -> str:
        """Zone and upper-left corner in metres, such as 50n_225280_3420160."""
        left, _, _, top = self.bounds_m
        return f"{zones.zone_name(self.epsg)}_{left:.0f}_{top:.0f}"

    @property
    def bounds_m(self) -> BoundsWSEN:
        """Left, bottom, right and top in metres of the zone."""
        side_m = self.step_px * self.pixel_m
        return self.col * side_m, -(self.row + 1) * side_m, (self.col + 1) * side_m, -self.row * side_m

    @property
    def geobox(self) -> GeoBox:
        """The tile's pixels, north up."""
        left, _, _, top = self.bounds_m
        affine = Affine(self.pixel_m, 0, left, 0, -self.pixel_m, top)
        return GeoBox((self.step_px, self.step_px), affine, f"EPSG:{self.epsg}")

    @property
    def area_km2(self) -> float:
        """Wanted ground, in square kilometres of the zone's grid."""
        return ((self.step_px * self.pixel_m) ** 2 if self.ground_m is None else self.ground_m.area) / 1e6


def check_step(step_px: int) -> None:
    """ValueError for a side of tiles that is too small to be worth a job or too large for one."""
    if not SMALLEST_PX <= step_px <= LARGEST_PX:
        raise ValueError(
            f"tiles of {step_px} px a side: expected {SMALLEST_PX} to {LARGEST_PX} (2048 suits 10 m, 256 suits 1 m)"
        )


def tile_windows(area: Region | Sequence[Region], *, step_px: int = STEP_PX) -> tuple[TileWindow, ...]:
    """Every tile that holds a pixel of the area, by zone, from north to south and west to east; none comes twice.

    area: a region, or those that gee_export/base/zones.py makes of a place. Where regions of two zones overlap, the
    ground is the first one's. ValueError for a side of tiles that `check_step` refuses.
    """
    check_step(step_px)
    grounds = _grounds((area,) if isinstance(area, Region) else tuple(area))
    return tuple(window for epsg, ground_m in grounds.items() for window in _of_zone(epsg, ground_m, step_px))


def _of_zone(epsg: int, ground_m: BaseGeometry, step_px: int) -> Iterator[TileWindow]:
    """Row after row, so that an outline of many points is cut once a row and not once a tile."""
    side_m = step_px * STEP_M
    left, bottom, right, top = ground_m.bounds
    for row in range(math.floor(-top / side_m), math.ceil(-bottom / side_m)):
        strip = _cut(ground_m, (left, -(row + 1) * side_m, right, -row * side_m))
        if strip.is_empty:
            continue
        # A row's strip is asked once for each of its columns.
        shapely.prepare(strip)
        for col in range(math.floor(strip.bounds[0] / side_m), math.ceil(strip.bounds[2] / side_m)):
            window = TileWindow(epsg, row, col, step_px)
            yield from _on_ground(window, strip)


def _on_ground(window: TileWindow, strip: BaseGeometry) -> Iterator[TileWindow]:
    """The square with the part of it that is wanted; nothing where no pixel's centre is."""
    square = shapely.box(*window.bounds_m)
    if strip.covers(square.buffer(-window.pixel_m / 2, join_style="mitre")):  # the box of the pixels' centres
        yield window
    elif strip.intersects(square):
        ground_m = shapely.set_precision(_cut(strip, window.bounds_m), _GROUND_M)
        if _holds_pixel(ground_m, window.geobox):
            yield TileWindow(window.epsg, window.row, window.col, window.step_px, window.pixel_m, ground_m)


def _holds_pixel(ground_m: BaseGeometry, geobox: GeoBox) -> bool:
    """Whether the centre of any pixel lies on the ground: a few are tried first, then all that are near it."""
    near = None if ground_m.is_empty else _near(ground_m, geobox)
    if near is None:
        return False
    rows, cols = (np.linspace(0, side - 1, _PROBES).round() + 0.5 for side in (near.height, near.width))
    x, y = crop(geobox, near).affine * np.meshgrid(cols, rows)
    return bool(shapely.contains_xy(ground_m, x, y).any()) or bool(outline.inside(ground_m, crop(geobox, near)).any())


def _near(ground_m: BaseGeometry, geobox: GeoBox) -> Window | None:
    """The pixels in the ground's bounding box, touched ones too; None where there are none."""
    left, bottom, right, top = ground_m.bounds
    (first_col, first_row), (last_col, last_row) = ~geobox.affine * (left, top), ~geobox.affine * (right, bottom)
    row, col = math.floor(first_row), math.floor(first_col)
    box = Window(row, col, math.ceil(last_row) - row, math.ceil(last_col) - col)
    return box.overlap(Window(0, 0, *geobox.shape))


def _grounds(area: Sequence[Region]) -> dict[int, BaseGeometry]:
    """The ground of each zone in its metres, in the order of the zones; no ground is in two."""
    pieces: dict[int, list[BaseGeometry]] = {}
    claims: list[tuple[int, BaseGeometry]] = []
    for region in area:
        ground_deg = _in_degrees(region)
        # In degrees: the metres of two zones cannot be compared.
        others = shapely.union_all([claim for epsg, claim in claims if epsg != region.epsg])
        if shapely.intersection(ground_deg, others).area > _TOUCH_DEG2:
            piece = _cut(regions.in_metres(shapely.difference(ground_deg, others), region.epsg), region.bounds_m)
        else:
            piece = _in_metres(region)
        claims.append((region.epsg, ground_deg))
        pieces.setdefault(region.epsg, []).append(piece)
    grounds = {epsg: shapely.union_all(pieces[epsg]) for epsg in sorted(pieces)}
    return {epsg: ground_m for epsg, ground_m in grounds.items() if not ground_m.is_empty}


def _in_metres(region: Region) -> BaseGeometry:
    outline_m = outline.in_metres(region)
    return shapely.box(*region.bounds_m) if outline_m is None else _cut(outline_m, region.bounds_m)


def _in_degrees(region: Region) -> BaseGeometry:
    if region.outline is not None:
        return region.outline
    rectangle = shapely.segmentize(shapely.box(*region.bounds_m), _STRAIGHT_M)
    to_degrees = Transformer.from_crs(region.epsg, 4326, always_xy=True)
    return shapely.transform(rectangle, lambda points: np.column_stack(to_degrees.transform(*points.T)))


def _cut(ground_m: BaseGeometry, bounds_m: BoundsWSEN) -> BaseGeometry:
    cut = shapely.intersection(ground_m, shapely.box(*bounds_m))
    polygons = [geometry for geometry in shapely.get_parts(cut) if geometry.geom_type == "Polygon"]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
