"""Files by which other programs read a dataset's own images and labels where they lie: nothing is copied.

terratorch: a file of names for each split, and the settings of its GenericNonGeoSegmentationDataModule
(https://github.com/IBM/terratorch, terratorch/datamodules/generic_pixel_wise_data_module.py, commit 01971351): images
are read as stored, so that means and standard deviations are of stored numbers, and missing pixels become 0, the one
number that it takes for all bands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import local_path, write_whole
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import is_remote
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.index import SPLITS, Patch
from isamap.gee_export.datasets.manifest import Band, BandStatistics

DATA_MODULE = "terratorch.datamodules.GenericNonGeoSegmentationDataModule"
# what terratorch calls the bands that its pretrained networks know (terratorch/datasets/utils.py, HLSBands)
HLS_BANDS = {
    "B1": "COASTAL_AEROSOL", "B2": "BLUE", "B3": "GREEN", "B4": "RED", "B5": "RED_EDGE_1", "B6": "RED_EDGE_2",
    "B7": "RED_EDGE_3", "B8": "NIR_BROAD", "B8A": "NIR_NARROW", "B9": "WATER_VAPOR", "B11": "SWIR_1", "B12": "SWIR_2",
}  # fmt: skip


@dataclass(frozen=True)
class ConversionReport:
    """The files that were written, and how they are used; printed as lines."""

    files: tuple[Path, ...]
    use: str

    def __str__(self) -> str:
        return "\n".join([*map(str, self.files), self.use])


def convert(data: str | os.PathLike[str], *, to: str, out: str | os.PathLike[str]) -> ConversionReport:
    """The split files and settings by which another program reads a dataset in its place.

    data: the dataset's folder; to: one of FORMATS; out: a folder for the new files. ValueError: a dataset in a bucket,
    without labels or with an empty train or val split; another format.
    """
    if to not in FORMATS:
        raise ValueError(f"--to {to!r}: expected one of {', '.join(FORMATS)}")
    if is_remote(data):
        raise ValueError(f"{data}: {to} reads files of this machine: copy the dataset here first (gsutil -m cp -r)")
    return FORMATS[to](Dataset.open(data), Path(data).expanduser().resolve(), local_path(out))


def _terratorch(dataset: Dataset, place: Path, out: Path) -> ConversionReport:
    """data.yaml and train.txt, val.txt, test.txt of names; patches without a label are left out."""
    patches = {split: [each for each in dataset.in_split(split) if each.label_name is not None] for split in SPLITS}
    for split in ("train", "val"):
        if not patches[split]:
            raise ValueError(f"{dataset.storage.url} has no labelled patch in {split}: export it with a --label")
    files = []
    for split, members in patches.items():
        files.append(out / f"{split}.txt")
        write_whole(files[-1], "".join(f"{_file_name(patch)}\n" for patch in members).encode())
    files.append(out / "data.yaml")
    write_whole(files[-1], _yaml(_data_module(dataset, place, out.resolve())).encode())
    ignored = f"ignore_index {UNKNOWN} (unknown labels)"
    return ConversionReport(tuple(files), f"terratorch fit --config {files[-1]} --config MODEL.yaml, with {ignored}")


def _file_name(patch: Patch) -> str:
    return Path(patch.image_name).name


def _statistics(dataset: Dataset) -> list[tuple[Band, BandStatistics]]:
    """Each band with what its training pixels are; ValueError for a band without any."""
    head = dataset.manifest
    if missing := [band.name for band in head.bands if band.name not in head.statistics]:
        raise ValueError(f"{dataset.storage.url} has no valid training pixel of {', '.join(missing)}")
    return [(band, head.statistics[band.name]) for band in head.bands]


def _data_module(dataset: Dataset, place: Path, out: Path) -> dict[str, Any]:
    head = dataset.manifest
    names = [HLS_BANDS.get(band.name, band.name) for band in head.bands]
    statistics = _statistics(dataset)
    classes = (head.label or {}).get("classes") or {"0": "pervious", "1": "impervious"}
    return {
        "batch_size": 8,
        "num_workers": 2,
        "num_classes": len([value for value in classes if int(value) != UNKNOWN]),
        **{f"{split}_data_root": str(place / "images") for split in SPLITS},
        **{f"{split}_label_data_root": str(place / "labels") for split in SPLITS},
        **{f"{split}_split": str(out / f"{split}.txt") for split in SPLITS},
        "img_grep": "*.tif",
        "label_grep": "*.tif",
        "ignore_split_file_extensions": False,
        "allow_substring_split_file": False,
        "dataset_bands": names,
        "output_bands": names,
        "means": [(row.mean - band.offset) / band.scale for band, row in statistics],
        "stds": [row.std / band.scale for band, row in statistics],
        "no_data_replace": 0,
        "no_label_replace": UNKNOWN,
    }


def _yaml(settings: dict[str, Any]) -> str:
    """YAML of plain values, each as JSON, which YAML contains."""
    lines = [f"    {name}: {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["data:", f"  class_path: {DATA_MODULE}", "  init_args:", *lines, ""])


FORMATS: dict[str, Callable[[Dataset, Path, Path], ConversionReport]] = {"terratorch": _terratorch}
