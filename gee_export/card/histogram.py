"""Exact counts of stored values, and the shares, quantiles and moments that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.gee_export.datasets.manifest import Band


@dataclass
class Histogram:
    """How often each stored value occurs in a band; `pixels` counts the missing ones too."""

    band: Band
    counts: np.ndarray  # int64, by stored value from `first`
    first: int
    pixels: int = 0

    @classmethod
    def empty(cls, band: Band, dtype: str) -> Histogram:
        """A histogram without pixels, of a band stored as uint8 or int16."""
        limits = np.iinfo(dtype)
        return cls(band, np.zeros(int(limits.max) - int(limits.min) + 1, np.int64), int(limits.min))

    def add(self, values_HW: np.ndarray) -> None:
        """Counts the pixels of one patch."""
        low = int(values_HW.min())
        # Counted from the patch's least value: 65,536 counters for each patch would be most of the work.
        value_counts = np.bincount(values_HW.ravel().astype(np.int32) - low)
        self.counts[low - self.first : low - self.first + len(value_counts)] += value_counts
        self.pixels += values_HW.size

    def __add__(self, histogram: Histogram) -> Histogram:
        return Histogram(self.band, self.counts + histogram.counts, self.first, self.pixels + histogram.pixels)

    @property
    def stored(self) -> np.ndarray:
        """The stored value of each count."""
        return np.arange(self.first, self.first + len(self.counts))

    @property
    def valid_counts(self) -> np.ndarray:
        """Counts without the missing pixels."""
        return np.where(self.stored == self.band.nodata, 0, self.counts)

    @property
    def valid(self) -> int:
        return int(self.valid_counts.sum())

    @property
    def valid_share(self) -> float:
        """The valid pixels' share of all pixels; 0 where there are none."""
        return self.valid / self.pixels if self.pixels else 0.0

    @property
    def physical(self) -> np.ndarray:
        """The physical value of each count."""
        return self.stored * self.band.scale + self.band.offset

    def quantile(self, share: float) -> float | None:
        """The physical value below which a share of the valid pixels lies; None without valid pixels."""
        running = self.valid_counts.cumsum()
        if not running[-1]:
            return None
        order = running if self.band.scale > 0 else self.valid_counts[::-1].cumsum()
        rank = int(np.searchsorted(order, max(share * order[-1], 1)))
        return float(self.physical[rank] if self.band.scale > 0 else self.physical[::-1][rank])

    def moments(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the valid pixels, physical; None without."""
        if not self.valid:
            return None
        weight = self.valid_counts / self.valid
        mean = float((self.physical * weight).sum())
        return mean, float(np.sqrt(((self.physical - mean) ** 2 * weight).sum()))

    def share_outside(self, low: float, high: float) -> float:
        """The share of the valid pixels that are below `low` or above `high`."""
        outside = (self.physical < low) | (self.physical > high)
        return float(self.valid_counts[outside].sum() / self.valid) if self.valid else 0.0

    def binned(self, edges: np.ndarray) -> np.ndarray:
        """Shares of the valid pixels per bin of physical values (those outside are left out)."""
        binned_counts, _ = np.histogram(self.physical, edges, weights=self.valid_counts)
        return binned_counts / max(self.valid, 1)
