"""What the public archives (`--catalog open`) send for composites: bytes and hours, on stated assumptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from isamap.gee_export.export.eecu import number
from isamap.gee_export.sentinel.embeddings import BANDS as EMBEDDING_BANDS
from isamap.gee_export.sentinel.sentinel1 import POLARISATIONS
from isamap.gee_export.sentinel.sentinel2 import BANDS_M

# Stored bytes a pixel of a scene that fills its grid: file:size by proj:shape of the items
# S2B_T01WCR_20250427T000611_L2A (1.51 to 1.80) and S1A_IW_GRDH_1SDV_20191215T004249_..._rtc (3.1).
OPTICAL_BYTES, RADAR_BYTES = 1.6, 3.1
OPTICAL_SCENES, RADAR_SCENES = 6, 4  # of a month: two Sentinel-2 (5 days), one Sentinel-1 on both passes, rounded up
EMBEDDING_BYTES = 1.0  # a band and year, stored as int8: at most
BYTES_PER_S = 10e6  # what a line of 100 Mbit/s carries
ASSUMED = (
    f"assumed: {OPTICAL_SCENES} Sentinel-2 and {RADAR_SCENES} Sentinel-1 scenes a month, "
    f"{BYTES_PER_S / 1e6:g} MB a second"
)


@dataclass(frozen=True)
class ArchiveLoad:
    """What is fetched, before tiles that other requests need too are taken from the cache."""

    bytes: float

    @classmethod
    def of(cls, bands: Iterable[str], mpx_months: float) -> ArchiveLoad:
        """Of composites of so many megapixels of 10 m times months."""
        return cls(sum(map(_bytes_of, bands)) * mpx_months * 1e6)

    @property
    def hours(self) -> float:
        return self.bytes / BYTES_PER_S / 3600

    def __str__(self) -> str:
        return f"{number(self.bytes / 1e9)} GB from the public archives ({ASSUMED})"


def _bytes_of(band: str) -> float:
    """Bytes of a band for one pixel of 10 m and one month."""
    # Coarse bands have fewer pixels of the same bytes.
    if band in BANDS_M:
        return OPTICAL_BYTES * OPTICAL_SCENES * (10 / BANDS_M[band]) ** 2
    if band in POLARISATIONS:
        return RADAR_BYTES * RADAR_SCENES
    return EMBEDDING_BYTES if band in EMBEDDING_BANDS else 0.0
