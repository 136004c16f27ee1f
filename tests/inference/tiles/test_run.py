"""A run over tiles: its map is that of `isamap map`, pixel for pixel, however and however often it is run."""

from __future__ import annotations

import numpy as np

import inference
from inference.tiles.run import run_jobs
from tests.support.map_files import read_map


def test_the_tiles_together_are_the_map_of_the_whole_region(asked, tmp_path):
    status = run_jobs(**asked)
    whole = {name: asked[name] for name in ("region", "month", "catalog", "progress")}
    inference.map_region(asked["checkpoint"], out=tmp_path / "whole.tif", **whole)
    assert status.state == "done" and status.made == status.tiles == 16
    np.testing.assert_array_equal(read_map(tmp_path / "out" / "plot_201906_50n.tif"), read_map(tmp_path / "whole.tif"))
