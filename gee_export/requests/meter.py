"""The computing that an export costs its server, in EECU seconds: named by the server or estimated, and its limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isamap.gee_export.base.errors import Fault

HOUR_S = 3600.0
NOTE = "eecu"  # of the ledger's rows
# Processor seconds of the local engine for one megapixel of one month's composite, with which its own runs count before
# an answer names them: two cores that make 0.27 of them a second (benchmarks/export_wuhan.py). No number of Google's.
SECONDS_PER_MPX_MONTH = 7.4
# EECU seconds that Google published for the same, of Sentinel-2 with all bands (guides/computation_benchmarks): 1,000
# patches of 256 px by requests over 12 months, and an export of 290 Mpx over 3 months. isamap's four bands should cost
# less, its radar filters more; a limit counts with the upper one until something is measured (`isamap prove`).
PUBLISHED_SECONDS = (49.0, 124.0)


class OverLimit(Fault):
    """The next request would exceed the computing that the user allows."""


@dataclass
class Meter:
    """What requests have cost so far, in this run and in those before it.

    effort: megapixels x months of composites. named: with seconds that the server named; estimated: of requests whose
    answers named none, at the mean of those that did, else as `measured_s` before, or `seconds_per_effort`.
    limit_hours: None for no limit. requests, bytes: of this run, answered with pixels, in Earth Engine's sizes.
    """

    limit_hours: float | None = None
    seconds_per_effort: float = SECONDS_PER_MPX_MONTH
    measured_s: float | None = None
    named_s: float = 0.0
    named_effort: float = 0.0
    estimated_s: float = 0.0
    requests: int = 0
    bytes: int = 0
    _under_way: float = field(default=0.0, repr=False)  # effort
    _unnoted: dict[str, float] = field(default_factory=dict, repr=False)

    @classmethod
    def continued(
        cls, rows: Iterable[Mapping[str, Any]], limit_hours: float | None = None, measured_s: float | None = None
    ) -> Meter:
        """With what earlier runs noted in the ledger's rows."""
        meter = cls(limit_hours, measured_s=measured_s)
        for row in rows:
            for name, amount in row.get(NOTE, {}).items():
                setattr(meter, name, getattr(meter, name) + float(amount))
        return meter

    @property
    def hours(self) -> float:
        """EECU-hours so far, named and estimated."""
        return (self.named_s + self.estimated_s) / HOUR_S

    @property
    def rate(self) -> float:
        """EECU seconds of a megapixel and month: the mean of what was named, else measured before, else assumed."""
        if self.named_effort:
            return self.named_s / self.named_effort
        return self.seconds_per_effort if self.measured_s is None else self.measured_s

    def begin(self, effort: float) -> None:
        """Before a request is sent; OverLimit where it and those under way are expected to exceed the limit."""
        # What is under way counts as well: it will be computed whatever is decided now.
        expected = (self._under_way + effort) * self.rate / HOUR_S
        if self.limit_hours is not None and self.hours + expected > self.limit_hours:
            raise OverLimit(
                f"--eecu-hours {self.limit_hours:g} would be exceeded: {self.hours:.3g} EECU-hours are counted "
                f"({self.source}) and the requests under way and the next one are expected to need {expected:.2g}; "
                "what was fetched is kept, run the same command with a larger --eecu-hours to continue"
            )
        self._under_way += effort

    def resume(self, effort: float) -> None:
        """Counts what an earlier run sent and what is still under way."""
        self._under_way += effort

    def end(self, effort: float, seconds: float | None) -> None:
        """After the answer; seconds: as the server named them, None where it did not."""
        self._under_way = max(self._under_way - effort, 0.0)
        if seconds is None:
            self._count(estimated_s=effort * self.rate)
        else:
            self._count(named_s=seconds, named_effort=effort)

    def received(self, size: int) -> None:
        """Counts an answer of so many bytes, as Earth Engine counts them."""
        self.requests += 1
        self.bytes += size

    def cancel(self, effort: float, seconds: float | None = None) -> None:
        """Where no pixels came; seconds: what was computed all the same, where the server named it."""
        self._under_way = max(self._under_way - effort, 0.0)
        if seconds:
            self._count(named_s=seconds)

    def unnoted(self) -> dict[str, dict[str, float]]:
        """What no row of the ledger holds yet, for the next one; nothing the second time."""
        noted, self._unnoted = self._unnoted, {}
        # Handed over once and whole, so that rows of the ledger add up, whichever run wrote them.
        return {NOTE: noted} if noted else {}

    @property
    def source(self) -> str:
        """Where the numbers come from, in words."""
        if not self.estimated_s:
            return "as the server named them"
        words = f"estimated at {self.rate:.2g} s for one megapixel of one month, as answers named none"
        return words if not self.named_s else f"{self.estimated_s / HOUR_S:.3g} of them {words}"

    def __str__(self) -> str:
        return f"{self.hours:.3g} EECU-hours ({self.source})"

    def _count(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            setattr(self, name, getattr(self, name) + amount)
            self._unnoted[name] = self._unnoted.get(name, 0.0) + amount
