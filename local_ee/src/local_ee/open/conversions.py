"""Stored numbers as Earth Engine's: what each band's values become, and their type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Conversion(Protocol):
    """Stored values to Earth Engine's; `dtype` is the type of the result."""

    @property
    def dtype(self) -> str: ...

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """The values, of the same shape."""
        ...


@dataclass(frozen=True)
class Plain:
    """The stored values themselves."""

    dtype: str

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """The values in the band's type."""
        return stored.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Harmonised:
    """Reflectance x 10,000 of all processing baselines alike: stored + offset, not below 0.

    Source: the catalog's page of COPERNICUS/S2_SR_HARMONIZED (scenes since 2022-01-25 are shifted to the range of the
    older ones). That values below the shift become 0 is an assumption; the band is unsigned.
    """

    offset: int
    dtype: str = "uint16"

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """The shifted values, in uint16."""
        if self.offset <= 0 and stored.dtype == self.dtype:  # the same, in a third of the time
            least = stored.dtype.type(-self.offset)
            return np.maximum(stored, least) - least
        limits = np.iinfo(self.dtype)
        return np.clip(stored.astype(np.int32) + self.offset, limits.min, limits.max).astype(self.dtype)


@dataclass(frozen=True)
class SquareLaw:
    """Embeddings stored as int8: sign(v) (v / 127.5)^2.

    Source: https://source.coop/tge-labs/aef (README), the rule of the files' own quantisation.
    """

    dtype: str = "float32"

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """Components of a vector of length 1."""
        scaled = stored.astype(np.float64) / 127.5
        return (np.sign(scaled) * scaled * scaled).astype(self.dtype)
