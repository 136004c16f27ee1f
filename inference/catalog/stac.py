"""STAC of finished maps: a collection with an item a tile beside a run, or one item beside a map.

STAC 1.0.0 with projection 1.1.0, raster 1.1.0, file 2.1.0, classification 1.1.0 and processing 1.1.0, which GDAL, QGIS
and odc-stac read (docs/reference/formats.md, "STAC of maps and models"). Relative links, no clock times.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gee_export.base.grid import crs_of
from gee_export.base.scheme import UNKNOWN
from gee_export.base.stac_fields import moments, rounded
from gee_export.base.storage import write_whole
from gee_export.datasets import digests
from inference.arguments import checked_argument
from inference.catalog.run_folder import ZoneTiles, zones_of
from inference.legend import PROB_STEPS, PROBABILITY, Legend
from inference.map_file import MapFile, open_map, sidecar_of

FOLDER, COLLECTION, SUFFIX = "stac", "collection.json", ".stac.json"
_HOME = "https://stac-extensions.github.io"
PROCESSING, CLASSIFICATION = f"{_HOME}/processing/v1.1.0/schema.json", f"{_HOME}/classification/v1.1.0/schema.json"
PROJECTION, RASTER, FILE = (
    f"{_HOME}/{name}/schema.json" for name in ("projection/v1.1.0", "raster/v1.1.0", "file/v2.1.0")
)
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
JSON = "application/json"
SHA256_MULTIHASH = "1220"  # code 0x12, 0x20 bytes (https://github.com/multiformats/multicodec)
ALWAYS = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")  # of maps of images that name no period
COPERNICUS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
READ_BYTES = 8 << 20


@dataclass(frozen=True)
class StacReport:
    """Where the catalogue lies; printed as a line."""

    path: Path
    items: int

    def __str__(self) -> str:
        return f"{self.path}: {self.items} STAC item{'s' if self.items != 1 else ''}"


def write_stac(path: str | os.PathLike[str]) -> StacReport:
    """Write stac/collection.json and an item a tile in the folder of a run, or NAME.stac.json beside a map.

    The same files give the same bytes; items of tiles that are no more are removed. ValueError: neither a finished run
    nor a map there. Fault: damaged files.
    """
    place = Path(checked_argument("path", path, str))
    if not place.is_dir():
        made = open_map(place)
        out = place.with_suffix(SUFFIX)
        write_whole(out, digests.text(item(made, out.parent, ())))
        return StacReport(out, 1)
    zones = zones_of(place)
    folder = place / FOLDER
    back = [{"rel": name, "href": "../collection.json", "type": JSON} for name in ("root", "parent", "collection")]
    items = [item(tile, folder / "items", back, of=place.resolve().name) for zone in zones for tile in zone.tiles]
    for each in items:
        write_whole(folder / "items" / f"{each['id']}.json", digests.text(each))
    write_whole(folder / COLLECTION, digests.text(collection(place, zones, items)))
    for path_ in set((folder / "items").glob("*.json")) - {folder / "items" / f"{each['id']}.json" for each in items}:
        path_.unlink()
    return StacReport(folder / COLLECTION, len(items))


def collection(run: Path, zones: Sequence[ZoneTiles], items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The collection of a run's tiles; its assets are the indexes that show all tiles of a zone as one raster."""
    west, south, east, north = zip(*(each["bbox"] for each in items), strict=True)
    moments = [(each["properties"]["start_datetime"], each["properties"]["end_datetime"]) for each in items]
    starts, ends = zip(*moments, strict=True)
    name, made = run.resolve().name, zones[0].tiles[0]
    tiles = [{"rel": "item", "href": f"./items/{each['id']}.json", "type": "application/geo+json"} for each in items]
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "stac_extensions": [PROJECTION, RASTER, CLASSIFICATION],
        "id": name,
        "title": f"{name}: maps of {', '.join(made.legend.names)}",
        "description": f"{_words(made)}{len(items)} tiles, made by isamap.",
        "license": "various",
        "keywords": ["impervious surface", "land cover", *(["simulated"] if _is_simulated(made) else [])],
        "providers": _providers(made),
        "extent": {
            "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
            "temporal": {"interval": [[min(starts), max(ends)]]},
        },
        "summaries": {
            "isamap:checkpoint": sorted({tile.tags["checkpoint"] for zone in zones for tile in zone.tiles}),
            "isamap:simulated": sorted({_is_simulated(tile) for zone in zones for tile in zone.tiles}),
            "proj:epsg": sorted({_place(tile)["proj:epsg"] for zone in zones for tile in zone.tiles}),
            "raster:bands": [_class_band(made.legend)],
        },
        "links": [
            {"rel": "root", "href": "./collection.json", "type": JSON},
            *_licences(made),
            {"rel": "describedby", "href": "../status.json", "type": JSON},
            *tiles,
        ],
        "assets": {
            zone.name: {
                "href": f"../{zone.index.name}",
                "type": "application/xml",
                "title": f"All tiles of {zone.name} as one raster (GDAL virtual file)",
                "roles": ["data", "index"],
            }
            for zone in zones
        },
    }


def item(made: MapFile, folder: Path, links: Sequence[Mapping[str, Any]], *, of: str | None = None) -> dict[str, Any]:
    """The item of a map's files; folder: from which its addresses are relative. of: the collection's name."""
    ground = made.geobox.extent.to_crs("EPSG:4326")
    start, end = period_of(made.tags)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [PROJECTION, RASTER, CLASSIFICATION, PROCESSING, FILE],
        "id": made.path.stem,
        "geometry": rounded(ground.json),
        "bbox": [round(side, 7) for side in ground.boundingbox.bbox],
        "properties": {
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            "description": f"{_words(made)}{', '.join(made.legend.names)} by {made.tags.get('model', 'isamap')}.",
            "license": "various",
            "providers": _providers(made),
            **_place(made),
            **_processing(made.tags),
            "isamap:simulated": _is_simulated(made),
            "isamap:checkpoint": made.tags.get("checkpoint", "unknown"),
        },
        "links": [*links, *_licences(made)],
        **({"collection": of} if of else {}),
        "assets": _assets(made, folder),
    }


def _assets(made: MapFile, folder: Path) -> dict[str, Any]:
    bands = {made.legend.band: _class_band(made.legend), PROBABILITY: _probability_band()}
    files: dict[Path, list[str]] = {}
    for name, band in made.bands.items():
        files.setdefault(band.path, []).append(name)
    assets = {
        "_".join(names): _asset(path, folder, COG, "data") | {"raster:bands": [bands[name] for name in names]}
        for path, names in files.items()
    }
    if sidecar_of(made.path).is_file():
        assets["names"] = _asset(sidecar_of(made.path), folder, "application/xml", "metadata")
    return assets


def _asset(path: Path, folder: Path, media_type: str, role: str) -> dict[str, Any]:
    """Address, size and checksum of a file that is there."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    address = Path(os.path.relpath(path, folder)).as_posix()
    return {
        "href": address if address.startswith("../") else f"./{address}",
        "type": media_type,
        "roles": [role],
        "file:size": path.stat().st_size,
        "file:checksum": SHA256_MULTIHASH + digest,
    }


def _class_band(legend: Legend) -> dict[str, Any]:
    rows = enumerate(zip(legend.names, legend.colours, strict=True))
    classes = [
        {"value": value, "name": name, "description": name.replace("_", " "), "color_hint": colour.upper()}
        for value, (name, colour) in rows
    ]
    unknown = {"value": UNKNOWN, "name": "unknown", "description": "unknown", "nodata": True}
    return {"data_type": "uint8", "nodata": UNKNOWN, "classification:classes": [*classes, unknown]}


def _probability_band() -> dict[str, Any]:
    return {"data_type": "uint8", "nodata": UNKNOWN, "scale": 1 / PROB_STEPS, "offset": 0, "unit": "1"}


def _place(made: MapFile) -> dict[str, Any]:
    """The projection extension's fields; proj:epsg null where the CRS has no such number."""
    crs = crs_of(made.geobox)
    named = {"proj:epsg": crs.epsg} if crs.epsg else {"proj:epsg": None, "proj:wkt2": crs.to_wkt()}
    return named | {"proj:transform": list(made.geobox.affine)[:6], "proj:shape": list(made.geobox.shape)}


def _processing(tags: Mapping[str, str]) -> dict[str, Any]:
    scenes = f" from {tags['scenes']}" if "scenes" in tags else ""
    lineage = f"{tags.get('model', 'unknown model')} {tags.get('checkpoint', '')[:16]}{scenes}"
    software = {
        "isamap": "checkpoint " + tags.get("checkpoint", "unknown")[:16],
        "runtime": tags.get("runtime", "torch"),
    }
    return {"processing:level": "L4", "processing:lineage": lineage, "processing:software": software}


def _providers(made: MapFile) -> list[dict[str, Any]]:
    """Who made the map and its input; a simulation has no other producer than the local engine."""
    processor = {"name": "isamap", "roles": ["processor"], "url": "https://github.com/isamap/isamap"}
    if _is_simulated(made):
        return [processor, {"name": "isamap's local engine (simulated)", "roles": ["producer"]}]
    return [processor, {"name": f"input: {made.tags.get('licence', 'unknown licence')}"[:200], "roles": ["licensor"]}]


def _licences(made: MapFile) -> list[dict[str, Any]]:
    """The page of the licence: Copernicus' of its imagery, isamap's own of a simulation, none where none is known."""
    licence = made.tags.get("licence", "")
    if "copernicus" in licence.lower():
        return [{"rel": "license", "href": COPERNICUS, "type": "application/pdf", "title": licence}]
    if _is_simulated(made):
        return [{"rel": "license", "href": "https://www.apache.org/licenses/LICENSE-2.0", "type": "text/html"}]
    return []


def _words(made: MapFile) -> str:
    return "SIMULATED, says nothing about the real place. " if _is_simulated(made) else ""


def _is_simulated(made: MapFile) -> bool:
    return made.tags.get("simulated") == "true"


def period_of(tags: Mapping[str, str]) -> tuple[str, str]:
    """First and last moment, RFC 3339 in UTC; the tags' end is exclusive."""
    if "period_start" not in tags or "period_end" not in tags:
        return ALWAYS
    return moments(tags["period_start"], tags["period_end"])
