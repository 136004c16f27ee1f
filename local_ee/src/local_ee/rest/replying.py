"""Replies straight to ASGI, without the framework: small ones, whole."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Send

from local_ee.wire import Reply


async def send_reply(answer: Reply, send: Send, headers: Mapping[str, str] | None = None) -> None:
    """Sends a reply whose body lies in memory, with these headers added."""
    body = answer.content
    together = {**answer.headers, "content-length": str(len(body)), **(headers or {})}
    encoded = [(key.encode(), value.encode()) for key, value in together.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
