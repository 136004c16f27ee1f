"""Chains of arithmetic on pixels in one pass: a list of instructions, run block by block in the processor's cache.

Numbers are held in double precision. Instructions whose result is a 32-bit float round each result to it: that gives
the bits of 32-bit arithmetic, as a double has more than twice as many digits (Figueroa 1995,
doi:10.1145/221332.221334).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

_BLOCK = 1024  # numbers of a register
(
    COPY, ADD, SUBTRACT, MULTIPLY, DIVIDE, MIN, MAX, EQ, NEQ, GT, GTE, LT, LTE, AND, OR, NOT, ABS, CHOOSE,
) = range(18)  # fmt: skip
EXACT = tuple(np.dtype(name) for name in ("bool", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"))  # within doubles
_SHORT = tuple(np.dtype(name) for name in ("bool", "u1", "i1", "u2", "i2", "f4"))  # within 32-bit floats


@dataclass(frozen=True)
class Operation:
    """What gives a band: an instruction's code, the type of its result, and whether its inputs are cast to that first.

    CHOOSE takes its third input where the second is not 0, else the first.
    """

    code: int
    dtype: np.dtype
    cast: bool = True

    def allows(self, dtypes: Sequence[np.dtype]) -> bool:
        """Whether instructions give the numbers that NumPy gives of inputs of these types."""
        if self.dtype not in EXACT or any(dtype not in EXACT for dtype in dtypes):
            return False
        whole = self.dtype.kind in "biu"
        return not (self.cast and whole and any(dtype.kind == "f" for dtype in dtypes))

    def rounds(self, dtype: np.dtype) -> bool:
        """Whether an input is rounded to a 32-bit float first."""
        return self.cast and self.dtype == np.float32 and dtype not in _SHORT


class Program:
    """Instructions on registers: first those of inputs, then of constants, then one for each instruction."""

    def __init__(self, inputs: int, constants: Sequence[float]) -> None:
        self._inputs = inputs
        self._constants = np.array(constants, np.float64)
        self._rows: list[tuple[int, int, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, code: int, registers: Sequence[int], *, rounded: bool) -> int:
        """The register of the result of an instruction on one to three registers."""
        first, second, third = (*registers, 0, 0)[:3]
        self._rows.append((code, first, second, third, int(rounded)))
        return self._inputs + len(self._constants) + len(self._rows) - 1

    def run(self, values: np.ndarray, pixels: int, registers: Sequence[int], out: np.ndarray) -> None:
        """Fills out [register, pixel] with the numbers of registers, of the first inputs [input, pixel], doubles."""
        rows = np.array(self._rows, np.int64).reshape(-1, 5)
        _run(rows, values, pixels, self._constants, np.array(registers, np.int64), out)


# A chain of operations over blocks that stay in the processor's cache, instead of one array of NumPy for each; one
# kernel for all chains, as their operations come as numbers: nothing is compiled for a new expression.
@numba.njit(nogil=True, cache=True)
def _run(rows, values, pixels, constants, wanted, out):  # pragma: no cover (compiled)
    inputs = values.shape[0]
    first = inputs + constants.size
    registers = np.empty((first + rows.shape[0], _BLOCK))
    for k in range(constants.size):
        registers[inputs + k, :] = constants[k]
    for start in range(0, pixels, _BLOCK):
        width = min(_BLOCK, pixels - start)
        for k in range(inputs):
            registers[k, :width] = values[k, start : start + width]
        for k in range(rows.shape[0]):
            _apply(rows[k, 0], registers, rows[k, 1], rows[k, 2], rows[k, 3], first + k, width)
            if rows[k, 4]:
                for i in range(width):
                    registers[first + k, i] = np.float64(np.float32(registers[first + k, i]))
        for k in range(wanted.size):
            out[k, start : start + width] = registers[wanted[k], :width]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _apply(code, r, a, b, c, out, width):  # pragma: no cover (compiled)
    if code == ADD:
        for i in range(width):
            r[out, i] = r[a, i] + r[b, i]
    elif code == SUBTRACT:
        for i in range(width):
            r[out, i] = r[a, i] - r[b, i]
    elif code == MULTIPLY:
        for i in range(width):
            r[out, i] = r[a, i] * r[b, i]
    elif code == DIVIDE:  # 0 where the divisor is (image_math.divide)
        for i in range(width):
            r[out, i] = r[a, i] / r[b, i] if r[b, i] != 0.0 else 0.0
    elif code == MIN:  # of two zeros the second, as NumPy's loops of vectors take; a NaN wins
        for i in range(width):
            r[out, i] = r[a, i] if r[a, i] < r[b, i] or r[a, i] != r[a, i] else r[b, i]
    elif code == MAX:
        for i in range(width):
            r[out, i] = r[a, i] if r[a, i] > r[b, i] or r[a, i] != r[a, i] else r[b, i]
    elif code == COPY:
        for i in range(width):
            r[out, i] = r[a, i]
    elif code == ABS:
        for i in range(width):
            r[out, i] = abs(r[a, i])
    elif code == CHOOSE:
        for i in range(width):
            r[out, i] = r[c, i] if r[b, i] != 0.0 else r[a, i]
    else:
        _compare(code, r, a, b, out, width)


@numba.njit(nogil=True, cache=True)
def _compare(code, r, a, b, out, width):  # pragma: no cover (compiled)
    if code == EQ:
        for i in range(width):
            r[out, i] = r[a, i] == r[b, i]
    elif code == NEQ:
        for i in range(width):
            r[out, i] = r[a, i] != r[b, i]
    elif code == GT:
        for i in range(width):
            r[out, i] = r[a, i] > r[b, i]
    elif code == GTE:
        for i in range(width):
            r[out, i] = r[a, i] >= r[b, i]
    elif code == LT:
        for i in range(width):
            r[out, i] = r[a, i] < r[b, i]
    elif code == LTE:
        for i in range(width):
            r[out, i] = r[a, i] <= r[b, i]
    elif code == AND:
        for i in range(width):
            r[out, i] = (r[a, i] != 0.0) & (r[b, i] != 0.0)
    elif code == OR:
        for i in range(width):
            r[out, i] = (r[a, i] != 0.0) | (r[b, i] != 0.0)
    else:
        for i in range(width):
            r[out, i] = r[a, i] == 0.0
