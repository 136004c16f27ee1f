"""Probabilities in few levels, which is what the chain of years observes of a pixel.

A map stores 255 values of a probability. A table of how often each of them occurs on pervious and on impervious ground
would need millions of pixels; sixteen levels, finer near 0 and 1 where networks put most pixels, need thousands.
"""

from __future__ import annotations

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.legend import PROB_STEPS

# Symmetric about a half, so that neither ground is seen more finely than the other.
EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
LEVELS = len(EDGES) + 1
MISSING = LEVELS  # the level of a pixel that is not known


def _table() -> np.ndarray:
    """The level of each of a map's 256 stored values; 255, not known, has the level after the last."""
    stored = np.arange(256) / PROB_STEPS
    level_V = np.searchsorted(EDGES, stored, side="right").astype(np.uint8)
    # After the search: 255 / 254 would be taken for the surest impervious ground.
    level_V[UNKNOWN] = MISSING
    return level_V


LEVEL_OF = _table()
