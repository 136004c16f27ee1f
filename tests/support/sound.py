"""A small dataset in which nothing is wrong, and ways of spoiling it: numbers by rule, no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from isamap.gee_export.datasets.dataset import Band, Dataset, DatasetManifest, Sample, write
from tests.support import samples

SIZE = 48
BANDS = (
    *(Band(name, "reflectance", 1e-4) for name in ("B2", "B3", "B4")),
    Band("VV", "dB", 0.01),
)
SPLITS = ("train", "train", "train", "train", "train", "train", "val", "val", "test", "test")
Change = Callable[[Sample], Sample]


def head(**changes) -> DatasetManifest:
    scenes = {
        "sentinel2": {"scenes": 2, "level": "L2A", "ids": ["20190602T030719_20190602T030730_T50RKU",
                                                           "20190612T030719_20190612T030730_T50RKU"]},
        "sentinel1": {"scenes": 1, "ids": ["S1A_IW_GRDH_1SDV_20190606T101010_20190606T101035_027550_031BD1_0000"],
                      "observations_per_pixel": {"min": 0, "mean": 0.94, "max": 1}},
    }  # fmt: skip
    label = {"product": "worldcover", "licence": "CC-BY-4.0", "classes": {"0": "pervious", "1": "impervious"}}
    fields = {"bands": BANDS, "size": SIZE, "stride": SIZE, "label": label, "scenes": {"wuhan": {"201906": scenes}}}
    return samples.head(**(fields | changes))


def patches() -> list[Sample]:
    """Ten patches side by side whose bright and dark ground follows the labels' edges, and some dark water."""
    rng = np.random.default_rng(7)
    actual = []
    for index, split in enumerate(SPLITS):
        field = ndimage.gaussian_filter(rng.normal(size=(SIZE, SIZE)), 4)
        label = (field > np.quantile(field, 0.6)).astype(np.uint8)
        bright = ndimage.gaussian_filter(label.astype(float), 0.6)
        optical = [500 + gain * bright + rng.normal(0, 40, label.shape) for gain in (900, 1000, 1300)]
        radar = -1500 + 900 * bright + rng.normal(0, 100, label.shape)
        image = np.stack([*optical, radar]).round().astype(np.int16)
        actual.append(Sample("wuhan", "201906", 0, SIZE * index, split, image, label))
    return actual


def shifted(sample: Sample, down: int, right: int) -> Sample:
    """The label moved by whole pixels; what moves in is unknown."""
    moved = np.full_like(sample.label_HW, 255)
    moved[max(down, 0) :, max(right, 0) :] = sample.label_HW[: SIZE - max(down, 0), : SIZE - max(right, 0)]
    return replace(sample, label_HW=moved)


def stored(place: Path | str, found: Iterable[Sample] | None = None, **changes) -> Dataset:
    """The dataset of some patches, by default the sound ones."""
    return write(place, head(**changes), patches() if found is None else found)


def with_images(change: Callable[[np.ndarray], np.ndarray]) -> list[Sample]:
    """The sound patches with other images."""
    return [replace(sample, image_BHW=change(sample.image_BHW).astype(np.int16)) for sample in patches()]


def with_labels(change: Callable[[np.ndarray], np.ndarray]) -> list[Sample]:
    """The sound patches with other labels."""
    return [replace(sample, label_HW=change(sample.label_HW).astype(np.uint8)) for sample in patches()]
