"""Chains of pointwise images as instructions (see raster.arithmetic): bands and their masks by slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from local_ee import budget, parallel
from local_ee.raster.arithmetic import CHOOSE, COPY, EXACT, Operation, Program
from local_ee.raster.pixels import both, is_blank, is_uniform, is_valid, valid

BandPixels = tuple[np.ndarray, np.ndarray]  # values and mask of a band
Slot = tuple[int, int]  # a reading's id, and a band's position in it

_STRIP_PIXELS = 32_768


@dataclass(frozen=True)
class _Number:
    """Where a band's numbers are, the type that holds them, and which inputs' masks hide its pixels."""

    register: int
    dtype: np.dtype
    masks: tuple[int, ...] = ()


class Instructions:
    """A program that grows band by band."""

    def __init__(self, inputs: Mapping[Slot, BandPixels]) -> None:
        arrays = {slot: pair for slot, pair in inputs.items() if not is_uniform(pair[0])}
        constants = {slot: pair for slot, pair in inputs.items() if slot not in arrays}
        self._pairs = [*arrays.values(), *constants.values()]
        self._arrays = [values for values, _ in arrays.values()]
        self._program = Program(len(arrays), [float(values[0, 0]) for values, _ in constants.values()])
        self._numbers = {
            slot: _Number(register, values.dtype, () if is_valid(mask) else (register,))
            for register, (slot, (values, mask)) in enumerate([*arrays.items(), *constants.items()])
        }

    @classmethod
    def of(cls, inputs: Mapping[Slot, BandPixels]) -> Instructions | None:
        """Those of bands; None where one holds arrays, long integers, soft masks, or nothing at all."""
        simple = all(
            values.dtype in EXACT and (is_valid(mask) or (mask.dtype == bool and not is_blank(mask)))
            for values, mask in inputs.values()
        )
        return cls(inputs) if simple and not all(is_uniform(values) for values, _ in inputs.values()) else None

    def __len__(self) -> int:
        return len(self._program)

    def add(self, slot: Slot, operation: Operation, sources: Sequence[Slot]) -> bool:
        """Whether an operation on bands is an instruction; the slot holds its result then."""
        numbers = [self._numbers[source] for source in sources]
        masks = tuple(dict.fromkeys(mask for operand in numbers for mask in operand.masks))
        if operation.code == COPY and not operation.cast:
            self._numbers[slot] = numbers[0]
            return True
        if not operation.allows([operand.dtype for operand in numbers]) or (operation.code == CHOOSE and masks):
            return False
        registers = [
            self._program.add(COPY, (operand.register,), rounded=True)
            if operation.rounds(operand.dtype)
            else operand.register
            for operand in numbers
        ]
        register = self._program.add(operation.code, registers, rounded=operation.dtype == np.float32)
        self._numbers[slot] = _Number(register, operation.dtype, masks)
        return True

    def computed(self, slots: Sequence[Slot], shape: tuple[int, int]) -> list[BandPixels]:
        """The bands of slots over the window."""
        numbers = [self._numbers[slot] for slot in slots]
        registers = list(dict.fromkeys(each.register for each in numbers if each.register >= len(self._pairs)))
        dtypes = {band.register: band.dtype for band in numbers}
        bands = {register: np.empty(shape, dtypes[register]) for register in registers}
        if registers:
            self._fill(bands, shape)
        values = {**{register: pair[0] for register, pair in enumerate(self._pairs)}, **bands}
        return [(values[band.register], self._mask(band, shape)) for band in numbers]

    def _fill(self, bands: Mapping[int, np.ndarray], shape: tuple[int, int]) -> None:
        """Runs the program by strips of rows."""
        height, width = shape
        rows = max(1, _STRIP_PIXELS // width)

        def fill(strip: slice) -> None:
            budget.check()
            pixels = (strip.stop - strip.start) * width
            loaded, results = np.empty((len(self._arrays), pixels)), np.empty((len(bands), pixels))
            for line, values in zip(loaded, self._arrays, strict=True):
                line.reshape(-1, width)[...] = values[strip]
            self._program.run(loaded, pixels, list(bands), results)
            for band, result in zip(bands.values(), results, strict=True):
                np.copyto(band[strip], result.reshape(-1, width), casting="unsafe")

        parallel.strips(fill, height, rows)

    def _mask(self, number: _Number, shape: tuple[int, int]) -> np.ndarray:
        return reduce(both, (self._pairs[register][1] for register in number.masks), valid(shape))
