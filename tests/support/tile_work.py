"""Work that paints tiles without engine and network, in any process; some of it fails or dies as its markers say."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.periods import Month
from isamap.gee_export.requests.meter import Meter
from isamap.gee_export.requests.quota import Use
from isamap.inference.mapping.request import Computing, Pixels
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.spending import EECU
from isamap.inference.tiles.store import TileStore
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.tiling import TileWindow
from isamap.inference.tiles.work import Work

FINGERPRINT = "c0ffee" * 8


def tiles(count: int, fingerprint: str = FINGERPRINT) -> list[Tile]:
    """Tiles beside each other, of one period and checkpoint."""
    period = Month(2019, 6).period
    windows = [TileWindow(32650, -340, col, 64) for col in range(count)]
    return [Tile(window, period, "runs/a", fingerprint, Pixels(), Computing()) for window in windows]


def content(tile: Tile) -> bytes:
    """What the painted file of a tile holds."""
    return f"pixels of {tile.id}\n".encode() * 50


@dataclass(frozen=True)
class Painted(Work):
    """Writes `content`. markers: a folder with files `fail-COL`, `mistake-COL` and `die-COL`, of which each holds how
    often that still happens to the tile of that column; `seconds` and `slow-COL` hold how long each tile, and that
    one, takes; `eecu` what an attempt costs. calls: of each tile a file grows by one byte with every attempt.
    """

    markers: str = ""

    def _made(self, tile: Tile, store: TileStore, use: Use) -> Receipt:
        column = tile.window.col
        use.meters.append(Meter(named_s=self._number("eecu")))
        self._count(f"calls-{column}")
        time.sleep(self._number("seconds") + self._number(f"slow-{column}"))
        if self._spend(f"die-{column}"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._spend(f"fail-{column}"):
            raise Fault(f"the server has no pixels of column {column}")
        if self._spend(f"mistake-{column}"):
            raise ValueError(f"column {column} is the user's mistake")
        with store.draft(tile) as out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(content(tile))
            return store.put(tile, (out,), measured={"process": os.getpid(), EECU: use.eecu_s})

    def _count(self, name: str) -> None:
        with (Path(self.markers) / name).open("ab") as file:
            file.write(b".")

    def _number(self, name: str) -> float:
        path = Path(self.markers) / name
        return float(path.read_text()) if path.exists() else 0.0

    def _spend(self, name: str) -> bool:
        """Whether the marker still has a turn, which is used up."""
        turns = int(self._number(name))
        if turns:
            (Path(self.markers) / name).write_text(str(turns - 1))
        return turns > 0


def calls(markers: Path, column: int) -> int:
    """How often a tile was begun."""
    path = markers / f"calls-{column}"
    return path.stat().st_size if path.exists() else 0
