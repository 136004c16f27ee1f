"""Buckets on disk: objects with generations, preconditions and checksums, each written in one step.

The rules are Cloud Storage's: https://cloud.google.com/storage/docs/request-preconditions and
https://cloud.google.com/storage/docs/data-validation.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c

from local_ee.durable import make_folder, put_in_place, remove
from local_ee.home import (
    DESCRIPTION,
    MARK,
    Home,
    description_path,
    entry_path,
    locked,
    read_json,
    temporary_beside,
    write_json,
)
from local_ee.storage.checksum import is_whole
from local_ee.storage.media_types import check_attributes

BUCKET_FILE = f"{MARK}bucket.json"
# https://cloud.google.com/storage/docs/buckets#naming, but for the bound of 63 characters of names without a dot
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
# https://cloud.google.com/storage/docs/objects#naming
MAX_NAME_BYTES = 1024
CHUNK = 1 << 20
OWNED = "Your previous request to create the named bucket succeeded and you already own it."
# What a client may set on an object (https://cloud.google.com/storage/docs/json_api/v1/objects#resource)
SETTABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "metadata",
    "storageClass",
)


class StorageError(Exception):
    """A refusal in Cloud Storage's words, with its HTTP status and reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Checksums:
    """Base64 crc32c (big-endian) and md5 of some bytes, either of which may be unknown."""

    crc32c: str | None = None
    md5: str | None = None

    def check_file(self, path: Path) -> None:
        """As `check`, against a file; reads it only where something is claimed."""
        if self.crc32c or self.md5:
            self.check(checksums_of(path))

    def check(self, actual: Checksums) -> None:
        """StorageError 400 where a checksum that the client gave is not that of the bytes it sent."""
        if self.crc32c and self.crc32c != actual.crc32c:
            raise StorageError(
                400, "invalid", f'Provided CRC32C "{self.crc32c}" doesn\'t match calculated CRC32C "{actual.crc32c}".'
            )
        if self.md5 and self.md5 != actual.md5:
            raise StorageError(
                400, "invalid", f'Provided MD5 hash "{self.md5}" doesn\'t match calculated MD5 hash "{actual.md5}".'
            )


@dataclass(frozen=True)
class StoredObject:
    """One generation of an object."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int
    crc32c: str
    md5: str | None
    created: str
    updated: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    component_count: int | None = None


@dataclass(frozen=True)
class Preconditions:
    """What must hold for a request to be carried out; a field that is None asks nothing."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, current: StoredObject | None, *, reading: bool = False) -> None:
        """StorageError 412 (304 for a read that asked for something newer) where they do not hold."""
        # A generation of 0 asks that there be no live object.
        generation = current.generation if current else 0
        metageneration = current.metageneration if current else None
        if self.generation_match is not None and self.generation_match != generation:
            raise _unmet()
        if self.metageneration_match is not None and self.metageneration_match != metageneration:
            raise _unmet()
        unchanged = (
            self.generation_not_match is not None and self.generation_not_match == generation,
            self.metageneration_not_match is not None and self.metageneration_not_match == metageneration,
        )
        if any(unchanged):
            raise StorageError(304, "notModified", "Not Modified") if reading else _unmet()


ANYTHING = Preconditions()
UNKNOWN = Checksums()


class ObjectStore:
    """The buckets of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    # buckets

    def create_bucket(self, name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The new bucket's metadata; 409 where it exists."""
        if not BUCKET_NAME.fullmatch(name) or ".." in name:
            raise StorageError(400, "invalid", f"Invalid bucket name: '{name}'")
        with locked(self._home, f"bucket-{name}"):
            if read_json(self._bucket_file(name)) is not None:
                raise StorageError(409, "conflict", OWNED)
            now = timestamp()
            document = {
                "name": name,
                "location": str(attributes.get("location", "US")).upper(),
                "storageClass": attributes.get("storageClass", "STANDARD"),
                "timeCreated": now,
                "updated": now,
                "metageneration": 1,
            }
            write_json(self._bucket_file(name), document)
        return document

    def bucket(self, name: str) -> dict[str, Any]:
        """A bucket's metadata; 404 where there is none."""
        # Not looked for under another name: unlike an object's it is not escaped, and could lead out of the home.
        document = read_json(self._bucket_file(name)) if BUCKET_NAME.fullmatch(name) else None
        if document is None:
            raise StorageError(404, "notFound", "The specified bucket does not exist.")
        return document

    def buckets(self) -> list[dict[str, Any]]:
        """Every bucket, by name."""
        if not self._home.buckets.is_dir():
            return []
        documents = (read_json(self._bucket_file(entry.name)) for entry in os.scandir(self._home.buckets))
        return sorted((bucket for bucket in documents if bucket), key=lambda bucket: bucket["name"])

    def delete_bucket(self, name: str) -> None:
        """Removes an empty bucket; 409 where it holds objects."""
        with locked(self._home, f"bucket-{name}"):
            self.bucket(name)
            if next(self.walk(name), None) is not None:
                raise StorageError(409, "conflict", "The bucket you tried to delete is not empty.")
            # First: a removal that is cut short leaves files and no bucket, not a bucket that lacks some.
            remove(self._bucket_file(name))
            shutil.rmtree(self._home.buckets / name)

    # objects

    def get(
        self, bucket: str, name: str, conditions: Preconditions = ANYTHING, generation: int | None = None
    ) -> StoredObject:
        """The live object; 404 where there is none, or where it is of another generation than asked for."""
        self.bucket(bucket)
        current = self.find(bucket, name)
        if current is None or generation not in (None, current.generation):
            raise _missing(bucket, name)
        conditions.check(current, reading=True)
        return current

    def open(
        self, bucket: str, name: str, conditions: Preconditions = ANYTHING, generation: int | None = None
    ) -> tuple[StoredObject, BinaryIO]:
        """The live object and its bytes, of one and the same generation; 500 where they are not those stored."""
        missing = 0  # the generation whose bytes are not there
        while True:
            current = self.get(bucket, name, conditions, generation)
            path = self.content_path(current)
            try:
                if not is_whole(path, current.crc32c):
                    raise _damaged(current)
                return current, path.open("rb")
            except FileNotFoundError:
                if current.generation == missing:
                    raise _missing(bucket, name) from None
                missing = current.generation  # replaced between the two steps: read the new description

    def content_path(self, stored: StoredObject) -> Path:
        """The file that holds an object's bytes."""
        stem = self._stem(stored.bucket, stored.name)
        return stem.with_name(f"{stem.name}{MARK}{stored.generation}")

    def temporary(self, bucket: str, name: str) -> Path:
        """Where an object's bytes can be written before `put` takes them over."""
        self.bucket(bucket)
        check_name(name)
        return temporary_beside(self._stem(bucket, name))

    def put(
        self,
        content: Path,
        bucket: str,
        name: str,
        *,
        attributes: Mapping[str, Any],
        conditions: Preconditions = ANYTHING,
        claimed: Checksums = UNKNOWN,
        components: int | None = None,
    ) -> StoredObject:
        """Makes the file `content` (moved, not copied) the object's new generation, or refuses and leaves it.

        components: of how many objects it was composed, or 0 of parts of an upload; such an object has no MD5.
        """
        # Before the lock: reading a large file would hold up all other writes to the bucket.
        actual = checksums_of(content)
        claimed.check(actual)
        check_name(name)
        with locked(self._home, f"bucket-{bucket}"):
            self.bucket(bucket)
            current = self.find(bucket, name)
            conditions.check(current)
            stored = self._next_generation(content, bucket, name, current)
            stored = replace(
                stored,
                crc32c=str(actual.crc32c),
                md5=actual.md5 if components is None else None,
                attributes=settable(attributes),
                component_count=components or None,
            )
            target = self.content_path(stored)
            make_folder(target.parent)
            # The bytes before the description that names them.
            put_in_place(content, target)
            self._describe(stored)
        if current:
            self.content_path(current).unlink(missing_ok=True)
        return stored

    def _next_generation(self, content: Path, bucket: str, name: str, current: StoredObject | None) -> StoredObject:
        # Microseconds, as Google's; larger than the last one though the clock was set back.
        generation = max(time.time_ns() // 1000, current.generation + 1 if current else 0)
        now = timestamp()
        size = content.stat().st_size
        return StoredObject(bucket, name, generation, 1, size, crc32c="", md5=None, created=now, updated=now)

    def patch(
        self, bucket: str, name: str, changes: Mapping[str, Any], conditions: Preconditions = ANYTHING
    ) -> StoredObject:
        """The object with changed attributes; a value of None removes one, `metadata` is merged key by key."""
        with locked(self._home, f"bucket-{bucket}"):
            current = self.get(bucket, name)
            conditions.check(current)
            stored = replace(
                current,
                attributes=_merged(current.attributes, settable(changes, keep_none=True)),
                metageneration=current.metageneration + 1,
                updated=timestamp(),
            )
            self._describe(stored)
        return stored

    def delete(
        self, bucket: str, name: str, conditions: Preconditions = ANYTHING, generation: int | None = None
    ) -> None:
        """Removes the live object; 404 where there is none."""
        with locked(self._home, f"bucket-{bucket}"):
            current = self.get(bucket, name, generation=generation)
            conditions.check(current)
            # Before its bytes: a description without them would be an object that cannot be read.
            remove(description_path(self._home.buckets / bucket, name))
        self.content_path(current).unlink(missing_ok=True)

    def walk(self, bucket: str, prefix: str = "") -> Iterator[StoredObject]:
        """The live objects whose names begin with the prefix, in no order."""
        folder = self._home.buckets / bucket
        whole_parts = prefix.rpartition("/")[0]
        top = entry_path(folder, whole_parts) if whole_parts else folder
        for path, _, files in os.walk(top):
            for file in files:
                if file.endswith(DESCRIPTION):
                    document = read_json(Path(path, file))
                    if document and document["name"].startswith(prefix):
                        yield StoredObject(**document)

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """The live object, or None."""
        check_name(name)
        document = read_json(description_path(self._home.buckets / bucket, name))
        return StoredObject(**document) if document else None

    def _describe(self, stored: StoredObject) -> None:
        write_json(description_path(self._home.buckets / stored.bucket, stored.name), asdict(stored))

    def _stem(self, bucket: str, name: str) -> Path:
        return entry_path(self._home.buckets / bucket, name)

    def _bucket_file(self, name: str) -> Path:
        return self._home.buckets / name / BUCKET_FILE


def check_name(name: str) -> None:
    """StorageError 400 for names that Cloud Storage does not take."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 0 < size <= MAX_NAME_BYTES or "\r" in name or "\n" in name or name in (".", ".."):
        raise StorageError(400, "invalid", f"Invalid object name of {size} bytes: expected 1 to {MAX_NAME_BYTES}")


def settable(attributes: Mapping[str, Any], *, keep_none: bool = False) -> dict[str, Any]:
    """The fields of an object resource that a client may set; ValueError where one is no header's value."""
    check_attributes(attributes)
    fields = {key: attributes[key] for key in SETTABLE if key in attributes}
    return {key: value for key, value in fields.items() if keep_none or value is not None}


def checksums_of(path: Path) -> Checksums:
    """Both checksums of a file."""
    # It protects against no one here: Pythons of FIPS systems refuse md5 without that word.
    crc32c, md5 = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            crc32c.update(block)
            md5.update(block)
    return Checksums(base64.b64encode(crc32c.digest()).decode(), base64.b64encode(md5.digest()).decode())


def timestamp() -> str:
    """Now, as Google's APIs write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **changes}
    if changes.get("metadata") and old.get("metadata"):
        custom = {**old["metadata"], **changes["metadata"]}
        merged["metadata"] = {key: value for key, value in custom.items() if value is not None}
    return {key: value for key, value in merged.items() if value is not None}


def _unmet() -> StorageError:
    return StorageError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def _damaged(stored: StoredObject) -> StorageError:
    return StorageError(
        500,
        "internalError",
        f"The object {stored.bucket}/{stored.name} is damaged: its bytes are not those of its CRC32C {stored.crc32c}. "
        "Store it again, or delete it.",
    )


def _missing(bucket: str, name: str) -> StorageError:
    return StorageError(404, "notFound", f"No such object: {bucket}/{name}")
