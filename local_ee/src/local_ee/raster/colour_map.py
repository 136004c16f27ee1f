"""Colours by value: ramps, intervals and single values of OGC's styles (SLD 1.0, ColorMap; SE 1.1, 11.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KINDS = ("ramp", "intervals", "values")


@dataclass(frozen=True)
class ColourMap:
    """Quantities in rising order with the colour [red, green, blue] of each, 0 to 255; where visible is 0, nothing.

    ramp: mixed between two quantities, the end's colour beyond them. intervals: that of the least quantity that is not
    below the value; nothing above the last. values: that of the quantity that the value is; nothing for others.
    """

    kind: str
    quantities: np.ndarray
    colours: np.ndarray
    visible: np.ndarray

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"type '{self.kind}' of a ColorMap: expected one of {', '.join(KINDS)}")
        if not len(self.quantities) or not np.all(np.diff(self.quantities) >= 0):
            raise ValueError("a ColorMap needs entries in rising order of their quantities")

    def painted(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Red, green and blue [3, row, column], uint8, of values, and where there is a colour."""
        above = np.searchsorted(self.quantities, values)
        entry = np.minimum(above, len(self.quantities) - 1)
        if self.kind == "ramp":
            mixed = [np.interp(values, self.quantities, self.colours[:, channel]) for channel in range(3)]
            return np.rint(mixed).astype(np.uint8), self._shown(entry) & self._shown(np.maximum(above - 1, 0))
        coloured = above < len(self.quantities)
        if self.kind == "values":
            coloured &= self.quantities[entry] == values
        planes = np.moveaxis(self.colours[entry], -1, 0)
        return planes.astype(np.uint8), coloured & self._shown(entry)

    def _shown(self, entry: np.ndarray) -> np.ndarray:
        shown: np.ndarray = self.visible[entry]
        return shown


def stretched(values: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Shares 0 to 1 of values between the least and the greatest sample."""
    low, high = (samples.min(), samples.max()) if samples.size else (0.0, 1.0)
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1)


def equalised(values: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Shares 0 to 1 of values: how many of the samples are not above them."""
    ordered = np.sort(samples)
    return np.searchsorted(ordered, values, side="right") / max(ordered.size, 1)
