"""Small datasets of two scales that can be learnt: a town at 1 m, and what 10-m pixels of several dates see of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.dataset import Dataset, DatasetManifest, Sample, write
from isamap.gee_export.datasets.manifest import NODATA, Band, StoredLayer
from tests.support.towns import BANDS, manifest

RATIO = 10
COLOURS = {"R": "B4", "G": "B3", "B": "B2"}  # the finer image's bands, and what the coarse ones call them
DAYS = ("20190602", "20190612", "20190622")
LABEL = Band("label", "class", 1.0, nodata=UNKNOWN)
SHARE = Band("share", "percent", 1.0, nodata=UNKNOWN)


def paired_manifest(size: int, rows: int, bands: Sequence[str] = tuple(BANDS), **changes) -> DatasetManifest:
    """A manifest as towns.manifest's, with every further layer."""
    head = manifest(bands, size, rows)
    fine = tuple(Band(name, "reflectance", 1e-4) for name in COLOURS)
    layers = {
        "fine": StoredLayer(fine, "int16", RATIO),
        "fine_labels": StoredLayer((LABEL,), "uint8", RATIO),
        "shares": StoredLayer((SHARE,), "uint8"),
        "frames": StoredLayer(head.bands, "int16"),
    }
    return manifest(bands, size, rows, **({"name": "pairs", "layers": layers} | changes))


def paired_samples(
    size: int, splits: Sequence[str], *, seed: int = 0, days: Sequence[Sequence[str]] = (DAYS,)
) -> Iterator[Sample]:
    """A patch per entry of `splits`; patch i has the dates `days[i % len(days)]`."""
    rng = np.random.default_rng(seed)
    for at, split in enumerate(splits):
        image, label, layers = pair(size, rng)
        for day in days[at % len(days)]:
            frame = image + rng.normal(0, 50, image.shape).round().astype(np.int16)
            frame[:, : rng.integers(0, size // 2)] = NODATA
            layers[f"frames/{day}"] = frame
        yield Sample("town", "201906", at * size, 0, split, image, label, layers)


def pair(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Image int16 (bands, size, size), its label, and the layers of the same ground but the frames."""
    side = size * RATIO
    field = gaussian_filter(rng.standard_normal((side, side)), 12, mode="wrap")
    truth = (field > 0.4 * field.std()).astype(np.uint8)
    share = truth.reshape(size, RATIO, size, RATIO).mean(axis=(1, 3))
    planes = []
    for scale, mean, spread, shift in (values[1:] for values in BANDS.values()):
        planes.append((mean + shift * share + 0.3 * spread * rng.standard_normal((size, size))) / scale)
    colours = []
    for coarse in COLOURS.values():
        _, scale, mean, spread, shift = BANDS[coarse]
        colours.append((mean + shift * truth + spread * rng.standard_normal((side, side))) / scale)
    layers = {
        "fine": np.rint(colours).astype(np.int16),
        "fine_labels": truth[None],
        "shares": np.rint(100 * share).astype(np.uint8)[None],
    }
    return np.rint(planes).astype(np.int16), (share >= 0.5).astype(np.uint8), layers


def write_pairs(folder: Path, splits: Sequence[str], *, size: int = 16, seed: int = 0, **rest) -> Dataset:
    """A dataset of pairs; `rest`: `days` of paired_samples, and changes of the manifest."""
    days = rest.pop("days", (DAYS,))
    head = paired_manifest(size, len(splits), **rest)
    return write(folder, head, paired_samples(size, splits, seed=seed, days=days))
