"""Multipart uploads: where in a request's body an object's attributes and bytes lie, without reading the bytes.

The form is Cloud Storage's: https://cloud.google.com/storage/docs/uploading-objects#rest-upload-objects.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from local_ee.storage.objects import CHUNK, StorageError

BOUNDARY = re.compile(r"""boundary="?([^";]+)"?""")
MAX_HEAD = 1 << 20  # of the attributes and the head of the content, which lie before its first byte
MAX_TAIL = 4096  # of the closing boundary and what may follow it
BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n")


@dataclass(frozen=True)
class Content:
    """The attributes of a new object, and the part of an open body that holds its bytes (stop None: to the end)."""

    attributes: Mapping[str, Any]
    body: BinaryIO
    start: int = 0
    stop: int | None = None

    def copy_to(self, path: Path) -> None:
        """Writes the bytes into a new file."""
        self.body.seek(self.start)
        left = None if self.stop is None else self.stop - self.start
        with path.open("wb") as target:
            while block := self.body.read(CHUNK if left is None else min(CHUNK, left)):
                target.write(block)
                left = None if left is None else left - len(block)


def content(body: BinaryIO, content_type: str) -> Content:
    """The object of a multipart/related body; StorageError 400 where the body is malformed."""
    match = BOUNDARY.search(content_type)
    if match is None:
        raise StorageError(400, "badContent", f"Missing boundary in Content-Type {content_type[:200]!r}")
    delimiter = b"--" + match[1].encode("latin-1")
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    attributes, start = _attributes(body.read(MAX_HEAD), delimiter)
    return Content(attributes, body, start, _end(body, delimiter, start, size))


def _attributes(head: bytes, delimiter: bytes) -> tuple[dict[str, Any], int]:
    """The JSON of the first part, and where the content of the second one begins."""
    first = head.find(delimiter)
    second = head.find(delimiter, first + len(delimiter))
    blank = BLANK_LINE.search(head, _line_end(head, second)) if second > first >= 0 else None
    if blank is None:
        raise StorageError(400, "badContent", "Missing parts of a multipart upload: expected attributes and content")
    document = BLANK_LINE.search(head, _line_end(head, first), second)
    attributes = json.loads(head[document.end() : second].strip() or b"{}") if document else {}
    if not isinstance(attributes, dict):
        raise StorageError(400, "badContent", "The attributes of a multipart upload must be a JSON object")
    lines = head[_line_end(head, second) : blank.start()].decode("latin-1").splitlines()
    headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    attributes.setdefault("contentType", headers.get("content-type"))
    return attributes, blank.end()


def _line_end(head: bytes, delimiter_at: int) -> int:
    """Where the line of a delimiter ends: a part without headers has its blank line right there."""
    end = head.find(b"\n", delimiter_at)
    if end < 0:
        return len(head)
    return end - 1 if head[end - 1 : end] == b"\r" else end


def _end(body: BinaryIO, delimiter: bytes, start: int, size: int) -> int:
    """Where the content ends: before the line end that precedes the closing boundary."""
    from_byte = max(start - 2, size - MAX_TAIL - len(delimiter))
    body.seek(max(from_byte, 0))
    tail = body.read()
    closing = tail.rfind(delimiter + b"--")
    if closing < 0:
        raise StorageError(400, "badContent", "A multipart upload that does not end with its boundary")
    before = tail[:closing].removesuffix(b"\n").removesuffix(b"\r")
    return max(from_byte + len(before), start)
