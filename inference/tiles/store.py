"""The store of a run: tiles and their receipts in a folder or under gs://. All that is known of a run is there."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gee_export.base.atomic import crc32c_base64, crc32c_base64_of
from gee_export.base.cloud_storage import BucketStorage
from gee_export.base.storage import HIDDEN, FolderStorage, Storage, is_remote, open_storage, write_whole
from inference.map_file import probability_of, sidecar_of
from inference.request import Pixels
from inference.tiles.receipt import Receipt, StoredFile
from inference.tiles.tile import AnyTile
from training.home import cache_home

TILES = "tiles"
OLD_S = 3600.0  # a temporary file this old was left by a writer that died


@dataclass(frozen=True)
class TileStore:
    """Tiles by name. work: a folder of this machine for maps in the making, on the store's own disk where it can be."""

    storage: Storage
    work: Path

    def receipt(self, tile: AnyTile) -> Receipt | None:
        """The tile's receipt where all it names is there, with the same checksums; None where anything is not."""
        name = _receipt_name(tile)
        if not self.storage.exists(name):
            return None
        receipt = Receipt.from_json(self.storage.read(name))
        if receipt is None or receipt.tile != tile.id:
            return None
        return receipt if all(self._is_whole(stored) for stored in receipt.files) else None

    def put(self, tile: AnyTile, files: tuple[Path, ...], **further: Any) -> Receipt:
        """Stores a tile's files, then its receipt, which says that they are there; further: other fields of it."""
        stored = tuple(self._keep(path) for path in files)
        self.storage.settle(file.name for file in stored)
        receipt = Receipt(tile.id, tile.name, stored, facts=tile.facts, **further)
        self.storage.write(_receipt_name(tile), receipt.to_json())
        return receipt

    @contextlib.contextmanager
    def draft(self, tile: AnyTile) -> Iterator[Path]:
        """The file of the tile's map in the making; what was made of it is removed at a good end and kept at others."""
        out = self.work / f"{tile.name}.tif"
        yield out
        for path in files_of(out):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A map or tile of the store as files of this machine: its own, or copies that go away."""
        if isinstance(self.storage, FolderStorage):
            yield self.storage.path(name)
            return
        copies = files_of(self.work / name)
        try:
            for path in copies:
                write_whole(path, self.storage.read(path.relative_to(self.work).as_posix()))
            yield copies[0]
        finally:
            for path in copies:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Removes temporary files that writers left long ago when they were killed."""
        if isinstance(self.storage, FolderStorage):
            for path in (self.storage.root / TILES).glob(".*.part"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > OLD_S:
                        path.unlink()

    def _keep(self, path: Path) -> StoredFile:
        data, name = path.read_bytes(), f"{TILES}/{path.name}"
        self.storage.write_loose(name, data)
        return StoredFile(name, len(data), crc32c_base64(data), hashlib.sha256(data).hexdigest())

    def _is_whole(self, stored: StoredFile) -> bool:
        return self._checksum(stored.name) == (stored.bytes, stored.crc32c)

    def _checksum(self, name: str) -> tuple[int, str] | None:
        """Size and crc32c of what is stored: a bucket tells them, a folder's file is read."""
        if isinstance(self.storage, BucketStorage):
            return next(((s.size, s.crc32c) for s in self.storage.listed(name) if s.name == name), None)
        if isinstance(self.storage, FolderStorage):
            path = self.storage.path(name)
            with contextlib.suppress(FileNotFoundError):
                return path.stat().st_size, crc32c_base64_of(path)
        return None


def open_store(address: str, pixels: Pixels) -> TileStore:
    """The store at a folder or gs:// address; pixels say whose bucket it is, Google's or the local engine's."""
    if not is_remote(address):
        root = Path(address).absolute()
        return TileStore(FolderStorage(root), root / HIDDEN)
    from gee_export.earth_engine.session import connect

    session = connect(pixels.project, catalog=pixels.catalog)
    work = cache_home() / "tiles" / hashlib.sha256(address.encode()).hexdigest()[:16]
    return TileStore(open_storage(address, session), work)


def files_of(out: Path) -> tuple[Path, ...]:
    """The files of a tile's map: classes, probabilities, and the names of the classes."""
    return out, probability_of(out), sidecar_of(out)


def _receipt_name(tile: AnyTile) -> str:
    return f"{TILES}/{tile.name}.json"
