"""P7 (docs/reference/performance.md, "P7"): training samples per second from the training cache, beside one GeoTIFF a
patch; the loader's share of a step.

    python benchmarks/training_reads.py [--patches 5600] [--home FOLDER]

Patches are 6 x 128 x 128 int16 with a uint8 label, batches of 32 in shuffled order, warm page cache, one process.
Target: >= 14,000 samples/s and >= 50 x the GeoTIFFs. Shares are of CPU time of one thread (of passed time on a GPU),
for the fastest and the largest of the networks below.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.datasets.dataset import Band, Dataset, DatasetManifest, Grid, Sample, write
from training.cpu import tune_cpu
from training.losses import build_loss
from training.models import build
from training.recipes import recipe
from training.recipes.optimisers import optimiser
from training.samples.augment import augment, draws
from training.samples.data import EpochOrder, Patches, SampleSource, loader, open_source

BANDS, SIZE, BATCH = ("B2", "B3", "B4", "B8", "VV", "VH"), 128, 32
RECIPES_TIMED = ("unet-tiny", "crofusenet-tiny", "crofusenet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=5600)
    parser.add_argument("--home", type=Path, help="where the data are made (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.home) as folder:
        measure(Path(folder), options.patches)


def measure(folder: Path, count: int) -> None:
    """Print samples/s of the cache and of the files it was made from."""
    dataset = write(folder / "data", _manifest(count), _samples(count))
    start = time.perf_counter()
    patches = open_source([folder / "data"], home=folder / "cache").split("train")
    print(f"{count} patches; cache built in {time.perf_counter() - start:.1f} s")
    read_all(patches, 0)  # warm
    rates = sorted(read_all(patches, epoch) for epoch in range(1, 6))
    print(f"training cache: {rates[2]:,.0f} samples/s (median of 5 epochs, {rates[0]:,.0f} to {rates[-1]:,.0f})")
    print(f"by CPU time, which other programs leave alone: {read_all(patches, 6, time.process_time):,.0f} samples/s")
    geotiff = read_files(dataset)
    print(f"GeoTIFF a patch: {geotiff:,.0f} samples/s; the cache is {rates[2] / geotiff:.0f} x as fast")
    source = open_source([folder / "data"], home=folder / "cache")
    for name in RECIPES_TIMED:
        print(shares_of_step(source, name))


def shares_of_step(source: SampleSource, name: str, steps: int = 3) -> str:
    """Milliseconds a patch of loading, of preparing and augmenting, of the network's step; and the first's share."""
    settings, device = recipe(name), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    tune_cpu()
    network = build(settings.model, source.band_names, settings.config).to(device, memory_format=torch.channels_last)
    loss, best = build_loss(settings.loss, settings.loss_values), optimiser(settings, network.parameters())
    batches = iter(loader(source.split("train"), BATCH, EpochOrder(len(source.split("train")), 0)))
    spent_s = np.zeros(3)
    for step in range(steps + 1):
        marks_s = [_clock_s(device)]
        batch = next(batches).to(device)
        marks_s.append(_clock_s(device))
        drawn = draws(0, step, batch.patch_B)
        prepared = augment(source.prepare(batch), drawn, settings.augment, settings.crop)
        marks_s.append(_clock_s(device))
        best.zero_grad()
        image = prepared.image_BCHW.contiguous(memory_format=torch.channels_last)
        loss(network(image), prepared.label_BHW).backward()
        best.step()
        marks_s.append(_clock_s(device))
        spent_s += np.diff(marks_s) * (step > 0)  # the first step is to warm up
    load_ms, prepare_ms, step_ms = 1000 * spent_s / (steps * BATCH)
    return (
        f"{name} on {device.type}: loading {load_ms:.3f} ms a patch, preparing and augmenting {prepare_ms:.2f}, "
        f"the step {step_ms:.1f}: loading takes {load_ms / (load_ms + prepare_ms + step_ms):.2%}"
    )


def _clock_s(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def read_all(patches: Patches, epoch: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Samples per second of one shuffled epoch through the loader that training uses."""
    order = EpochOrder(len(patches), 0)
    order.set_epoch(epoch)
    start, seen = clock(), 0
    for batch in loader(patches, BATCH, order):
        seen += len(batch.patch_B)
    return seen / (clock() - start)


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
