"""What one request, one token and one address may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from isamap.gee_export.base.options import Option


@dataclass(frozen=True)
class Limits:
    """body_bytes: of a request. area_km2: of a place or polygon. vertices: of a polygon. jobs: open at once of a token.

    kept_jobs: of a token, with those that have ended; the oldest failed and dismissed ones go first.

    patches, export_bytes: of a dataset. train_minutes: of a training by its measured rate.

    cache_bytes: of files made for downloads, and as many of copies of maps in a bucket.

    requests_per_s: of a token, or of an address without one, in the long run; burst: as many at once.
    """

    GROUP: ClassVar[str] = "Limits"
    body_bytes: int = 1 << 20
    area_km2: Annotated[float, Option("Most km2 of a place.", flag="--max-area")] = 10_000.0
    vertices: int = 20_000
    jobs: Annotated[int, Option("Most open jobs of a token.", flag="--max-jobs")] = 20
    kept_jobs: int = 1000
    patches: int = 100_000
    export_bytes: float = 100e9
    train_minutes: float = 7 * 24 * 60.0
    requests_per_s: float = 50.0
    burst: int = 500
    cache_bytes: float = 20e9

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ValueError(f"limit {each.name} {getattr(self, each.name)}: expected a number above 0")
