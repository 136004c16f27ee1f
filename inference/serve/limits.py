"""What one request, one token and one address may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """body_bytes: of a request. area_km2: of a place or polygon. vertices: of a polygon. jobs: open at once of a token.

    cache_bytes: of files made for downloads, and as many of copies of maps in a bucket.

    requests_per_s: of a token, or of an address without one, in the long run; burst: as many at once.
    """

    body_bytes: int = 1 << 20
    area_km2: float = 10_000.0
    vertices: int = 20_000
    jobs: int = 20
    requests_per_s: float = 50.0
    burst: int = 500
    cache_bytes: float = 20e9

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ValueError(f"limit {each.name} {getattr(self, each.name)}: expected a number above 0")
