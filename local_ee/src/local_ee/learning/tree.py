"""Decision trees as arrays of nodes, and the walk of a table's rows down to their leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

LEAF = -1


@dataclass(frozen=True, eq=False)
class Tree:
    """Node 0 is the root. A row goes left where its input is at most the threshold (below it, where strict).

    inputs: the input of each node's test, LEAF at leaves; values [node, k]: class shares, or one number; counts and
    losses: samples that reached the node, and what is left unexplained there.
    """

    inputs: np.ndarray
    thresholds: np.ndarray
    strict: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    losses: np.ndarray

    def leaves(self, table: np.ndarray) -> np.ndarray:
        """The leaf of each row."""
        return _walk(
            np.ascontiguousarray(table, np.float64), self.inputs, self.thresholds, self.strict, self.left, self.right
        )

    def predict(self, table: np.ndarray) -> np.ndarray:
        """The values [row, k] of each row's leaf."""
        values: np.ndarray = self.values[self.leaves(table)]
        return values


# Rows end at different depths; NumPy would walk all of them as deep as the deepest.
@numba.njit(nogil=True, cache=True)
def _walk(table, inputs, thresholds, strict, left, right):  # pragma: no cover (compiled)
    out = np.empty(table.shape[0], np.int64)
    for row in range(table.shape[0]):
        node = 0
        while inputs[node] >= 0:
            value = table[row, inputs[node]]
            below = value < thresholds[node] or (value == thresholds[node] and not strict[node])
            node = left[node] if below else right[node]
        out[row] = node
    return out
