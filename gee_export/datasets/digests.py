"""What tells a damaged manifest.json or patches.parquet from a whole one: SHA-256 of both, in the manifest itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from isamap.gee_export.base.errors import Fault

FIELD = "digests"  # the manifest's last; an unfinished dataset has none
MANIFEST, INDEX = "manifest.json", "patches.parquet"


def text(document: Mapping[str, Any]) -> bytes:
    """JSON as manifests are written: one layout, so equal documents are equal bytes."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sealed(document: Mapping[str, Any], index: bytes) -> bytes:
    """A manifest's bytes with the digests of the index and of the manifest up to its own digest."""
    digests = {INDEX: _digest(index)}
    return text({**document, FIELD: digests | {MANIFEST: _digest(text({**document, FIELD: digests}))}})


def checked(document: Mapping[str, Any], data: bytes, where: str) -> str:
    """The digest that patches.parquet must have; Fault unless a manifest's bytes are those that were written."""
    if not _is_whole(document, data):
        raise Fault(f"{where} is damaged (its digest is not that of its contents): run the same export again")
    digest: str = document[FIELD][INDEX]
    return digest


def check_index(data: bytes, digest: str, where: str) -> None:
    """Fault where the bytes of patches.parquet are not those that the manifest was written for."""
    if _digest(data) != digest:
        raise Fault(
            f"{where} is damaged or of another export (its digest is not {MANIFEST}'s): run the same export again"
        )


def _is_whole(document: Mapping[str, Any], data: bytes) -> bool:
    try:
        digests = dict(document[FIELD])
        own = digests.pop(MANIFEST)
        is_same = text(document) == data and _digest(text({**document, FIELD: digests})) == own
    except (KeyError, TypeError, ValueError):  # not of this form, or numbers that are none
        return False
    return is_same and INDEX in digests


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
