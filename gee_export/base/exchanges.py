"""What was asked of a server and what it answered, told to whoever records it: no header, no host, no secret."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

LARGEST = 64 << 10  # bytes of a body that is kept whole; of larger ones size and SHA-256
# Their bodies are tokens: they are never recorded, not even as a hash.
LOGIN_HOSTS = ("oauth2.", "accounts.", "sts.", "iamcredentials.", "metadata.")
# parameters of a query that say what is asked; others may be keys, signatures or addresses of uploads
SAFE = ("alt", "name", "prefix", "pageSize", "pageToken", "filter", "view", "fields", "uploadType", "permissions",
        "ifGenerationMatch", "delimiter", "projection", "overwrite", "parent", "assetId")  # fmt: skip
_EMAIL = re.compile(rb"[\w.+-]+@[\w-]+(\.[\w-]+)+")

_keep: Callable[[Exchange], None] | None = None


@dataclass(frozen=True)
class Exchange:
    """One request with its answer. sent, received: text, base64 of other bytes, or size and hash of large ones."""

    method: str
    path: str
    query: dict[str, str]
    sent: Any
    status: int
    media_type: str
    received: Any


def told(method: str, url: str, sent: Any, status: int, media_type: str, received: bytes | None) -> None:
    """Notes an exchange where somebody records; received: None where the body is somebody else's to read."""
    parts = urlsplit(url)
    if _keep is None or (parts.hostname or "").startswith(LOGIN_HOSTS):
        return
    query = {name: value if name in SAFE else "..." for name, value in parse_qsl(parts.query)}
    _keep(Exchange(method, parts.path, query, _body(sent), status, media_type.partition(";")[0], _body(received)))


def watch(http: Any) -> None:
    """Lets a session of requests tell its exchanges, as long as somebody records."""
    hooks = http.hooks["response"]
    if _keep is not None and _heard not in hooks:
        hooks.append(_heard)


@contextmanager
def recorded(path: Path, subject: Callable[[], str]) -> Iterator[None]:
    """Writes every exchange of the block to a file, a line of JSON each; subject: what is being asked just now."""
    global _keep
    before = _keep
    lock = threading.Lock()
    with path.open("w", encoding="utf-8") as file:

        def keep(exchange: Exchange) -> None:
            with lock:
                file.write(json.dumps({"of": subject(), **asdict(exchange)}) + "\n")
                # Line by line on the file: what was asked before a crash is what is looked for afterwards.
                file.flush()

        _keep = keep
        try:
            yield
        finally:
            _keep = before


def _heard(reply: Any, **options: Any) -> None:
    request = reply.request
    # To read a stream here would take it from whoever asked for it.
    received = None if options.get("stream") else reply.content
    told(request.method, request.url, request.body, reply.status_code, reply.headers.get("Content-Type", ""), received)


def _body(content: Any) -> Any:
    if content is None or content in (b"", ""):
        return None
    data = content.encode() if isinstance(content, str) else content
    if not isinstance(data, bytes | bytearray):
        return {"stream": type(content).__name__}
    if len(data) > LARGEST:
        return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    # Replies name the account; recordings are to be shown to others.
    plain = _EMAIL.sub(b"EMAIL", bytes(data))
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(bytes(data)).decode()}
