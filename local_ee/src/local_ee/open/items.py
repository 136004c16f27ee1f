"""What items of a search say, each fact checked: places, times, files. ValueError where one cannot be used."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from local_ee.open.hosts import Address
from local_ee.open.providers import BUCKETS, HOSTS, Provider

LONGEST_SIDE_PX = 200_000
MOST_CORNERS = 10_000
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,150}")
_TEXT = re.compile(r"[A-Za-z0-9 _.,:;()/+-]{0,300}")
_WORLD = box(-180, -90, 180, 90)


def item_id(item: Mapping[str, Any]) -> str:
    """The item's id; ValueError where it is none (a page, a path, a script)."""
    return plain_text(item.get("id"), "id", _ID)


def plain_text(value: object, name: str, pattern: re.Pattern[str] = _TEXT) -> str:
    """A text of plain letters, numbers and few signs."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"its {name} is no plain text")
    return value


def number(properties: Mapping[str, Any], name: str) -> float | None:
    """A finite number, None where there is none."""
    value = properties.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def moment(value: object, name: str) -> datetime:
    """A time of RFC 3339, with a blank for the T too."""
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"its {name} is no time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return round(at.timestamp() * 1000)


def file_address(asset: Mapping[str, Any], provider: Provider) -> Address:
    """Where an asset's file is: an address that matches the provider's pattern as a whole."""
    href = asset.get("href")
    if not isinstance(href, str):
        raise ValueError("an asset has no address")
    bucket, _, key = href.removeprefix("s3://").partition("/")
    if href.startswith("s3://") and bucket in BUCKETS:
        href = f"https://{BUCKETS[bucket]}/{key}"
    if not provider.files.fullmatch(href):
        raise ValueError("an asset's address is not one of the archive's")
    return Address.of(href, HOSTS)


def grid_of(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> GeoBox:
    """The pixels of an asset, as it or its item says (proj:shape, proj:transform, proj:epsg or proj:code)."""
    fields = {**properties, **asset}
    size, transform = _numbers(fields.get("proj:shape"), 2), _numbers(fields.get("proj:transform"), 6)
    if size is None or not all(1 <= side <= LONGEST_SIDE_PX for side in size):
        raise ValueError("an asset's proj:shape is no size of an image")
    if transform is None or transform[0] == 0 or transform[4] == 0 or transform[1] or transform[3]:
        raise ValueError("an asset's proj:transform is not along its axes")
    return GeoBox((int(size[0]), int(size[1])), Affine(*transform[:6]), f"EPSG:{_epsg(fields)}")


def _numbers(values: Any, least: int) -> list[float] | None:
    """Finite numbers, at least so many and at most nine; None for anything else."""
    good = (
        isinstance(values, list)
        and least <= len(values) <= 9
        and all(isinstance(each, int | float) and math.isfinite(each) for each in values)
    )
    return [float(each) for each in values] if good else None


def _epsg(fields: Mapping[str, Any]) -> int:
    """A UTM zone of WGS 84, or degrees: archives that are read use no other."""
    code = fields.get("proj:epsg")
    if code is None and isinstance(fields.get("proj:code"), str):
        code = fields["proj:code"].removeprefix("EPSG:")
    epsg = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 0
    if epsg not in (4326, *range(32601, 32661), *range(32701, 32761)):
        raise ValueError("an asset's projection is neither a UTM zone nor degrees")
    return epsg


def footprint(item: Mapping[str, Any]) -> BaseGeometry:
    """The item's outline in degrees; across the antimeridian, the parts of either side."""
    geometry = item.get("geometry")
    try:
        outline = shape(geometry) if isinstance(geometry, dict) else shapely.Polygon()
    except Exception:  # whatever shapely says of a form that is none
        raise ValueError("its outline is none") from None
    if outline.is_empty or outline.geom_type not in ("Polygon", "MultiPolygon"):
        raise ValueError("its outline is none")
    corners = shapely.get_coordinates(outline)
    if len(corners) > MOST_CORNERS or not np.isfinite(corners).all():
        raise ValueError("its outline is none")
    if np.abs(corners).max(axis=0)[0] > 540 or np.abs(corners).max(axis=0)[1] > 90:
        raise ValueError("its outline is not in degrees")
    return _on_globe(shapely.make_valid(shapely.force_2d(outline)))


def _on_globe(outline: BaseGeometry) -> BaseGeometry:
    """The outline within -180 to 180: a polygon that spans most of the globe is meant across the antimeridian."""
    west, _, east, _ = outline.bounds
    if outline.geom_type == "Polygon" and east - west > 180:
        outline = shapely.make_valid(shapely.transform(outline, _eastwards))
    copies = (shapely.transform(outline, lambda xy, turn=turn: xy + np.array([turn, 0])) for turn in (-360, 0, 360))
    return shapely.union_all([copy.intersection(_WORLD) for copy in copies])


def _eastwards(corners: np.ndarray) -> np.ndarray:
    return np.stack([np.where(corners[:, 0] < 0, corners[:, 0] + 360, corners[:, 0]), corners[:, 1]], axis=1)
