"""What to do when Earth Engine says no: earth-engine.md section 3.4 as code, and waiting with full jitter."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from gee_export.console import Fault

T = TypeVar("T")


class Answer(Enum):
    """How a refusal is met."""

    SLOWER = "too many requests: wait and send fewer at a time"
    AGAIN = "the server or the line failed: wait and repeat"
    SMALLER = "too much for one request: cut it in four"
    NEVER = "repeating would not help"


TOO_MUCH = ("user memory limit exceeded", "computation timed out", "computed value is too large")
QUOTA_REASONS = ("rateLimitExceeded", "userRateLimitExceeded")


@dataclass(frozen=True)
class Patience:
    """How long to keep trying: waits are random in [0, min(cap, base 2^n)] seconds (full jitter)."""

    attempts: int = 12
    base_s: float = 1.0
    cap_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform

    def wait(self, attempt: int) -> None:
        """Waits after the attempt of this number (from 0)."""
        self.sleep(self.uniform(0.0, min(self.cap_s, self.base_s * 2**attempt)))


def classify(error: BaseException) -> Answer:
    """How to meet an error of the `ee` client or of the connection."""
    if isinstance(error, (TimeoutError, ConnectionError)):
        return Answer.AGAIN
    text = str(error).lower()
    if any(words in text for words in TOO_MUCH):
        return Answer.SMALLER
    status, reasons = http_status(error)
    if status == 429 or (status == 403 and any(reason in QUOTA_REASONS for reason in reasons)):
        return Answer.SLOWER
    if status is not None and status >= 500:
        return Answer.AGAIN
    if status is None and ("too many requests" in text or "too many concurrent" in text or "quota exceeded" in text):
        return Answer.SLOWER
    return Answer.NEVER


def http_status(error: BaseException) -> tuple[int | None, tuple[str, ...]]:
    """HTTP status and reasons behind an EEException, which itself carries only the text (its __context__ has them)."""
    source = error.__context__ or error.__cause__
    response = getattr(source, "resp", None)
    if response is None:
        return None, ()
    return int(response.status), _reasons(getattr(source, "content", b""))


def persist(action: Callable[[], T], patience: Patience, on_slower: Callable[[], None] = lambda: None) -> T:
    """The action's result, tried again while that may help; Fault with the server's words when patience ends.

    Errors that call for smaller or other requests are raised as they are.
    """
    for attempt in range(patience.attempts):
        try:
            return action()
        except Exception as error:
            answer = classify(error)
            if answer in (Answer.NEVER, Answer.SMALLER):
                raise
            last = error
            if answer is Answer.SLOWER:
                on_slower()
        if attempt + 1 < patience.attempts:
            patience.wait(attempt)
    raise Fault(
        f"Earth Engine still refuses after {patience.attempts} attempts: {last}; "
        "what was fetched is kept, run the same command again later"
    ) from last


def _reasons(content: bytes) -> tuple[str, ...]:
    try:
        error = json.loads(content)["error"]
        entries = [*error.get("errors", []), *error.get("details", [])]
        return tuple(str(entry.get("reason", "")) for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
