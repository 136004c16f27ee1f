"""The one place that sends requests for pixels: kept-alive connections, with what the `ee` client would send itself."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from odc.geo.geobox import GeoBox

from isamap.gee_export.base import exchanges
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.login import AGAIN
from isamap.gee_export.base.outage import outage
from isamap.gee_export.base.retry import CONNECT_S, DEADLINE_S, Refused
from isamap.gee_export.base.vigil import watched
from isamap.gee_export.earth_engine.session import current

if TYPE_CHECKING:
    import aiohttp
    from google.auth.credentials import Credentials

IDLE_S = 60.0  # the server sends once all is computed, so a body that stops for so long will not go on
# A handshake of TLS costs more than a small request: connections outlive the pauses between rounds.
KEEP_ALIVE_S = 60.0
# aiohttp's own 64 KiB would wake the loop hundreds of times for a reply of 48 MB.
READ_BYTES = 1 << 20
QUOTA_HEADER = "x-earth-engine-quota-status"
CPU_HEADER = "x-local-engine-cpu-seconds"  # the local engine's own, as local_ee.usage has it
RESTRICTED = (
    "the project has used up its noncommercial quota and is slowed down, see "
    "https://developers.google.com/earth-engine/guides/noncommercial_tiers#restricted_mode"
)


@dataclass(frozen=True)
class Content:
    """The body of a reply, and the processor seconds that it took, where the server names them.

    Only the local engine does, in a header of its own; no reply of Google's is known to.
    """

    body: bytearray
    cpu_seconds: float | None = None


class Line(Protocol):
    """A way to the server. workload_tag: what the requests are to carry, "" for none."""

    workload_tag: str

    async def send(self, body: bytes) -> Content:
        """The reply to a computePixels body; Refused where it is no 200, TimeoutError or ConnectionError."""
        ...


Connect = Callable[[Callable[[str], None]], AbstractAsyncContextManager[Line]]


@dataclass(frozen=True)
class PixelAddress:
    """The URL and headers with which the `ee` client of this process would request pixels."""

    url: str
    headers: dict[str, str]
    credentials: Credentials | None
    deadline_s: float
    workload_tag: str = ""

    @classmethod
    def current(cls) -> PixelAddress:
        """Made by the client itself and not sent, so project, version, key and headers are as it makes them.

        EEException where the client is not initialised.
        """
        import ee
        from ee import _state

        resource = ee.data._get_cloud_projects_raw()
        call = resource.image().computePixels(project=ee.data._get_projects_path(), body={})
        headers = {name: value for name, value in call.headers.items() if name.lower() != "content-length"}
        state = _state.get_state()
        # The client's HTTP object holds the credentials it refreshes, its quota project taken off.
        credentials = getattr(getattr(state.cloud_api_resource_raw, "_http", None), "credentials", None)
        tag = str(ee.data.getWorkloadTag() or "")
        return cls(_for_pixels(call.uri), headers, credentials, state.deadline_ms / 1000 or DEADLINE_S, tag)

    @property
    def server(self) -> str:
        """The server's name, for people."""
        return urlsplit(self.url).netloc

    @property
    def is_here(self) -> bool:
        """True for a server on this machine, with which compression only costs time."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


def _for_pixels(uri: str) -> str:
    """The client's address of a request, at the server that the session asks for pixels."""
    session = current()
    if session is None or not session.pixel_url or not uri.startswith(f"{session.url}/"):
        return uri
    return session.pixel_url + uri.removeprefix(session.url)


def payload(expression: bytes, geobox: GeoBox, workload_tag: str = "") -> bytes:
    """The body of a request: the expression as it is, the grid, and the tag that its computing is counted under."""
    grid = json.dumps(grid_json(geobox), separators=(",", ":")).encode()
    tag = b',"workloadTag":%b' % json.dumps(workload_tag).encode() if workload_tag else b""
    return b'{"expression":%b,"fileFormat":"NPY","grid":%b%b}' % (expression, grid, tag)


def grid_json(geobox: GeoBox) -> dict[str, Any]:
    """The REST form of a grid, made afresh for every request (a shared nested dict is a race)."""
    affine, (height, width) = geobox.affine, geobox.shape
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": affine.a,
            "shearX": affine.b,
            "translateX": affine.c,
            "shearY": affine.d,
            "scaleY": affine.e,
            "translateY": affine.f,
        },
        "crsCode": str(geobox.crs),
    }


@asynccontextmanager
async def connect(log: Callable[[str], None], *, address: PixelAddress | None = None) -> AsyncIterator[HttpLine]:
    """A line to the address, by default the server that `ee` is connected to."""
    import aiohttp  # here, so that `isamap export --help` does not load it

    address = address or PixelAddress.current()
    timeout = aiohttp.ClientTimeout(total=address.deadline_s, sock_connect=CONNECT_S)
    # No limit of aiohttp's own (100): the throttle alone decides how many are under way.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=_trust(address.url))
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=READ_BYTES
    ) as session:
        line = HttpLine(address, session, log)
        with line.vigil:
            yield line


class HttpLine:
    """Requests over the connections of one session; tokens are refreshed beside the event loop."""

    def __init__(self, address: PixelAddress, session: aiohttp.ClientSession, log: Callable[[str], None]) -> None:
        self._address, self._session, self._log = address, session, log
        self.workload_tag = address.workload_tag
        self.vigil = watched(address.server, address.deadline_s, always=False)
        self._proxy = _proxy(address.url)
        self._headers = {
            **{k: v for k, v in address.headers.items() if k.lower() not in ("accept-encoding", "content-type")},
            "Content-Type": "application/json",
            # The client asks for gzip, and names itself "(gzip)", wherever the server is.
            "Accept-Encoding": "identity" if address.is_here else "gzip",
        }
        self._refreshing = asyncio.Lock()
        self._told = False

    async def send(self, body: bytes) -> Content:
        """The reply, decompressed; Refused where it is no 200, TimeoutError or ConnectionError for the line."""
        credentials, stale = self._address.credentials, await self._authorise()
        try:
            return await self._post(body)
        except Refused as refused:
            # Only a withdrawn token is worth another try; any other refusal is the caller's to judge.
            if refused.status != 401 or credentials is None or stale is None:
                raise
        await self._refresh(credentials, stale)  # a token may be withdrawn before its time; once, as the client does
        return await self._post(body)

    async def _post(self, body: bytes) -> Content:
        import aiohttp

        try:
            with self.vigil.request():
                async with self._session.post(
                    self._address.url, data=body, headers=self._headers, proxy=self._proxy
                ) as reply:
                    content = await self._content(reply)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Fault(f"{error}: name your certificates with REQUESTS_CA_BUNDLE=FILE") from error
        except aiohttp.ClientError as error:
            words = outage(error) or str(error) or type(error).__name__
            raise ConnectionError(f"{self._address.server}: {words}") from error
        if reply.headers.get("Content-Encoding") == "gzip":
            content = await _inflated(content)
        if "parallelism_restricted=true" in reply.headers.get(QUOTA_HEADER, "") and not self._told:
            self._told = True
            self._log(RESTRICTED)
        seconds = _seconds(reply.headers.get(CPU_HEADER, ""))
        media_type = reply.headers.get("Content-Type", "")
        exchanges.told("POST", self._address.url, body, reply.status, media_type, bytes(content))
        if reply.status != 200:
            refused = Refused.of(reply.status, bytes(content), reply.headers.get("Retry-After", ""))
            refused.cpu_seconds = seconds
            raise refused
        return Content(content, seconds)

    async def _content(self, reply: aiohttp.ClientResponse) -> bytearray:
        """The body as it was sent; ConnectionError where it stops in the middle."""
        content, loop = bytearray(), asyncio.get_running_loop()
        self.vigil.heard()
        try:
            async with asyncio.timeout(IDLE_S) as bound:
                async for piece in reply.content.iter_any():
                    content += piece
                    self.vigil.heard()
                    bound.reschedule(loop.time() + IDLE_S)
        except TimeoutError as error:
            if not bound.expired():  # the whole request's own limit
                raise
            words = f"the reply stopped after {len(content):,} bytes, nothing came for {IDLE_S:.0f} s"
            raise ConnectionError(f"{self._address.server}: {words}") from error
        return content

    async def _authorise(self) -> str | None:
        """Puts a valid token into the headers; the token, None where the credentials have none."""
        credentials = self._address.credentials
        if credentials is None or not hasattr(credentials, "refresh"):
            return None
        if not credentials.valid:
            await self._refresh(credentials, credentials.token)
        credentials.apply(self._headers)
        return credentials.token

    async def _refresh(self, credentials: Credentials, stale: str | None) -> None:
        """A new token, fetched once however many requests need it; ConnectionError or Fault where there is none."""
        import google.auth.exceptions
        from google.auth.transport.requests import Request

        async with self._refreshing:
            # Another request refreshed it while this one waited for the lock.
            if credentials.valid and credentials.token != stale:
                return
            try:
                # google-auth blocks: on the loop's thread it would stop all other replies.
                await asyncio.to_thread(credentials.refresh, Request())
            except google.auth.exceptions.TransportError as error:
                raise ConnectionError(f"no new token: {error}") from error
            except google.auth.exceptions.GoogleAuthError as error:
                raise Fault(f"Google rejects the credentials: {error}; {AGAIN}") from error
            credentials.apply(self._headers)


def _seconds(text: str) -> float | None:
    """The number of a header; None where it holds none that can be one of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


async def _inflated(content: bytearray) -> bytearray:
    """The content of a gzip body; ConnectionError where it is cut short or damaged."""
    try:
        engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        # Tens of MB take long enough to inflate that other replies would wait.
        inflated = bytearray(await asyncio.to_thread(engine.decompress, bytes(content)))
    except zlib.error as error:
        raise ConnectionError(f"damaged reply: {error}") from error
    if not engine.eof:
        raise ConnectionError("the reply was cut short")
    return inflated


def _trust(url: str) -> ssl.SSLContext | bool:
    """The certificates that the `ee` client trusts: those of `requests`, or the ones its variables name."""
    if not url.startswith("https:"):
        return True
    import requests.certs

    # In requests' own order, so that what works for `ee` behind a company's proxy works for pixels.
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return ssl.create_default_context(cafile=named or requests.certs.where())


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for the address, looked up once and not for every request."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
