"""Uploads in numbered parts, on disk, that any process of the home can go on with.

The rules are Cloud Storage's: https://cloud.google.com/storage/docs/multipart-uploads and, for the sizes and numbers,
https://cloud.google.com/storage/quotas#requests. An upload is a folder with `upload.json`, and for each part its bytes
and a description that names them, which is written last.
"""

from __future__ import annotations

import base64
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from local_ee.durable import put_in_place
from local_ee.home import DESCRIPTION, MARK, PARTS, UPLOAD, Home, locked, read_json, temporary_beside, write_json
from local_ee.storage.checksum import is_whole
from local_ee.storage.media_types import check_attributes
from local_ee.storage.objects import (
    CHUNK,
    Checksums,
    ObjectStore,
    StorageError,
    StoredObject,
    check_name,
    checksums_of,
    settable,
    timestamp,
)
from local_ee.storage.uploads import LIFETIME_SECONDS

MOST_PARTS = 10_000
LEAST_PART_BYTES = 5 << 20  # of every part but the last
MOST_PART_BYTES = 5 << 30


@dataclass(frozen=True)
class Part:
    """A part that has arrived; `generation` names the file of its bytes."""

    number: int
    generation: str
    size: int
    md5: str  # base64, as the CRC-32C
    crc32c: str
    modified: str

    @property
    def etag(self) -> str:
        """Changes with the bytes: their MD5 in hexadecimal digits."""
        return base64.b64decode(self.md5).hex()


class PartStore:
    """The uploads in parts of a home."""

    def __init__(self, home: Home, store: ObjectStore) -> None:
        self._home = home
        self._store = store

    def begin(self, bucket: str, name: str, attributes: Mapping[str, Any]) -> str:
        """The id of a new upload; 404 where there is no such bucket."""
        self._store.bucket(bucket)
        check_name(name)
        check_attributes(attributes)
        upload = secrets.token_hex(16)
        document = {"bucket": bucket, "name": name, "attributes": settable(attributes)}
        write_json(self._folder(upload) / UPLOAD, document)
        return upload

    def add(self, target: tuple[str, str, str], number: int, content: BinaryIO, claimed: Checksums) -> Part:
        """Takes a part; one of the same number is replaced. `target` is bucket, name and upload."""
        if not 1 <= number <= MOST_PARTS:
            raise StorageError(400, "InvalidArgument", f"Part number {number}: expected 1 to {MOST_PARTS}.")
        self._state(target)
        folder = self._folder(target[2])
        temporary = temporary_beside(folder / UPLOAD)
        try:
            with temporary.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
            stored_part = _described(temporary, number)
            claimed.check(Checksums(stored_part.crc32c, stored_part.md5))
            with self._locked(target[2]):
                self._state(target)  # it may have ended meanwhile
                before = self._part(folder, number)
                put_in_place(temporary, _bytes_path(folder, stored_part))
                write_json(_description(folder, number), asdict(stored_part))
        finally:
            temporary.unlink(missing_ok=True)
        if before:
            _bytes_path(folder, before).unlink(missing_ok=True)
        return stored_part

    def parts(self, target: tuple[str, str, str]) -> list[Part]:
        """The parts that have arrived, by number."""
        self._state(target)
        documents = (read_json(path) for path in sorted(self._folder(target[2]).glob(f"*{DESCRIPTION}")))
        return sorted((Part(**document) for document in documents if document), key=lambda part: part.number)

    def finish(self, target: tuple[str, str, str], wanted: Sequence[tuple[int, str]]) -> StoredObject:
        """The object of the named parts (number, etag), which must be in order; the same answer when asked again."""
        with self._locked(target[2]):
            state = self._state(target, finished=True)
            if "finished" in state:
                return StoredObject(**state["finished"])
            parts = _chosen({stored_part.number: stored_part for stored_part in self.parts(target)}, wanted)
            stored = self._composed(target, parts, state["attributes"])
            folder = self._folder(target[2])
            # Before the parts are removed: who asks again, because no reply came, gets this answer.
            write_json(folder / UPLOAD, {**state, "finished": asdict(stored)})
            for path in folder.iterdir():
                if path.name != UPLOAD:
                    path.unlink(missing_ok=True)
        return stored

    def abort(self, target: tuple[str, str, str]) -> None:
        """Forgets an upload and its parts."""
        with self._locked(target[2]):
            self._state(target)
            shutil.rmtree(self._folder(target[2]))

    def expire(self, seconds: float = LIFETIME_SECONDS) -> None:
        """Forgets uploads that nobody has touched for so long."""
        oldest = time.time() - seconds
        for folder in self._home.uploads.glob(f"*{PARTS}"):
            if max(path.stat().st_mtime for path in (folder, *folder.iterdir())) < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def _composed(
        self, target: tuple[str, str, str], parts: Sequence[Part], attributes: Mapping[str, Any]
    ) -> StoredObject:
        bucket, name, upload = target
        temporary = self._store.temporary(bucket, name)
        try:
            with temporary.open("wb") as out:
                for stored_part in parts:
                    _append(out, _bytes_path(self._folder(upload), stored_part), stored_part)
            # "An MD5 hash does not exist for objects uploaded using this method."
            return self._store.put(temporary, bucket, name, attributes=attributes, components=0)
        finally:
            temporary.unlink(missing_ok=True)

    def _state(self, target: tuple[str, str, str], *, finished: bool = False) -> dict[str, Any]:
        bucket, name, upload = target
        # The id comes from the client: only one that was given out here may become a path.
        state = read_json(self._folder(upload) / UPLOAD) if re.fullmatch(r"[0-9a-f]{32}", upload) else None
        if (
            state is None
            or (state["bucket"], state["name"]) != (bucket, name)
            or ("finished" in state and not finished)
        ):
            raise StorageError(404, "NoSuchUpload", f"The requested upload {upload[:64]!r} was not found.")
        return state

    def _part(self, folder: Path, number: int) -> Part | None:
        document = read_json(_description(folder, number))
        return Part(**document) if document else None

    def _folder(self, upload: str) -> Path:
        return self._home.uploads / f"{upload}{PARTS}"

    def _locked(self, upload: str) -> Any:
        # By two digits: at most 256 lock files, however many uploads there are.
        return locked(self._home, f"upload-{upload[:2]}" if re.fullmatch(r"[0-9a-f]{32}", upload) else "upload-no")


def _described(path: Path, number: int) -> Part:
    size = path.stat().st_size
    if size > MOST_PART_BYTES:
        raise StorageError(400, "EntityTooLarge", f"Part {number} has {size} bytes: at most {MOST_PART_BYTES}.")
    checksums = checksums_of(path)
    return Part(number, secrets.token_hex(8), size, str(checksums.md5), str(checksums.crc32c), timestamp())


def _chosen(arrived: Mapping[int, Part], wanted: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts that a request names; StorageError 400 where they are not those that arrived, in order and in size."""
    if not wanted:
        raise StorageError(400, "MalformedXML", "A multipart upload is completed of at least one part.")
    numbers = [part_number for part_number, _ in wanted]
    if numbers != sorted(set(numbers)):
        raise StorageError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for part_number, etag in wanted:
        if part_number not in arrived or arrived[part_number].etag != etag:
            raise StorageError(400, "InvalidPart", f"Part {part_number} with the ETag {etag[:64]!r} was not uploaded.")
    parts = [arrived[part_number] for part_number in numbers]
    for stored_part in parts[:-1]:
        if stored_part.size < LEAST_PART_BYTES:
            raise StorageError(
                400,
                "EntityTooSmall",
                f"Part {stored_part.number} has {stored_part.size} bytes: every part but the last has at least "
                f"{LEAST_PART_BYTES}.",
            )
    return parts


def _append(out: BinaryIO, path: Path, part: Part) -> None:
    if not is_whole(path, part.crc32c):
        raise StorageError(500, "InternalError", f"Part {part.number} is damaged: upload it again.")
    with path.open("rb") as content:
        shutil.copyfileobj(content, out, CHUNK)


def _bytes_path(folder: Path, part: Part) -> Path:
    return folder / f"{part.number:05d}{MARK}{part.generation}"


def _description(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}{DESCRIPTION}"
