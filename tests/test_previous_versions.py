"""Stored files of format version 1 are still read: a dataset of 12 patches and a U-Net of 6,076 parameters."""

from __future__ import annotations

from pathlib import Path

from isamap import training
from isamap.gee_export.datasets.dataset import Dataset

FORMER = Path(__file__).parent / "fixtures" / "version1"


def test_a_former_dataset_is_read():
    dataset = Dataset.open(FORMER / "dataset")
    dataset.verify()
    assert [len(dataset.in_split(split)) for split in ("train", "val", "test")] == [10, 1, 1]


def test_a_former_checkpoint_measures_as_it_did():
    report = training.evaluate(FORMER / "checkpoint", FORMER / "dataset", split="train")
    assert report.to_json()["confusion"] == [[1345, 4037], [1383, 3475]]
