"""The store of a run: tiles and their receipts in a folder or under gs://. All that is known of a run is there.

Tiles lie in up to 256 sub-folders by their ids, so no folder holds more than a few thousand files.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import crc32c_base64, crc32c_base64_of
from isamap.gee_export.base.cloud_storage import THREADS, BucketStorage
from isamap.gee_export.base.storage import HIDDEN, FolderStorage, Storage, is_remote, open_storage, write_whole
from isamap.inference.map_files.map_file import files_of
from isamap.inference.mapping.request import Pixels
from isamap.inference.tiles.receipt import Receipt, StoredFile
from isamap.inference.tiles.tile import NAME_DIGITS, AnyTile
from isamap.training.home import cache_home

TILES = "tiles"
# An hour: other workers write here at the same time, and no write of theirs takes so long.
OLD_S = 3600.0  # a temporary file this old was left by a writer that died
# 256 folders: a list of one has hundreds of tiles and not a hundred thousand.
_FOLDER_DIGITS = 2

Listing = Mapping[str, tuple[int, str] | None]  # names with size and crc32c; a folder tells only names


@dataclass(frozen=True)
class TileStore:
    """Tiles by name. work: a folder of this machine for maps in the making, on the store's own disk where it can be."""

    storage: Storage
    work: Path

    def receipt(self, tile: AnyTile) -> Receipt | None:
        """The tile's receipt where all it names is there, with the same checksums; None where anything is not."""
        return next(self.whole([tile]), None)

    def names(self, tiles: Iterable[AnyTile]) -> set[str]:
        """The names of the tiles that have a receipt, of whatever run; nothing is read."""
        return {tile.name for tile, _, _ in self._listed(tiles)}

    def noted(self, tiles: Iterable[AnyTile]) -> Iterator[tuple[Receipt, bool]]:
        """The receipt of each tile that has one, and whether the store's lists show that all it names is whole.

        Sub-folder by sub-folder, each listed once; a folder's lists show no checksums.
        """
        with ThreadPoolExecutor(THREADS if isinstance(self.storage, BucketStorage) else 1) as pool:
            for group in self._groups(tiles):
                for receipt, listing in filter(None, pool.map(self._read, group)):
                    yield receipt, all(listing.get(f.name) == (f.bytes, f.crc32c) for f in receipt.files)

    def whole(self, tiles: Iterable[AnyTile]) -> Iterator[Receipt]:
        """The receipts of the tiles that are there, every file by its checksum: a bucket tells it, a file is read."""
        for receipt, is_shown in self.noted(tiles):
            if is_shown or all(self._is_whole(stored) for stored in receipt.files):
                yield receipt

    def put(self, tile: AnyTile, files: Iterable[Path], **further: Any) -> Receipt:
        """Stores a tile's files, then its receipt, which says that they are there; further: other fields of it."""
        folder = folder_of(tile.name)
        stored = tuple(self._keep(path, folder) for path in files)
        # On the disk before the receipt is written, or a power cut could leave a receipt without its files.
        self.storage.settle(file.name for file in stored)
        receipt = Receipt(tile.id, tile.name, stored, facts=tile.facts, **further)
        self.storage.write(f"{folder}/{tile.name}.json", receipt.to_json())
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
        stored = set(self.storage.list(name.removesuffix(".tif"), deep=False))
        copies = {path: copy for path in files_of(self.work / name)
                  if (copy := path.relative_to(self.work).as_posix()) in stored}  # fmt: skip
        try:
            for path, copy in copies.items():
                write_whole(path, self.storage.read(copy))
            yield self.work / name
        finally:
            for path in copies:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Removes temporary files that writers left long ago when they were killed."""
        if isinstance(self.storage, FolderStorage):
            for path in (self.storage.root / TILES).rglob(".*.part"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > OLD_S:
                        path.unlink()

    def _groups(self, tiles: Iterable[AnyTile]) -> Iterator[list[tuple[AnyTile, str, Listing]]]:
        """The tiles that have a receipt, with its name and what is listed beside it; a sub-folder at a time."""
        by_folder: dict[str, list[AnyTile]] = {}
        for tile in tiles:
            by_folder.setdefault(folder_of(tile.name), []).append(tile)
        groups = list(by_folder.values())
        only = groups[0][0] if list(map(len, groups)) == [1] else None  # a worker asks for one tile among many
        for folder, own in sorted(by_folder.items()):
            listing = self._list(folder, only)
            places = ((tile, f"{folder}/{tile.name}.json") for tile in own)
            yield [(tile, name, listing) for tile, name in places if name in listing]

    def _listed(self, tiles: Iterable[AnyTile]) -> Iterator[tuple[AnyTile, str, Listing]]:
        for group in self._groups(tiles):
            yield from group

    def _list(self, folder: str, only: AnyTile | None) -> dict[str, tuple[int, str] | None]:
        """What lies in a folder, or of it what belongs to one tile."""
        if isinstance(self.storage, BucketStorage):
            start = f"{folder}/{only.name if only else ''}"
            return {each.name: (each.size, each.crc32c) for each in self.storage.listed(start, deep=False)}
        if only is None:
            return dict.fromkeys(self.storage.list(f"{folder}/", deep=False))
        name = f"{folder}/{only.name}.json"
        return {name: None} if self.storage.exists(name) else {}

    def _read(self, listed: tuple[AnyTile, str, Listing]) -> tuple[Receipt, Listing] | None:
        tile, name, listing = listed
        receipt = Receipt.from_json(self.storage.read(name))
        # The name holds 12 of 32 digits: the receipt's full id decides.
        if receipt is None or receipt.tile != tile.id:
            return None
        return replace(receipt, tile=tile.id), listing  # one string in memory for both

    def _keep(self, path: Path, folder: str) -> StoredFile:
        data, name = path.read_bytes(), f"{folder}/{path.name}"
        self.storage.write_loose(name, data)
        return StoredFile(name, len(data), crc32c_base64(data), hashlib.sha256(data).hexdigest())

    def _is_whole(self, stored: StoredFile) -> bool:
        if not isinstance(self.storage, FolderStorage):
            return False  # a bucket's list has shown another checksum
        path = self.storage.path(stored.name)
        with contextlib.suppress(FileNotFoundError):
            return (path.stat().st_size, crc32c_base64_of(path)) == (stored.bytes, stored.crc32c)
        return False


def open_store(address: str, pixels: Pixels) -> TileStore:
    """The store at a folder or gs:// address; pixels say whose bucket it is, Google's or the local engine's."""
    if not is_remote(address):
        root = Path(address).absolute()
        return TileStore(FolderStorage(root), root / HIDDEN)
    from isamap.gee_export.earth_engine.session import connect

    session = connect(pixels.project, catalog=pixels.catalog)
    work = cache_home() / "tiles" / hashlib.sha256(address.encode()).hexdigest()[:16]
    return TileStore(open_storage(address, session), work)


def folder_of(name: str) -> str:
    """The folder of a tile's files, by the first digits of its id."""
    return f"{TILES}/{name[-NAME_DIGITS:][:_FOLDER_DIGITS]}"
