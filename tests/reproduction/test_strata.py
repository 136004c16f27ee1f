"""Scores of some regions' test patches, against those counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.reproduction.strata import OfRegions, block_regions
from isamap.reproduction.study import Evaluated, Trial

CLASSES = ("pervious", "impervious")
COUNTS = np.arange(16).reshape(4, 2, 2)
REGIONS = np.array(["town", "hill", "town", "hill"])


def everywhere(trial: Trial) -> Evaluated:
    """Four blocks' counts."""
    return Evaluated({}, COUNTS, classes=CLASSES)


@pytest.fixture
def trial(monkeypatch) -> Trial:
    """A trial on four blocks of two regions."""
    monkeypatch.setattr("isamap.reproduction.strata.block_regions", lambda _: REGIONS)
    monkeypatch.setattr(Trial, "addresses", ())
    return Trial(None, None, 0)


def test_only_the_blocks_of_the_regions_count(trial):
    assert OfRegions(everywhere, ("hill",))(trial).blocks.tolist() == COUNTS[[1, 3]].tolist()


def test_scores_are_of_those_blocks(trial):
    """Overall accuracy of the two blocks of hill."""
    counts = COUNTS[[1, 3]].sum(axis=0)
    outcome = OfRegions(everywhere, ("hill",))(trial)
    assert outcome.values["oa"] == pytest.approx((counts[0, 0] + counts[1, 1]) / counts.sum(), abs=1e-5)


def test_a_stratum_without_patches_is_refused(trial):
    with pytest.raises(ValueError, match="no test patch lies in sea"):
        OfRegions(everywhere, ("sea",))(trial)


def test_blocks_have_the_region_of_their_patches(town):
    """One region: as many blocks as the judge of labels counts, all of it."""
    from isamap.gee_export.datasets.dataset import Dataset
    from isamap.training.samples.ground import spatial_blocks

    data = Dataset.open(town)
    tested = [(data, patch) for patch in data.in_split("test")]
    regions = block_regions([str(town)])
    assert set(regions) == {patch.region for _, patch in tested}
    assert len(regions) == len(np.unique(spatial_blocks(tested)))
