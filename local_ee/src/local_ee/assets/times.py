"""Times of assets and tasks, as Google's APIs write them."""

from __future__ import annotations

from datetime import UTC, datetime

from local_ee.errors import EngineError


def milliseconds(time: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; EngineError where it is none."""
    try:
        parsed = datetime.fromisoformat(time.replace("Z", "+00:00"))
    except (AttributeError, ValueError) as error:
        raise EngineError(f"Invalid time {time!r}: expected ISO 8601 such as 2023-01-01T00:00:00Z.") from error
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return round(parsed.timestamp() * 1000)


def iso_time(time_ms: float) -> str:
    """ISO 8601 of milliseconds since 1970."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> str:
    """The present, as Google's APIs write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
