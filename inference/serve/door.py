"""Who may come in: requests for this service's own names, from no other web page, with a token where one is asked for.

Host is checked because any web page can point a name of its own at this machine (DNS rebinding). Origin and Fetch
Metadata are checked because any page can make a browser send requests (https://www.w3.org/TR/fetch-metadata/). Tokens
are bearer tokens (RFC 6750) and are compared in constant time.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from isamap.inference.serve.address import Address, is_loopback
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.tokens import Tokens, owner_of_token

# the page, which then asks for the token, and what says how the service is used
OPEN_PATHS = re.compile(r"/|/health|/api|/openapi\.json|/favicon\.ico|/static/[A-Za-z0-9._-]+")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
JSON_TYPES = ("application/json", "application/geo+json")
TILE = re.compile(r"/maps/[^/]+/tiles/[a-z]+/\d+/\d+/\d+\.png")
HTTP_PORT = 80  # which browsers leave out
WRITING = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Door:
    """names: hosts with ports, in lower case, that requests may name; tokens: of which a request needs one, if any."""

    names: tuple[str, ...]
    tokens: Tokens = field(default_factory=Tokens)

    @classmethod
    def at(cls, address: Address, port: int, tokens: Tokens) -> Door:
        """The door of an address on the port that was got; ValueError as `of`."""
        return cls.of(address.host, port, tokens, address.url)

    @classmethod
    def of(cls, host: str, port: int, tokens: Tokens, url: str | None) -> Door:
        """The door of an address; ValueError for one that others reach, without token or name."""
        if not is_loopback(host) and not tokens.tokens:
            raise ValueError(f"--host {host} can be reached by others: give --token-file, or leave --host out")
        if not is_loopback(host) and url is None:
            raise ValueError(
                f"--host {host}: give --url, the address that browsers show, such as https://maps.example.org"
            )
        names = tuple(name if port == HTTP_PORT else f"{name}:{port}" for name in LOOPBACK)
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
                raise ValueError(
                    f"--url {url}: expected http:// or https://, a name, and a port if it is not the usual one"
                )
            names = (parts.netloc.lower(), *names)
        return cls(names, tokens)

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """The owner of a request: a digest of its token, "" where none is asked for. Problem: it stays outside."""
        self._check_host(headers)
        self._check_page(method, path, headers)
        _check_type(method, headers)
        if not self.tokens.tokens or OPEN_PATHS.fullmatch(path):
            return ""
        return self._owner(headers)

    def may_end(self, owner: str, starter: str) -> bool:
        """Whether an owner may end the job of another; without tokens everybody on this machine may."""
        if not self.tokens.tokens or owner in map(owner_of_token, self.tokens.operators):
            return True
        return bool(owner) and owner == starter

    def _check_host(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "").lower()
        if host not in self.names:
            raise Problem(421, f"Host {host[:100]!r} is no name of this service: use {self.names[0]}.")

    def _check_page(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) not in self.names:
            raise Problem(403, f"Origin {origin[:100]!r}: other web pages may not use this service.")
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
        follows_link = method == "GET" and mode == "navigate" and headers.get("sec-fetch-dest") == "document"
        if site not in ("none", "same-origin") and not follows_link and not _is_picture(method, path, headers):
            raise Problem(403, f"Sec-Fetch-Site {site[:50]!r}: other web pages may not use this service.")

    def _owner(self, headers: Mapping[str, str]) -> str:
        scheme, _, text = headers.get("authorization", "").partition(" ")
        sent = text.strip().encode() if scheme.lower() == "bearer" else b""
        matches = [hmac.compare_digest(sent, token.encode()) for token in self.tokens.tokens]  # all, whichever is right
        if not any(matches):
            raise Problem(
                401,
                "This service wants a token: send `Authorization: Bearer TOKEN` with one of its token file.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return owner_of_token(text.strip())


def _netloc(origin: str) -> str:
    """Host and port of an origin in lower case; "" where it is no address."""
    try:
        return urlsplit(origin).netloc.lower() if "://" in origin else ""
    except ValueError:
        return ""


def _is_picture(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a page of this host, such as a notebook on another port, shows a tile, whose pixels it cannot read."""
    fetched = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    return method == "GET" and bool(TILE.fullmatch(path)) and fetched.items() <= headers.items()


def _check_type(method: str, headers: Mapping[str, str]) -> None:
    """Refuses the bodies that a web form of any page could send."""
    if method not in WRITING:
        return
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in JSON_TYPES:
        raise Problem(415, f"Content-Type {media_type[:100] or 'missing'!r}: send application/json.")
