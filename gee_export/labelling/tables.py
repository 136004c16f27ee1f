"""Tables of buildings and roads on Earth Engine as data, by the name of a place: `vida:CHN`, `grip4:Europe#width=6`.

Sources: the catalogs' pages named in docs/reference/earth-engine.md, "Label products" and "Community label products".
The places themselves are not listed: they come and go, and Earth Engine says which there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isamap.gee_export.base.suggest import suggest

_COMMUNITY = "projects/sat-io/open-datasets"
_ODBL = "ODbL-1.0"
_ROADS = "roads as wide as `#width=METRES` says; no roofs, no car parks"


@dataclass(frozen=True)
class ClassTable:
    """Features by place. asset: the id, {} for the place; place_hint: what one is, with an example, or None."""

    title: str
    asset: str
    place_hint: str | None
    licence: str
    citation: str
    counts: str = "roofs; no roads, no paved ground"  # what is impervious there

    def of(self, name: str, region_name: str) -> str:
        """The id of a place's table; ValueError where a place is missing or superfluous."""
        if bool(region_name) != bool(self.place_hint):
            expected = f"{name}:PLACE, {self.place_hint}" if self.place_hint else name
            raise ValueError(f"label table {name!r}: expected {expected}")
        return self.asset.format(region_name)


TABLES: dict[str, ClassTable] = {
    "msbuildings": ClassTable(
        "Microsoft building footprints, imagery of 2014-2021", f"{_COMMUNITY}/MSBuildings/{{}}",
        "a country as that folder names it, such as Chile", _ODBL, "Microsoft, GlobalMLBuildingFootprints",
    ),
    "vida": ClassTable(
        "Google's and Microsoft's buildings, combined by VIDA", f"{_COMMUNITY}/VIDA_COMBINED/{{}}",
        "an ISO code of three letters, such as IND", f"CC-BY-4.0 or {_ODBL}", "VIDA, Google-Microsoft Open Buildings",
    ),
    "openbuildingmap": ClassTable(
        "OpenBuildingMap: OpenStreetMap's, Google's and Microsoft's buildings",
        f"{_COMMUNITY}/OPEN-BUILDING-MAPS/tiles/building_{{}}", "a quadkey of that folder", "see the catalog's page",
        "OpenBuildingMap",
    ),
    "gba": ClassTable(
        "Global Building Atlas, imagery of 2019", f"{_COMMUNITY}/GLOBAL_BUILDING_ATLAS/{{}}",
        "a tile of 5 degrees, such as e030_n25_e035_n20", "CC-BY-NC-4.0", "Zhu et al. 2025, doi:10.14459/2025mp1782307",
    ),
    "open_buildings": ClassTable(
        "Google Open Buildings v3; Africa, South and South-East Asia, Latin America, Caribbean: not China",
        "GOOGLE/Research/open-buildings/v3/polygons", None, f"CC-BY-4.0 or {_ODBL}",
        "Sirko et al. 2021, arXiv:2107.12283",
    ),
    "msroads": ClassTable(
        "Microsoft roads, imagery of 2020-2022; open to the catalog's insiders only", f"{_COMMUNITY}/MSRoads/{{}}",
        "a region as that folder names it, such as Asia/AsiaSouthEast", _ODBL, "Microsoft, RoadDetections", _ROADS,
    ),
    "grip4": ClassTable(
        "Global Roads Inventory Project", f"{_COMMUNITY}/GRIP4/{{}}",
        "a region as that folder names it, such as South-East-Asia", "CC-BY-4.0",
        "Meijer et al. 2018, doi:10.1088/1748-9326/aabd42", _ROADS,
    ),
}  # fmt: skip


def asset_of(words: str) -> str | None:
    """The asset that NAME or NAME:PLACE stands for, None for other words; ValueError offering the nearest name."""
    name, colon, region_name = words.partition(":")
    if name in TABLES:
        return TABLES[name].of(name, region_name)
    if colon and "/" not in name and "." not in name and "#" not in name:
        hint = suggest(name, TABLES) or f"expected one of {', '.join(TABLES)}"
        raise ValueError(f"label {words!r}: no table is called {name!r}, {hint}")
    return None


def facts(words: str) -> Mapping[str, str]:
    """Title, licence and citation of NAME or NAME:PLACE, for the manifest; none of other words."""
    table = TABLES.get(words.partition(":")[0])
    if table is None:
        return {}
    return {"title": table.title, "counts": table.counts, "licence": table.licence, "citation": table.citation}


def placed(name: str) -> str:
    """How a table is called in a label."""
    return f"{name}:PLACE" if TABLES[name].place_hint else name


def line(name: str) -> str:
    """A table in one line, as `isamap labels` shows it."""
    table = TABLES[name]
    region_hint = f"; PLACE is {table.place_hint}" if table.place_hint else ""
    return f"{placed(name):<24} {table.title}; {table.licence}{region_hint}"


def markdown() -> str:
    """The tables as docs/labels.md shows them."""
    head = "| table | asset | features | licence |\n|---|---|---|---|"
    rows = (
        f"| `{placed(name)}` | `{table.asset.format('PLACE')}` | {table.title}"
        + (f"; PLACE is {table.place_hint}" if table.place_hint else "")
        + f" | {table.licence} |"
        for name, table in TABLES.items()
    )
    return "\n".join([head, *rows])
