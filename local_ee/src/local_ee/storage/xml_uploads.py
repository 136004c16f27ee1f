"""Cloud Storage's XML multipart uploads: what `transfer_manager.upload_chunks_concurrently` speaks.

Reference: https://cloud.google.com/storage/docs/xml-api/post-object-multipart, .../put-object-multipart,
.../get-object-multipart, .../post-object-complete, .../delete-multipart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree import ElementTree

from local_ee.home import Home
from local_ee.storage import resources
from local_ee.storage.objects import Checksums, ObjectStore, StorageError
from local_ee.storage.part_store import MOST_PARTS, PartStore
from local_ee.wire import Call, Reply

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
FIELDS = {
    "content-type": "contentType",
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "x-goog-custom-time": "customTime",
    "x-goog-storage-class": "storageClass",
}
CUSTOM = "x-goog-meta-"
PAGE = 1000  # parts of a list at most
# What the paths of the other APIs begin with, which a bucket's cannot
RESERVED = frozenset(
    {"storage", "upload", "resumable", "download", "batch", "v1", "v1alpha", "t", "token", "faults", "$discovery"}
)
# XML's codes of what the store refuses: https://cloud.google.com/storage/docs/xml-api/reference-status
CODES = {"notFound": "NoSuchBucket", "invalid": "InvalidArgument"}


def is_xml_upload(path: str, query: str) -> bool:
    """Whether a request is of an XML multipart upload; never one whose path belongs to another API."""
    if path.strip("/").partition("/")[0] in RESERVED:
        return False
    return any(pair.partition("=")[0] in ("uploads", "uploadId") for pair in query.split("&"))


class XmlUploads:
    """Answers requests of XML multipart uploads, errors in XML."""

    def __init__(self, home: Home, store: ObjectStore) -> None:
        self._parts = PartStore(home, store)

    def expire(self) -> None:
        """Forgets uploads that were given up long ago."""
        self._parts.expire()

    def answer(self, call: Call) -> Reply:
        """The reply to one call, refusals included."""
        try:
            return self._route(call)
        except StorageError as error:
            return _refused(error.status, CODES.get(error.reason, error.reason), str(error))
        except ValueError as error:
            return _refused(400, "InvalidArgument", str(error))

    def _route(self, call: Call) -> Reply:
        bucket, _, name = call.path.strip("/").partition("/")
        target = (unquote(bucket), unquote(name), call.query.get("uploadId", ""))
        match call.method, "uploads" in call.query, "partNumber" in call.query:
            case "POST", True, _:
                return self._begin(call, *target[:2])
            case "PUT", False, True:
                return self._add(call, target)
            case "GET", False, False:
                return self._list(call, target)
            case "POST", False, False:
                return self._finish(call, target)
            case "DELETE", False, False:
                self._parts.abort(target)
                return Reply(204)
        raise StorageError(501, "NotImplemented", f"Uploads in parts have no route {call.method} {call.path} here.")

    def _begin(self, call: Call, bucket: str, name: str) -> Reply:
        upload = self._parts.begin(bucket, name, _attributes(call.headers))
        return _document("InitiateMultipartUploadResult", {"Bucket": bucket, "Key": name, "UploadId": upload})

    def _add(self, call: Call, target: tuple[str, str, str]) -> Reply:
        part_number = resources.number(call.query, "partNumber") or 0
        claimed = resources.claimed_in(call.headers)
        claimed = Checksums(claimed.crc32c, claimed.md5 or call.headers.get("content-md5"))
        try:
            with call.open_body() as body:
                stored = self._parts.add(target, part_number, body, claimed)
        except StorageError as error:
            if error.reason == "invalid":  # a checksum
                raise StorageError(400, "BadDigest", str(error)) from error
            raise
        headers = {"etag": f'"{stored.etag}"', "x-goog-hash": f"crc32c={stored.crc32c},md5={stored.md5}"}
        return Reply(200, headers=headers)

    def _list(self, call: Call, target: tuple[str, str, str]) -> Reply:
        marker = resources.number(call.query, "part-number-marker") or 0
        most = resources.number(call.query, "max-parts")
        most = min(PAGE if most is None else most, PAGE)
        if most < 1:
            raise StorageError(400, "InvalidArgument", f"max-parts is {most}: expected 1 to {PAGE}.")
        parts = [stored for stored in self._parts.parts(target) if stored.number > marker]
        page = parts[:most]
        fields = {
            "Bucket": target[0],
            "Key": target[1],
            "UploadId": target[2],
            "StorageClass": "STANDARD",
            "PartNumberMarker": marker,
            "NextPartNumberMarker": page[-1].number if page else marker,
            "MaxParts": most,
            "IsTruncated": str(len(parts) > most).lower(),
        }
        rows = [
            {
                "PartNumber": stored.number,
                "LastModified": stored.modified,
                "ETag": f'"{stored.etag}"',
                "Size": stored.size,
            }
            for stored in page
        ]
        return _document("ListPartsResult", fields, rows)

    def _finish(self, call: Call, target: tuple[str, str, str]) -> Reply:
        stored = self._parts.finish(target, _wanted(call))
        location = f"{resources.base_url(call)}{call.path}"
        tag = resources.etag(stored)
        fields = {"Location": location, "Bucket": stored.bucket, "Key": stored.name, "ETag": f'"{tag}"'}
        reply = _document("CompleteMultipartUploadResult", fields)
        hashes = {"x-goog-hash": f"crc32c={stored.crc32c}", "x-goog-generation": str(stored.generation)}
        return Reply(reply.status, reply.body, {**reply.headers, **hashes})


def _attributes(headers: Mapping[str, str]) -> dict[str, object]:
    """The attributes of the object that the headers name."""
    attributes: dict[str, object] = {field: headers[name] for name, field in FIELDS.items() if name in headers}
    metadata = {name.removeprefix(CUSTOM): value for name, value in headers.items() if name.startswith(CUSTOM)}
    return {**attributes, "metadata": metadata} if metadata else attributes


def _wanted(call: Call) -> list[tuple[int, str]]:
    """The numbers and ETags of the parts that a request names; StorageError 400 where it is no such list.

    A document with a DOCTYPE, by which entities expand, is refused before it is read.
    """
    if call.spooled is not None or b"<!DOCTYPE" in call.body.upper():
        raise StorageError(400, "MalformedXML", "The list of parts is too large, or has a DOCTYPE.")
    try:
        root = ElementTree.fromstring(call.body)
    except (ElementTree.ParseError, ValueError) as error:
        raise StorageError(400, "MalformedXML", f"The list of parts is no XML: {error}.") from error
    rows = [{_plain(field.tag): (field.text or "").strip() for field in row} for row in root]
    if _plain(root.tag) != "CompleteMultipartUpload" or len(rows) > MOST_PARTS or not all(map(_is_part, rows)):
        raise StorageError(
            400, "MalformedXML", f"Expected CompleteMultipartUpload of 1 to {MOST_PARTS} Part with PartNumber and ETag."
        )
    return [(int(row["PartNumber"]), row["ETag"].strip('"')) for row in rows]


def _is_part(row: Mapping[str, str]) -> bool:
    return "ETag" in row and re.fullmatch(r"\d{1,5}", row.get("PartNumber", "")) is not None


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def _document(name: str, fields: Mapping[str, object], parts: list[dict[str, object]] | None = None) -> Reply:
    root = ElementTree.Element(name, {"xmlns": NAMESPACE})
    for element, values in ((root, fields), *((ElementTree.Element("Part"), row) for row in parts or ())):
        for key, value in values.items():
            ElementTree.SubElement(element, key).text = str(value)
        if element is not root:
            root.append(element)
    return _xml(200, root)


def _refused(status: int, code: str, message: str) -> Reply:
    root = ElementTree.Element("Error")
    for key, text in (("Code", code), ("Message", message), ("Details", message)):
        ElementTree.SubElement(root, key).text = "".join(letter for letter in text if letter.isprintable())
    return _xml(status, root)


def _xml(status: int, root: ElementTree.Element) -> Reply:
    body = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Reply(status, body, {"content-type": "application/xml; charset=UTF-8"})
