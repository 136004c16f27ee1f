"""Cloud Storage's JSON resources, and the preconditions and checksums that requests carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from local_ee.storage.objects import Checksums, Preconditions, StorageError, StoredObject
from local_ee.wire import Call


def object_resource(call: Call, stored: StoredObject) -> dict[str, Any]:
    """https://cloud.google.com/storage/docs/json_api/v1/objects#resource."""
    path = f"b/{quote(stored.bucket, safe='')}/o/{quote(stored.name, safe='')}"
    document = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{base_url(call)}/storage/v1/{path}",
        "mediaLink": f"{base_url(call)}/download/storage/v1/{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": stored.crc32c,
        "etag": etag(stored),
        "timeCreated": stored.created,
        "updated": stored.updated,
        **stored.attributes,
    }
    if stored.md5:
        document["md5Hash"] = stored.md5
    if stored.component_count:
        document["componentCount"] = stored.component_count
    return document


def bucket_resource(call: Call, bucket: Mapping[str, Any]) -> dict[str, Any]:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets#resource."""
    name = bucket["name"]
    return {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"{base_url(call)}/storage/v1/b/{name}",
        "locationType": "multi-region" if bucket["location"] in ("US", "EU", "ASIA") else "region",
        "projectNumber": "0",
        "etag": "CAE=",
        **bucket,
        "metageneration": str(bucket["metageneration"]),
    }


def etag(stored: StoredObject) -> str:
    """A tag that changes with the bytes and with the attributes."""
    return f"{stored.generation:x}-{stored.metageneration:x}"


def base_url(call: Call) -> str:
    """The engine's address as the caller knows it."""
    return f"http://{call.headers.get('host', '127.0.0.1')}{call.base}"


def conditions(query: Mapping[str, str], prefix: str = "if") -> Preconditions:
    """The preconditions of a request; `prefix` is ifSource for those on the source of a copy."""
    return Preconditions(
        number(query, f"{prefix}GenerationMatch"),
        number(query, f"{prefix}GenerationNotMatch"),
        number(query, f"{prefix}MetagenerationMatch"),
        number(query, f"{prefix}MetagenerationNotMatch"),
    )


def number(query: Mapping[str, str], key: str) -> int | None:
    """A whole number of the query, or None where it is absent; StorageError 400 where it is none."""
    text = query.get(key)
    if text is None:
        return None
    if not re.fullmatch(r"-?\d+", text):
        raise StorageError(400, "invalid", f"Invalid value for {key}: {text!r}")
    return int(text)


def claimed_in(headers: Mapping[str, str]) -> Checksums:
    """The checksums of an X-Goog-Hash header (`crc32c=...,md5=...`)."""
    pairs = (pair.strip().split("=", 1) for pair in headers.get("x-goog-hash", "").split(",") if "=" in pair)
    named = {key.strip(): value for key, value in pairs}
    return Checksums(named.get("crc32c"), named.get("md5"))
