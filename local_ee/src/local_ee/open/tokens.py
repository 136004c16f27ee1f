"""Planetary Computer's tokens: in memory only, renewed before they end, once for all threads.

Source: https://planetarycomputer.microsoft.com/docs/concepts/sas/ (lifetimes from 45 minutes to a day:
planetary-computer issue 415). The lifetime is counted from the answer's own date, so a clock that is wrong here
changes nothing.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

from local_ee.open.errors import AccountWanted, ArchiveFault
from local_ee.open.hosts import Address, Hosts
from local_ee.open.transport import Answer

SERVICE = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
KEY = "PC_SDK_SUBSCRIPTION_KEY"  # the name that Planetary Computer's own client reads
RENEWED_BEFORE_S = 300.0
_MOST_BYTES = 20_000
_TOKEN = re.compile(r"[A-Za-z0-9%&=._~:/+-]{1,4000}")


@dataclass(frozen=True)
class _Token:
    query: str
    until: float  # of time.monotonic()


class Tokens:
    """The query that opens the files of a collection."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._held: dict[str, _Token] = {}
        self._lock = cache(lambda collection: threading.Lock())

    def query(self, collection: str) -> str:
        """The token in force; fetched where there is none, or where it ends within five minutes."""
        with self._lock(collection):
            token = self._held.get(collection)
            if token is None or time.monotonic() > token.until - RENEWED_BEFORE_S:
                token = self._held[collection] = self._fetched(collection)
            return token.query

    def renewed(self, collection: str, refused: str) -> str:
        """The token after one that was refused; fetched once for all threads that hold the refused one."""
        with self._lock(collection):
            token = self._held.get(collection)
            if token is None or token.query == refused:
                token = self._held[collection] = self._fetched(collection)
            return token.query

    def _fetched(self, collection: str) -> _Token:
        address = Address.of(f"{SERVICE}/{collection}", self._hosts.most_connections)
        key = os.environ.get(KEY)
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        answer = self._hosts.document(address, _MOST_BYTES, headers=headers)
        if answer.status != 200:
            raise wants_account(address.host, answer.status)
        try:
            document = json.loads(answer.body)
            query, ends = document["token"], datetime.fromisoformat(document["msft:expiry"])
        except (ValueError, KeyError, TypeError):
            raise ArchiveFault(f"{address} gave no token: try again later") from None
        if not isinstance(query, str) or not _TOKEN.fullmatch(query):
            raise ArchiveFault(f"{address} gave a token that is none: try again later")
        return _Token(query, time.monotonic() + (ends - _now(answer)).total_seconds())


def wants_account(host: str, status: int) -> AccountWanted:
    """What to do where an archive has closed its door."""
    return AccountWanted(
        f"{host} asks for an account now (answer {status}): set {KEY} to a key of yours, use another source (a "
        "folder of images as --catalog), or leave Sentinel-1 out"
    )


def _now(answer: Answer) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)
