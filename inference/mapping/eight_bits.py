"""What 8 bits change on a map: the share of its pixels that get another class than in fp32, on windows of the map."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.storage import write_whole
from isamap.inference.cutting.frame import Read
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.predict import Predictor, quantise
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.checkpoints.curve import calibrated
from isamap.training.runtimes.probabilities import Probabilities

FILE = "eight_bits.json"  # in the folder of an unfinished map: a resumed one says the same
# Nine windows cost a small share of a map and reach its corners, edges and middle.
PER_AXIS = 3
Framed = tuple[Window, int]  # what is read, and the side of the network's window that it is put into


@dataclass(frozen=True)
class ClassChange:
    """Known pixels of windows of a map, and how many of them get another class in 8 bits than in fp32."""

    pixels: int
    changed: int

    @property
    def share(self) -> float:
        """Of the pixels, 0 to 1."""
        return self.changed / max(self.pixels, 1)

    def __str__(self) -> str:
        return f"8 bits: {self.share:.2%} of {self.pixels:,} pixels of this map get another class than in fp32"


def kept_change(folder: Path, judge: Callable[[], ClassChange] | None) -> ClassChange | None:
    """What an interrupted map kept in its folder, else what `judge` finds, which is kept; None of neither."""
    path = folder / FILE
    if path.exists():
        return ClassChange(**json.loads(path.read_text()))
    if judge is None:
        return None
    change = judge()
    # Kept, as a resumed map no longer has the rows above to be judged by.
    write_whole(path, json.dumps({"pixels": change.pixels, "changed": change.changed}).encode())
    return change


def classes_of(trained: Checkpoint, blended_KHW: np.ndarray, legend: Legend) -> np.ndarray:
    """Classes of probabilities after the checkpoint's curve if it has one, uint8 (1, rows, columns)."""
    return quantise(calibrated(trained, blended_KHW, axis=0), legend)[:1]


def class_change(
    predictor: Predictor, fp32: Probabilities, read: Read, windows: Iterable[tuple[Window, int]]
) -> ClassChange:
    """How many pixels of windows get another class by the map's network than in fp32.

    predictor: keeps classes alone. read: as `predict` takes it. A window that is lower or narrower than the network's
    is filled up with zeros, as a map's edges are.
    """
    # The same predictor but for the network, so that nothing else can change a class.
    reference, pixels, changed = replace(predictor, network=fp32), 0, 0
    for window, side in windows:
        tile_BHW, known_HW = read(window)
        padded_BHW = np.zeros((len(tile_BHW), side, side), np.float32)
        padded_BHW[:, : window.height, : window.width] = tile_BHW
        inside = slice(window.height * predictor.scale), slice(window.width * predictor.scale)
        first_HW, second_HW = (each.keep(each.probabilities(padded_BHW))[0][inside] for each in (predictor, reference))
        known_HW = known_HW.repeat(predictor.scale, 0).repeat(predictor.scale, 1)
        pixels += int(known_HW.sum())
        changed += int(((first_HW != second_HW) & known_HW).sum())
    return ClassChange(pixels, changed)


def spread_windows(mapped: Window, side: int) -> Iterator[Framed]:
    """Windows from edge to edge of what is mapped, at most three a direction, with the side of the network's."""
    height, width = min(side, mapped.height), min(side, mapped.width)
    for row, col in product(_starts(mapped.height, side), _starts(mapped.width, side)):
        yield Window(mapped.row + row, mapped.col + col, height, width), side


def _starts(length: int, side: int) -> list[int]:
    """First pixels of windows that do not overlap: one for each whole side, at most three."""
    count = min(max(length // side, 1), PER_AXIS)
    starts: list[int] = np.linspace(0, max(length - side, 0), count).round().astype(int).tolist()
    return starts
