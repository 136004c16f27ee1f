"""Sentinel-2 in true colour behind a map: tiles of its period's composite, drawn once and kept in a folder."""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine.archives import reads_archives
from isamap.gee_export.earth_engine.session import is_world
from isamap.inference.serve.cache import Cache
from isamap.inference.serve.map_store import StoredMap
from isamap.inference.serve.painter import CompositePicture, CompositeQuery, paint
from isamap.inference.serve.tiles import TileAddress
from isamap.inference.tiles.jobs import Server

LEAST_ZOOM = 9  # coarser tiles would compose a country
MOST_BYTES = 2e9  # of the folder
PATIENCE_S = 300.0  # that a picture may take
ENDED = "the process that draws imagery ended while it drew: the picture is left out"


@dataclass
class ImageryTiles:
    """Tiles in a folder, and the process that draws what is not there, one at a time."""

    server: Server
    cache: Cache
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _process: SpawnProcess | None = field(default=None, repr=False)
    _link: Connection | None = field(default=None, repr=False)
    _ended: bool = field(default=False, repr=False)

    def lack(self, wanted: CompositeQuery) -> str:
        """Which images a composite lacks, and what to choose instead; "" where it can be made, or nobody knows."""
        with self._lock:
            answer = self._answered(wanted)
        return answer if isinstance(answer, str) else ""

    def tile(self, stored: StoredMap, address: TileAddress) -> bytes | None:
        """The PNG, or None off the map, at coarse zooms and of maps without a period. Fault: the server's."""
        tags = stored.file.tags
        if address.z < LEAST_ZOOM or address.shown_part(stored.bbox) is None or "period_start" not in tags:
            return None
        path = self.cache.folder / f"{stored.id}-{stored.version}-{address.z}-{address.x}-{address.y}.png"
        with self._lock:
            if (kept := self._kept(path)) is None:
                name = f"{stored.id} {stored.version}"
                kept = self._drawn(
                    CompositePicture(name, stored.bbox, tags["period_start"], tags["period_end"], address)
                )
                self.cache.folder.mkdir(parents=True, exist_ok=True)
                write_whole(path, kept)
        return kept

    @property
    def is_simulated(self) -> bool:
        """Whether its pixels come from the simulated world."""
        return self.server.project is None and is_world(self.server.catalog)

    @property
    def source(self) -> str:
        """Where its pixels come from: google, open (the public archives), simulated, or folder (of images)."""
        if reads_archives(self.server.project, self.server.catalog):
            return "open"
        if self.is_simulated:
            return "simulated"
        return "google" if self.server.project else "folder"

    def end(self) -> None:
        """Ends the process for good, also while another thread waits for it: its picture is a fault then."""
        # Noted before the kill: a thread that waits for this process would else begin another one.
        self._ended = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Ends the process; the next picture begins another."""
        if self._process is not None and self._link is not None:
            self._link.close()
            self._process.kill()
            self._process.join()
        self._process = self._link = None

    def _kept(self, path: Path) -> bytes | None:
        if self.cache.use(path):
            with suppress(FileNotFoundError):  # another process has swept it
                return path.read_bytes()
        return None

    def _drawn(self, picture: CompositePicture) -> bytes:
        answer = self._answered(picture)
        if isinstance(answer, bytes):
            return answer
        raise Fault(answer or ENDED)

    def _answered(self, asked: CompositePicture | CompositeQuery) -> bytes | str | None:
        """By the process, or by a new one where it has ended since it was asked last."""
        answer = self._answer(asked) if self._process is not None and self._process.is_alive() else None
        if answer is None and not self._ended:
            self._begin()
            answer = self._answer(asked)
        return answer

    def _answer(self, asked: CompositePicture | CompositeQuery) -> bytes | str | None:
        """A PNG or a sentence; None of a process that has ended."""
        link = self._link
        assert link is not None
        try:
            link.send(asked)
            if not link.poll(PATIENCE_S):
                self.close()
                return f"the images were not read within {PATIENCE_S:.0f} s"
            answer: bytes | str = link.recv()
        except (EOFError, OSError):
            return None
        return answer

    def _begin(self) -> None:
        self.close()
        context = multiprocessing.get_context("spawn")
        self._link, painter_end = context.Pipe()
        process = context.Process(target=paint, args=(painter_end, self.server), name="isamap-imagery", daemon=True)
        process.start()
        painter_end.close()  # so that the link ends when the process does
        self._process = process
