"""What to do when Earth Engine says no: docs/reference/earth-engine.md, "Errors" as code, and waiting with
full jitter.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from isamap.gee_export.base.errors import Fault

# The server gives up on interactive requests after 5 minutes (docs/reference/earth-engine.md, "Request limits")
DEADLINE_S = 330.0
# A TCP handshake repeats after 1, 3, 7 and 15 s: 30 allow for four lost packets.
CONNECT_S = 30.0
T = TypeVar("T")


class Reaction(Enum):
    """How a refusal is met."""

    SLOWER = "too many requests: wait and send fewer at a time"
    AGAIN = "the server or the line failed: wait and repeat"
    SMALLER = "too much for one request: cut it in four"
    NEVER = "repeating would not help"


TOO_MUCH = ("user memory limit exceeded", "computation timed out", "computed value is too large")
TOO_MANY = ("too many requests", "too many concurrent", "quota exceeded")
QUOTA_REASONS = ("rateLimitExceeded", "userRateLimitExceeded")

# Words of a refusal for good -> what the user can do about it; the first that fits is given.
REMEDIES = {
    "user memory limit exceeded": "use --mode batch, which has more memory, or a shorter --period",
    "computation timed out": "use --mode batch, which has more time, or a shorter --period",
    "did not match any bands": "no image there has that band: choose other --bands or another --period",
    "total request size": "the plan of requests is wrong, please report it",
    "pixel grid dimensions": "the plan of requests is wrong, please report it",
    "request payload size": "the graph is over 10 MB: give fewer scenes, or a simpler outline",
    "not found": "check the asset's name and that it is shared with you",
    "permission": "ask for the right to use the project or asset, see `isamap check --project NAME`",
    "not registered": "register the project, see `isamap check --project NAME`",
    "authentication": "run `earthengine authenticate` once, then the same command again",
}


# guides/usage: daily_eecu_usage_time is a limit that a project's owner sets
DAILY = "where the project's daily limit of EECU is spent (`isamap check` shows it) it is free again the next day"


class Refused(Exception):
    """The server's answer where it is no pixels: HTTP status, its words, its reasons, the wait it asks for.

    cpu_seconds: what it computed before it refused, where it says so.
    """

    cpu_seconds: float | None = None

    def __init__(self, status: int, message: str, reasons: tuple[str, ...] = (), retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.message, self.reasons, self.retry_after_s = status, message, reasons, retry_after_s

    def __str__(self) -> str:
        return f"{self.message} (HTTP {self.status})"

    @classmethod
    def of(cls, status: int, body: bytes, retry_after: str = "") -> Refused:
        """The error of a reply; a body that is not Google's JSON is quoted as it is."""
        error = _error(body)
        message = str(error.get("message") or body[:200].decode("utf-8", "replace").strip() or "no reason given")
        # Retry-After may also be a date: the client's own growing waits are used then, as clocks may differ.
        seconds = float(retry_after) if retry_after.isdecimal() else 0.0
        return cls(status, message, _reasons(error), seconds)


@dataclass(frozen=True)
class Patience:
    """How long to keep trying: waits are random in [0, min(cap, base 2^n)] seconds (full jitter)."""

    attempts: int = 12
    base_s: float = 1.0
    cap_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform

    def seconds(self, attempt: int) -> float:
        """How long to wait after the attempt of this number (from 0)."""
        # The exponent is bounded, as 2^1024 is no float.
        return self.uniform(0.0, min(self.cap_s, self.base_s * 2 ** min(attempt, 30)))

    def wait(self, attempt: int) -> None:
        """Waits after the attempt of this number (from 0)."""
        self.sleep(self.seconds(attempt))


def classify(error: BaseException) -> Reaction:
    """How to meet an answer of the server, an error of the `ee` client, or one of the connection."""
    # Before the words: a broken line's message may quote anything.
    if isinstance(error, (TimeoutError, ConnectionError)):
        return Reaction.AGAIN
    refused = refusal(error)
    text = str(error).lower()
    if any(words in text for words in TOO_MUCH):
        return Reaction.SMALLER
    if refused is None:  # an EEException that carries nothing but its text
        return Reaction.SLOWER if any(words in text for words in TOO_MANY) else Reaction.NEVER
    if refused.status == 429 or (refused.status == 403 and any(r in QUOTA_REASONS for r in refused.reasons)):
        return Reaction.SLOWER
    return Reaction.AGAIN if refused.status >= 500 or refused.status == 408 else Reaction.NEVER


def refusal(error: BaseException) -> Refused | None:
    """The server's answer behind an error: an HttpError has it, an EEException has that one in its __context__."""
    if isinstance(error, Refused):
        return error
    for source in (error, error.__context__, error.__cause__):
        if (response := getattr(source, "resp", None)) is not None:
            return Refused.of(int(response.status), getattr(source, "content", b""))
    return None


def remedy(error: BaseException) -> str:
    """What the user can do about a refusal for good; empty where nothing is known."""
    text = str(error).lower()
    return next((words for fragment, words in REMEDIES.items() if fragment in text), "")


def persist(action: Callable[[], T], patience: Patience) -> T:
    """The action's result, tried again while that may help; Fault with the server's words when patience ends.

    Errors that call for smaller or other requests are raised as they are.
    """
    for attempt in range(patience.attempts):
        try:
            return action()
        except Exception as error:
            if classify(error) in (Reaction.NEVER, Reaction.SMALLER):
                raise
            last = error
        if attempt + 1 < patience.attempts:
            patience.wait(attempt)
    raise exhausted(patience.attempts, last) from last


def exhausted(attempts: int, last: BaseException) -> Fault:
    """The Fault that is raised when patience ends."""
    words = str(last) or type(last).__name__
    daily = f"{DAILY}; " if "quota exceeded" in words.lower() else ""
    return Fault(
        f"Earth Engine still refuses after {attempts} attempts: {words}; {daily}"
        "what was fetched is kept, run the same command again later"
    )


def _error(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
        return error if isinstance(error, dict) else {}
    except (ValueError, KeyError, TypeError):
        return {}


def _reasons(error: dict[str, Any]) -> tuple[str, ...]:
    entries = [*(error.get("errors") or ()), *(error.get("details") or ())]
    return tuple(str(entry.get("reason", "")) for entry in entries if isinstance(entry, dict))
