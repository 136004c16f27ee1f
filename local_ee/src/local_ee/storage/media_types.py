"""What a client may say about an object's bytes, and as what they are served: nothing that a browser would run.

Media types are `token/token` with parameters (https://www.rfc-editor.org/rfc/rfc9110#name-media-type).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OCTETS = "application/octet-stream"
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PARAMETER = rf'[ \t]*;[ \t]*{TOKEN}=(?:{TOKEN}|"[ !#-\[\]-~]*")'
MEDIA_TYPE = re.compile(rf"({TOKEN}/{TOKEN})(?:{PARAMETER})*[ \t]*;?[ \t]*")
MAX_LENGTH = 1024
PRINTABLE = re.compile(r"[ -~]*")
HEADER_FIELDS = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "storageClass")
# Types that browsers show or keep and never run; image/svg+xml and text/html are not among them.
PASSIVE = re.compile(
    r"(?:image|audio|video|font)/[^+]+"
    r"|text/(?:plain|csv|markdown)"
    r"|application/(?:octet-stream|json|geo\+json|zip|gzip|x-tar|vnd\.apache\.parquet|x-ndjson)",
    re.IGNORECASE,
)


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """ValueError where a field that becomes a header of the reply is no text of one line, or no media type."""
    for field in (*HEADER_FIELDS, "contentType"):
        value = attributes.get(field)
        if value is not None and not _is_header(value):
            raise ValueError(f"Invalid value for {field}: {str(value)[:100]!r}, expected one line of printable ASCII")
    content_type = attributes.get("contentType")
    if content_type and not MEDIA_TYPE.fullmatch(content_type):
        raise ValueError(f"Invalid value for contentType: {content_type[:100]!r}, expected type/subtype")


def served_type(stored: Any, *, to_browser: bool) -> str:
    """The Content-Type of a download: as stored, but to browsers only types that they do not run."""
    if not (isinstance(stored, str) and _is_header(stored)):
        return OCTETS
    match = MEDIA_TYPE.fullmatch(stored)
    if match is None or (to_browser and not PASSIVE.fullmatch(match[1])):
        return OCTETS
    return stored


def header_value(stored: Any) -> str | None:
    """An attribute as the value of a header; None where an older home holds one that cannot be sent."""
    return stored if isinstance(stored, str) and stored and _is_header(stored) else None


def is_browser(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks: by Fetch Metadata, or by the HTML that every navigation prefers."""
    return any(name.startswith("sec-fetch-") for name in headers) or "text/html" in headers.get("accept", "").lower()


def _is_header(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_LENGTH and PRINTABLE.fullmatch(value) is not None
