"""STAC of finished maps: a collection with an item a tile in a run's store, or one item beside a map.

Items are written one by one, from the receipts of the tiles: no tile is read, and a catalogue of a hundred thousand
takes no more memory than one of ten.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import is_remote, write_whole
from isamap.gee_export.datasets import digests
from isamap.inference.catalog.run_folder import ZoneFiles, zone_files
from isamap.inference.catalog.stac_item import (
    CLASSIFICATION,
    COG,
    PROJECTION,
    RASTER,
    XML,
    ItemFile,
    class_band,
    files_beside,
    is_simulated,
    item,
    licences,
    probability_band,
    providers,
    share_band,
)
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.map_files.map_file import MapFile, numbers_words, open_map
from isamap.inference.map_files.simulation import preface
from isamap.inference.mapping.request import Pixels
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.store import TileStore, folder_of, open_store
from isamap.inference.tiles.tile_file import map_of

FOLDER, COLLECTION, SUFFIX = "stac", "collection.json", ".stac.json"
CONTENT = "isamap:content"  # of a collection: one hash of all files that its items list
MOST_LINKS = 1000  # of a collection: with more tiles a catalogue of each sub-folder names its own
JSON, GEOJSON = "application/json", "application/geo+json"
GEOPACKAGE = "application/geopackage+sqlite3"


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
    write_whole(out, digests.text(item(made, files_beside(made, out.parent), ())))
    return StacReport(str(out), 1)


def write_catalogue(store: TileStore) -> StacReport:
    """The catalogue of a run's store; as `write_stac`. The collection is written last."""
    zones = zone_files(store.storage)
    tiles = sorted({tile for zone in zones for tile in zone.tiles}, key=_folder_and_name)  # maps may share some
    catalogue = _Catalogue(store, _name_of(store), is_deep=len(tiles) > MOST_LINKS)
    store.storage.write_many(catalogue.documents(tiles))
    store.storage.write(f"{FOLDER}/{COLLECTION}", digests.text(catalogue.collection(zones)))
    # After the collection, which names them no longer: no link ever leads to an item that is gone.
    for stale in set(store.storage.list(f"{FOLDER}/items/")) - catalogue.names:
        store.storage.delete(stale)
    return StacReport(f"{store.storage.url}/{FOLDER}/{COLLECTION}", len(tiles))


def is_current(store: TileStore, receipts: Iterable[Receipt]) -> bool:
    """Whether the catalogue of a store lists just the files of these receipts; no tile is read."""
    name = f"{FOLDER}/{COLLECTION}"
    if not store.storage.exists(name):
        return False
    with suppress(ValueError, AttributeError):
        return bool(json.loads(store.storage.read(name)).get(CONTENT) == _content(receipts))
    return False


@dataclass
class _Catalogue:
    """A catalogue in the making: what the collection says of all items, gathered while they are written.

    is_deep: the collection names a catalogue a sub-folder, and these name the items.
    """

    store: TileStore
    name: str
    is_deep: bool
    names: set[str] = field(default_factory=set)  # of all documents but the collection
    links: list[dict[str, str]] = field(default_factory=list)
    first: MapFile | None = None
    bbox: tuple[float, ...] | None = None
    period: tuple[str, str] | None = None
    summaries: dict[str, set[Any]] = field(default_factory=dict)
    content: list[bytes] = field(default_factory=list)

    def documents(self, tiles: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of every item, and of the catalogues between them and the collection."""
        for folder, own in groupby(tiles, key=lambda tile: _folder_and_name(tile)[0]):
            links = []
            for tile in own:
                document = self._item(tile)
                self._note(document)
                links.append(f"{document['id']}.json")
                yield self._named(f"{folder}/{links[-1]}"), digests.text(document)
            if self.is_deep:
                yield self._named(f"{folder}/catalog.json"), digests.text(self._catalog(folder, links))
                self.links.append(_link("child", f"./items/{folder}/catalog.json"))
            else:
                self.links += [_link("item", f"./items/{folder}/{link}") for link in links]

    def collection(self, zones: Sequence[ZoneFiles]) -> dict[str, Any]:
        """The collection; its assets are the files that show all tiles of a zone as one raster."""
        made, count = self.first, len(self.content)
        assert made is not None and self.bbox is not None and self.period is not None
        return {
            "type": "Collection",
            "stac_version": "1.0.0",
            "stac_extensions": [PROJECTION, RASTER, CLASSIFICATION],
            "id": self.name,
            "title": f"{self.name}: maps of {', '.join(made.legend.names)}",
            "description": f"{preface(made.tags)}{count} tiles, made by isamap.",
            "license": "various",
            "keywords": ["impervious surface", "land cover", *(["simulated"] if is_simulated(made) else [])],
            "providers": providers(made),
            "extent": {"spatial": {"bbox": [list(self.bbox)]}, "temporal": {"interval": [list(self.period)]}},
            "summaries": {
                **{name: sorted(values) for name, values in self.summaries.items()},
                "raster:bands": [class_band(made.legend)],
            },
            CONTENT: _joined(self.content),
            "links": [
                _link("root", f"./{COLLECTION}"),
                *licences(made),
                _link("describedby", "../status.json"),
                *self.links,
            ],
            "assets": {key: asset for zone in zones for key, asset in _whole(zone, made)},
        }

    def _item(self, tile: str) -> dict[str, Any]:
        receipt = Receipt.from_json(self.store.storage.read(str(PurePosixPath(tile).with_suffix(".json"))))
        if receipt is None or not receipt.files or receipt.classes.name != tile:
            raise Fault(f"{self.store.storage.url}/{tile} has no receipt: run the same `isamap run` command again")
        made = map_of(receipt)
        self.first = self.first or made
        self.content.append(_digest(receipt))
        files = {Path(file.name): ItemFile(f"../../../{file.name}", file.bytes, file.sha256) for file in receipt.files}
        parent = "./catalog.json" if self.is_deep else f"../../{COLLECTION}"
        links = [_link("root", f"../../{COLLECTION}"), _link("parent", parent),
                 _link("collection", f"../../{COLLECTION}")]  # fmt: skip
        return item(made, files, links, of=self.name)

    def _note(self, document: dict[str, Any]) -> None:
        west, south, east, north = document["bbox"]
        properties = document["properties"]
        period = properties["start_datetime"], properties["end_datetime"]
        before, times = self.bbox or (west, south, east, north), self.period or period
        self.bbox = min(before[0], west), min(before[1], south), max(before[2], east), max(before[3], north)
        self.period = min(times[0], period[0]), max(times[1], period[1])
        for name in ("isamap:checkpoint", "isamap:simulated", "proj:epsg"):
            self.summaries.setdefault(name, set()).add(properties[name])

    def _named(self, name: str) -> str:
        name = f"{FOLDER}/items/{name}"
        self.names.add(name)
        return name

    def _catalog(self, folder: str, items: Sequence[str]) -> dict[str, Any]:
        """Of a sub-folder's items."""
        above = [_link(rel, f"../../{COLLECTION}") for rel in ("root", "parent")]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": f"{self.name}-{folder}",
            "description": f"{len(items)} of the tiles of {self.name}.",
            "links": [*above, *(_link("item", f"./{name}") for name in items)],
        }


def _whole(zone: ZoneFiles, made: MapFile) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files that show all tiles of a zone as one raster, of classes, probabilities and percents."""
    layers = (
        ("", ", ".join(made.legend.names), class_band(made.legend)),
        ("_prob", numbers_words(made.tags), probability_band()),
        ("_share", "percent of impervious ground", share_band()),
    )
    kinds = (
        (".vrt", "", XML, "GDAL virtual file", ["data", "index"]),
        (".gti.gpkg", "_gti", GEOPACKAGE, "GDAL raster tile index, GDAL 3.9", ["data", "index"]),
        (".tif", "_cog", COG, "one file", ["data"]),
    )
    for layer, words, band in layers:
        for ending, suffix, media_type, data_type, roles in kinds:
            name = f"{zone.name}{layer}{ending}"
            if name in zone.files:
                yield (
                    f"{zone.name}{layer}{suffix}",
                    {
                        "href": f"../{name}",
                        "type": media_type,
                        "title": f"All tiles of {zone.name} as one raster: {words} ({data_type})",
                        "roles": roles,
                        "raster:bands": [band],
                    },
                )


def _name_of(store: TileStore) -> str:
    """What a collection is called: the last name of the store's address."""
    return (
        Path(store.storage.url).resolve().name
        if not is_remote(store.storage.url)
        else store.storage.url.rpartition("/")[2]
    )


def _folder_and_name(tile: str) -> tuple[str, str]:
    """The sub-folder of a tile's item, and the tile's name."""
    name = PurePosixPath(tile).stem
    return folder_of(name).rpartition("/")[2], name


def _link(rel: str, href: str) -> dict[str, str]:
    return {"rel": rel, "href": href, "type": GEOJSON if rel == "item" else JSON}


def _content(receipts: Iterable[Receipt]) -> str:
    """One hash of the hashes of all files of tiles."""
    return _joined([_digest(receipt) for receipt in receipts if receipt.files])


def _joined(hashes: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(sorted(hashes))).hexdigest()


def _digest(receipt: Receipt) -> bytes:
    return hashlib.sha256("".join(file.sha256 for file in receipt.files).encode()).digest()
