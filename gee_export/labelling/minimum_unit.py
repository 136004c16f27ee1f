"""Labels drawn with a minimum unit, as maps that people draw have: smaller pieces belong to what is around them."""

from __future__ import annotations

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN


def generalised(label_HW: np.ndarray, least_px: int) -> np.ndarray:
    """The label without pieces of fewer pixels, each taken into its largest neighbour (GDAL's sieve filter), uint8.

    Pieces that the patch's edge cuts stay, since their size is not known; so do unknown pixels. The pixels of a piece
    share edges.
    """
    from rasterio.features import sieve  # no command's help waits for it

    is_known_HW = label_HW != UNKNOWN
    # 4 and not 8: pieces that meet at a corner alone would be drawn as two.
    made: np.ndarray = sieve(label_HW, size=least_px, connectivity=4, mask=is_known_HW)
    return np.where(_cut(label_HW) | ~is_known_HW, label_HW, made)


def _cut(label_HW: np.ndarray) -> np.ndarray:
    """Pixels of the pieces that reach the edge."""
    from scipy import ndimage

    reaches = np.zeros(label_HW.shape, bool)
    for value in np.unique(label_HW):
        pieces, _ = ndimage.label(label_HW == value)
        rim = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
        reaches |= np.isin(pieces, rim[rim > 0])
    return reaches
