"""Pages of object names: prefix, delimiter, glob and page tokens as Cloud Storage's objects.list has them."""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local_ee.storage.globs import glob
from local_ee.storage.objects import StorageError, StoredObject

PAGE = 1000  # the most names of one page (https://cloud.google.com/storage/docs/json_api/v1/objects/list)


@dataclass(frozen=True)
class Page:
    """Objects and common prefixes of one page, and the token of the next."""

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    next_token: str | None


@dataclass(frozen=True)
class Listing:
    """What to list; names are compared as UTF-8 bytes, in whose order they come."""

    prefix: str = ""
    delimiter: str = ""
    glob: str = ""
    start: str = ""
    end: str = ""
    after: str = ""
    size: int = PAGE

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Listing:
        """From the parameters of a list request; StorageError 400 for a bad token or page size."""
        size = query.get("maxResults", str(PAGE))
        if not size.isdigit() or int(size) < 1:
            raise StorageError(400, "invalid", f"Invalid value for maxResults: {size}")
        return cls(
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            glob=_glob_of(query.get("matchGlob", "")),
            start=query.get("startOffset", ""),
            end=query.get("endOffset", ""),
            after=_name_of(query.get("pageToken", "")),
            size=min(int(size), PAGE),
        )

    def page(self, objects: Iterable[StoredObject]) -> Page:
        """The page of these objects (in any order) that follows `after`."""
        entries: dict[str, StoredObject | None] = {}
        for stored in objects:
            if self._wants(stored.name):
                common = self._common_prefix(stored.name)
                if (common or stored.name).encode() > self.after.encode():
                    entries[common or stored.name] = None if common else stored
        names = heapq.nsmallest(self.size + 1, entries, key=str.encode)
        more, names = len(names) > self.size, names[: self.size]
        return Page(
            tuple(entry for name in names if (entry := entries[name]) is not None),
            tuple(name for name in names if entries[name] is None),
            _token_of(names[-1]) if more else None,
        )

    def _wants(self, name: str) -> bool:
        key = name.encode()
        inside = name.startswith(self.prefix) and key >= self.start.encode()
        before_end = not self.end or key < self.end.encode()
        return inside and before_end and (not self.glob or glob(self.glob).matches(name))

    def _common_prefix(self, name: str) -> str | None:
        if not self.delimiter:
            return None
        cut = name.find(self.delimiter, len(self.prefix))
        return None if cut < 0 else name[: cut + len(self.delimiter)]


def _glob_of(text: str) -> str:
    """The text, checked to be a glob."""
    try:
        glob(text)
    except ValueError as error:
        raise StorageError(400, "invalid", f"Invalid glob {text[:80]!r}: {error}") from error
    return text


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise StorageError(400, "invalid", f"Invalid pageToken {token!r}") from error
