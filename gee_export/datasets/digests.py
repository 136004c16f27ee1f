"""What tells a damaged manifest.json or patches.parquet from a whole one: SHA-256 of both, in the manifest itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from gee_export.base.errors import Fault

FIELD = "digests"  # the manifest's last; isamap 0.1 wrote none
MANIFEST, INDEX = "manifest.json", "patches.parquet"


def text(document: Mapping[str, Any]) -> bytes:
    """JSON as manifests are written: one layout, so equal documents are equal bytes."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sealed(document: Mapping[str, Any], index: bytes) -> bytes:
    """A manifest's bytes with the digests of the index and of the manifest up to its own digest."""
    digests = {INDEX: _digest(index)}
    return text({**document, FIELD: digests | {MANIFEST: _digest(text({**document, FIELD: digests}))}})


def of_index(document: Mapping[str, Any]) -> str | None:
    """The digest that patches.parquet must have; None of datasets of isamap 0.1 and of unfinished ones."""
    return (document.get(FIELD) or {}).get(INDEX)


def check(document: Mapping[str, Any], data: bytes, where: str, *, field_names: Collection[str]) -> None:
    """Fault unless a manifest's bytes are those that were written; without digests, unless all its fields are known.

    So neither a changed value nor a changed name of `digests` passes; later versions may add fields under digests.
    """
    if FIELD in document:
        if not _is_whole(document, data):
            raise Fault(f"{where} is damaged (its digest is not that of its contents): run the same export again")
    elif unknown := sorted(document.keys() - set(field_names)):
        raise Fault(f"{where} is damaged (unknown field {unknown[0]!r}): run the same export again")


def check_index(data: bytes, digest: str | None, where: str) -> None:
    """Fault where the bytes of patches.parquet are not those that the manifest was written for."""
    if digest is not None and _digest(data) != digest:
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
