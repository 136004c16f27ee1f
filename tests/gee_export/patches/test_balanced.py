"""Splits by blocks that are alike in their classes: a town in one corner, of which every split gets its share."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.base import regions
from isamap.gee_export.base.class_balance import factor_between, share_by_split
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.layout import laid_out, positions
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.patches.split_rule import SplitRule

PLACE = Region("corner", 32650, (0, -10_000, 10_000, 0), (0, 0))


def job(split: str, **options) -> ExportJob:
    request = {"size": 32, "stride": 20} | options
    return ExportJob((RegionGrid.of(PLACE),), (regions.Month(2019, 6).period,), split=split, **request)


def town(asked: ExportJob) -> dict[str, np.ndarray]:
    """Impervious shares that fall from the north-western corner on."""
    windows = positions(asked)["corner"]
    return {"corner": 0.9 * np.exp(-np.hypot(windows.row, windows.col) / 350)}


def unlikeness(asked: ExportJob) -> float:
    shares = town(asked)
    patches = laid_out(asked, shares)["corner"].patches
    return factor_between(
        share_by_split(patches.split, shares["corner"][positions(asked)["corner"].numbers_of(patches.windows)])
    )


@pytest.mark.parametrize("options", [{}, {"rule": SplitRule(max_patches=120)}])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_balanced_splits_share_the_town_where_blocks_do_not(options, seed):
    rule = SplitRule(seed=seed, max_patches=options["rule"].max_patches if options else None)
    assert unlikeness(job("balanced", rule=rule)) < min(2.0, unlikeness(job("blocks", rule=rule)))


def test_balanced_splits_are_whole_blocks_without_shared_pixels():
    asked = job("balanced")
    patches = laid_out(asked, town(asked))["corner"].patches
    row, col = patches.windows.row, patches.windows.col
    near = (np.abs(row[:, None] - row) < 32) & (np.abs(col[:, None] - col) < 32)
    assert (patches.split[:, None] == patches.split)[near].all() and set(patches.split) == {0, 1, 2}


def test_the_factor_is_of_the_rarer_class_and_ignores_what_is_unknown():
    assert factor_between([0.067, 0.401, np.nan]) == pytest.approx(0.401 / 0.067)
    assert factor_between([0.99, 0.9]) == pytest.approx(10)


def test_without_labels_a_balanced_split_is_refused():
    with pytest.raises(ValueError, match="--split balanced goes by the labels' shares: give a --label"):
        job("balanced", label_request=LabelRequest(sources=()))
