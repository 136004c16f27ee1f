"""The finished maps of a service under gs://: listed by their heads, read from whole copies on this machine.

GDAL is given files of this machine only (gee_export/base/rasters.py), never the bucket's address.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from isamap.gee_export.base.atomic import disk_fault, settle
from isamap.gee_export.base.cloud_storage import BucketStorage, Stored, same_bytes
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import bucket_of
from isamap.inference.map_files.map_file import MapBand, MapFile, files_of
from isamap.inference.serve.cache import Cache
from isamap.inference.serve.map_store import (
    RECORD,
    RECORD_BYTES,
    StoredMap,
    is_map_name,
    listable,
    parsed_record,
    readable_map,
)
from isamap.inference.tiles.jobs import Server

READING_S, PUBLISHING_S = 20.0, 120.0  # how long a failing bucket is asked again
LIST_S = 5.0  # a list serves so long; a map that it lacks is asked for at once
READERS = 8  # heads read at a time
LEAST_HEAD, MOST_HEAD, HEAD_SHARE = 1 << 18, 1 << 23, 64  # bytes; a head is a 64th of a file between these
Objects = Mapping[str, Stored]
log = logging.getLogger(__name__)


@dataclass
class BucketMaps:
    """The maps at `address`. copies: of the maps that were asked for, by version. server: whose bucket it is."""

    address: str
    server: Server
    copies: Cache
    _heads: dict[str, StoredMap | None] = field(default_factory=dict, repr=False)
    _list: tuple[float, Mapping[str, Objects]] | None = field(default=None, repr=False)
    _listing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _copying: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock), repr=False)

    def prepare(self) -> None:
        """Lists the bucket, which the local engine makes where there is none; Fault where it cannot be read."""
        if self.server.project is None:
            self._storage.provide()
        self.copies.folder.mkdir(parents=True, exist_ok=True)
        self.copies.sweep()
        self._listed()

    def maps(self) -> list[StoredMap]:
        """All maps by name, as a list of the last 5 seconds has them; what are no maps of isamap is left out."""
        listed = self._listed()
        with ThreadPoolExecutor(READERS, thread_name_prefix="isamap-heads") as pool:
            stored = list(pool.map(self._stored, sorted(listed), (listed[id] for id in sorted(listed))))
        return [each for each in stored if each is not None]

    def map(self, id: str) -> StoredMap | None:
        """The map of an id, or None."""
        if not is_map_name(id):
            return None
        objects = self._listed().get(id) or _by_map(self._storage.listed(id)).get(id)
        return None if objects is None else self._stored(id, objects)

    def publish(self, path: Path, id: str, record: Mapping[str, object]) -> None:
        """Uploads a map's files under an id, the classes last, which say that the others are there."""
        storage = self._opened_for(PUBLISHING_S)
        storage.write(f"{id}{RECORD}", (json.dumps(record, indent=1) + "\n").encode())
        for source, target in reversed(list(zip(files_of(path), files_of(Path(f"{id}.tif")), strict=True))):
            if source.is_file():
                storage.upload(target.name, source)

    def rename(self, stored: StoredMap, name: str) -> None:
        """Gives a map another name for people; its id stays."""
        record = {**stored.record, "name": name}
        self._storage.write(f"{stored.id}{RECORD}", (json.dumps(record, indent=1) + "\n").encode())
        self._list = None

    def delete(self, stored: StoredMap) -> None:
        """Removes a map's objects, the classes first, without which no list has it."""
        listed = self._listed().get(stored.id, {})
        for name in _names(stored.id):
            if name in listed:
                self._storage.delete(name)
        self._list = None

    @cached_property
    def _storage(self) -> BucketStorage:
        """For reading, which somebody waits for."""
        return self._opened_for(READING_S)

    def _opened_for(self, patience_s: float) -> BucketStorage:
        """The bucket's folder; a session to its server is begun where there is none."""
        from isamap.gee_export.earth_engine.session import connect

        session = connect(self.server.project, catalog=self.server.catalog)
        bucket = str(bucket_of(self.address))
        folder = self.address.removeprefix(f"gs://{bucket}").strip("/")
        return BucketStorage(session.storage_client(), bucket, folder, patience_s=patience_s)

    def _listed(self) -> Mapping[str, Objects]:
        """The objects of every map by its id; of a bucket that is silent, those of the last list."""
        with self._listing:
            if self._list is None or time.monotonic() - self._list[0] >= LIST_S:
                try:
                    listed = _by_map(self._storage.listed())
                except Fault as fault:
                    if self._list is None:
                        raise
                    log.warning("%s", fault)
                    # The last list serves on: visitors see the maps that were there, and the log has the reason.
                    listed = self._list[1]
                self._forget_others(listed)
                self._list = time.monotonic(), listed
            return self._list[1]

    def _forget_others(self, listed: Mapping[str, Objects]) -> None:
        current = {_version(objects) for objects in listed.values()}
        self._heads = {version: head for version, head in self._heads.items() if version in current}

    def _stored(self, id: str, objects: Objects) -> StoredMap | None:
        version = _version(objects)
        if version not in self._heads:
            self._heads[version] = self._opened(id, objects, version)
        return self._heads[version]

    def _opened(self, id: str, objects: Objects, version: str) -> StoredMap | None:
        name, record_name = f"{id}.tif", f"{id}{RECORD}"
        with self._part() as folder:
            for stored in _rasters(objects):
                self._bring_head(stored, folder / stored.name)
            head = readable_map(folder / name)
        if head is None:
            return None
        is_short = record_name in objects and objects[record_name].size <= RECORD_BYTES
        record = parsed_record(self._storage.read(record_name)) if is_short else {}
        created = str(record.get("created") or objects[name].updated[:19] + "Z")
        return listable(StoredMap(id, head, version, record, created, partial(self._copied, head, objects, version)))

    def _bring_head(self, stored: Stored, path: Path) -> None:
        """The first bytes of an object as a file of its size, of which the rest is empty: its tags can be read."""
        path.write_bytes(self._storage.head(stored.name, min(stored.size, _head_bytes(stored.size))))
        # As long as the object, so that all its head points to lies within it; empty bytes take no disk.
        os.truncate(path, stored.size)

    def _copied(self, head: MapFile, objects: Objects, version: str) -> MapFile:
        """The map of whole files on this machine; Fault where they do not come over, or the disk is full."""
        folder = self.copies.folder / version
        if not self.copies.use(folder):
            with self._copying[version]:
                if not self.copies.use(folder):
                    self._bring(objects, folder)
                    self.copies.sweep()

        def here(band: MapBand) -> MapBand:
            return MapBand(folder / band.path.name, band.band_number)

        shares = None if head.shares is None else here(head.shares)
        return replace(head, path=folder / head.path.name, probability=here(head.probability), shares=shares)

    def _bring(self, objects: Objects, folder: Path) -> None:
        with self._part() as draft:
            for stored in objects.values():
                self._storage.download(stored.name, draft / stored.name)
                if not same_bytes(stored, draft / stored.name):
                    raise Fault(f"{self.address}/{stored.name} was replaced while it was read: ask once more")
            # On the disk before the name: after a power cut a folder of that name would count as whole.
            settle(draft.iterdir())
            try:
                draft.rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise

    @contextmanager
    def _part(self) -> Iterator[Path]:
        """A folder for files that are not whole yet, which goes away; one of a killed process is swept like copies."""
        self.copies.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".part-", dir=self.copies.folder))
        try:
            yield folder
        except OSError as error:
            raise disk_fault(self.copies.folder, error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _by_map(listed: Iterable[Stored]) -> Mapping[str, Objects]:
    """Objects by the id of the map that they belong to; what belongs to none is left out."""
    objects = {stored.name: stored for stored in listed if "/" not in stored.name}
    ids = [name.removesuffix(".tif") for name in objects if name.endswith(".tif") and is_map_name(name[:-4])]
    return {id: {name: objects[name] for name in _names(id) if name in objects} for id in ids}


def _names(id: str) -> tuple[str, ...]:
    return *(path.name for path in files_of(Path(f"{id}.tif"))), f"{id}{RECORD}"


def _rasters(objects: Objects) -> list[Stored]:
    return [stored for name, stored in objects.items() if name.endswith(".tif")]


def _version(objects: Objects) -> str:
    """16 hexadecimal digits of what the objects hold."""
    # By checksums and not by dates: the same map that is uploaded again needs no new copy.
    words = sorted(f"{stored.name} {stored.size} {stored.crc32c}" for stored in objects.values())
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _head_bytes(size: int) -> int:
    return max(LEAST_HEAD, min(size // HEAD_SHARE, MOST_HEAD))
