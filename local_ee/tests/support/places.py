"""Where and when the suite looks: degrees and milliseconds, as the catalog takes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

WUHAN_WSEN = (113.99656, 30.30065, 114.64166, 30.85878)


@dataclass(frozen=True)
class Month:
    """A calendar month in milliseconds since 1970, its end exclusive."""

    year: int
    month: int

    @property
    def start_ms(self) -> int:
        return _milliseconds(self.year, self.month)

    @property
    def end_ms(self) -> int:
        return _milliseconds(self.year + self.month // 12, self.month % 12 + 1)


def _milliseconds(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)
