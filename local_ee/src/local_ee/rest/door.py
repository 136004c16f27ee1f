"""Who may come in: requests with the engine's token, from no web page, of a media type that no web form sends.

The rules are those of the Fetch standard (https://fetch.spec.whatwg.org/#cors-safelisted-request-header: which requests
any page may send) and of Fetch Metadata (https://www.w3.org/TR/fetch-metadata/).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_ee.rest.bodies import UPLOADS
from local_ee.rest.replying import send_reply
from local_ee.storage.xml_uploads import is_xml_upload
from local_ee.token import PREFIX, RENEWAL, renewed, without_token
from local_ee.wire import Reply

BASE = "isamap.base"  # key of the ASGI scope: the part of the path that held the token
JSON_TYPES = ("application/json",)
FORM_TYPES = ("application/x-www-form-urlencoded",)  # https://www.rfc-editor.org/rfc/rfc6749#section-6
# Addresses that browsers open without headers of ours. As on Google's servers, the id is the secret: 128 random bits.
PUBLIC = re.compile(
    r"/v1(?:alpha)?/projects/[^/]+/(?:(?:t|videoT|filmstripT)humbnails/[0-9a-f]{32}:getPixels"
    r"|tables/[0-9a-f]{32}:getFeatures|maps/[0-9a-f]{32}/tiles/\d+/\d+/\d+)"
)
ASKING = (
    "The local engine wants its token: send `Authorization: Bearer TOKEN`, or use the address with /t/TOKEN that "
    "`isamap engine serve` prints (local_ee/docs/engine.md, What the engine trusts)."
)
# On every reply: what is shown in a browser runs no script, is of the type that it says, and is no part of other pages.
HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


class Door:
    """An ASGI application that lets only authorised requests through to another one, the token taken off their path.

    An empty token asks for none; web pages stay outside all the same.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        scope, path_token = _without_token(scope)
        public = scope["method"] in ("GET", "HEAD") and PUBLIC.fullmatch(scope["path"]) is not None
        refusal = None if public else _from_web_page(headers)
        refusal = refusal or self._unauthorised(headers, path_token, public) or _wrong_type(scope, headers)
        hardened = _Hardened(send, stranger=public, closing=refusal is not None)
        if refusal is not None:
            await send_reply(refusal, hardened)
        elif scope["path"] == RENEWAL and scope["method"] == "POST":
            await send_reply(Reply.of(renewed(self._token.decode())), hardened)
        else:
            await self._app(scope, receive, hardened)

    def _unauthorised(self, headers: Mapping[str, str], path_token: str | None, public: bool) -> Reply | None:
        """403 and not 401: Google's clients take a 401 for an old token, try to renew it and hide these words."""
        if not self._token or (public and path_token is None):
            return None
        scheme, _, header_token = headers.get("authorization", "").partition(" ")
        token = path_token if path_token is not None else header_token.strip() if scheme.lower() == "bearer" else ""
        # Takes as long however many characters agree: the time tells nothing of the token.
        if hmac.compare_digest(token.encode(), self._token):
            return None
        return Reply.error(403, ASKING, reason="forbidden")


def _headers(scope: Scope) -> dict[str, str]:
    """Names in lower case; a header that came twice is joined, so that a second value hides nothing."""
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _without_token(scope: Scope) -> tuple[Scope, str | None]:
    """The request as if its path had no token, and the token of the path (None: there is none)."""
    token, path = without_token((scope.get("raw_path") or scope["path"].encode()).decode("latin-1"))
    if token is None:
        return scope, None
    return {**scope, "path": unquote(path), "raw_path": path.encode("latin-1"), BASE: f"{PREFIX}{token}"}, token


def _from_web_page(headers: Mapping[str, str]) -> Reply | None:
    """The refusal of what a browser sends for another page than the engine's own."""
    own = f"http://{headers.get('host', '')}"
    if headers.get("origin", own) != own:
        return _page_refused(f"Origin {headers['origin']}")
    site = headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin"):
        return _page_refused(f"Sec-Fetch-Site {site}")
    return None


def _page_refused(header: str) -> Reply:
    return Reply.error(403, f"The local engine takes no requests from web pages ({header[:200]}).", reason="forbidden")


def _wrong_type(scope: Scope, headers: Mapping[str, str]) -> Reply | None:
    """The refusal of a write whose media type is not that of its route; a body without a type counts as wrong too."""
    if scope["method"] not in ("POST", "PUT", "PATCH", "DELETE"):
        return None
    media_types = _expected_types(scope)
    content_type = headers.get("content-type")
    if media_types is None or (content_type is None and not _has_body(headers)):
        return None
    if (content_type or "").partition(";")[0].strip().lower() in media_types:
        return None
    message = f"Content-Type {(content_type or 'missing')[:200]!r}: expected {' or '.join(media_types)}."
    return Reply.error(415, message, "INVALID_ARGUMENT", reason="badContent")


def _expected_types(scope: Scope) -> tuple[str, ...] | None:
    """The media types that a route takes; None where the body is an object's bytes, of any type."""
    if scope["path"] == RENEWAL:
        return FORM_TYPES
    query = parse_qs(scope["query_string"].decode("latin-1"))
    if is_xml_upload(scope["path"], scope["query_string"].decode("latin-1")):
        return None
    first = scope["path"].strip("/").partition("/")[0]
    if first == "batch":
        return ("multipart/mixed",)
    if first not in UPLOADS:
        return JSON_TYPES
    if scope["method"] != "POST" or "upload_id" in query or query.get("uploadType", [""])[-1] == "media":
        return None
    return ("multipart/related",) if query.get("uploadType", [""])[-1] == "multipart" else JSON_TYPES


def _has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class _Hardened:
    """Sends on with the headers that every reply carries; a refused connection is closed after it."""

    def __init__(self, send: Send, *, stranger: bool, closing: bool) -> None:
        self._send = send
        self._stranger = stranger  # may hold no token: what it asks for in vain costs it the connection
        self._closing = closing

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            hardening = dict(HEADERS)
            if self._stranger:
                hardening["cross-origin-resource-policy"] = "cross-origin"  # tiles lie in the pages of notebooks
            if self._closing or (self._stranger and message["status"] >= 400):
                hardening["connection"] = "close"
            names = {name.encode() for name in hardening}
            headers = [(key, value) for key, value in message.get("headers", []) if key.lower() not in names]
            message = {
                **message,
                "headers": [*headers, *((key.encode(), value.encode()) for key, value in hardening.items())],
            }
        await self._send(message)
