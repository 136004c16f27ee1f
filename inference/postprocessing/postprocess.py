"""Steps between a network's probabilities and a map's classes.

CLAHE (LandCover3m section 3.3, docs/reference/networks.md, "CLAHE"): impervious surface is favoured where it stands out
from its surroundings. Its probability is equalised in blocks, in which the contrast is limited; where the result is
above a threshold the probability is doubled, elsewhere halved, and the most probable class wins. Blocks are fixed to
the ground, so the map does not depend on how it is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isamap.inference.map_files.legend import Legend
from isamap.training.checkpoints.checkpoint import Checkpoint

UNPROCESSED = "none"
BLOCK_PX = 512  # LandCover3m section 3.3
CLIP_LIMIT = 2.0  # the paper says none; with more, noise within even blocks is raised to full contrast
# OpenCV's CLAHE has 256 levels for 8 bits; for 16 it has 65,536, too many for the 262,144 pixels of a block.
LEVELS = 255  # the probability as 8 bits
ON_MASK, OFF_MASK = np.float32(2.0), np.float32(0.5)
CONTEST = Legend(("other", "impervious"))  # impervious against the most probable other class decides every pixel


@dataclass(frozen=True)
class PixelOffset:
    """Row and column of an array's first pixel, counted from where blocks begin, the same for every cut."""

    row: int = 0
    col: int = 0


Step = Callable[[np.ndarray, np.ndarray, Legend, float, PixelOffset], np.ndarray]


@dataclass(frozen=True)
class Postprocessing:
    """A step, the checkpoint's threshold that it takes (empty for none), and the side of the blocks that it looks at.

    step(chances_KHW, known_HW, legend, threshold, place) gives float32 chances of all classes, by which the most
    probable one is mapped; they need not sum to 1. It writes to none of its arguments.
    """

    step: Step
    threshold: str = ""
    block_px: int = 1

    @property
    def reach_px(self) -> int:
        """Pixels around a part of a map that decide it: the margin with which a tile equals the whole map.

        A pixel looks at its own block and at those beside it, all of them whole.
        """
        return 2 * self.block_px - 1 if self.block_px > 1 else 0


def unchanged(
    probabilities_KHW: np.ndarray,
    known_HW: np.ndarray,
    legend: Legend,
    threshold: float = 0.0,
    offset: PixelOffset = PixelOffset(),
) -> np.ndarray:
    """The chances as they are."""
    return probabilities_KHW.astype(np.float32)


def clahe(
    probabilities_KHW: np.ndarray,
    known_HW: np.ndarray,
    legend: Legend,
    threshold: float,
    offset: PixelOffset = PixelOffset(),
) -> np.ndarray:
    """The chances with that of impervious doubled where its equalised value is above `threshold` (0..1), else halved.

    Other classes and pixels that are not known keep theirs.
    """
    weighted_KHW = probabilities_KHW.astype(np.float32)
    impervious_HW = weighted_KHW[legend.impervious]
    mask_HW = equalised(impervious_HW, known_HW, offset) > threshold * LEVELS
    # Doubled and halved as section 3.3 says; only impervious changes, so other classes keep their order.
    weight_HW = np.where(mask_HW, ON_MASK, OFF_MASK)
    weighted_KHW[legend.impervious] = np.where(known_HW, impervious_HW * weight_HW, impervious_HW)
    return weighted_KHW


def equalised(chance_HW: np.ndarray, known_HW: np.ndarray, offset: PixelOffset = PixelOffset()) -> np.ndarray:
    """The chance after contrast-limited adaptive histogram equalisation, uint8 0..255; 0 where it is not known.

    A pixel looks at its own block and at the nearest ones beside, above and below it; a block's histogram counts its
    known pixels only.
    """
    import cv2

    height, width = chance_HW.shape
    top, left = offset.row % BLOCK_PX, offset.col % BLOCK_PX
    blocks = -(-(top + height) // BLOCK_PX), -(-(left + width) // BLOCK_PX)
    inside = slice(top, top + height), slice(left, left + width)
    # Padded to whole blocks on the ground: OpenCV counts its tiles from the array's corner.
    grey_HW = np.zeros((blocks[0] * BLOCK_PX, blocks[1] * BLOCK_PX), np.uint8)
    held_HW = np.zeros(grey_HW.shape, bool)
    grey_HW[inside], held_HW[inside] = np.rint(np.clip(chance_HW, 0, 1) * LEVELS), known_HW
    _fill(grey_HW, held_HW)
    result_HW = cv2.createCLAHE(CLIP_LIMIT, tileGridSize=blocks[::-1]).apply(grey_HW)[inside]
    return np.where(known_HW, result_HW, 0).astype(np.uint8)


def threshold_of(trained: Checkpoint, post: str) -> float:
    """The checkpoint's threshold for a step (0 for one that takes none); ValueError where it was not calibrated."""
    if post not in POSTPROCESSING:
        raise ValueError(f"post {post!r} is not known: choose one of {', '.join(POSTPROCESSING)}")
    name = POSTPROCESSING[post].threshold
    if name and name not in trained.thresholds:
        raise ValueError(
            f"{trained.location or 'the checkpoint'} has no threshold for {post}: choose it on a dataset with "
            f"`isamap calibrate --post {post}`"
        )
    return float(trained.thresholds[name]) if name else 0.0


def _fill(grey_HW: np.ndarray, held_HW: np.ndarray) -> None:
    """Let every block's unknown pixels repeat its known ones, in place, so that its histogram keeps their shape.

    OpenCV knows no mask. A block without any known pixel gets every level equally often, which leaves values as they
    are.
    """
    for top in range(0, grey_HW.shape[0], BLOCK_PX):
        for left in range(0, grey_HW.shape[1], BLOCK_PX):
            block = slice(top, top + BLOCK_PX), slice(left, left + BLOCK_PX)
            valid = held_HW[block]
            missing = valid.size - int(valid.sum())
            if missing:
                # Sorted and read at even steps: the repeats have the known pixels' own histogram.
                values = np.sort(grey_HW[block][valid]) if missing < valid.size else np.arange(LEVELS + 1)
                grey_HW[block][~valid] = values[np.arange(missing) * len(values) // missing]


POSTPROCESSING: dict[str, Postprocessing] = {
    UNPROCESSED: Postprocessing(unchanged),
    "clahe": Postprocessing(clahe, "clahe", BLOCK_PX),
}
