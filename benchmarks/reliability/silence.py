"""500 connections that send nothing, or half a head, for minutes: how long others wait for `/health` meanwhile."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from . import soak
from .serving import SERVICE, serving
from .trials import Sitting

CONNECTIONS = 500
STRANGERS = tuple(f"127.0.0.{host}" for host in range(2, 7))  # a hundred each: none meets the bound of an address
VISITOR = "127.0.0.1"
WORDS = {"nothing": b"", "half a head": b"GET /health HTTP/1.1\r\nHost: "}
PAUSE_S = 0.2  # between two questions of the visitor
REOPEN_S = 1.0  # until a connection that was closed is opened again: silence, and no flood
PATIENCE_S = 30.0
HEADS = ("they send", "minutes", "open on the average", "opened again", "replies", "errors", "p50, p99 and longest, ms")


class Crowd:
    """Silent connections; those that the server closes are opened again. A process of its own, as strangers have."""

    def __init__(self, address: tuple[str, int], words: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop, (self._told, telling) = context.Event(), context.Pipe(duplex=False)
        self._process = context.Process(target=keep_open, args=(address, words, self._stop, telling), daemon=True)

    def __enter__(self) -> Crowd:
        self._process.start()
        self._told.recv()  # all are open
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.mean, self.reopened = self._told.recv()
        self._process.join()


def keep_open(address: tuple[str, int], words: bytes, stop: Any, telling: Any) -> None:
    """Opens the connections, says so, opens closed ones again until `stop`; says their mean number, and how many."""
    waiting, reopened, sizes = selectors.DefaultSelector(), 0, []

    def open_from(source: str) -> None:
        with suppress(OSError):  # a server may refuse a connection
            connection = socket.create_connection(address, PATIENCE_S, source_address=(source, 0))
            connection.sendall(words)
            waiting.register(connection, selectors.EVENT_READ, source)

    for index in range(CONNECTIONS):
        open_from(STRANGERS[index % len(STRANGERS)])
    telling.send(None)
    while not stop.wait(REOPEN_S):
        closed = [key for key, _ in waiting.select(0)]  # readable: the server said something, or closed it
        sizes.append(len(waiting.get_map()) - len(closed))
        for key in closed:
            waiting.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
            open_from(key.data)
        reopened += len(closed)
    telling.send((sum(sizes) / max(len(sizes), 1), reopened))


def run(sitting: Sitting, minutes: int) -> None:
    """One service for each kind of silence, for so many minutes; a kind that lasted as long is not repeated."""
    notebook, out = sitting.notebook("silence"), sitting.out / "silence"
    for kind, words in WORDS.items():
        if any(row["minutes"] >= minutes for row in notebook.select(they_send=kind)):
            continue
        options = ("--folder", str(out / "service"), "--workers", "0", "--no-token")
        with serving(out / "home", out / f"{kind}.log", options, SERVICE) as running:
            url = urlsplit(running.url)
            met = _sat((url.hostname, url.port), words, minutes * soak.MINUTE_S)
        notebook.add({"they_send": kind, "minutes": minutes, **met})
        print(f"silence: {kind} for {minutes} minutes", file=sys.stderr, flush=True)


def _sat(address: tuple[Any, Any], words: bytes, seconds: float) -> dict[str, Any]:
    """What a visitor met beside the crowd, each question on a connection of its own."""
    times_ms, errors = [], []
    with Crowd(address, words) as crowd:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                asked(address)
            except OSError as error:
                errors.append(f"{type(error).__name__}: {error}")
            times_ms.append(1000 * (time.monotonic() - began))
            time.sleep(PAUSE_S)
    return {
        "ms": times_ms, "errors": len(errors), "examples": errors[:20],
        "open": crowd.mean, "reopened": crowd.reopened,
    }  # fmt: skip


def asked(address: tuple[str, int]) -> None:
    """OSError where `/health` does not answer 200."""
    with socket.create_connection(address, PATIENCE_S, source_address=(VISITOR, 0)) as connection:
        connection.sendall(f"GET /health HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n\r\n".encode())
        reply = connection.recv(4096)
    if not reply.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(reply[:40].decode("latin-1") or "closed without a reply")


def lines(sitting: Sitting) -> list[Sequence[Any]]:
    """A line for each kind of silence."""
    rows = []
    for row in sitting.notebook("silence").rows:
        times = sorted(row["ms"])
        spread = f"{times[len(times) // 2]:.1f}, {times[len(times) * 99 // 100]:.1f} and {times[-1]:.1f}"
        rows.append(
            (row["they_send"], row["minutes"], f"{row['open']:.0f}", row["reopened"], len(times), row["errors"], spread)
        )
    return rows
