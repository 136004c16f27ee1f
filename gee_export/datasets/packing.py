"""How a foreign image's numbers are stored: as int16 or uint8 with a scale, an offset and a no-data value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isamap.gee_export.datasets.manifest import DECIBEL_SCALE, NODATA, REFLECTANCE_SCALE, Band
from isamap.gee_export.requests.channel import FILL, Channel

if TYPE_CHECKING:
    import ee

EMBEDDING, EMBEDDING_SCALE = "embedding", 1e-4  # of vectors of length 1
_USUAL_SCALES = {"reflectance": REFLECTANCE_SCALE, "dB": DECIBEL_SCALE, EMBEDDING: EMBEDDING_SCALE}
# Of int16; its counterpart below is the no-data value.
_MOST = 32767
MOST_BEYOND = 0.5  # share of the known numbers that may be cut to the limits: glints are few, a wrong unit is all


@dataclass(frozen=True)
class Unit:
    """What numbers mean: physical = number * scale + offset; scale None: not stated."""

    name: str
    scale: float | None = None
    offset: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Unit:
        """The unit of a text such as `reflectance=0.0001` or `kelvin=0.01,273.15`; ValueError says what is expected."""
        name, has_scale, numbers = text.partition("=")
        scale, _, offset = numbers.partition(",")
        try:
            unit = cls(name.strip(), float(scale) if has_scale else None, float(offset or 0))
        except ValueError as error:
            raise ValueError(_expected(text)) from error
        good = unit.scale is None or (np.isfinite(unit.scale) and unit.scale > 0)
        if not (unit.name and good and np.isfinite(unit.offset)):
            raise ValueError(_expected(text))
        return unit


@dataclass(frozen=True)
class Numbers:
    """What a source's pixels can hold: whole numbers of low to high, or any number."""

    integer: bool
    low: float
    high: float

    @classmethod
    def of_dtype(cls, dtype: str) -> Numbers:
        """The numbers that a numpy pixel type holds; ValueError for complex numbers."""
        numpy_type = np.dtype("complex64" if dtype.startswith("complex") else dtype)  # GDAL has some that NumPy lacks
        if numpy_type.kind in "iu":
            limits = np.iinfo(numpy_type)
            return cls(True, float(limits.min), float(limits.max))
        if numpy_type.kind != "f":
            raise ValueError(f"pixels of type {dtype} are no image: expected whole or floating-point numbers")
        return cls(False, -np.inf, np.inf)


@dataclass(frozen=True)
class Packing:
    """stored = round(number * factor + shift), half to even, kept off the no-data value.

    physical = stored * scale + offset. integer: the numbers are whole, so nothing is rounded.
    """

    dtype: str
    unit: str
    scale: float
    offset: float = 0.0
    factor: float = 1.0
    shift: float = 0.0
    integer: bool = True

    @classmethod
    def of(cls, numbers: Numbers, unit: Unit | None, *, small: bool) -> Packing:
        """The packing that keeps most of the numbers; small: bytes may stay bytes.

        Whole numbers are stored as they are where int16 holds them, reflectance too (only glints lie beyond 3.2767);
        other 16-bit numbers are moved down by 32,767. ValueError for floating-point numbers of a unit without scale.
        """
        unit = unit or Unit("dn")
        scale = unit.scale or _USUAL_SCALES.get(unit.name)
        if not numbers.integer:
            if scale is None:
                raise ValueError(
                    f"floating-point numbers of unit {unit.name!r} are stored as int16, so their step must be known: "
                    "say --unit reflectance, --unit dB, --unit embedding or --unit NAME=STEP"
                )
            return cls("int16", unit.name, scale, unit.offset, 1 / scale, -unit.offset / scale, integer=False)
        scale = scale or 1.0
        if small and (numbers.low, numbers.high) == (0, 255):
            return cls("uint8", unit.name, scale, unit.offset)
        if unit.name == "reflectance" or (numbers.low >= NODATA and numbers.high <= _MOST):
            return cls("int16", unit.name, scale, unit.offset)
        if numbers.low < 0 or numbers.high > 65535:
            raise ValueError(
                f"whole numbers of {numbers.low:,.0f} to {numbers.high:,.0f} do not fit into int16: convert the image "
                "to int16 or uint16 first, or say --unit reflectance=SCALE if it is reflectance"
            )
        return cls("int16", unit.name, scale, unit.offset + _MOST * scale, shift=-_MOST)

    @property
    def nodata(self) -> int:
        return 0 if self.dtype == "uint8" else NODATA

    @property
    def limits(self) -> tuple[int, int]:
        """The least and greatest stored number that a pixel can have."""
        return (1, 255) if self.dtype == "uint8" else (NODATA + 1, _MOST)

    def band(self, name: str) -> Band:
        """The stored band of this name."""
        return Band(name, self.unit, self.scale, self.offset, self.nodata)

    def channel(self, name: str) -> Channel:
        """How the server sends it: whole numbers as they will be stored, others as floats that are rounded here."""
        return Channel(name, self.dtype, self.nodata) if self.integer else Channel(name)

    def stored(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Stored numbers of a source's numbers, the no-data value where they are not valid or not finite."""
        if self.integer:
            # int32 in between: moving 16-bit numbers would run over.
            moved, good = values.astype(np.int32) + np.int32(self.shift), valid
        else:
            good = valid & np.isfinite(values)
            moved = np.rint(np.where(good, values, 0) * np.float64(self.factor) + self.shift)
        return self._kept(moved, good).astype(self.dtype)

    def sent(self, values: np.ndarray) -> np.ndarray:
        """Stored numbers of what the server sent of `on_server`."""
        if self.integer:
            return values.astype(self.dtype, copy=False)
        # Half of the fill: no number of an image lies there, whatever was rounded on the way.
        good = values > FILL / 2  # NaN loses against every number
        return self._kept(np.rint(np.where(good, values, 0)), good).astype(self.dtype)

    def _kept(self, moved: np.ndarray, good: np.ndarray) -> np.ndarray:
        """Numbers within the limits, no data where they are not good; ValueError where most do not fit (wrong unit)."""
        low, high = self.limits
        valid_count = int(good.sum())
        beyond = good & ((moved > high) | ((moved < low) & (not self.integer)))  # whole zeros may be black
        if beyond.sum() > MOST_BEYOND * valid_count:
            least, most = (float(edge) * self.scale + self.offset for edge in (low, high))
            typical = float(np.median(moved[good])) * self.scale + self.offset
            raise ValueError(
                f"most of the image's numbers do not fit: as {self.unit} they are about {typical:.4g}, and {least:.4g} "
                f"to {most:.4g} can be stored; the unit is another: say what they are with --unit, or convert numbers "
                "such as 1234 for a reflectance of 0.1234 to int16 (gdal_translate -ot Int16) and say --unit "
                "reflectance=0.0001"
            )
        return np.where(good, np.clip(moved, low, high), self.nodata)

    def on_server(self, image: ee.Image) -> ee.Image:
        """The bands of a lazy image in stored numbers, not rounded where they are no whole numbers."""
        if not self.integer:
            return image.toDouble().multiply(self.factor).add(self.shift)
        low, high = self.limits
        # Limited on the server: a cast there wraps around instead of stopping at the limit.
        return image.toDouble().add(self.shift).max(low).min(high)


def _expected(text: str) -> str:
    return (
        f"unit {text!r}: expected NAME or NAME=SCALE or NAME=SCALE,OFFSET with a scale above 0, such as "
        "reflectance=0.0001 (physical = number * scale + offset)"
    )
