"""A tile's two files read back from the store of a run: its pixels, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gee_export.base.rasters import open_bytes
from inference.legend import Legend
from inference.map_file import probability_of
from inference.tiles.store import TILES, TileStore
from inference.tiles.tile import AnyTile


@dataclass(frozen=True)
class TileHead:
    """What a tile's file of classes says of itself: rows and columns, tags, and what its classes mean."""

    shape: tuple[int, int]
    tags: Mapping[str, str]
    legend: Legend


def head_of(tile: AnyTile, store: TileStore) -> TileHead:
    """The head of a tile that has files; Fault where they are missing or damaged."""
    name = classes_name(tile)
    with open_bytes(store.storage.read(name), name) as file:
        tags = file.tags()
        return TileHead(file.shape, tags, Legend.of_tags(tags))


def classes_of(tile: AnyTile, store: TileStore) -> np.ndarray:
    """A tile's classes, uint8 (rows, columns)."""
    return _band(classes_name(tile), store)


def shares_of(tile: AnyTile, store: TileStore) -> np.ndarray:
    """A tile's probabilities as they are stored, uint8 (rows, columns)."""
    return _band(shares_name(tile), store)


def classes_name(tile: AnyTile) -> str:
    """The file of a tile's classes in the store."""
    return f"{TILES}/{tile.name}.tif"


def shares_name(tile: AnyTile) -> str:
    """The file of a tile's probabilities in the store."""
    return probability_of(Path(classes_name(tile))).as_posix()


def _band(name: str, store: TileStore) -> np.ndarray:
    with open_bytes(store.storage.read(name), name) as file:
        values: np.ndarray = file.read(1)
        return values
