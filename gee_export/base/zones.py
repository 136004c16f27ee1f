"""Places that several UTM zones hold: one region for each zone, cut at the meridians between the zones.

The cuts lie on the zones' meridians, so no ground is in two regions and none is missing. A place that reaches at most
REACH_DEG into the next zone stays on one grid: at that distance a metre of the grid is still a metre of the ground
within 0.21 % (0.1 % at the zone's own edge), and a city keeps whole patches.
"""

from __future__ import annotations

import math

import shapely
import shapely.affinity
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import regions
from isamap.gee_export.base.regions import BoundsWSEN, Region

# Of UTM.
ZONE_DEG = 6
# A zone reaches so far over its edge: scale and angle still fit, and a city stays on one grid.
REACH_DEG = 1.0
_PAD_M = 0.01  # lines of a part's part are drawn by other points: they may lie so far outside


def of_name(name: str) -> tuple[Region, ...]:
    """A shipped region: on its own grid, or as one region for each zone that it needs."""
    key = name.strip().lower()
    ground = regions.ground(key) if key in regions.names() else None
    if ground is None:
        return (regions.named(name),)
    return _divided(ground, key) or (regions.named(name),)


def of_bbox(bbox_wsen: BoundsWSEN, *, name: str) -> tuple[Region, ...]:
    """The regions of a box in degrees, one for each zone; west may be greater than east, across the antimeridian."""
    west, south, east, north = bbox_wsen
    if west - east > 180:
        regions.check_degrees((west, south, 180.0, north))
        regions.check_degrees((-180.0, south, east, north))
        sides = shapely.MultiPolygon([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])
        return _divided(sides, name)
    regions.check_degrees(bbox_wsen)
    return _divided(shapely.box(*bbox_wsen), name) or (regions.from_bbox(bbox_wsen, name=name),)


def of_outline(outline: BaseGeometry, *, name: str) -> tuple[Region, ...]:
    """The regions of an outline in EPSG:4326, one for each zone that it touches."""
    ground = wrapped(outline)
    regions.check_degrees(ground.bounds)
    return _divided(ground, name) or (regions.from_outline(ground, name=name),)


def within(parts: tuple[Region, ...], ground: BaseGeometry) -> tuple[Region, ...]:
    """The parts of a divided region that hold some ground, limited to it; ValueError where it leaves the region."""
    limits = shapely.union_all([zone.outline for zone in parts])
    # 1e-9 degrees are 0.1 mm: cuts at a meridian round.
    if not limits.buffer(1e-9).covers(ground):
        raise ValueError(
            f"the place of {regions.words(ground.bounds)} reaches outside region {_stem(parts)!r}, which spans "
            f"{regions.words(limits.bounds)} (W S E N): choose one inside it or leave --region out"
        )
    clips = [(zone, _polygonal(shapely.intersection(zone.outline, ground))) for zone in parts]
    return tuple(zone.outlined(clip) for zone, clip in clips if not clip.is_empty)


def wrapped(outline: BaseGeometry) -> BaseGeometry:
    """The same ground with longitudes of -180 to 180; ValueError where a polygon seems to go around the globe."""
    for polygon in shapely.get_parts(outline):
        west, _, east, _ = polygon.bounds
        if east - west > 180:
            raise ValueError(
                f"a polygon of the outline spans {east - west:.0f} degrees ({west:g} to {east:g}): cut it at the "
                "antimeridian (ogr2ogr -wrapdateline), as RFC 7946, section 3.1.9, asks"
            )
    west, _, east, _ = outline.bounds
    if west >= -180 and east <= 180:
        return outline
    world = shapely.box(-180, -90, 180, 90)
    turned = [shapely.affinity.translate(outline, turn) for turn in (-360, 0, 360)]
    return shapely.union_all([_polygonal(shapely.intersection(each, world)) for each in turned])


def _divided(ground: BaseGeometry, name: str) -> tuple[Region, ...]:
    """One region for each zone; none where the ground needs one zone only."""
    spans = _spans(ground.bounds)
    if len(spans) == 1:
        return ()
    middle = (ground.bounds[1] + ground.bounds[3]) / 2
    zones = []
    for zone, west, east in spans:
        clip = _polygonal(shapely.intersection(ground, shapely.box(west, -90, east, 90)))
        if not clip.is_empty:
            epsg = regions.utm_epsg(zone * ZONE_DEG - 183, middle)
            left, bottom, right, top = regions.in_metres(clip, epsg).bounds
            padded = (left - _PAD_M, bottom - _PAD_M, right + _PAD_M, top + _PAD_M)
            zones.append(regions.on_lattice(f"{name}-{zone_name(epsg)}", epsg, padded, clip))
    return tuple(zones)


def zone_name(epsg: int) -> str:
    """A zone as maps print it, such as 50n for EPSG:32650."""
    return f"{epsg % 100:02d}{'n' if epsg // 100 == 326 else 's'}"


def place_of(region: Region) -> str:
    """The name of the place that a zone's region is a piece of; its own name where it is no piece."""
    return region.name.removesuffix(f"-{zone_name(region.epsg)}")


def _spans(bounds_wsen: BoundsWSEN) -> list[tuple[int, float, float]]:
    """Zones with their west and east ends, from the first to the last that a box touches; short ends are joined on."""
    west, _, east, _ = bounds_wsen
    first = math.floor((west + 180) / ZONE_DEG) + 1
    last = max(math.ceil((east + 180) / ZONE_DEG), first)
    spans = [(zone, (zone - 1) * ZONE_DEG - 180.0, zone * ZONE_DEG - 180.0) for zone in range(first, last + 1)]
    if len(spans) > 1 and spans[0][2] - west <= REACH_DEG:
        spans[:2] = [(spans[1][0], spans[0][1], spans[1][2])]
    if len(spans) > 1 and east - spans[-1][1] <= REACH_DEG:
        spans[-2:] = [(spans[-2][0], spans[-2][1], spans[-1][2])]
    return spans


def _polygonal(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of an intersection, without the points and lines where two only touch."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = [polygon for polygon in shapely.get_parts(shape) if polygon.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts)


def _stem(parts: tuple[Region, ...]) -> str:
    return parts[0].name.rpartition("-")[0]
