"""How much of a project's quota this process may use, all that isamap takes or its share beside other workers, and
what the requests cost meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gee_export.requests.meter import Meter
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


@dataclass
class Use:
    """What the clients of a `used` block count, each with a meter of its own."""

    meters: list[Meter] = field(default_factory=list)

    @property
    def eecu_s(self) -> float:
        """EECU seconds so far: as the server named them, else estimated."""
        return sum(meter.named_s + meter.estimated_s for meter in self.meters)


WHOLE = Quota()
_current = WHOLE
_use: Use | None = None


def current() -> Quota:
    """The quota of this process."""
    return _current


def counted(meter: Meter) -> Meter:
    """The meter, whose seconds the `used` block around counts too."""
    if _use is not None:
        _use.meters.append(meter)
    return meter


@contextmanager
def used(quota: Quota) -> Iterator[Use]:
    """Clients made in the block keep to this quota; what they cost."""
    global _current, _use
    before, _current, _use = (_current, _use), quota, Use()
    try:
        yield _use
    finally:
        _current, _use = before
