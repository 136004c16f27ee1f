"""Reducers as values: their outputs, their types, and the reductions of stacks, neighbourhoods and regions by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from local_ee.errors import EngineError
from local_ee.raster.accumulate import Accumulator
from local_ee.raster.pixel_type import PixelType

_TAKE_ARRAYS = ("first", "last", "count", "toList")  # reducers of pixels that are arrays


def numbers_only(index: int) -> bool:
    """No input takes anything but numbers."""
    return False


def anything(index: int) -> bool:
    """Every input takes values of any type."""
    return True


@dataclass(frozen=True)
class Reducer:
    """outputs: names; start: a new reduction; typed: pixel types of the outputs from that of the (first) input.

    streams: it needs only a few numbers per place, however many samples come. pixels: its outputs can be pixels.
    any_type: whether the samples of an input, by position, need not be numbers. arrays: pixels may be arrays.
    """

    name: str
    outputs: tuple[str, ...]
    start: Callable[[], Accumulator] = field(repr=False)
    typed: Callable[[PixelType], tuple[PixelType, ...]] = field(repr=False)
    inputs: int = 1
    streams: bool = True
    pixels: bool = True
    weighted: bool = True
    any_type: Callable[[int], bool] = field(default=numbers_only, repr=False)
    arrays: bool = False

    def named(self, outputs: Sequence[str]) -> Reducer:
        """The same reducer with other output names."""
        if len(outputs) != len(self.outputs):
            raise EngineError(f"Expected {len(self.outputs)} output names, got {len(outputs)}.")
        return replace(self, outputs=tuple(outputs))

    def band_names(self, band: str) -> list[str]:
        """Names of the outputs for an input band: the band's name and the output's."""
        return [f"{band}_{output}" for output in self.outputs]

    def keys(self, band: str) -> list[str]:
        """Names of the outputs for a band in a dictionary: the band's alone where there is one output."""
        return [band] if len(self.outputs) == 1 else self.band_names(band)

    def for_pixels(self) -> Reducer:
        """Itself, where its outputs can be pixels."""
        if not self.pixels:
            raise EngineError(f"Reducer.{self.name} does not give numbers, so it cannot make an image.")
        return self

    def check(self, band: str, pixel_type: PixelType) -> None:
        """EngineError where a band's pixels are arrays and the reducer takes numbers only."""
        if pixel_type.dimensions and not self.arrays and self.name not in _TAKE_ARRAYS:
            raise EngineError(f"Reducer.{self.name} takes numbers, but the pixels of band '{band}' are arrays.")

    def over(self, bands: int) -> Reducer:
        """Itself, where it takes one input or as many as there are bands."""
        if self.inputs not in (1, bands):
            raise EngineError(f"Need {self.inputs} bands for reducer '{self.name}', image has {bands}.")
        return self
