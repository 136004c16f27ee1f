"""Several datasets on the same ground: what one trains on, another must not test (docs/reference/wishes.md,
"Wish 17").
"""

from __future__ import annotations

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.datasets.dataset import Dataset, Grid, write
from isamap.training.runs.run import train
from isamap.training.samples.ground import check_apart
from tests.support.towns import BANDS, manifest, samples, spread


def test_the_same_division_of_two_months_is_apart(make):
    """Neighbouring patches share an edge but no pixel."""
    check_apart([make(spread(3, 1, 1)), make(spread(3, 1, 1), name="later")])


@pytest.mark.parametrize("turned", [False, True])
def test_a_patch_trained_on_here_and_tested_there_is_refused(make, turned):
    pair = [make(["train", "train", "val", "test"]), make(["train", "val", "val", "test"], name="later")]
    with pytest.raises(
        ValueError, match=r"town trains on ground that later validates or tests .overlapping patches: 1."
    ):
        check_apart(pair[::-1] if turned else pair)


def twin(folder, splits, **changes) -> Dataset:
    """A dataset named town, as `make` names them too, in another folder."""
    head = manifest(tuple(BANDS), 32, len(splits), name="town", **changes)
    return write(folder, head, samples(tuple(BANDS), 32, splits))


def test_datasets_of_one_name_are_told_apart_by_their_addresses(make, tmp_path):
    here, there = make(["train", "train", "val", "test"]), twin(tmp_path / "there", ["train", "val", "val", "test"])
    with pytest.raises(ValueError) as refusal:
        check_apart([here, there])
    assert f"town ({here.storage.url}) trains on ground that town ({there.storage.url})" in str(refusal.value)


def test_patches_of_other_sizes_are_compared_on_the_ground(make):
    """Rows 0 to 63 train in one; rows 32 to 63 validate in the other."""
    small, large = make(["train", "val", "test"]), make(["train", "val"], size=64, name="large")
    with pytest.raises(ValueError, match="large trains on ground that town"):
        check_apart([small, large])


def test_grids_of_two_crss_are_compared_on_the_ground(make):
    """The same ground in UTM zones 50 and 49, where a patch that one trains on is tested by the other."""
    from pyproj import Transformer

    def in_zone_49(dx_m: float) -> Grid:
        x, y = Transformer.from_crs(32650, 32649, always_xy=True).transform(212750 + dx_m, 3416360)
        return Grid.of(GeoBox((4 * 32, 32), Affine(10, 0, x, 0, -10, y), "EPSG:32649"))

    here = make(["train", "train", "val", "test"])
    with pytest.raises(ValueError, match="town trains on ground that other validates or tests"):
        check_apart([here, make(["val", "val", "train", "test"], name="other", grids={"town": in_zone_49(0)})])
    check_apart([here, make(["val", "val", "train", "test"], name="far", grids={"town": in_zone_49(-5000)})])


def test_a_random_split_has_said_that_it_leaks(make):
    random = {"split": {"kind": "random"}}
    check_apart([make(["train", "val"], **random), make(["val", "train"], name="later", **random)])


def test_training_refuses_before_anything_is_written(make, tmp_path):
    pair = [make(spread(8, 2, 2)), make(spread(7, 3, 2), name="later")]
    with pytest.raises(ValueError, match="ground that later validates or tests"):
        train([dataset.storage.url for dataset in pair], "unet-tiny", tmp_path / "run")
    assert not (tmp_path / "run").exists()
