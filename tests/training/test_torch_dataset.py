"""`Dataset.torch`: samples against the stored numbers by hand, any DataLoader, workers, pickling, transforms."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import isamap


@pytest.fixture(scope="module")
def dataset(town):
    return isamap.Dataset.open(town)


def test_a_sample_is_a_dictionary_in_physical_units(dataset):
    samples = dataset.torch("train")
    sample, patch = samples[3], dataset.in_split("train")[3]
    stored = dataset.read_image(patch)
    for at, band in enumerate(dataset.manifest.bands):
        valid = stored[at] != -32768
        np.testing.assert_array_equal(sample["valid"][at].numpy(), valid)
        np.testing.assert_allclose(sample["image"][at].numpy()[valid], stored[at][valid] * band.scale, rtol=1e-6)
        assert (sample["image"][at].numpy()[~valid] == 0).all()
    np.testing.assert_array_equal(sample["mask"].numpy(), dataset.read_label(patch))
    assert (sample["image"].dtype, sample["mask"].dtype, len(samples)) == (torch.float32, torch.int64, 24)


def test_it_says_where_and_when(dataset):
    sample, patch = dataset.torch("val")[0], dataset.in_split("val")[0]
    box = dataset.geobox(patch).boundingbox
    assert sample["bounds"].tolist() == [box.left, box.bottom, box.right, box.top]
    assert sample["id"] == patch.id and sample["crs"].startswith("EPSG:326")
    period = dataset.manifest.periods[0]
    assert sample["dates"] == f"{period['start']}/{period['end']}"


def test_standardised_training_values_have_mean_0_and_deviation_1(dataset):
    pixels = [sample["image"].flatten(1) for sample in dataset.torch("train", standardised=True)]
    valid = [sample["valid"].flatten(1) for sample in dataset.torch("train")]
    values, listed = torch.cat(pixels, 1).double(), torch.cat(valid, 1)
    for band, mask in zip(values, listed, strict=True):
        assert band[mask].mean().abs() < 1e-3 and (band[mask].std() - 1).abs() < 1e-2


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
def test_a_plain_loader_collates_it(dataset, workers):
    loader = DataLoader(dataset.torch("train"), batch_size=8, num_workers=workers)
    batches = list(loader)
    assert len(batches) == 3 and batches[0]["image"].shape == (8, len(dataset.manifest.bands), 64, 64)
    assert batches[0]["bounds"].shape == (8, 4) and len(batches[0]["crs"]) == 8


def test_it_is_a_torch_dataset_and_survives_a_pickle(dataset):
    samples = dataset.torch("test")
    again = pickle.loads(pickle.dumps(samples))
    assert isinstance(again, torch.utils.data.Dataset) and torch.equal(again[1]["image"], samples[1]["image"])


def test_transforms_have_the_last_word(dataset):
    samples = dataset.torch("train", transforms=lambda sample: {"x": sample["image"][:2] * 2})
    assert list(samples[0]) == ["x"] and torch.equal(samples[0]["x"], dataset.torch("train")[0]["image"][:2] * 2)


def test_what_is_no_split_and_a_number_are_refused_with_the_remedy(dataset):
    with pytest.raises(ValueError, match="expected one of train, val, test"):
        dataset.torch("training")
    with pytest.raises(TypeError, match=r"take ds\.torch\('train'\)\[0\]"):
        dataset[0]
