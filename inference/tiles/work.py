"""What a worker does with a tile: fetch, predict, store, receipt. A tile that is whole is only checked."""

from __future__ import annotations

import threading
import warnings
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import is_remote
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.requests.quota import WHOLE, Quota, Use, used
from isamap.gee_export.sentinel.composite import NoScenes
from isamap.inference.map_files.map_file import files_of, holds_shares
from isamap.inference.mapping import job
from isamap.inference.mapping.map import EmptyMap, map_requested
from isamap.inference.mapping.map_report import MapReport
from isamap.inference.mapping.request import Pixels
from isamap.inference.tiles.receipt import Failure, Receipt, Usage, reason_of
from isamap.inference.tiles.store import TileStore, open_store
from isamap.inference.tiles.tile import Tile, network_of
from isamap.inference.tiles.tile_file import written_head
from isamap.training.checkpoints.checkpoint import Checkpoint, load
from isamap.training.cpu import cores

# `ee` has one connection a process and torch one number of threads, so one tile at a time is made in each
_ALONE = threading.Lock()


@dataclass(frozen=True)
class Work:
    """Makes tiles and stores them at `store`; it can be sent to other processes and machines.

    threads: windows at once, 0 for one a core that is left beside the others. beside: processes that work on one
    machine. share: of the project's quota of Earth Engine, None of the local engine, which has none.
    """

    store: str
    threads: int = 0
    beside: int = 1
    share: Quota | None = None

    def among(self, workers: int) -> Work:
        """The work of one of several workers, which share the quota; ValueError where there is too little of it."""
        return replace(self, share=None if self.share is None else self.share.share(workers))

    def __call__(self, tile: Tile) -> Receipt:
        """The receipt of the tile, made now or before; ValueError and Fault as of `isamap map`."""
        with _ALONE, used(self.share or WHOLE) as use:
            return self._receipt(tile, use)

    def attempted(self, tile: Tile) -> Receipt | Failure:
        """The receipt, or why there is none: exceptions do not travel between processes, sentences do."""
        with _ALONE, used(self.share or WHOLE) as use:
            try:
                return self._receipt(tile, use)
            except Exception as error:
                final = isinstance(error, ValueError)
                return Failure(tile.id, tile.name, reason_of(error), final=final, eecu_s=round(use.eecu_s, 3))

    def _receipt(self, tile: Tile, use: Use) -> Receipt:
        store = open_store(self.store, tile.pixels)
        # Looked up by the worker, too: another one may have made the tile since the run was planned.
        return store.receipt(tile) or self._made(tile, store, use)

    def _made(self, tile: Tile, store: TileStore, use: Use) -> Receipt:
        _check_fingerprint(tile)
        begun = Usage.now()
        with store.draft(tile) as out:
            try:
                report = self._mapped(tile, out)
            # No data is an answer and no failure: the receipt keeps the reason, or every run would ask for it again.
            except (NoScenes, EmptyMap) as error:
                return store.put(tile, (), empty=reason_of(error), measured=begun.until_now() | use.measured)
            head = written_head(out)
            files = files_of(out, with_shares=holds_shares(head["tags"]))
            measured = begun.until_now() | use.measured
            return store.put(tile, files, counts=dict(report.counts), head=head, measured=measured)

    def _mapped(self, tile: Tile, out: Path) -> MapReport:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the same ones for every tile
            threads = self.threads or max(1, cores() // self.beside)
            return map_requested(tile.request(out, threads), progress=False, judges=False)


def _check_fingerprint(tile: Tile) -> None:
    """Fault where another checkpoint or isamap lies here: its tiles would stand beside those of the former one."""
    if job.fingerprint(tile.facts) != tile.id:
        raise Fault("this worker has another version of isamap than the run: install the same one and run it again")
    if network_of(checkpoint_at(tile.checkpoint, tile.pixels), tile.computing) != tile.fingerprint:
        raise Fault(
            f"{tile.checkpoint} holds another checkpoint than when this run began (or a mask has changed): run the "
            "command again, then its tiles are made with the new one"
        )


def checkpoint_at(path: str, pixels: Pixels) -> Checkpoint:
    """The checkpoint in a folder or bucket; ValueError and Fault as `load` raises them."""
    if not is_remote(path):
        return load(path)
    with closing(connect(pixels.project, catalog=pixels.catalog)) as session:
        return load(path, session)
