"""How much of a project's quota this process may use, all that isamap takes or its share beside other workers, and
what the requests cost meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from isamap.gee_export.requests.meter import Meter

# Half of a project's quotas of 40 requests at once and 100 a second (docs/reference/earth-engine.md, "Quotas"); here
# and not beside the throttle, whose asyncio takes .04 s, which the start of every command would pay.
DEFAULT_WORKERS = 20
# The other half is left for whoever works in the same project at the same time.
DEFAULT_RATE_PER_S = 50.0
MOST = 10_000  # more than Google grants to anybody
EECU = "eecu_s"  # among what a block's clients measure


@dataclass(frozen=True)
class Quota:
    """Requests at once and requests a second, as Google's servers count them.

    measured_s: EECU seconds of a megapixel and month, where somebody has measured them (export.measured).
    """

    at_once: int = DEFAULT_WORKERS
    per_s: float = DEFAULT_RATE_PER_S
    measured_s: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.at_once <= MOST:
            raise ValueError(f"--requests {self.at_once}: expected 1 to {MOST}, the requests that a project may send")

    def share(self, workers: int) -> Quota:
        """The quota of one of several workers; ValueError where there is not one request for each."""
        # Refused and not rounded up: one request each would be more than the project may send.
        if workers > self.at_once:
            raise ValueError(
                f"{workers} workers would share {self.at_once} requests at once: take at most {self.at_once} workers, "
                "or give --requests N if Google has granted the project more"
            )
        return replace(self, at_once=self.at_once // workers, per_s=self.per_s / workers)


@dataclass
class Use:
    """What the clients of a `used` block count, each with a meter of its own."""

    meters: list[Meter] = field(default_factory=list)

    @property
    def eecu_s(self) -> float:
        """EECU seconds so far: as the server named them, else estimated."""
        return sum(meter.named_s + meter.estimated_s for meter in self.meters)

    @property
    def measured(self) -> dict[str, float]:
        """EECU seconds, requests that were answered with pixels, and the bytes of these as Earth Engine counts them."""
        requests = sum(meter.requests for meter in self.meters)
        return {EECU: round(self.eecu_s, 3), "requests": requests, "bytes": sum(m.bytes for m in self.meters)}


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
    # The former quota comes back at the end, so a block inside a block restores the outer one's.
    before, _current, _use = (_current, _use), quota, Use()
    try:
        yield _use
    finally:
        _current, _use = before
