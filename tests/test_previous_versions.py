"""Files of earlier releases are still read: tests/fixtures/version1 was written on 2026-11-22 by the release before
the packages were moved (dataset of 12 patches, a U-Net of 6,076 parameters, and its map)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

import inference
import training
from gee_export.datasets.dataset import Dataset

FORMER = Path(__file__).parent / "fixtures" / "version1"


def test_a_former_dataset_is_read():
    dataset = Dataset.open(FORMER / "dataset")
    dataset.verify()
    assert [len(dataset.in_split(split)) for split in ("train", "val", "test")] == [10, 1, 1]


def test_a_former_checkpoint_measures_as_it_did():
    report = training.evaluate(FORMER / "checkpoint", FORMER / "dataset", split="train")
    assert report.to_json()["confusion"] == [[1345, 4037], [1383, 3475]]  # as that release counted


def test_a_former_map_is_drawn(tmp_path):
    inference.view(FORMER / "map.tif", out=tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_a_former_map_has_its_classes():
    with rasterio.open(FORMER / "map.tif") as source:
        assert set(np.unique(source.read(1))) <= {0, 1, 255}
