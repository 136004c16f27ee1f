"""A tile's files read back from the store of a run: its pixels, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.rasters import open_bytes, open_raster
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import MapBand, MapFile
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.store import TileStore


@dataclass(frozen=True)
class TileHead:
    """What a tile's file of classes says of itself: rows and columns, tags, and what its classes mean."""

    shape: tuple[int, int]
    tags: Mapping[str, str]
    legend: Legend


def head_of(receipt: Receipt, store: TileStore) -> TileHead:
    """The head of a tile that has files; Fault where they are missing or damaged."""
    name = receipt.classes.name
    with open_bytes(store.storage.read(name), name) as file:
        tags = file.tags()
        return TileHead(file.shape, tags, Legend.of_tags(tags))


def written_head(path: Path) -> dict[str, Any]:
    """What a receipt keeps of the head of a file of classes, as JSON holds it."""
    with open_raster(path) as file:
        return {"shape": list(file.shape), "transform": list(file.transform)[:6], "tags": file.tags()}


def map_of(receipt: Receipt) -> MapFile:
    """A tile as its receipt describes it, its files by their names in the store; nothing of these is read."""
    head = receipt.head
    geobox = GeoBox(tuple(head["shape"]), Affine(*head["transform"]), f"EPSG:{receipt.facts['window'][0]}")
    shares = None if receipt.shares is None else MapBand(Path(receipt.shares.name))
    path, probability = Path(receipt.classes.name), MapBand(Path(receipt.probabilities.name))
    return MapFile(path, head["tags"], Legend.of_tags(head["tags"]), geobox, probability, shares)


def classes_of(receipt: Receipt, store: TileStore) -> np.ndarray:
    """A tile's classes, uint8 (rows, columns)."""
    return _band(receipt.classes.name, store)


def probabilities_of(receipt: Receipt, store: TileStore) -> np.ndarray:
    """A tile's probabilities as they are stored, uint8 (rows, columns)."""
    return _band(receipt.probabilities.name, store)


def _band(name: str, store: TileStore) -> np.ndarray:
    with open_bytes(store.storage.read(name), name) as file:
        values: np.ndarray = file.read(1)
        return values
