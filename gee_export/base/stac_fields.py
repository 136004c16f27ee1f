"""Fields that every STAC document of this project has, of datasets as of maps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any


def moments(start: str, end: str) -> tuple[str, str]:
    """First and last moment of a period, RFC 3339 in UTC; `end` is the day after the last, as ISO text."""
    last = date.fromisoformat(end) - timedelta(days=1)
    return f"{start}T00:00:00Z", f"{last.isoformat()}T23:59:59Z"


def rounded(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """A polygon in GeoJSON to 7 digits of a degree, which is a centimetre."""
    rings = [[[round(x, 7), round(y, 7)] for x, y in ring] for ring in geometry["coordinates"]]
    return {"type": geometry["type"], "coordinates": rings}
