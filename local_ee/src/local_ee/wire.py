"""Requests and replies without a web framework: what the routes of the engine take and give."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from local_ee.messages import check_kinds

# HTTP status to Google's canonical name (https://cloud.google.com/apis/design/errors)
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}


@dataclass(frozen=True)
class Call:
    """One request: query values are the last ones given, header names lower case; large bodies lie in a file.

    `base` is what the client's addresses begin with and `path` lacks: the part that holds the engine's token.
    """

    method: str
    path: str  # percent-escapes as sent
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    spooled: Path | None = None
    base: str = ""
    pairs: tuple[tuple[str, str], ...] = ()  # the query with names that it repeats

    def open_body(self) -> BinaryIO:
        """The body as a file, wherever it lies."""
        return io.BytesIO(self.body) if self.spooled is None else self.spooled.open("rb")

    def json(self) -> Any:
        """The body as JSON; ValueError where it is none, or too large for one."""
        if self.spooled is not None:
            raise ValueError(f"the request body of {self.spooled.stat().st_size} bytes is too large for JSON")
        if not self.body:
            return {}
        try:
            document = json.loads(self.body)
        except RecursionError as error:
            raise ValueError("Invalid JSON payload received: it is nested too deeply.") from error
        except ValueError as error:
            raise ValueError(f"Invalid JSON payload received: {error}.") from error
        if not isinstance(document, dict):
            raise ValueError("the request body must be a JSON object")
        check_kinds(document)
        return document


@dataclass(frozen=True)
class FileSlice:
    """A part of an open file, sent piece by piece and closed at the end."""

    file: Any
    start: int
    length: int


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes | memoryview | FileSlice = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as bytes; ValueError for a part of a file, which is sent piece by piece."""
        if isinstance(self.body, FileSlice):
            raise ValueError("the body is a part of a file")
        return bytes(self.body)

    @classmethod
    def of(cls, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """A JSON answer."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        body = text.encode("utf-8", "replace")
        return cls(status, body, {"content-type": "application/json; charset=UTF-8", **(headers or {})})

    @classmethod
    def error(cls, status: int, message: str, name: str | None = None, reason: str | None = None) -> Reply:
        """An error in Google's JSON form (both the API-wide form and Cloud Storage's list of errors)."""
        error: dict[str, Any] = {
            "code": status,
            "message": message,
            "status": name or STATUS_NAMES.get(status, "UNKNOWN"),
        }
        if reason:
            error["errors"] = [{"domain": "global", "reason": reason, "message": message}]
        return cls.of({"error": error}, status)


Params = Mapping[str, str]


@dataclass(frozen=True)
class Route:
    """A method and path (under /v1 and /v1alpha) and what answers it.

    lane: the threads that answer: "metadata", "values" (graphs whose answer is a value) or "pixels".
    """

    method: str
    path: str
    answer: Callable[[Call, Params], Reply]
    lane: str = "metadata"
