"""Hostile requests over HTTP to a service or an engine that runs: what is answered, and whether it lives afterwards."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .commands import make_inputs
from .fuzz import CHUNK, chunks, memory
from .hostile import Target, request
from .serving import ENGINE as ENGINE_COMMAND
from .serving import SERVICE as SERVICE_COMMAND
from .serving import Engine, serving
from .targets import ENGINE, MAP, SERVICE
from .trials import TRACEBACK, Notebook, Sitting, in_parallel

ODDITIES = ("status 500", "internal error", "traceback in a reply", "a file of the machine", "no reply")
HEADS = ("server", "requests", "of 2xx", "of 4xx", "of 503", *ODDITIES, "traceback in the log", "RSS early to late, MB")
SILENCE_S = 60.0  # of a connection that waits for a reply: longer than any limit of the servers
THREADS = 3
CALLERS = 20  # tokens in turn: one may ask 50 times a second
FILES = (b"root:x:0:0:", b"root:*:0:0:")  # first words of /etc/passwd
KEPT = 20
CONTINUE = b"HTTP/1.1 100 "
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Line:
    """A connection that is opened again when the server closed it."""

    def __init__(self, host: str) -> None:
        name, _, port = host.rpartition(":")
        self._address, self._socket = (name, int(port)), None

    def ask(self, content: bytes) -> bytes:
        """The whole reply; b"" where none comes before the connection ends. OSError: nobody listens, or silence."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, SILENCE_S)
        reply = b""
        with suppress(ConnectionError):  # it may be closed while the request is still sent
            self._socket.sendall(content)
        with suppress(ConnectionError):
            while not _is_whole(reply, content) and (piece := self._socket.recv(1 << 16)):
                reply += piece
        if not _is_whole(reply, content) or b"connection: close" in reply[:4000].lower():
            self.close()
        return reply if not reply.startswith(CONTINUE) else reply.partition(b"\r\n\r\n")[2]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_whole(reply: bytes, content: bytes) -> bool:
    """Whether a reply has come to its end, by its length or its last chunk."""
    head, end, body = reply.partition(b"\r\n\r\n")
    if not end:
        return False
    if head.startswith(CONTINUE):
        return _is_whole(body, content)
    if head[9:12] in (b"204", b"304") or content.startswith(b"HEAD "):
        return True
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return len(body) >= int(length[1]) if length else b"chunked" in head.lower() and body.endswith(b"0\r\n\r\n")


def oddities(reply: bytes) -> list[str]:
    """What a reply may not be."""
    status = STATUS.match(reply)
    odd = ["status 500"] if status and status[1] not in (b"501", b"503") and status[1] >= b"500" else []
    if b"Internal error of the local engine" in reply or b"cannot use its files" in reply:
        odd.append("internal error")
    if b"Traceback (most" in reply:
        odd.append("traceback in a reply")
    if any(words in reply for words in FILES):
        odd.append("a file of the machine")
    return odd


def ask_chunk(target: Target, numbers: Iterable[int], seed: int) -> dict[str, Any]:
    """What came of some requests: statuses, oddities, examples."""
    line, statuses, odd, examples = Line(target.host), Counter(), Counter(), []
    for index in numbers:
        content = request(target, index, seed)
        try:
            reply = line.ask(content)
            each = oddities(reply)
            if not reply and content.count(b"Content-Length") < 2:  # a broken head may be closed without a word
                each = ["no reply"] if not (reply := line.ask(content)) else oddities(reply)
        except TimeoutError:
            line.close()
            reply, each = b"", ["no reply"]
        status = STATUS.match(reply)
        statuses[status[1].decode() if status else "none"] += 1
        odd.update(each)
        if each and len(examples) < KEPT:
            examples.append([index, each, reply[-200:].decode("latin-1")])
    line.close()
    return {"statuses": dict(statuses), "odd": dict(odd), "examples": examples}


@contextmanager
def service(out: Path, inputs: Path) -> Iterator[tuple[Engine, Target]]:
    """`isamap serve` over a copy of a map, without workers, with a file of tokens."""
    folder = out / "service"
    (folder / "maps").mkdir(parents=True, exist_ok=True)
    for path in inputs.glob("map*.tif"):
        shutil.copy(path, folder / "maps" / path.name.replace("map", MAP))
    tokens = [f"token-{caller:02d}-of-the-campaign" for caller in range(CALLERS)]
    (out / "tokens").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (out / "tokens").chmod(0o600)
    named = ("--checkpoint", f"{inputs}/run", "--data", f"{inputs}/data", "--workers", "0")
    words = ("--folder", str(folder), "--token-file", str(out / "tokens"), *named)
    with serving(out / "home", out / "service.log", words, SERVICE_COMMAND) as running:

        def credentials(index: int) -> list[tuple[str, str]]:
            return [("Authorization", f"Bearer {tokens[index % CALLERS]}")]

        yield running, Target(urlsplit(running.url).netloc, SERVICE, credentials)


@contextmanager
def engine(out: Path, inputs: Path) -> Iterator[tuple[Engine, Target]]:
    """`isamap engine serve` of the simulated world."""
    with serving(out / "home", out / "engine.log", command=ENGINE_COMMAND) as running:
        parts = urlsplit(running.url)
        yield running, Target(parts.netloc, ENGINE, lambda index: [], parts.path)


SERVERS = {"service": service, "engine": engine}


def run(sitting: Sitting, count: int) -> None:
    """The requests to both servers that are still to be asked; a sitting begins with new servers."""
    make_inputs(sitting.inputs)
    for name in SERVERS:
        fuzz(sitting, name, count)


def fuzz(sitting: Sitting, name: str, count: int) -> None:
    """The chunks of a server that are still to be asked, each noted when it is over."""
    out, notebook, lock = sitting.out / f"requests-{name}", sitting.notebook(f"requests-{name}"), threading.Lock()
    if not (waiting := chunks(notebook, count)):
        return
    out.mkdir(exist_ok=True)
    with SERVERS[name](out, sitting.inputs) as (running, target):

        def ask(chunk: int) -> None:
            first, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, count)
            began = time.monotonic()
            row = ask_chunk(target, range(first, stop), sitting.seed)
            if running.process.poll() is not None:
                raise RuntimeError(f"{name} died under the requests {first:,} to {stop:,}: {running.output()[-400:]}")
            seconds = round(time.monotonic() - began, 1)
            with lock:
                # One log for all chunks of a process: what earlier ones noted is taken off.
                logged = running.output().count(TRACEBACK) - sum(
                    row["logged"] for row in notebook.select(pid=running.process.pid)
                )
                further = {"seconds": seconds, "pid": running.process.pid, **running.footprint, "logged": logged}
                notebook.add({"chunk": chunk, "count": stop - first, **row, **further})
                print(f"{name}: {stop:,} of {count:,} {row['odd']}", file=sys.stderr, flush=True)

        in_parallel(waiting, THREADS, lambda job: ask)


def lines(sitting: Sitting) -> list[tuple[Any, ...]]:
    """The table's lines, of each server."""
    return [_line(name, sitting.notebook(f"requests-{name}")) for name in SERVERS]


def _line(name: str, notebook: Notebook) -> tuple[Any, ...]:
    rows = list({row["chunk"]: row for row in notebook.rows}.values())
    statuses, odd = (sum((Counter(row[key]) for row in rows), Counter()) for key in ("statuses", "odd"))
    hundreds = [sum(count for status, count in statuses.items() if status[0] == digit) for digit in "24"]
    counts = (f"{count:,}" for count in (sum(row["count"] for row in rows), *hundreds, statuses["503"]))
    logged = sum(row["logged"] for row in rows)
    return (name, *counts, *(odd[each] for each in ODDITIES), logged, memory(rows) if rows else "")
