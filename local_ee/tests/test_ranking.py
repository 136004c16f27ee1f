"""Percentiles of stacks: sorting networks give what sorting each pixel by itself gives."""

from __future__ import annotations

import numpy as np
import pytest

from local_ee.raster import ranking
from local_ee.raster.ranking import _network, percentiles


def masked_stack(count: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples with many ties and the type's greatest value, a third of them masked; the first pixel wholly."""
    random = np.random.default_rng(count)
    values = random.integers(0, 40, (count, 7, 61)).astype(dtype)
    values[0, 1] = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else np.finfo(dtype).max / 4
    keep = random.random(values.shape) > 0.35
    keep[:, 0, 0] = False
    return values, keep


@pytest.mark.parametrize("few", [0, ranking._FEW_SAMPLES], ids=["kernels", "NumPy"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 12, 13, 33, 64, 65])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_medians_of_masked_stacks_are_numpys(count, dtype, few, monkeypatch):
    monkeypatch.setattr(ranking, "_FEW_SAMPLES", few)
    values, keep = masked_stack(count, dtype)
    ((median, valid),) = percentiles(values, keep, (50.0,))
    expected = np.ma.median(np.ma.masked_array(values.astype(float), ~keep), axis=0)
    assert (valid == keep.any(axis=0)).all() and not valid[0, 0]
    np.testing.assert_array_equal(median[valid], expected.filled(0)[valid])


def test_few_samples_rank_as_many_to_the_last_bit(monkeypatch):
    values, keep = masked_stack(12, "float32")
    values = values / np.float32(7)
    percents = (0, 2.5, 10, 50, 66.6, 100)
    few = percentiles(values, keep, percents)
    monkeypatch.setattr(ranking, "_FEW_SAMPLES", 0)
    assert [row.tobytes() for pair in few for row in pair] == [
        row.tobytes() for pair in percentiles(values, keep, percents) for row in pair
    ]


def test_several_percents_of_one_pixel():
    values = np.array([9, 1, 5, 3, 7], "int16").reshape(5, 1, 1)
    lowest, quarter, highest = (
        pair[0].item() for pair in percentiles(values, np.ones(values.shape, bool), (0, 25, 100))
    )
    assert (lowest, quarter, highest) == (1, 3, 9)


def test_a_sample_that_is_no_number_is_no_greatest_value():
    values = np.array([np.nan, 2.0, 1.0]).reshape(3, 1, 1)
    ((median, _),) = percentiles(values, np.array([False, True, True]).reshape(3, 1, 1), (50.0,))
    assert median.item() == 1.5


@pytest.mark.parametrize("count", range(2, 13))
def test_a_network_sorts_every_list_of_zeros_and_ones(count):
    """What sorts all of these sorts any list (Knuth's 0-1 principle)."""
    lists = (np.arange(2**count)[None] >> np.arange(count)[:, None]) & 1
    for low, high in _network(count):
        lists[[low, high]] = np.minimum(lists[low], lists[high]), np.maximum(lists[low], lists[high])
    assert (np.diff(lists, axis=0) >= 0).all()
