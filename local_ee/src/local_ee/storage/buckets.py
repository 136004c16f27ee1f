"""Cloud Storage's JSON API on the engine: buckets, objects, copies, batches.

Routes as the google-cloud-storage client sends them; reference https://cloud.google.com/storage/docs/json_api/v1.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from email.message import Message
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local_ee.home import Home
from local_ee.storage.listing import Listing
from local_ee.storage.objects import CHUNK, ObjectStore, Preconditions, StorageError, StoredObject
from local_ee.storage.resources import bucket_resource, conditions, number, object_resource
from local_ee.storage.transfers import Transfers, discarded
from local_ee.storage.xml_uploads import XmlUploads
from local_ee.wire import Call, Reply

API = ("storage", "v1")
UPLOADS = (("upload", "storage", "v1"), ("resumable", "upload", "storage", "v1"))
DOWNLOAD = ("download", "storage", "v1")
BATCH = ("batch", "storage", "v1")
PREFIXES = ("storage", "upload", "resumable", "download", "batch")  # first parts of every path answered here
MAX_COMPOSE = 32  # https://cloud.google.com/storage/docs/composite-objects
MAX_BATCH = 100  # https://cloud.google.com/storage/docs/batch

Visible = Callable[[str, Iterable[StoredObject]], Iterable[StoredObject]]


class StorageApi:
    """Answers calls whose path begins with one of PREFIXES; `visible` may leave objects of a bucket out of lists."""

    def __init__(self, home: Home, visible: Visible | None = None) -> None:
        self.store = ObjectStore(home)
        self._visible = visible or (lambda bucket, objects: objects)
        self._transfers = Transfers(home, self.store)
        self._xml_uploads = XmlUploads(home, self.store)

    def answer_xml(self, call: Call) -> Reply:
        """The reply to a call of an upload in parts (`is_xml_upload`), refusals included."""
        return self._xml_uploads.answer(call)

    def expire(self) -> None:
        """Forgets uploads that were given up long ago."""
        self._transfers.expire()
        self._xml_uploads.expire()

    def answer(self, call: Call) -> Reply:
        """The reply to one call, refusals included."""
        try:
            return self._route(call)
        except StorageError as error:
            return Reply(304) if error.status == 304 else Reply.error(error.status, str(error), reason=error.reason)
        except (ValueError, KeyError, TypeError) as error:
            return Reply.error(400, f"Bad request: {error}", reason="invalid")

    def _route(self, call: Call) -> Reply:
        parts = tuple(unquote(segment) for segment in call.path.strip("/").split("/"))
        if parts == BATCH:
            return self._batch(call)
        for prefix in UPLOADS:
            if parts[: len(prefix)] == prefix:
                return self._upload(call, parts[len(prefix) :])
        if parts[: len(DOWNLOAD)] == DOWNLOAD:
            return self._download(call, parts[len(DOWNLOAD) :])
        if parts[: len(API)] == API:
            return self._resource(call, parts[len(API) :])
        raise _no_route(call)

    def _upload(self, call: Call, parts: tuple[str, ...]) -> Reply:
        match parts:
            case ("b", bucket, "o"):
                return self._transfers.upload(call, bucket)
        raise _no_route(call)

    def _download(self, call: Call, parts: tuple[str, ...]) -> Reply:
        match parts:
            case ("b", bucket, "o", name):
                return self._transfers.download(call, bucket, name)
        raise _no_route(call)

    def _resource(self, call: Call, parts: tuple[str, ...]) -> Reply:
        match parts:
            case ("b",):
                return self._buckets(call)
            case ("b", bucket):
                return self._bucket(call, bucket)
            case ("b", bucket, "iam", "testPermissions"):
                return self._permissions(call, bucket)
            case ("b", bucket, "o"):
                return self._list(call, bucket)
            case ("b", bucket, "o", name):
                return self._object(call, bucket, name)
            case ("b", bucket, "o", name, "compose"):
                return self._compose(call, bucket, name)
            case ("b", bucket, "o", source, "copyTo", "b", target, "o", name):
                return self._copy(call, (bucket, source), (target, name))
            case ("b", bucket, "o", source, "rewriteTo", "b", target, "o", name):
                return self._rewrite(call, (bucket, source), (target, name))
        raise _no_route(call)

    def _buckets(self, call: Call) -> Reply:
        if call.method == "POST":
            document = call.json()
            return Reply.of(bucket_resource(call, self.store.create_bucket(str(document.get("name", "")), document)))
        prefix = call.query.get("prefix", "")
        items = [bucket_resource(call, bucket) for bucket in self.store.buckets() if bucket["name"].startswith(prefix)]
        return Reply.of({"kind": "storage#buckets", "items": items})

    def _bucket(self, call: Call, name: str) -> Reply:
        if call.method == "DELETE":
            self.store.delete_bucket(name)
            return Reply(204)
        if call.method != "GET":
            raise StorageError(501, "notImplemented", f"{call.method} of a bucket is not offered by the local engine.")
        return Reply.of(bucket_resource(call, self.store.bucket(name)))

    def _permissions(self, call: Call, name: str) -> Reply:
        """All that are asked for: whoever has the engine's token owns its buckets."""
        self.store.bucket(name)
        granted = [value for key, value in call.pairs if key == "permissions"]
        return Reply.of({"kind": "storage#testIamPermissionsResponse", "permissions": granted})

    def _list(self, call: Call, bucket: str) -> Reply:
        self.store.bucket(bucket)
        listing = Listing.from_query(call.query)
        page = listing.page(self._visible(bucket, self.store.walk(bucket, listing.prefix)))
        document: dict[str, Any] = {"kind": "storage#objects"}
        if page.objects:
            document["items"] = [object_resource(call, stored) for stored in page.objects]
        if page.prefixes:
            document["prefixes"] = list(page.prefixes)
        if page.next_token:
            document["nextPageToken"] = page.next_token
        return Reply.of(document)

    def _object(self, call: Call, bucket: str, name: str) -> Reply:
        conditional, generation = conditions(call.query), number(call.query, "generation")
        if call.method == "DELETE":
            self.store.delete(bucket, name, conditional, generation)
            return Reply(204)
        if call.method in ("PATCH", "PUT"):
            return Reply.of(object_resource(call, self.store.patch(bucket, name, call.json(), conditional)))
        if call.query.get("alt") == "media":
            return self._transfers.download(call, bucket, name)
        return Reply.of(object_resource(call, self.store.get(bucket, name, conditional, generation)))

    def _copy(self, call: Call, source: tuple[str, str], target: tuple[str, str]) -> Reply:
        stored, file = self.store.open(
            *source, conditions(call.query, "ifSource"), number(call.query, "sourceGeneration")
        )
        temporary = self.store.temporary(*target)
        with discarded(temporary):
            with file, temporary.open("wb") as out:
                while block := file.read(CHUNK):
                    out.write(block)
            attributes = call.json() or stored.attributes
            copied = self.store.put(temporary, *target, attributes=attributes, conditions=conditions(call.query))
        return Reply.of(object_resource(call, copied))

    def _rewrite(self, call: Call, source: tuple[str, str], target: tuple[str, str]) -> Reply:
        self._copy(call, source, target)
        copied = object_resource(call, self.store.get(*target))
        answer = {"kind": "storage#rewriteResponse", "done": True, "resource": copied}
        return Reply.of({**answer, "totalBytesRewritten": copied["size"], "objectSize": copied["size"]})

    def _compose(self, call: Call, bucket: str, name: str) -> Reply:
        document = call.json()
        sources = document.get("sourceObjects", [])
        if not 1 <= len(sources) <= MAX_COMPOSE:
            raise StorageError(400, "invalid", f"{len(sources)} source objects: expected 1 to {MAX_COMPOSE}")
        temporary = self.store.temporary(bucket, name)
        with discarded(temporary):
            with temporary.open("wb") as out:
                components = sum(self._append(out, bucket, source) for source in sources)
            composed = self.store.put(
                temporary,
                bucket,
                name,
                attributes=document.get("destination", {}),
                conditions=conditions(call.query),
                components=components,
            )
        return Reply.of(object_resource(call, composed))

    def _append(self, out: Any, bucket: str, source: dict[str, Any]) -> int:
        expected_generation = source.get("objectPreconditions", {}).get("ifGenerationMatch")
        pinned = source.get("generation")
        stored, file = self.store.open(
            bucket,
            source["name"],
            Preconditions(generation_match=None if expected_generation is None else int(expected_generation)),
            int(pinned) if pinned else None,
        )
        with file:
            while block := file.read(CHUNK):
                out.write(block)
        return stored.component_count or 1

    def _batch(self, call: Call) -> Reply:
        if call.spooled is not None:
            raise StorageError(413, "uploadTooLarge", f"A batch of {call.spooled.stat().st_size} bytes is too large.")
        head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode("latin-1")
        message = BytesParser().parsebytes(head + call.body)
        sections = message.get_payload()
        if not isinstance(sections, list) or len(sections) > MAX_BATCH:
            raise StorageError(400, "badContent", f"A batch holds 1 to {MAX_BATCH} requests as multipart/mixed.")
        boundary = f"batch_{secrets.token_hex(8)}"
        replies = [
            self._batch_part(call, str(section.get_payload()), section.get("Content-ID"), boundary)
            for section in sections
            if isinstance(section, Message)
        ]
        body = b"".join(replies) + f"--{boundary}--\r\n".encode()
        return Reply(200, body, {"content-type": f"multipart/mixed; boundary={boundary}"})

    def _batch_part(self, call: Call, text: str, content_id: str | None, boundary: str) -> bytes:
        request_line, _, remainder = text.lstrip().replace("\r\n", "\n").partition("\n")
        method, target, *_ = request_line.split(" ")
        split = urlsplit(target)
        _, _, body = remainder.partition("\n\n")
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        path = split.path.removeprefix(call.base)  # clients put the whole path of their address into each request
        inner = Call(method, path, query, dict(call.headers), body.encode("utf-8"), base=call.base)
        reply = self.answer(inner)
        lines = [f"--{boundary}", "Content-Type: application/http"]
        # without white space: a folded header of the request must not begin a line of the reply
        lines += [f"Content-ID: <response-{''.join(content_id.split()).strip('<>')}>"] if content_id else []
        lines += ["", f"HTTP/1.1 {reply.status} Status", "Content-Type: application/json; charset=UTF-8", "", ""]
        return "\r\n".join(lines).encode() + reply.content + b"\r\n"


def _no_route(call: Call) -> StorageError:
    return StorageError(404, "notFound", f"The local engine has no route {call.method} {call.path}")
