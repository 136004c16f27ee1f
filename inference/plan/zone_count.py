"""What the tiles of one UTM zone add up to: their number, the ground inside, and the pixels that they fetch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from gee_export.base import zones
from gee_export.base.regions import STEP_M
from gee_export.requests import pixels
from gee_export.requests.channel import Channel
from inference.tiles.tiling import TileWindow

BLOCK_PX = 512  # of the requests of a map (inference/composite.py)


@dataclass(frozen=True)
class ZoneCount:
    """Of one period. tiles: that touch the area; fetched_px: with the margins that the network looks at; request_bytes:
    as Earth Engine counts them, with a mask byte a band.
    """

    zone: str
    tiles: int
    area_km2: float
    requests: int
    fetched_px: int
    request_bytes: int

    @classmethod
    def of(cls, windows: Sequence[TileWindow], margin_px: int, channels: Sequence[Channel]) -> ZoneCount:
        """The sums over the tiles of one zone; channels: what is asked of Earth Engine, none for the user's files."""
        shapes = [_fetched_shape(window, margin_px) for window in windows] if channels else []
        return cls(
            zone=zones.zone_name(windows[0].epsg),
            tiles=len(windows),
            area_km2=sum(window.area_km2 for window in windows),
            requests=sum(_requests(shape, tuple(channels)) for shape in shapes),
            fetched_px=sum(height * width for height, width in shapes),
            request_bytes=sum(pixels.request_bytes(height, width, channels) for height, width in shapes),
        )

    def __str__(self) -> str:
        return f"zone {self.zone}: {self.tiles:,} tiles, {self.area_km2:,.0f} km2"


def by_zone(windows: Iterable[TileWindow], margin_px: int, channels: Sequence[Channel]) -> tuple[ZoneCount, ...]:
    """The counts of each zone, in the zones' order."""
    groups: dict[int, list[TileWindow]] = {}
    for window in windows:
        groups.setdefault(window.epsg, []).append(window)
    return tuple(ZoneCount.of(groups[epsg], margin_px, channels) for epsg in sorted(groups))


def _fetched_shape(window: TileWindow, margin_px: int) -> tuple[int, int]:
    """Rows and columns of 10 m around the wanted ground of a tile, with the margin on each side."""
    left, bottom, right, top = window.bounds_m if window.ground_m is None else window.ground_m.bounds
    rows, cols = math.ceil((top - bottom) / STEP_M), math.ceil((right - left) / STEP_M)
    return max(rows, 1) + 2 * margin_px, max(cols, 1) + 2 * margin_px


@cache
def _requests(shape: tuple[int, int], channels: tuple[Channel, ...]) -> int:
    return len(pixels.plan(shape, channels, side=BLOCK_PX))
