"""Requests to archives: https to the hosts of a table and to no other, tried again, waits obeyed by all threads.

An answer that is redirected, longer than asked for, or of another range is an error; nothing in an answer can name
where the next request goes but through `Address`, which checks it.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from local_ee import budget
from local_ee.open.errors import ArchiveFault, Changed, Missing
from local_ee.open.transport import Answer, Ask, Connections, Interrupted

TRIES = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LONGEST_ASKED_S = 120.0  # of a Retry-After that is waited for; beyond it the user is told
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
ABSENT = frozenset({403, 404, 410})  # of a file: S3 says 403 for a key that is not there
_STEP_S = 0.1  # of waiting, between two looks whether the computation goes on
_PATH = re.compile(r"(?:/[A-Za-z0-9._~+,=@%-]+)+")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
USER_AGENT = "isamap local-ee (open archives)"

# Hosts that a server of this machine stands for, by its port on 127.0.0.1. Empty: only tests fill it, in their process.
LOOPBACK: dict[str, int] = {}


@dataclass(frozen=True)
class Address:
    """An https address of a file or service, without query; ValueError unless its host is one of the table's."""

    host: str
    path: str

    @classmethod
    def of(cls, text: object, hosts: Mapping[str, int]) -> Address:
        """The address that a text names; ValueError for any other scheme, host, port, user, query or odd character."""
        if not isinstance(text, str) or len(text) > 1_000:
            raise ValueError("an address that is no text")
        parts = urlsplit(text)
        # Compared as a whole, so that whatever else an address may hold (a user, a query, a fragment) is refused.
        plain = f"https://{parts.netloc}{parts.path}" == text
        if not plain or parts.netloc not in hosts or not _PATH.fullmatch(parts.path) or "/../" in f"{parts.path}/":
            raise ValueError(f"address {text[:200]!r} is none of an archive that is known here")
        return cls(parts.netloc, parts.path)

    def __str__(self) -> str:
        return f"https://{self.host}{self.path}"


@dataclass(frozen=True)
class Piece:
    """Bytes of a file from `start` on, the file's size, and its ETag ("" where the archive gives none)."""

    start: int
    body: bytes
    total: int
    etag: str


@dataclass
class _Pause:
    until: float = 0.0  # of time.monotonic()


@dataclass
class Traffic:
    """What has gone over the net in this process."""

    requests: int = 0
    bytes: int = 0


@dataclass
class Hosts:
    """Requests to the hosts of a table (host: the most connections). Threads may share it."""

    most_connections: Mapping[str, int]
    loopback: Mapping[str, int] = field(default_factory=lambda: LOOPBACK)
    offline: bool = False
    sleep: Callable[[float], None] = time.sleep
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        self._connections = Connections(self.most_connections.__getitem__, self.loopback)
        self._pauses = {host: _Pause() for host in self.most_connections}
        self._lock = threading.Lock()

    def piece(self, address: Address, start: int, size: int, query: str = "") -> Piece:
        """At most `size` bytes of a file from `start`; Missing where there is no such file.

        ArchiveFault where the answer is of another range than was asked for.
        """
        # Ranges are of the file as it is, not of a compressed answer.
        headers = {"Range": f"bytes={start}-{start + size - 1}", "Accept-Encoding": "identity"}
        answer = self._answer(address, Ask("GET", address.host, _target(address, query), headers, size))
        if answer.status in ABSENT:
            raise Missing(f"{address} is not there (answer {answer.status})", answer.status)
        return _piece(address, answer, start, size)

    def document(
        self,
        address: Address,
        most_bytes: int,
        body: bytes | None = None,
        *,
        throttled: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A document, asked for by POST where there is a body; its status is 200, 401, 403, 404 or 410.

        throttled: 403 says that too much was asked (Earth Search), and is tried again.
        """
        head = {"Accept-Encoding": "gzip", "Accept": "application/json, application/geo+json, text/csv"}
        head.update(headers or {})
        if body is not None:
            head["Content-Type"] = "application/json"
        method = "GET" if body is None else "POST"
        again = AGAIN | {403} if throttled else AGAIN
        answer = self._answer(address, Ask(method, address.host, address.path, head, most_bytes, body), again)
        if answer.status not in {200, 401, *ABSENT}:
            raise ArchiveFault(f"{address} answered {answer.status}: try again later")
        return answer

    def _answer(self, address: Address, ask: Ask, again: frozenset[int] = AGAIN) -> Answer:
        """The first answer that asks for no other try; ArchiveFault after the last, or for a redirect."""
        if self.offline:
            raise ArchiveFault(f"{address} is not in the cache, and --offline allows no request: run once without it")
        reason = ""
        for tries in range(TRIES):
            self._wait(ask.host)
            try:
                answer = self._send(ask)
            except Interrupted as error:
                reason = str(error)
                self._pause(ask.host, _pause_s(tries))
                continue
            if 300 <= answer.status < 400:
                raise ArchiveFault(f"{address} leads elsewhere (answer {answer.status}), which is never followed")
            if answer.status not in again:
                return answer
            reason = f"answer {answer.status}"
            self._pause(ask.host, self._asked_s(address, answer, tries))
        raise ArchiveFault(f"{address} could not be read in {TRIES} tries ({reason}): run the same command again later")

    def _send(self, ask: Ask) -> Answer:
        headers = {"User-Agent": USER_AGENT, **ask.headers}
        request = Ask(ask.method, ask.host, ask.target, headers, ask.most_bytes, ask.body)
        with budget.waiting():
            answer = self._connections.send(request)
        with self._lock:
            self.traffic.requests += 1
            self.traffic.bytes += len(answer.body)
        return answer

    def _pause(self, host: str, seconds: float) -> None:
        """Lets every thread wait before it asks this host again."""
        with self._lock:
            pause = self._pauses[host]
            pause.until = max(pause.until, time.monotonic() + seconds)

    def _wait(self, host: str) -> None:
        with budget.waiting():
            while (left := self._pauses[host].until - time.monotonic()) > 0:
                budget.check()
                self.sleep(min(left, _STEP_S))

    def _asked_s(self, address: Address, answer: Answer, tries: int) -> float:
        """How long the archive wants us to wait; ArchiveFault where that is too long."""
        seconds = _retry_after_s(answer)
        if seconds is None:
            return _pause_s(tries)
        if seconds > LONGEST_ASKED_S:
            raise ArchiveFault(f"{address.host} asks for a pause of {seconds:.0f} s: run the same command again then")
        return seconds


def _target(address: Address, query: str) -> str:
    return f"{address.path}?{query}" if query else address.path


def _pause_s(tries: int) -> float:
    # Not the same for all: engines that were refused together would come back together.
    return min(FIRST_PAUSE_S * 2**tries, LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def _retry_after_s(answer: Answer) -> float | None:
    """Seconds of Retry-After (RFC 9110, 10.2.3), of a date by the server's own clock; None where it says none."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdigit():
        # Nine digits are longer than any wait, and no header makes a number of any length.
        return float(text[:9])
    try:
        return max((parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers["date"])).total_seconds(), 0.0)
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _piece(address: Address, answer: Answer, start: int, size: int) -> Piece:
    match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status != 206 or match is None:
        raise ArchiveFault(f"{address}: asked for {size:,} bytes of a file, it answered {answer.status} with no range")
    first, last, total = (int(digits) for digits in match.groups())
    if first != start or last != min(start + size, total) - 1 or len(answer.body) != last - first + 1:
        raise ArchiveFault(f"{address}: asked for bytes {start}-{start + size - 1}, it sent {first}-{last} of {total}")
    return Piece(start, answer.body, total, answer.headers.get("etag", ""))


def check_same(address: Address, piece: Piece, total: int, etag: str) -> None:
    """Changed where a piece is of another file than the one whose size and ETag are given."""
    if (piece.total, piece.etag) != (total, etag):
        raise Changed(f"{address} was replaced by another file meanwhile: run the same command again")
