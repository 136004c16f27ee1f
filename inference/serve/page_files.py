"""The page of the service as files: one script, one style, and a document that knows what it would ask for first."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from starlette.responses import Response

from isamap.inference.web_map import script

PAGE = Path(__file__).with_name("page")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
_NO_ANSWERS = 'data-answers="{}"'


def document(answers: Mapping[str, Any]) -> Response:
    """The page. answers: what the service answers to addresses, so that the page does not ask for them first."""
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    text = text.replace(_NO_ANSWERS, f'data-answers="{escape(json.dumps(answers, ensure_ascii=False))}"')
    return Response(text, 200, {"cache-control": "no-store", "content-type": TYPES[".html"]})


def file(name: str, headers: Mapping[str, str]) -> Response | None:
    """A file of the page, by gzip where the request allows it, 304 where the browser has it; None: no such file."""
    content = _contents().get(name)
    if content is None:
        return None
    tag = f'W/"{sha256(content).hexdigest()[:20]}"'  # weak: the same packed or not
    own = {
        "cache-control": "no-cache",
        "content-type": TYPES[Path(name).suffix],
        "etag": tag,
        "vary": "accept-encoding",
    }
    if headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=own)
    if "gzip" in headers.get("accept-encoding", ""):
        return Response(_packed(name), 200, own | {"content-encoding": "gzip"})
    return Response(content, 200, own)


@cache
def _packed(name: str) -> bytes:
    # No time of day in it: the same page is the same bytes on every server.
    return gzip.compress(_contents()[name], mtime=0)


@cache
def _contents() -> dict[str, bytes]:
    """All scripts are one file and all styles another: each further request holds back the first tile of a map."""
    files = (path for folder in (script.HOME, PAGE) for path in folder.glob("*.*") if path.suffix in TYPES)
    style = "\n".join(script.asset(name, PAGE) for name in ("style.css", "service.css"))
    packed = {"page.js": script.joined("main.js", PAGE).encode(), "page.css": style.encode()}
    return {path.name: path.read_bytes() for path in files} | packed
