"""Two overlapping tiles of one acquisition in open archives, through an export, beside NumPy on their numbers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from local_ee.testing.archive import Archive
from local_ee.testing.places import add_scene, drawn, grid_of, nearest, shifted
from local_ee.testing.small_archive import DAY, optical_item

from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches

WEST, EAST = (grid_of(32650, left, 3_300_040, (280, 300)) for left in (500_000, 501_000))
BOTH = grid_of(32650, 500_320, 3_299_640, (192, 320))
REGION = Region("both", 32650, (500_320.0, 3_297_720.0, 503_520.0, 3_299_640.0), (500_320.0, 3_299_640.0))


@pytest.mark.long
def test_where_tiles_overlap_a_mean_counts_their_acquisition_once(reconnected, tmp_path: Path):
    """Earth Engine's own mean would count it twice, against once for a later date of one tile."""
    archive = Archive()
    scenes = [(WEST, DAY, "50RMU"), (EAST, DAY, "50RNU"), (EAST, DAY + timedelta(days=5), "50RNU")]
    for seed, (grid, day, tile) in enumerate(scenes):
        add_scene(archive, grid, drawn((280, 300), seed), optical_item(day, tile=tile))
    with pytest.MonkeyPatch.context() as patch, archive, archive.standing_in():
        patch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
        where = {"region": REGION, "month": "2024-06", "catalog": "open", "sensors": "s2", "bands": ("B4",)}
        export_patches(**where, label="none", size=64, stride=64, out=tmp_path / "data", progress=False)
    west, east, later = (
        shifted(nearest(drawn((280, 300), seed), grid, BOTH)[0]) for seed, (grid, *_) in enumerate(scenes)
    )
    once = np.ma.where(np.ma.getmaskarray(east), west, east)
    mean = np.rint(np.ma.stack([once, later]).mean(axis=0)).filled(-32768)
    dataset = Dataset.open(tmp_path / "data")
    assert len(dataset.patches) == 15
    for patch in dataset.patches:
        here = np.s_[patch.row : patch.row + 64, patch.col : patch.col + 64]
        np.testing.assert_array_equal(dataset.read_image(patch)[0], mean[here])
