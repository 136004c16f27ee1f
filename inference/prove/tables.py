"""Tables: pages of features (step 1), exported files (step 6), and table assets (step 7)."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from isamap.gee_export.earth_engine.assets import info_or_none
from isamap.inference.prove.place import NAME, NotHere, ProofPlace
from isamap.inference.prove.probe import Probe

if TYPE_CHECKING:
    import ee

MORE_THAN_A_PAGE = 1100
TABLE = "table"
LON, LAT = 114.25, 30.5  # in Wuhan, exact in binary
DAY_MS = 1_559_347_200_000  # 2019-06-01
DEGREES = ("EPSG:4326", "POLYGON ((110 50, 120 50, 120 52, 110 52, 110 50))")
METRES = ("EPSG:3857", "POLYGON ((12000000 6400000, 13000000 6400000, 13000000 6600000, 12000000 6400000))")


def _page(place: ProofPlace) -> Any:
    """How many of 1,100 features come where 1,100 are asked for."""
    import ee

    rows = ee.FeatureCollection(ee.List.sequence(1, MORE_THAN_A_PAGE).map(lambda i: ee.Feature(None, {"i": i})))
    page = ee.data.computeFeatures({"expression": rows, "pageSize": MORE_THAN_A_PAGE})
    return {"features": len(page["features"]), "more": "nextPageToken" in page}


def _rows() -> ee.FeatureCollection:
    """A point with three properties, and a row without geometry that has another one."""
    import ee

    point = ee.Feature(ee.Geometry.Point([LON, LAT]), {"b": 1, "a": "x", "c": {"k": 1}})
    return ee.FeatureCollection([point, ee.Feature(None, {"a": "y", "d": 4})])


def _written(place: ProofPlace, name: str, table_format: str, **options: Any) -> str:
    """The file that an export of the rows writes."""
    import ee

    place.storage.listed(name)  # NotHere without a bucket
    description = f"{NAME}-{name}"
    place.note(f"task {description}, objects {NAME}/{name}")
    task = ee.batch.Export.table.toCloudStorage(
        collection=_rows(),
        description=description,
        bucket=place.bucket,
        fileNamePrefix=f"{NAME}/{name}",
        fileFormat=table_format,
        **options,
    )
    _exported(place, task)
    stored = place.storage.listed(name)
    if not stored:
        raise NotHere(f"the bucket lists no file of {description}")
    return place.storage.read(stored[0].name).decode()


def _exported(place: ProofPlace, task: Any) -> None:
    """Starts an export of a table and waits; ValueError with its words where it fails."""
    import ee

    operation = place.finished(ee.data.exportTable(ee.data.newTaskId(1)[0], dict(task.config or {}))["name"])
    if "error" in operation:
        raise ValueError(f"the export failed: {operation['error'].get('message', '')}")


def _csv(place: ProofPlace) -> Any:
    text = _written(place, "rows", "CSV")
    header, *rows = csv.reader(text.removeprefix("\ufeff").splitlines())
    index = header.index("system:index") if "system:index" in header else len(header)
    return {
        "columns": header,
        "rows": [[cell for place_, cell in enumerate(row) if place_ != index] for row in rows],
        "byte-order mark": text.startswith("\ufeff"),
    }


def _selected(place: ProofPlace) -> Any:
    """The columns of a CSV, and what a GeoJSON has of a point, where properties are chosen."""
    chosen = _written(place, "chosen", "CSV", selectors=["b", "a"])
    with_places = _written(place, "places", "CSV", selectors=["b", ".geo"])
    point = json.loads(_written(place, "point", "GeoJSON", selectors=["a"]))["features"][0]
    return {
        "columns": [text.splitlines()[0] for text in (chosen, with_places)],
        "properties": point["properties"],
        "geometry": (point["geometry"] or {}).get("type"),
    }


def _table(place: ProofPlace) -> str:
    """The id of a table asset of two points, exported unless it is there. Only the first has an `i`."""
    import ee

    asset = f"{place.assets}/{TABLE}"
    if info_or_none(asset) is None:
        place.note(f"task {NAME}-{TABLE}")
        first = {"n": 1.5, "t": "x", "l": [1, 2], "d": ee.Date(DAY_MS), "i": 2}
        points = [
            ee.Feature(ee.Geometry.Point([LON, LAT]), first),
            ee.Feature(ee.Geometry.Point([LON + 0.25, LAT]), {"n": 2.5, "t": "y", "l": [3]}),
        ]
        _exported(
            place,
            ee.batch.Export.table.toAsset(ee.FeatureCollection(points), f"{NAME}-{TABLE}", place.asset(TABLE)),
        )
    return asset


def _properties(place: ProofPlace) -> Any:
    """The properties of both rows as they are read back, in the order of their text."""
    import ee

    rows = ee.FeatureCollection(_table(place)).sort("t").getInfo()["features"]
    return {row["properties"]["t"]: sorted(row["properties"].items()) for row in rows}


def _filtered(place: ProofPlace) -> Any:
    """The texts of the rows that pass three filters."""
    return {
        filter_: sorted(row["properties"]["t"] for row in _listed(_table(place), filter_))
        for filter_ in ('n > 1 AND t = "y"', "n >= 1.5", "i != 3")
    }


def _listed(asset: str, filter_: str) -> list[dict[str, Any]]:
    import ee

    rows: list[dict[str, Any]] = ee.data.listFeatures({"assetId": asset, "filter": filter_}).get("features", [])
    return rows


def _edges(place: ProofPlace) -> Any:
    """Whether edges of ingested polygons are shortest paths, and how many corners are left."""
    return {crs: _ingested(place, f"edges-{crs[5:]}", crs, polygon) for crs, polygon in (DEGREES, METRES)}


def _ingested(place: ProofPlace, name: str, crs: str, polygon: str) -> dict[str, Any]:
    """What becomes of a polygon in a CSV."""
    import ee

    place.note(f"objects {NAME}/{name}.csv")
    place.storage.write(f"{name}.csv", f'id,place\n1,"{polygon}"\n'.encode())
    asset, uri = place.asset(name), f"{place.storage.url}/{name}.csv"
    source = {"uris": [uri], "crs": crs, "primaryGeometryColumn": "place"}
    operation = place.finished(
        ee.data.startTableIngestion(ee.data.newTaskId(1)[0], {"name": asset, "sources": [source]})["name"]
    )
    if "error" in operation and info_or_none(asset) is None:  # else the repetition after a lost reply was first
        raise ValueError(f"ingestion failed: {operation['error'].get('message', '')}")
    shape = ee.Feature(ee.FeatureCollection(asset).first()).geometry()
    return {"shortest paths": shape.geodesic().getInfo(), "corners": len(shape.getInfo()["coordinates"][0])}


PAGES: tuple[Probe, ...] = (
    Probe(
        "constants.feature-pages",
        "a page of features has at most 1,000",
        _page,
        {"features": 1000, "more": True},
    ),
)
FILES: tuple[Probe, ...] = (
    Probe(
        "exports.csv",
        "a CSV has the first feature's columns by name, between system:index and .geo; no byte-order mark",
        _csv,
        {
            "columns": ["system:index", "a", "b", "c", ".geo"],
            "rows": [
                ["x", "1", "{k=1}", f'{{"type":"Point","coordinates":[{LON},{LAT}]}}'],
                ["y", "", "", '{"type":"MultiPoint","coordinates":[]}'],
            ],
            "byte-order mark": False,
        },
        eecu_s=10,
    ),
    Probe(
        "exports.selectors",
        "selectors choose columns; a GeoJSON keeps the geometry, a CSV where .geo is selected",
        _selected,
        {"columns": ["b,a", "b,.geo"], "properties": {"a": "x"}, "geometry": "Point"},
        eecu_s=30,
    ),
)
STORED: tuple[Probe, ...] = (
    Probe(
        "assets.table",
        "table assets keep numbers, texts and lists; dates become milliseconds",
        _properties,
        {
            "x": [["d", DAY_MS], ["i", 2], ["l", [1, 2]], ["n", 1.5], ["t", "x"]],
            "y": [["l", [3]], ["n", 2.5], ["t", "y"]],
        },
        eecu_s=10,
    ),
    Probe(
        "assets.table-filter",
        "listFeatures filters by conditions joined by AND; a row that lacks the property does not pass",
        _filtered,
        {'n > 1 AND t = "y"': ["y"], "n >= 1.5": ["x", "y"], "i != 3": ["x"]},
        eecu_s=10,
    ),
    Probe(
        "assets.table-edges",
        "edges of ingested tables are shortest paths in degrees and straight in metres, moved corner by corner",
        _edges,
        {
            DEGREES[0]: {"shortest paths": True, "corners": 5},
            METRES[0]: {"shortest paths": False, "corners": 4},
        },
        eecu_s=20,
    ),
)
