"""Google's public tables under their ids: the properties of the catalog's pages, features by rule.

Tables of administrative units hold the units of public_units.py. Others hold points, lines or polygons in the cells of
a grid over the table's bounds, so that a place usually has a feature near it. Every feature has simulated = 1.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from local_ee.catalog.table import INDEX, SourceFeature
from local_ee.world import public_units
from local_ee.world.ecoregions import EXAMPLE, ecoregions
from local_ee.world.public_dates import date_in
from local_ee.world.public_facts import TABLE, TABLES, AssetFacts, assets, ids_of
from local_ee.world.public_properties import properties_of
from local_ee.world.public_units import Unit

_KEPT = 8
_RELEASE = re.compile(r"(?<=^WCMC/WDPA)/\d{6}/|(?<=^WCMC/WDOECM)/\d{6}/")
_POINTS = re.compile(r"point|plants|AirView|LUCAS|HURDAT|IBTrACS|GEDI0|OGIM|TerrADat|Lightning", re.I)
_LINES = re.compile(r"Roads|Rivers", re.I)
_PATCHES = re.compile(r"GlobFire|burned|WDPA|WDOECM|kbas|GLIMS|EPFD|PAD-US|EcosystemTyp|Mangrove|CGMD", re.I)
_BUILDINGS = re.compile(r"buildings|farmscapes", re.I)
_CELLS = 320  # of a table, about
_LOCAL_DEG = 0.0004  # cells of buildings
_WHOLE, _PATCH, _HOUSE = 1.0, 0.35, 0.5  # of a cell's side

_LEVELS: tuple[tuple[str, Callable[[], Sequence[Unit]]], ...] = (
    (r"GAUL.*/level0$|LSIB|BNDA|geoBoundaries/.*/ADM0$", public_units.countries),
    (r"GAUL.*/level1$|geoBoundaries/.*/ADM1$", public_units.states),
    (r"GAUL.*/level2$|geoBoundaries/.*/ADM2$", public_units.counties),
    (r"^TIGER/\d{4}/States$", lambda: _american(public_units.states())),
    (r"^TIGER/(?!.*(Roads|States))", lambda: _american(public_units.counties())),
)
_NAMES = {
    "adm0_name": 0, "adm1_name": 1, "adm2_name": 2, "country_na": 0, "nam_en": 0, "lbl_en": 0, "lbl_fr": 0,
    "name_fr": 0, "romnam": 0, "maplab": 0, "shapename": -1, "name": -1, "namelsad": -1, "name20": -1,
    "namelsad10": -1, "namelsad20": -1,
}  # fmt: skip
_CODES = {"adm0_code": 0, "adm1_code": 1, "adm2_code": 2, "objectid": -1, "iso_num": 0, "geo_cd": 0}
_TYPES = ("ADM0", "ADM1", "ADM2")


class PublicTables:
    """Tables of the catalog, and the tables that Google's scripts name of its collections of tables."""

    @property
    def ids(self) -> Mapping[str, None]:
        """The tables."""
        return ids_of(TABLE)

    @property
    def folders(self) -> Mapping[str, None]:
        """The collections of tables."""
        return ids_of(TABLES)

    def __contains__(self, table_id: object) -> bool:
        """Whether there is such a table."""
        folder = str(table_id).rpartition("/")[0]
        return table_id == EXAMPLE or _current(str(table_id)) in self.ids or table_id in self.members(folder)

    def members(self, folder_id: str) -> Sequence[str]:
        """The tables of a collection of tables: those that Google's scripts name."""
        return [f"{folder_id}/{name}" for name in assets()[folder_id].indices] if folder_id in self.folders else []

    def table(self, table_id: str) -> Sequence[SourceFeature] | None:
        """The features of a table, or None."""
        if table_id not in self:
            return None
        if table_id == EXAMPLE:
            return ecoregions()
        owner = _current(table_id)
        return _features(owner if owner in self.ids else table_id.rpartition("/")[0], table_id)

    def named(self, table_id: str, wanted: Mapping[str, Any]) -> SourceFeature | None:
        """A feature with wanted values of properties that the table's page lists, or None.

        Assumption: people's programs name features that Google has. The feature most like it lends its outline and its
        other properties, so it says nothing of where the named one is.
        """
        rows, asset = self.table(table_id), assets().get(_current(table_id))
        codes = dict(asset.properties) if asset is not None else {}
        if not rows or not all(_fits(value, codes.get(name, "")) for name, value in wanted.items()):
            return None
        like = max(rows, key=lambda row: sum(row.properties.get(name) == value for name, value in wanted.items()))
        index = f"{zlib.crc32(repr(sorted(wanted.items())).encode()):020x}"
        return replace(like, properties={**like.properties, **wanted, INDEX: index})


def _fits(value: Any, code: str) -> bool:
    """Whether a value has the type of a property, by the letter of its type (public_facts)."""
    return isinstance(value, str) if code == "s" else code in ("d", "i") and isinstance(value, int | float)


def _current(table_id: str) -> str:
    """The table of which an id is a release: WCMC/WDPA/202307/polygons is one of WCMC/WDPA/current/polygons."""
    return _RELEASE.sub("/current/", table_id)


@lru_cache(_KEPT)
def _features(owner_id: str, table_id: str) -> tuple[SourceFeature, ...]:
    asset = assets()[owner_id]
    units = next((units for form, units in _LEVELS if re.search(form, owner_id)), None)
    return tuple(_of_units(asset, units()) if units else _of_grid(asset, table_id))


def _american(units: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in units if unit.census]


def _of_units(asset: AssetFacts, units: Sequence[Unit]) -> Iterator[SourceFeature]:
    for row, unit in enumerate(units):
        index = f"{row:020x}"
        values = {**properties_of(asset, index, asset.start), **dict(_unit_values(asset, unit))}
        yield SourceFeature(unit.outline, {INDEX: index, **values, "simulated": 1})


def _unit_values(asset: AssetFacts, unit: Unit) -> Iterator[tuple[str, Any]]:
    """The properties that say which unit it is."""
    point = unit.outline.representative_point()
    county = f"{unit.codes[-1] % 100:03d}"
    by_name: dict[str, Any] = {
        "iso_alpha2": unit.iso2, "iso2cd": unit.iso2, "cc": unit.iso2, "country_co": unit.iso2, "abbreviati": unit.iso2,
        "iso_alpha3": unit.iso3, "iso3cd": unit.iso3, "shapegroup": unit.iso3, "admiso": unit.iso3, "iso3": unit.iso3,
        "region": unit.region, "wld_rgn": unit.region, "georeg": unit.region, "stusps": unit.postal,
        "shapetype": _TYPES[len(unit.names) - 1], "statefp": unit.census, "countyfp": county, "disp_area": "NO",
        "geoid": unit.census + (county if len(unit.names) > 2 else ""), "status": "Member State",
        "intptlat": f"{point.y:+.7f}", "intptlon": f"{point.x:+.7f}",
    }  # fmt: skip
    for name, code in asset.properties:
        key = name.lower()
        plain = re.sub(r"(10|20)$", "", key)
        value = by_name.get(key, by_name.get(plain))
        if key in _NAMES and _NAMES[key] < len(unit.names):
            value = unit.names[_NAMES[key]]
        if key in _CODES and _CODES[key] < len(unit.codes):
            value = unit.codes[_CODES[key]]
        if value is not None:
            yield name, str(value) if code == "s" else float(value) if code == "d" else value


def _of_grid(asset: AssetFacts, table_id: str) -> Iterator[SourceFeature]:
    moment = date_in(table_id.rpartition("/")[2]) or asset.start
    for row, cell in enumerate(_cells(asset)):
        index = f"{row:020x}"
        chance = random.Random(f"{table_id}|{row}")
        day = moment + (asset.end - moment) * chance.random() if table_id == asset.id else moment
        values = dict(properties_of(asset, index, day))
        shape = _shape(table_id, cell, chance)
        point = shape.representative_point()
        for name, code in asset.properties:
            if code == "d" and re.fullmatch(r"lat(itude)?|lon(gitude)?", name, re.I):
                values[name] = round(point.y if name[:2].lower() == "la" else point.x, 5)
        yield SourceFeature(shape, {INDEX: index, **values, "simulated": 1})


def _cells(asset: AssetFacts) -> Iterator[shapely.Polygon]:
    """Squares over the table's bounds, or around the place that its page shows."""
    west, south, east, north = asset.bounds
    if _BUILDINGS.search(asset.id):
        lon, lat = asset.focus or ((west + east) / 2, (south + north) / 2)
        reach = _LOCAL_DEG * 12
        west, south, east, north = lon - reach, lat - reach, lon + reach, lat + reach
    width, height = max(east - west, 1e-3), max(north - south, 1e-3)
    side = (width * height / _CELLS) ** 0.5
    columns, rows = max(round(width / side), 1), max(round(height / side), 1)
    for row in range(rows):
        for column in range(columns):
            left, bottom = west + column * width / columns, south + row * height / rows
            yield shapely.box(left, bottom, left + width / columns, bottom + height / rows)


def _shape(table_id: str, cell: shapely.Polygon, chance: random.Random) -> BaseGeometry:
    west, south, east, north = cell.bounds
    x, y = west + (east - west) * chance.uniform(0.2, 0.8), south + (north - south) * chance.uniform(0.2, 0.8)
    if _POINTS.search(table_id):
        return shapely.Point(x, y)
    if _LINES.search(table_id):
        return shapely.LineString([(west, south + (y - south) / 2), (x, y), (east, north - (north - y) / 2)])
    share = _HOUSE if _BUILDINGS.search(table_id) else _PATCH if _PATCHES.search(table_id) else _WHOLE
    if share == _WHOLE:
        return cell
    half_x, half_y = (east - west) * share / 4, (north - south) * share / 4
    return shapely.box(x - half_x, y - half_y, x + half_x, y + half_y)
