"""Administrative units by name, from the boundary tables of Earth Engine's public catalog.

Tables and columns: the catalog pages FAO_GAUL_SIMPLIFIED_500m_2015_level0 to level2 and
FAO_GAUL_SIMPLIFIED_500m_2025_level1 and level2 (docs/reference/earth-engine.md, "Boundaries"). Names are the tables'
own: GAUL 2015 calls Hubei "Hubei Sheng". No boundary is an official position of anybody: each table's page has its
disclaimer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import refusal
from isamap.gee_export.base.storage import write_whole
from isamap.gee_export.earth_engine import session

if TYPE_CHECKING:
    import ee

MOST_NAMED = 8  # units that a message lists
MAX_ERROR_M = 100  # of a union of features: the tables themselves are simplified at 500 m
_REMEDY = "no boundaries: add --project, or give your own by --geometry FILE"
LEVELS = ("country", "first-level unit", "second-level unit")


@dataclass(frozen=True)
class BoundaryTable:
    """A set of tables, one a level (None where the set has none), with the columns of the units' names."""

    title: str
    levels: tuple[str | None, str, str]
    columns: tuple[str, str, str]
    licence: str

    def asset(self, level: int) -> str:
        """The table that holds the units of a level; of countries, the next one below where there is none."""
        return self.levels[level] or self.levels[1]


BOUNDARIES: dict[str, BoundaryTable] = {
    "gaul": BoundaryTable(
        "FAO GAUL 2015, simplified at 500 m",
        (
            "FAO/GAUL_SIMPLIFIED_500m/2015/level0",
            "FAO/GAUL_SIMPLIFIED_500m/2015/level1",
            "FAO/GAUL_SIMPLIFIED_500m/2015/level2",
        ),
        ("ADM0_NAME", "ADM1_NAME", "ADM2_NAME"),
        "FAO GAUL data licence: for non-commercial purposes only",
    ),
    "gaul2025": BoundaryTable(
        "FAO GAUL 2025, simplified at 500 m",
        (None, "FAO/GAUL_SIMPLIFIED_500m/2025/level1", "FAO/GAUL_SIMPLIFIED_500m/2025/level2"),
        ("GAUL0_NAME", "GAUL1_NAME", "GAUL2_NAME"),
        "CC-BY-4.0, FAO 2025: Global Administrative Unit Layers",
    ),
}


@dataclass(frozen=True)
class AdministrativeUnit:
    """A unit and its outline in EPSG:4326. path: its names from the country down, as the table spells them."""

    path: tuple[str, ...]
    outline: BaseGeometry
    asset: str
    boundaries: BoundaryTable
    simulated: bool = False

    def to_geojson(self) -> str:
        """A file for --geometry, with where it comes from."""
        facts = {
            "name": "/".join(self.path),
            "asset": self.asset,
            "source": f"{self.boundaries.title}; an administrative layer, not a legal boundary",
            "licence": self.boundaries.licence,
        }
        geometry = json.loads(shapely.to_geojson(self.outline))
        feature = {"type": "Feature", "properties": facts, "geometry": geometry}
        return json.dumps({"type": "FeatureCollection", "features": [feature]}, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        return f"{'/'.join(self.path)}: {LEVELS[len(self.path) - 1]} of {self.asset} ({self.boundaries.licence})"


def administrative_unit(name: str, boundaries: str = "gaul") -> AdministrativeUnit:
    """The unit that a name such as Hubei or China/Hubei/Wuhan means, asked of the server that `ee` is connected to.

    A path begins with the country. A single name is looked for among countries first, then first-level units, then
    second-level ones. A name matches a table's name that it equals, or that goes on with another word ("Hubei Sheng"),
    whatever the case of its letters. ValueError: no such unit, or several; Fault: the server has no such table.
    """
    if boundaries not in BOUNDARIES:
        raise ValueError(f"boundaries {boundaries!r}: expected one of {', '.join(BOUNDARIES)}")
    parts = tuple(step.strip() for step in name.split("/"))
    if not all(parts) or len(parts) > len(LEVELS):
        raise ValueError(f"--admin {name!r}: expected a name, or COUNTRY/FIRST/SECOND such as China/Hubei/Wuhan")
    connected = session.current()
    if connected is not None and connected.is_open:
        raise ValueError(
            "--catalog open: no public archive holds boundaries: give the place by --geometry FILE or --bbox"
        )
    table = BOUNDARIES[boundaries]
    for level in range(len(LEVELS)) if len(parts) == 1 else (len(parts) - 1,):
        if units := _units(table, level, parts):
            return _outlined(table, _single(units, "/".join(parts), table), level)
    raise ValueError(
        f"--admin {name!r}: {table.title} has no unit of that name; names are the table's own, in Latin letters "
        "(China/Hubei Sheng/Wuhan): look them up in the catalog, or give your own boundary by --geometry FILE"
    )


def write_outline(
    name: str, out: str | Path, *, boundaries: str = "gaul", project: str | None = None, catalog: str | Path = "world"
) -> AdministrativeUnit:
    """The unit of a name, its outline written as GeoJSON to `out`, with table and licence; as `administrative_unit`."""
    from isamap.gee_export.earth_engine.session import connect

    path = Path(out)
    if path.suffix.lower() not in (".geojson", ".json"):
        raise ValueError(f"--out {path}: an outline is GeoJSON, give a name that ends in .geojson")
    with connect(project, catalog=catalog):
        unit = administrative_unit(name, boundaries)
    write_whole(path, unit.to_geojson().encode())
    return unit


def _units(table: BoundaryTable, level: int, parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The paths of the units of a level that match: the whole path, or its last name alone."""
    columns = table.columns[: level + 1]
    name_of_column = dict(zip(columns[-len(parts) :], parts, strict=True))
    rows = _asked(table, level, lambda features: [
        _begins(features, name_of_column).aggregate_array(column) for column in columns
    ])  # fmt: skip
    paths = dict.fromkeys(zip(*rows, strict=True))
    return [path for path in paths if all(map(_matches, path[-len(parts) :], parts))]


def _begins(features: ee.FeatureCollection, asked: dict[str, str]) -> ee.FeatureCollection:
    """The features whose names begin as asked, as spelled or with capitals: the server compares letters exactly."""
    import ee

    for column, name in asked.items():
        spellings = dict.fromkeys((name, name.title(), name.capitalize()))
        features = features.filter(ee.Filter.Or(*(ee.Filter.stringStartsWith(column, each) for each in spellings)))
    return features


def _matches(full: str, part: str) -> bool:
    return full.casefold() == part.casefold() or full.casefold().startswith(f"{part.casefold()} ")


def _single(units: list[tuple[str, ...]], name: str, table: BoundaryTable) -> tuple[str, ...]:
    exact = [path for path in units if "/".join(path).casefold() == name.casefold()]
    matches = exact or units
    if len(matches) > 1:
        listed = ", ".join("/".join(path) for path in sorted(matches)[:MOST_NAMED])
        more = f" and {len(matches) - MOST_NAMED} more" if len(matches) > MOST_NAMED else ""
        raise ValueError(
            f"--admin {name!r} names {len(matches)} units of {table.title}: {listed}{more}; give one of them as it is"
        )
    return matches[0]


def _outlined(table: BoundaryTable, path: tuple[str, ...], level: int) -> AdministrativeUnit:
    import ee

    def geometry_of(features: ee.FeatureCollection) -> Any:
        for column, level in zip(table.columns, path, strict=False):
            features = features.filter(ee.Filter.eq(column, level))
        return features.geometry(MAX_ERROR_M)

    # Simplified outlines cross themselves here and there; what is left as a line or point has no ground.
    parts = shapely.get_parts(shapely.make_valid(shape(_asked(table, level, geometry_of))))
    outline = shapely.union_all([geometry for geometry in parts if geometry.geom_type in ("Polygon", "MultiPolygon")])
    current = session.current()
    return AdministrativeUnit(path, outline, table.asset(level), table, bool(current and current.simulated))


def _asked(table: BoundaryTable, level: int, question: Callable[[ee.FeatureCollection], Any]) -> Any:
    """The server's answer; Fault in its words, with the remedy, where it gives none."""
    import ee

    current = session.current()
    if current and current.simulated:  # its units have real names and made-up outlines
        raise Fault(f"{table.asset(level)}: the simulated world has {_REMEDY}")
    answer = question(ee.FeatureCollection(table.asset(level)))
    try:
        return ee.List(answer).getInfo() if isinstance(answer, list) else answer.getInfo()
    except ee.EEException as error:
        refused = refusal(error)
        words = refused.message if refused else str(error)
        raise Fault(
            f"{table.asset(level)} cannot be asked for its units: {words}; this catalog has {_REMEDY}"
        ) from error
