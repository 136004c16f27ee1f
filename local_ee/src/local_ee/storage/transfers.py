"""Bytes in and out of the buckets: simple, multipart and resumable uploads; whole and partial downloads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_ee.home import Home
from local_ee.storage import multipart, resources
from local_ee.storage.media_types import check_attributes, header_value, is_browser, served_type
from local_ee.storage.multipart import Content
from local_ee.storage.objects import Checksums, ObjectStore, StorageError, StoredObject
from local_ee.storage.uploads import ResumableUploads
from local_ee.wire import Call, FileSlice, Reply

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Transfers:
    """The upload and download routes over one store."""

    def __init__(self, home: Home, store: ObjectStore) -> None:
        self._store = store
        self._uploads = ResumableUploads(home, store)

    def expire(self) -> None:
        """Forgets uploads that were given up long ago."""
        self._uploads.expire()

    def upload(self, call: Call, bucket: str) -> Reply:
        """A new upload, or the next piece of a resumable one."""
        if "upload_id" in call.query:
            return self._resume(call, call.query["upload_id"])
        upload_type = call.query.get("uploadType", "")
        if upload_type == "resumable":
            return self._begin(call, bucket)
        if upload_type not in ("multipart", "media"):
            raise StorageError(
                400, "invalid", f"Unknown uploadType {upload_type!r}: expected multipart, resumable or media"
            )
        content_type = call.headers.get("content-type")
        with call.open_body() as body:
            if upload_type == "media":
                return self._store_bytes(call, bucket, Content({"contentType": content_type}, body))
            return self._store_bytes(call, bucket, multipart.content(body, content_type or ""))

    def download(self, call: Call, bucket: str, name: str) -> Reply:
        """The object's bytes, or the range asked for (206)."""
        stored, file = self._store.open(
            bucket, name, resources.conditions(call.query), resources.number(call.query, "generation")
        )
        headers = _content_headers(stored, to_browser=is_browser(call.headers))
        byte_range = _byte_range(call.headers.get("range"), stored.size)
        if byte_range is None:
            return Reply(200, FileSlice(file, 0, stored.size), headers)
        start, stop = byte_range
        if start >= stop:
            file.close()
            raise StorageError(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
        headers["content-range"] = f"bytes {start}-{stop - 1}/{stored.size}"
        return Reply(206, FileSlice(file, start, stop - start), headers)

    def _store_bytes(self, call: Call, bucket: str, content: Content) -> Reply:
        attributes = content.attributes
        check_attributes(attributes)
        name = _name(call, attributes)
        temporary = self._store.temporary(bucket, name)
        with discarded(temporary):
            content.copy_to(temporary)
            resources.claimed_in(call.headers).check_file(temporary)
            stored = self._store.put(
                temporary,
                bucket,
                name,
                attributes=attributes,
                conditions=resources.conditions(call.query),
                claimed=_claimed(attributes),
            )
        return Reply.of(resources.object_resource(call, stored))

    def _begin(self, call: Call, bucket: str) -> Reply:
        attributes = call.json()
        if not attributes.get("contentType"):
            attributes["contentType"] = call.headers.get("x-upload-content-type")
        session = self._uploads.begin(
            bucket,
            _name(call, attributes),
            attributes=attributes,
            conditions=resources.conditions(call.query),
            claimed=_claimed(attributes),
        )
        location = f"{resources.base_url(call)}{call.path}?uploadType=resumable&upload_id={session}"
        return Reply(200, headers={"location": location, "x-guploader-uploadid": session})

    def _resume(self, call: Call, session: str) -> Reply:
        if call.method == "DELETE":
            self._uploads.cancel(session)
            # Cloud Storage's answer (https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload).
            return Reply(499)
        if call.method != "PUT":
            raise StorageError(400, "badRequest", f"{call.method} of an upload session: expected PUT or DELETE")
        with call.open_body() as piece:
            outcome = self._uploads.receive(
                session, call.headers.get("content-range"), piece, resources.claimed_in(call.headers)
            )
        if isinstance(outcome, StoredObject):
            return Reply.of(resources.object_resource(call, outcome))
        # Where no byte has arrived there is no range, by which clients know that they begin again.
        return Reply(308, headers={"range": f"bytes=0-{outcome - 1}"} if outcome else {})


@contextmanager
def discarded(temporary: Path) -> Iterator[None]:
    """Removes a temporary file that nobody has taken over."""
    try:
        yield
    finally:
        temporary.unlink(missing_ok=True)


def _name(call: Call, attributes: Mapping[str, Any]) -> str:
    return str(call.query.get("name") or attributes.get("name") or "")


def _claimed(attributes: Mapping[str, Any]) -> Checksums:
    return Checksums(attributes.get("crc32c"), attributes.get("md5Hash"))


def _content_headers(stored: StoredObject, *, to_browser: bool) -> dict[str, str]:
    hashes = [f"crc32c={stored.crc32c}"] + ([f"md5={stored.md5}"] if stored.md5 else [])
    headers = {
        "content-type": served_type(stored.attributes.get("contentType"), to_browser=to_browser),
        "content-disposition": "attachment",  # saved by a browser and never shown
        "etag": resources.etag(stored),
        "accept-ranges": "bytes",
        "x-goog-hash": ",".join(hashes),
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-stored-content-length": str(stored.size),
        "x-goog-storage-class": header_value(stored.attributes.get("storageClass")) or "STANDARD",
    }
    for key, header in (("contentEncoding", "content-encoding"), ("cacheControl", "cache-control")):
        if value := header_value(stored.attributes.get(key)):
            headers[header] = value
    return headers


def _byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and end of the range asked for; None for the whole; an empty one where it cannot be satisfied."""
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        # bytes=-N: the last N (RFC 9110, 14.1.2)
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
