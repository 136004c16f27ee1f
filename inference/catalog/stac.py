"""STAC of finished maps: a collection with an item a tile in a run's store, or one item beside a map.

STAC 1.0.0 with projection 1.1.0, raster 1.1.0, file 2.1.0, classification 1.1.0 and processing 1.1.0, which GDAL, QGIS
and odc-stac read (docs/reference/formats.md, "STAC of maps and models"). Relative links, no clock times.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gee_export.base.grid import crs_of
from gee_export.base.scheme import UNKNOWN
from gee_export.base.stac_fields import (
    FILE,
    PROCESSOR,
    SHA256_MULTIHASH,
    SIMULATOR,
    licence_links,
    moments,
    rounded,
)
from gee_export.base.storage import FolderStorage, is_remote, write_whole
from gee_export.datasets import digests
from inference.arguments import checked_argument
from inference.catalog.run_folder import TILE_INDEX, ZoneFiles, zone_files
from inference.legend import PROB_STEPS, PROBABILITY, Legend
from inference.map_file import MapFile, open_map, sidecar_of
from inference.request import Pixels
from inference.tiles.receipt import Receipt
from inference.tiles.store import TileStore, open_store

FOLDER, COLLECTION, SUFFIX = "stac", "collection.json", ".stac.json"
CONTENT = "isamap:content"  # of a collection: one hash of all files that its items list
_HOME = "https://stac-extensions.github.io"
PROCESSING, CLASSIFICATION = f"{_HOME}/processing/v1.1.0/schema.json", f"{_HOME}/classification/v1.1.0/schema.json"
PROJECTION, RASTER = (f"{_HOME}/{name}/schema.json" for name in ("projection/v1.1.0", "raster/v1.1.0"))
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
JSON = "application/json"
GEOPACKAGE = "application/geopackage+sqlite3"
ALWAYS = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")  # of maps of images that name no period
READ_BYTES = 8 << 20


@dataclass(frozen=True)
class StacReport:
    """Where the catalogue lies; printed as a line."""

    path: str
    items: int

    def __str__(self) -> str:
        return f"{self.path}: {self.items} STAC item{'s' if self.items != 1 else ''}"


def write_stac(path: str | os.PathLike[str], *, project: str | None = None) -> StacReport:
    """Write stac/collection.json and an item a tile in the store of a run, or NAME.stac.json beside a map.

    path: a folder or gs:// address of a run (of the local engine's bucket without `project`), or a map. The same files
    give the same bytes; items of tiles that are no more are removed. ValueError: neither a finished run nor a map
    there. Fault: damaged files.
    """
    address = str(checked_argument("path", path, str))
    if is_remote(address) or Path(address).is_dir():
        return write_catalogue(open_store(address, Pixels(project=project)))
    made = open_map(address)
    out = made.path.with_suffix(SUFFIX)
    write_whole(out, digests.text(item(made, out.parent, ())))
    return StacReport(str(out), 1)


def write_catalogue(store: TileStore) -> StacReport:
    """The catalogue of a run's store; as `write_stac`. The collection is written last."""
    zones = zone_files(store.storage)
    name, root = _name_and_root(store)
    back = [{"rel": rel, "href": "../collection.json", "type": JSON} for rel in ("root", "parent", "collection")]
    items, first = [], None
    for tile in dict.fromkeys(tile for zone in zones for tile in zone.tiles):  # maps may share some
        with store.local(tile) as file:
            made = open_map(file)
            items.append(item(made, root / FOLDER / "items", back, of=name))
            first = first or made
    assert first is not None
    store.storage.write_many((_item_name(each["id"]), digests.text(each)) for each in items)
    store.storage.write(f"{FOLDER}/{COLLECTION}", digests.text(collection(name, zones, first, items)))
    for stale in set(store.storage.list(f"{FOLDER}/items/")) - {_item_name(each["id"]) for each in items}:
        store.storage.delete(stale)
    return StacReport(f"{store.storage.url}/{FOLDER}/{COLLECTION}", len(items))


def is_current(store: TileStore, receipts: Iterable[Receipt]) -> bool:
    """Whether the catalogue of a store lists just the files of these receipts; no tile is read."""
    name = f"{FOLDER}/{COLLECTION}"
    if not store.storage.exists(name):
        return False
    with suppress(ValueError, AttributeError):
        sha256 = [stored.sha256 for receipt in receipts for stored in receipt.files]
        return bool(json.loads(store.storage.read(name)).get(CONTENT) == _content(sha256))
    return False


def collection(
    name: str, zones: Sequence[ZoneFiles], made: MapFile, items: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The collection of a run's tiles; its assets are the indexes that show all tiles of a zone as one raster.

    made: a tile, whose classes and licence are those of all.
    """
    west, south, east, north = zip(*(each["bbox"] for each in items), strict=True)
    properties = [each["properties"] for each in items]
    tiles = [{"rel": "item", "href": f"./items/{each['id']}.json", "type": "application/geo+json"} for each in items]
    files = [asset["file:checksum"] for each in items for asset in each["assets"].values()]
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
            "temporal": {
                "interval": [
                    [
                        min(each["start_datetime"] for each in properties),
                        max(each["end_datetime"] for each in properties),
                    ]
                ]
            },
        },
        "summaries": {
            **{
                field: sorted({each[field] for each in properties})
                for field in ("isamap:checkpoint", "isamap:simulated", "proj:epsg")
            },
            "raster:bands": [_class_band(made.legend)],
        },
        CONTENT: _content(checksum.removeprefix(SHA256_MULTIHASH) for checksum in files),
        "links": [
            {"rel": "root", "href": "./collection.json", "type": JSON},
            *_licences(made),
            {"rel": "describedby", "href": "../status.json", "type": JSON},
            *tiles,
        ],
        "assets": {key: asset for zone in zones for key, asset in _indexes(zone)},
    }


def _indexes(zone: ZoneFiles) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files that show all tiles of a zone as one raster."""
    whole = f"All tiles of {zone.name} as one raster"
    for key, name, media_type, title in (
        (zone.name, zone.index, "application/xml", f"{whole} (GDAL virtual file)"),
        (f"{zone.name}_gti", f"{zone.name}{TILE_INDEX}", GEOPACKAGE, f"{whole} (GDAL raster tile index, GDAL 3.9)"),
    ):
        yield key, {"href": f"../{name}", "type": media_type, "title": title, "roles": ["data", "index"]}


def _name_and_root(store: TileStore) -> tuple[str, Path]:
    """What a collection is called, and where its files lie on this machine while they are read."""
    if isinstance(store.storage, FolderStorage):
        return store.storage.root.resolve().name, store.storage.root
    return store.storage.url.rpartition("/")[2], store.work


def _item_name(tile: str) -> str:
    return f"{FOLDER}/items/{tile}.json"


def _content(sha256: Iterable[str]) -> str:
    """One hash of the hashes of all files."""
    return hashlib.sha256("".join(sorted(sha256)).encode()).hexdigest()


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
    if _is_simulated(made):
        return [PROCESSOR, SIMULATOR]
    return [PROCESSOR, {"name": f"input: {made.tags.get('licence', 'unknown licence')}"[:200], "roles": ["licensor"]}]


def _licences(made: MapFile) -> list[dict[str, str]]:
    """The pages of the licences of its input, isamap's own of a simulation, none where none is known."""
    return licence_links([made.tags.get("licence", "")], simulated=_is_simulated(made))


def _words(made: MapFile) -> str:
    return "SIMULATED, says nothing about the real place. " if _is_simulated(made) else ""


def _is_simulated(made: MapFile) -> bool:
    return made.tags.get("simulated") == "true"


def period_of(tags: Mapping[str, str]) -> tuple[str, str]:
    """First and last moment, RFC 3339 in UTC; the tags' end is exclusive."""
    if "period_start" not in tags or "period_end" not in tags:
        return ALWAYS
    return moments(tags["period_start"], tags["period_end"])
