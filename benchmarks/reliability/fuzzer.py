"""Asks an engine random questions in its own process: python fuzzer.py SEED reads lines "FIRST STOP" and answers each.

For every question a JSON line: its number, the findings (see `findings`), seconds and the first words of an internal
error. After the last one of a line {"rss_mb": ...}.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

MEMORY_BYTES = 8 << 30  # of addresses; what needs more is answered as a refusal
ENDLESS_S = 10.0  # of processor time, so that a busy machine changes nothing
SLOW_S = 2.0  # of processor time
INTERNAL = "Internal error of the local engine"


class Endless(BaseException):
    """A question that takes too long; no Exception, so that the engine does not answer it."""


class Engine:
    """The routes of an engine without HTTP."""

    def __init__(self) -> None:
        from local_ee.catalog.stack import CatalogStack
        from local_ee.catalogs import open_catalog
        from local_ee.limits import Limits
        from local_ee.rest.pixel_routes import ComputeApi

        routes = ComputeApi(CatalogStack([open_catalog("world")]), Limits()).routes
        self._routes = {route.path.rpartition("/")[2]: route for route in routes if route.method == "POST"}

    def ask(self, route: str, body: bytes) -> tuple[int, bytes, str]:
        """Status, body and content type of the reply."""
        from local_ee.rest import application
        from local_ee.wire import Call

        call = Call("POST", f"/v1/projects/local/{route}", {}, {"content-type": "application/json"}, body)
        reply = application.answered(self._routes[route], call, {"project": "local"})
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return reply.status, bytes(reply.body), headers.get("content-type", "")


def findings(status: int, body: bytes, content_type: str) -> tuple[list[str], str]:
    """What is not as it must be in a reply, and its words where they say that the engine itself failed."""
    odd, words = [], ""
    if status >= 500:
        odd.append("status 5xx")
    if status != 200 or "json" in content_type:
        try:
            document = json.loads(body, parse_constant=_refuse)
            words = str(document["error"]["message"]) if status != 200 else ""
        except (ValueError, KeyError, TypeError):
            odd.append("not JSON")
    if words.startswith(INTERNAL):
        return [*odd, "internal error"], words[len(INTERNAL) + 2 : 140]
    return odd, ""


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def examine(engine: Engine, index: int, seed: int) -> dict[str, Any]:
    """One question request."""
    from .graphs import question

    request = question(index, seed)
    odd, words, began = [], "", time.process_time()
    # Twice more below, so that no alarm of one question strikes in the next.
    signal.setitimer(signal.ITIMER_PROF, ENDLESS_S)
    try:
        reply = engine.ask(request.route, request.body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        odd, words = findings(*reply)
    except Endless:
        odd = ["endless"]
    except BaseException as error:
        odd, words = ["escaped exception"], f"{type(error).__name__}: {error}"[:120]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - began
    if seconds > SLOW_S:
        odd.append("slow")
    return {"number": index, "odd": odd, "seconds": round(seconds, 2), "words": words}


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def _end(*_: Any) -> None:
    raise Endless


def main(seed: int) -> None:
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGPROF, _end)
    engine = Engine()
    for line in sys.stdin:
        first, stop = map(int, line.split())
        for index in range(first, stop):
            print(json.dumps(examine(engine, index, seed)), flush=True)
        print(json.dumps({"rss_mb": rss_mb()}), flush=True)
