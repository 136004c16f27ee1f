"""P7: training samples per second from the training cache, beside one GeoTIFF a patch.

    python benchmarks/training_reads.py [--patches 5600] [--home FOLDER]

Patches are 6 x 128 x 128 int16 with a uint8 label, batches of 32 in shuffled order, warm page cache, one process.
Target: >= 14,000 samples/s and >= 50 x the GeoTIFFs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.datasets.dataset import Band, Dataset, DatasetManifest, Grid, Sample, write
from training.data import EpochOrder, Patches, loader, open_source

BANDS, SIZE, BATCH = ("B2", "B3", "B4", "B8", "VV", "VH"), 128, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=5600)
    parser.add_argument("--home", type=Path, help="where the data are made (default: a temporary folder)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.home) as folder:
        measure(Path(folder), chosen.patches)


def measure(folder: Path, count: int) -> None:
    """Print samples/s of the cache and of the files it was made from."""
    dataset = write(folder / "data", _manifest(count), _samples(count))
    start = time.perf_counter()
    patches = open_source([folder / "data"], home=folder / "cache").split("train")
    print(f"{count} patches; cache built in {time.perf_counter() - start:.1f} s")
    read_all(patches, 0)  # warm
    rates = sorted(read_all(patches, epoch) for epoch in range(1, 6))
    print(f"training cache: {rates[2]:,.0f} samples/s (median of 5 epochs, {rates[0]:,.0f} to {rates[-1]:,.0f})")
    geotiff = read_files(dataset)
    print(f"GeoTIFF a patch: {geotiff:,.0f} samples/s; the cache is {rates[2] / geotiff:.0f} x as fast")


def read_all(patches: Patches, epoch: int) -> float:
    """Samples per second of one shuffled epoch through the loader that training uses."""
    order = EpochOrder(len(patches), 0)
    order.set_epoch(epoch)
    start, seen = time.perf_counter(), 0
    for batch in loader(patches, BATCH, order):
        seen += len(batch.patch_B)
    return seen / (time.perf_counter() - start)


def read_files(dataset: Dataset, most: int = 1000) -> float:
    """Samples per second of reading the dataset's own files in shuffled order."""
    rows = np.random.default_rng(0).permutation(len(dataset))[:most]
    start = time.perf_counter()
    for row in rows:
        dataset.read_image(dataset.patches[row]), dataset.read_label(dataset.patches[row])
    return len(rows) / (time.perf_counter() - start)


def _samples(count: int) -> Iterator[Sample]:
    rng = np.random.default_rng(0)
    for at in range(count):
        image = rng.normal(1500, 300, (len(BANDS), SIZE, SIZE)).astype(np.int16)
        yield Sample("town", "201906", at * SIZE, 0, "train", image, (image[0] > 1700).astype(np.uint8))


def _manifest(count: int) -> DatasetManifest:
    grid = GeoBox((count * SIZE, SIZE), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
    return DatasetManifest(
        name="town",
        simulated=True,
        source={},
        image={},
        bands=tuple(Band(name, "reflectance", 1e-4) for name in BANDS),
        label={},
        periods=(),
        settings={},
        backscatter="sigma0",
        grids={"town": Grid.of(grid)},
        size=SIZE,
        stride=SIZE,
        split={"kind": "none"},
    )


if __name__ == "__main__":
    main()
