"""Made-up tiles in the layout that reproduction/bitemporal.py reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from isamap.reproduction.bitemporal import BANDS, IMAGES, LABELS, RATIO, SIDE, TILES


def write_tiles(folder: Path, splits: Sequence[str], *, down_px: int = 0, seed: int = 0) -> Path:
    """A folder of tiles in a column; what lies at row r on date B lies at r + down_px on date A, in 10-m pixels."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows, images, labels = ["tile,row,col,split,changed_share,kept"], {}, {}
    for at, split in enumerate(splits):
        name = f"{at}_7"
        rows.append(f"{name},{at},7,{split},0,1")
        fine, changed = _ground(rng)
        shown = np.where(changed, 250, fine)
        Image.fromarray(np.repeat(shown[..., None], 3, axis=-1)).save(folder / f"{name}_gf1_B.webp", lossless=True)
        labels[name] = np.packbits(changed)
        for date, ground in (("A", np.roll(fine, down_px * RATIO, axis=0)), ("B", shown)):
            for step, bands in BANDS.items():
                images[f"{name}_{date}_{step}"] = np.stack([_seen(ground, step)] * len(bands))
    rows.append("99_9,99,9,train,0,0")
    (folder / TILES).write_text("\n".join(rows) + "\n")
    np.savez(folder / IMAGES, **images)
    np.savez(folder / LABELS, **labels)
    return folder


def _ground(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An image uint8 and changed squares bool of 2.5-m pixels."""
    side = SIDE * RATIO
    fine = gaussian_filter(rng.standard_normal((side, side)), 6, mode="wrap")
    changed = np.zeros((side, side), bool)
    for top, left in rng.integers(0, side - 24, (5, 2)):
        changed[top : top + 18, left : left + 22] = True
    return (110 + 40 * fine / fine.std()).clip(0, 220).astype(np.uint8), changed


def _seen(ground: np.ndarray, step: str) -> np.ndarray:
    side = {"10m": SIDE, "20m": SIDE // 2}[step]
    times = len(ground) // side
    return np.rint(ground.reshape(side, times, side, times).mean(axis=(1, 3))).astype(np.uint8)
