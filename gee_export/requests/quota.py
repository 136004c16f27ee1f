"""How much of a project's quota this process may use: all that isamap takes, or its share beside other workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gee_export.requests.throttle import DEFAULT_RATE_PER_S, DEFAULT_WORKERS

MOST = 10_000  # more than Google grants to anybody


@dataclass(frozen=True)
class Quota:
    """Requests at once and requests a second, as Google's servers count them."""

    at_once: int = DEFAULT_WORKERS
    per_s: float = DEFAULT_RATE_PER_S

    def __post_init__(self) -> None:
        if not 1 <= self.at_once <= MOST:
            raise ValueError(f"--requests {self.at_once}: expected 1 to {MOST}, the requests that a project may send")

    def share(self, workers: int) -> Quota:
        """The quota of one of several workers; ValueError where there is not one request for each."""
        if workers > self.at_once:
            raise ValueError(
                f"{workers} workers would share {self.at_once} requests at once: take at most {self.at_once} workers, "
                "or give --requests N if Google has granted the project more"
            )
        return Quota(self.at_once // workers, self.per_s / workers)


WHOLE = Quota()
_current = WHOLE


def current() -> Quota:
    """The quota of this process."""
    return _current


@contextmanager
def used(quota: Quota) -> Iterator[None]:
    """Clients made in the block keep to this quota."""
    global _current
    before, _current = _current, quota
    try:
        yield
    finally:
        _current = before
