"""Windows of an archive's GeoTIFF: its head, then only the tiles that are needed, each fetched once."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from local_ee import budget
from local_ee.open import tiff
from local_ee.open.blocks import Blocks, key_of
from local_ee.open.errors import ArchiveFault, Changed, Missing
from local_ee.open.flights import together
from local_ee.open.hosts import Address, Hosts, Piece, check_same
from local_ee.open.tiles import TileFile, Tiles
from local_ee.open.tokens import Tokens, wants_account
from local_ee.raster.window import Window

# Cloud-optimised files have their tables first; of a longer one more is asked for.
HEAD_BYTES, MOST_HEAD_BYTES = 16 << 10, 4 << 20
MISSING_S = 86_400.0  # a file that was not there is not asked for again so long
_TABLES = 4_096  # parsed at a time


@dataclass(frozen=True)
class FileAt:
    """A file of an archive, and the collection whose token opens it (None: anybody may read it)."""

    address: Address
    token: str | None = None


@dataclass(frozen=True)
class Head:
    """What a file said of itself, and by what it is known again."""

    file: FileAt
    total: int
    etag: str
    table: tiff.Table

    def tile_key(self, level: int, number: int) -> str:
        """The name of a tile on disk."""
        return key_of("tile", self.file.address, self.etag, self.total, level, number)


@dataclass
class Cogs:
    """Heads and tiles of all files, from disk where they are there, else from the archive. Threads may share it."""

    hosts: Hosts
    blocks: Blocks
    tokens: Tokens
    _heads: OrderedDict[Address, Head] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._tiles = Tiles(self.blocks)

    def head(self, file: FileAt) -> Head:
        """The file's head; Missing where the archive has no such file, ArchiveFault where it is no usable GeoTIFF."""
        with self._lock:
            head = self._heads.get(file.address)
        if head is None:
            head = self._kept_head(file) or self._fetched_head(file)
            with self._lock:
                self._heads[file.address] = head
                while len(self._heads) > _TABLES:
                    self._heads.popitem(last=False)
        return head

    def heads(self, files: Sequence[FileAt]) -> list[Head | Missing]:
        """The heads of several files at once, Missing in the place of one that is not there."""

        def one(file: FileAt) -> Head | Missing:
            try:
                return self.head(file)
            except Missing as missing:
                return missing

        return together(one, files)

    def window(self, head: Head, window: Window, bands: Sequence[int], level: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Values [band, row, column] of pixels within a level, and where a tile holds them (bool [row, column])."""
        at = head.table.levels[level]
        rows, cols = at.tiles(window)
        self.prefetch([(head, window, bands, level)])
        file = self._tile_file(head, level)
        values = np.zeros((len(bands), window.height, window.width), at.dtype)
        is_there_HW = np.zeros((window.height, window.width), bool)
        for row in rows:
            for col in cols:
                tile = Window(row * at.tile_height, col * at.tile_width, at.tile_height, at.tile_width)
                shared = tile.overlap(window)
                if shared is None:
                    continue
                for index, band in enumerate(bands):
                    pixels = self._tiles.pixels(file, at.number(row, col, band))
                    if pixels is not None:
                        plane = pixels[0 if at.planar else band]
                        values[(index, *shared.within(window))] = plane[shared.within(tile)]
                        is_there_HW[shared.within(window)] = True
        return values, is_there_HW

    def prefetch(self, wanted: Iterable[tuple[Head, Window, Sequence[int], int]]) -> None:
        """Brings the tiles of windows of several files near, all at once: head, window, bands and level of each."""
        self._tiles.bring(
            (self._tile_file(head, level), _numbers(head, window, bands, level))
            for head, window, bands, level in wanted
        )

    def begin(self, head: Head, window: Window, bands: Sequence[int], asker: budget.Budget | None) -> None:
        """Begins to bring the tiles of a window near for a computation that will read them (None: for no engine's)."""
        self._tiles.begin(self._tile_file(head, 0), _numbers(head, window, bands, 0), asker)

    def _tile_file(self, head: Head, level: int) -> TileFile:
        def piece(start: int, size: int) -> bytes:
            try:
                piece = self._piece(head.file, start, size)
                check_same(head.file.address, piece, head.total, head.etag)
            # The head that is known no longer fits the file: forgotten, so that the next question asks again.
            except (Changed, Missing):
                self._forget(head.file)
                raise
            return piece.body

        return TileFile(str(head.file.address), head.table.levels[level], partial(head.tile_key, level), piece)

    def _piece(self, file: FileAt, start: int, size: int) -> Piece:
        """Bytes of a file; a token that is refused is renewed once."""
        if file.token is None:
            return self.hosts.piece(file.address, start, size)
        query = "" if self.hosts.offline else self.tokens.query(file.token)
        try:
            return self.hosts.piece(file.address, start, size, query)
        except Missing as missing:
            if missing.status != 403:
                raise
        try:
            return self.hosts.piece(file.address, start, size, self.tokens.renewed(file.token, query))
        except Missing as missing:
            if missing.status != 403:
                raise
            raise wants_account(file.address.host, missing.status) from None

    def _kept_head(self, file: FileAt) -> Head | None:
        """The head that is on disk; Missing where the file was not there within the last day."""
        status = self.missing_status(file)
        if status is not None:
            raise Missing(f"{file.address} was not there lately (answer {status})", status)
        kept = self.blocks.get(key_of("head", file.address))
        if kept is None:
            return None
        facts, _, head = kept.partition(b"\n")
        total, etag = json.loads(facts)
        return Head(file, total, etag, _table(file, head, total))

    def _fetched_head(self, file: FileAt) -> Head:
        try:
            first = piece = self._piece(file, 0, HEAD_BYTES)
            while True:
                try:
                    table = _table(file, piece.body, piece.total)
                    break
                except tiff.Incomplete as more:
                    piece = self._longer(file, piece, first, more.size)
        except Missing as missing:
            self.blocks.put(key_of("missing", file.address), json.dumps([time.time(), missing.status]).encode())
            raise
        facts = json.dumps([first.total, first.etag]).encode()
        self.blocks.put(key_of("head", file.address), facts + b"\n" + piece.body)
        return Head(file, first.total, first.etag, table)

    def _longer(self, file: FileAt, piece: Piece, first: Piece, size: int) -> Piece:
        """The head with more of the file behind it."""
        size = max(size, 4 * len(piece.body))
        size = min(size, first.total, MOST_HEAD_BYTES)
        if size <= len(piece.body):
            raise ArchiveFault(f"{file.address}: its table does not lie in its first {MOST_HEAD_BYTES >> 20} MiB")
        more = self._piece(file, len(piece.body), size - len(piece.body))
        check_same(file.address, more, first.total, first.etag)
        return Piece(0, piece.body + more.body, first.total, first.etag)

    def missing_status(self, file: FileAt) -> int | None:
        """What the archive answered where the file was not there within the last day; None where nobody found that."""
        gone = self.blocks.get(key_of("missing", file.address))
        asked_s, status = json.loads(gone) if gone is not None else (0.0, None)
        is_recent = self.hosts.offline or 0 <= time.time() - asked_s < MISSING_S
        return status if is_recent else None

    def ask_again(self, files: Iterable[FileAt]) -> None:
        """Forgets that files were missing."""
        for file in files:
            self.blocks.forget(key_of("missing", file.address))

    def _forget(self, file: FileAt) -> None:
        with self._lock:
            self._heads.pop(file.address, None)
        self.blocks.forget(key_of("head", file.address))


def _numbers(head: Head, window: Window, bands: Sequence[int], level: int) -> list[int]:
    """The tiles under a window of a level."""
    at = head.table.levels[level]
    rows, cols = at.tiles(window)
    planes = bands if at.planar else (0,)
    return [at.number(row, col, plane) for plane in planes for row in rows for col in cols]


def _table(file: FileAt, head: bytes, total: int) -> tiff.Table:
    try:
        return tiff.read_table(head, total)
    except ValueError as error:
        raise ArchiveFault(f"{file.address} is no GeoTIFF that can be used: {error}") from error
