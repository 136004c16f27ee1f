"""Clients that write to an engine until it dies, and remember what it acknowledged."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

from isamap.gee_export.earth_engine.session import Session

BUCKET = "kills"
NAMES = 12  # objects of one client; most writes replace something
SMALL_BYTES, LARGE_BYTES, PIECE_BYTES = 60_000, 800_000, 256 * 1024
TIMEOUT_S = 20.0

# What an object may be afterwards: sha256 of its bytes, None for not there. Several while a write is under way.
Expected = dict[str, set[str | None]]


class Writer:
    """One client: small and resumable uploads, deletes, ingestions, as chance has it."""

    def __init__(self, session: Session, index: int, seed: str) -> None:
        self.expected: Expected = {}
        self.ingested: dict[str, str] = {}  # operation that was acknowledged -> its asset
        self._number = index
        self._chance = random.Random(f"{seed}/{index}")
        self._bucket = session.storage_client().bucket(BUCKET)
        self._actions: tuple[Callable[[], None], ...] = (self._small, self._small, self._large, self._delete)

    def work(self) -> None:
        """Writes until the engine no longer answers."""
        count = 0
        try:
            while True:
                count += 1
                self._ingest(count) if count % 9 == 1 else self._chance.choice(self._actions)()
        except Exception:  # whatever a client raises when its server dies under it
            return

    def _small(self) -> None:
        content = self._chance.randbytes(self._chance.randint(1, SMALL_BYTES))
        self._upload(self._name(), content, None)

    def _large(self) -> None:
        self._upload(self._name(), self._chance.randbytes(LARGE_BYTES), PIECE_BYTES)

    def _name(self) -> str:
        return f"client{self._number}/object{self._chance.randrange(NAMES)}"

    def _upload(self, name: str, content: bytes, chunk_bytes: int | None) -> None:
        digest = hashlib.sha256(content).hexdigest()
        # Until the engine acknowledges, the old bytes or the new ones may be found; afterwards the new ones alone.
        self.expected[name] = self.expected.get(name, {None}) | {digest}
        blob = self._bucket.blob(name, chunk_size=chunk_bytes)
        blob.upload_from_file(io.BytesIO(content), size=len(content), checksum="crc32c", retry=None, timeout=TIMEOUT_S)
        self.expected[name] = {digest}

    def _delete(self) -> None:
        names = [name for name, states in self.expected.items() if None not in states and len(states) == 1]
        if names:
            name = self._chance.choice(names)
            self.expected[name] = self.expected[name] | {None}
            self._bucket.blob(name).delete(retry=None, timeout=TIMEOUT_S)
            self.expected[name] = {None}

    def _ingest(self, count: int) -> None:
        import ee

        source, asset = f"client{self._number}/image{count}.tif", f"projects/local/assets/c{self._number}x{count}"
        self._upload(source, image(self._number * 1000 + count), None)
        manifest = {"name": asset, "tilesets": [{"sources": [{"uris": [f"gs://{BUCKET}/{source}"]}]}]}
        operation = ee.data.startIngestion(None, manifest)["name"]
        self.ingested[operation] = asset


def image(seed: int) -> bytes:
    """A GeoTIFF of 32 x 32 random values."""
    import numpy as np
    from affine import Affine
    from rasterio.io import MemoryFile

    values = np.random.default_rng(seed).integers(0, 255, (1, 32, 32), np.uint8)
    shape = {"driver": "GTiff", "height": 32, "width": 32, "count": 1, "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(**shape, crs="EPSG:32650", transform=Affine(10, 0, 240_000, 0, -10, 3_380_000)) as target:
            target.write(values)
        return memory.read()


def begin(writers: list[Writer], session: Session, clients: int, seed: str) -> list[threading.Thread]:
    """Threads of new writers at work, none where the engine dies before its bucket is there."""
    try:
        session.activate()
        session.storage_client().bucket(BUCKET).create(retry=None, timeout=TIMEOUT_S)
        writers += [Writer(session, index, seed) for index in range(clients)]
    except Exception:  # whatever a client raises when its server dies under it
        return []
    threads = [threading.Thread(target=writer.work, daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    return threads


def faults_of(writers: list[Writer], state: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is not as it must be in the engine's state: lost or torn objects, tasks without an end or their asset."""
    expected = {f"gs://{BUCKET}/{name}": states for writer in writers for name, states in writer.expected.items()}
    names = sorted(set(expected) | set(state["objects"]))
    wrong = [name for name in names if state["objects"].get(name) not in expected.get(name, {None})]
    targets = {name: asset for writer in writers for name, asset in writer.ingested.items()}
    for operation, outcome in state["operations"].items():
        if outcome not in ("SUCCEEDED", "FAILED", "CANCELLED"):
            wrong.append(f"{operation} is {outcome} for ever")
        elif outcome == "SUCCEEDED" and operation in targets and targets[operation] not in state["assets"]:
            wrong.append(f"{targets[operation]} is not there, its task succeeded")
    return wrong + sorted(f"{operation} is not there" for operation in set(targets) - set(state["operations"]))
