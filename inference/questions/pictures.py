"""Pictures of a dataset's patches around pixels, with the pixel framed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isamap.gee_export.base.storage import write_whole
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.manifest import NODATA
from isamap.inference.assessment.sample import DrawnSample
from isamap.inference.assessment.thumbnails import VISIBLE, framed_png
from isamap.inference.questions.page import write_page

SIDE_PX = 32
FOLDER = "patch"


class PatchPictures:
    """Draws the patch around each of `pixels` (dataset, patch, row, column), in the order of the sample's points."""

    def __init__(self, pixels: Sequence[tuple[Dataset, Patch, int, int]]) -> None:
        self.pixels = pixels

    @property
    def names(self) -> list[str]:
        """Of the pictures, by point."""
        return [f"{FOLDER}/{index}.png" for index in range(1, len(self.pixels) + 1)]

    def write(self, sample: DrawnSample, folder: Path) -> list[str]:
        """Writes a PNG for every point and the page of all, and gives their names within the folder."""
        for name, (dataset, patch, row, col) in zip(self.names, self.pixels, strict=True):
            write_whole(folder / name, framed_png(_around(dataset, patch, row, col), 1 / SIDE_PX))
        write_page(sample, folder, self.names)
        return self.names


def _around(dataset: Dataset, patch: Patch, row: int, col: int) -> np.ndarray:
    """RGB uint8 [SIDE_PX, SIDE_PX, 3] with the pixel in the middle; black beyond the patch and where nothing was seen.

    Each colour is stretched between the 2nd and the 98th percentile of the patch.
    """
    names = dataset.manifest.band_names
    shown = [names.index(name) for name in VISIBLE] if set(VISIBLE) <= set(names) else [0, 0, 0]
    image = dataset.read_image(patch)[shown]
    valid = (image != NODATA).all(axis=0)
    out = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    if not valid.any():
        return out
    low, high = (np.percentile(image[:, valid], share, axis=1)[:, None, None] for share in (2, 98))
    colour = np.where(valid, 255 * np.clip((image - low) / np.maximum(high - low, 1), 0, 1), 0).astype(np.uint8)
    half = SIDE_PX // 2
    padded = np.pad(colour, ((0, 0), (half, half), (half, half)))
    out[:] = padded[:, row : row + SIDE_PX, col : col + SIDE_PX].transpose(1, 2, 0)
    return out
