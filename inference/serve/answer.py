"""Replies and queries of routes: JSON that is cached right, numbers and words of a query that are checked."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from isamap.gee_export.base.errors import Fault
from isamap.inference.serve.database import Unreachable
from isamap.inference.serve.problem import Problem

JSON, GEOJSON = "application/json", "application/geo+json"
RETRY_S = "10"
Value = TypeVar("Value")
log = logging.getLogger(__name__)


def as_json(
    document: Any, status: int = 200, *, headers: Mapping[str, str] | None = None, media: str = JSON
) -> Response:
    """A JSON reply that no cache keeps, as its content changes."""
    # NaN is no JSON, and browsers refuse the whole reply for it.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return Response(text, status, {"cache-control": "no-store"} | dict(headers or {}), media)


async def computed(function: Callable[..., Value], *values: Any, pool: Executor | None = None) -> Value:
    """What a function gives, computed in a thread. Problem 422: the user's mistake; 502: a server's or disk's fault;
    503: the database of jobs does not answer now, and the log says why.

    pool: threads for work that would otherwise take all of them, or that keeps files open in each.
    """
    try:
        if pool is not None:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *values)
        return await run_in_threadpool(function, *values)
    except Unreachable as fault:
        log.warning("%s", fault)
        detail = "The service cannot reach its jobs: try again later."
        raise Problem(503, detail, headers={"Retry-After": RETRY_S}) from fault
    except Fault as fault:
        raise Problem(502, str(fault)) from fault
    except ValueError as error:
        raise Problem(422, str(error)) from error


async def answer_of(request: Request, path: str) -> Any:
    """The JSON that the service itself answers to GET of a path, as to the same request; None where it refuses."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {**request.scope, "path": path, "raw_path": path.encode(), "query_string": b""}
    try:
        await request.app(scope, receive, send)
    except Exception:  # who asks for the path itself is told, and the log with it
        return None
    if messages[0]["status"] != 200:
        return None
    return json.loads(b"".join(message.get("body", b"") for message in messages[1:]))


async def within(patience_s: float, answer: Coroutine[Any, Any, Value], otherwise: Value) -> Value:
    """An answer that comes in time, or what is given otherwise; the late one is let end, as its thread cannot stop."""
    task = asyncio.ensure_future(answer)
    in_time, _ = await asyncio.wait({task}, timeout=patience_s)
    return task.result() if in_time else otherwise


async def body_of(request: Request) -> Any:
    """The JSON of a request's body; Problem 400 where it is none."""
    try:
        return json.loads(await request.body(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, 'The body is no JSON: send an object such as {"inputs": {}}.') from error


def number(request: Request, name: str) -> float:
    """A finite number of the query; Problem 400 where it is none."""
    text = request.query_params.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Problem(400, f"{name}={text[:50]!r}: expected a number.")
    return value


def whole(request: Request, name: str, default: int, most: int) -> int:
    """A whole number of the query from 0 on, at most `most`; Problem 400 where it is none."""
    text = request.query_params.get(name, str(default))
    # Other scripts have digits too, and Python takes quadratic time for a number of many.
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Problem(400, f"{name}={text[:50]!r}: expected a whole number.")
    return min(int(text), most)


def choice(request: Request, name: str, choices: Any, default: str) -> str:
    """One of several words of the query; Problem 400 for others."""
    text = request.query_params.get(name, default)
    if text not in choices:
        raise Problem(400, f"{name}={text[:50]!r}: expected one of {', '.join(choices)}.")
    return text


def base_of(request: Request) -> str:
    """The service's own address as this request reached it; its host was checked."""
    return str(request.base_url).rstrip("/")


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
