"""A split's patches put together on their ground: what a map would show there, with the labels beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.legend import Legend
from isamap.inference.postprocessing.postprocess import CONTEST, PixelOffset, Step
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.samples.data import SampleSource


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Chances of impervious and of the most probable other class, that class, the label; known where a patch lies.

    Overlapping patches are averaged. offset: of the first pixel, on the region's lattice.
    """

    impervious_HW: np.ndarray
    other_HW: np.ndarray
    other_class_HW: np.ndarray
    label_HW: np.ndarray
    known_HW: np.ndarray
    offset: PixelOffset

    def plain(self, legend: Legend) -> np.ndarray:
        """Classes as a map without post-processing has them."""
        wins_HW = self.impervious_HW >= legend.threshold if legend.binary else self.impervious_HW > self.other_HW
        return np.where(wins_HW, legend.impervious, self.other_class_HW)

    def classes(self, step: Step, threshold: float, legend: Legend) -> np.ndarray:
        """Classes after a step."""
        weighted_2HW = self._weighted(step, threshold)
        return np.where(weighted_2HW[1] > weighted_2HW[0], legend.impervious, self.other_class_HW)

    def heat(self, step: Step, threshold: float) -> np.ndarray:
        """The chance of impervious after a step, at most 1, float32."""
        return np.minimum(self._weighted(step, threshold)[1], 1)

    def _weighted(self, step: Step, threshold: float) -> np.ndarray:
        probabilities_2HW = np.stack([self.other_HW, self.impervious_HW])
        return step(probabilities_2HW, self.known_HW, CONTEST, threshold, self.offset)


class _Canvas:
    """Sums over the patches of one region and date."""

    def __init__(self, box: tuple[int, int, int, int]) -> None:
        self.top, self.left, bottom, right = box
        shape = bottom - self.top, right - self.left
        self.probabilities_2HW = np.zeros((2, *shape), np.float32)
        self.other_class_HW = np.zeros(shape, np.uint8)
        self.label_HW = np.full(shape, UNKNOWN, np.uint8)
        self.count_HW = np.zeros(shape, np.uint16)

    def add(self, row: int, col: int, probabilities_KHW: np.ndarray, label_HW: np.ndarray, impervious: int) -> None:
        height, width = label_HW.shape
        at = slice(row - self.top, row - self.top + height), slice(col - self.left, col - self.left + width)
        others_KHW = np.where((np.arange(len(probabilities_KHW)) == impervious)[:, None, None], -1.0, probabilities_KHW)
        self.probabilities_2HW[0][at] += others_KHW.max(axis=0)
        self.probabilities_2HW[1][at] += probabilities_KHW[impervious]
        self.other_class_HW[at] = others_KHW.argmax(axis=0)
        self.label_HW[at] = label_HW
        self.count_HW[at] += 1

    def done(self) -> Mosaic:
        other_HW, impervious_HW = self.probabilities_2HW / np.maximum(self.count_HW, 1)
        offset = PixelOffset(self.top, self.left)
        known_HW = self.count_HW > 0
        return Mosaic(impervious_HW, other_HW, self.other_class_HW, self.label_HW, known_HW, offset)


def mosaics(
    trained: ck.Checkpoint, source: SampleSource, split: str, *, device: str = "auto", batch: int = 16
) -> Iterator[Mosaic]:
    """One picture for each dataset, region and date of a split; ValueError where the split is empty.

    Memory: 12 bytes for each pixel of the ground that the split spans, all regions and dates together.
    """
    entries = source.patches(split)
    if not entries:
        raise ValueError(f"the {split} split is empty: export a larger region or name another split")
    side = entries[0][0].manifest.size * source.ratio
    places = [(id(dataset), patch.region, patch.period) for dataset, patch in entries]
    corners = [(patch.row * source.ratio, patch.col * source.ratio) for _, patch in entries]
    canvases = {mosaic_key: _Canvas(box) for mosaic_key, box in _boxes(places, corners, side).items()}
    impervious = trained.classes.index("impervious")
    for prediction in predicted(trained, source, source.split(split), batch=batch, device=device):
        for probabilities_KHW, label_HW, patch_index in zip(
            prediction.probabilities_BKHW, prediction.label_BHW, prediction.patch_B, strict=True
        ):
            row, col = corners[patch_index]
            canvases[places[patch_index]].add(row, col, probabilities_KHW, label_HW, impervious)
    return (canvas.done() for canvas in canvases.values())


def _boxes(places: list, corners: list[tuple[int, int]], side: int) -> dict:
    """The box of each place's patches: first row and column, and those after the last."""
    corners_of: dict = defaultdict(list)
    for mosaic_key, corner in zip(places, corners, strict=True):
        corners_of[mosaic_key].append(corner)
    firsts = {mosaic_key: np.array(corners_N2) for mosaic_key, corners_N2 in corners_of.items()}
    return {
        mosaic_key: (*corners_N2.min(axis=0).tolist(), *(corners_N2.max(axis=0) + side).tolist())
        for mosaic_key, corners_N2 in firsts.items()
    }
