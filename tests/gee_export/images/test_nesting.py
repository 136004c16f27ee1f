"""Pairs of scales on the simulated world: 1-m pixels nest in the 10-m ones in place and in value."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches

WORLD = "projects/local/assets/world"
# streets, water and fields of Wuhan, 48 x 48 pixels of 10 m
TOWN = {"bbox": (114.300, 30.560, 114.305, 30.5643), "month": "2019-06", "progress": False}


@pytest.mark.long
def test_the_worlds_ten_metre_truth_is_the_mean_of_its_one_metre_truth(session, tmp_path):
    """Exact nesting on the simulated world: each 10-m pixel is 10 x 10 of the finer ones, in place and in value."""
    out = tmp_path / "data"
    export_patches(
        **TOWN, size=24, stride=24, split="random", speckle="none", share=True,
        label=f"{WORLD}/truth10#impervious=percent", fine=f"{WORLD}/imagery1m", fine_unit="reflectance=0.0001",
        fine_label=f"{WORLD}/truth#impervious", out=out, session=session,
    )  # fmt: skip
    dataset = Dataset.open(out)
    facts = next(iter(dataset.manifest.scenes.values()))["201906"]["fine"]
    assert facts["year"] == facts["label"]["year"] == 2019 and facts["resampling"] == "none"
    shares = []
    for patch in dataset.patches:
        label_request = dataset.read_fine_label(patch)
        share = label_request.reshape(24, 10, 24, 10).sum(axis=(1, 3))
        np.testing.assert_array_equal(dataset.read_share(patch), share)
        shares.append(share.mean())
    assert 0 < np.mean(shares) < 100
    assert dataset.manifest.layers["fine"].statistics["N"].mean > 0.05
