"""The edges of Sentinel-2's scenes in the public archives: what B8A and B9 leave out is in no composite."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.base.periods import Period
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import sentinel2
from isamap.gee_export.sentinel.sentinel2 import Optical
from tests.support import open_town
from tests.support.open_town import GRID, SIDE

NOISE, EDGE_PX = 16_000, 24  # beyond the strip of 12 pixels that no band has
JUNE = Period.parse("2023-06")
BOUNDS = tuple(GRID.extent.to_crs("EPSG:4326").boundingbox)


def with_edges(town: open_town.OpenTown) -> None:
    """B8A and B9 beside every date, without data at the eastern edge, where blue holds noise."""
    for item in town.archive.items:
        address = item["assets"].get("blue", {"href": ""})["href"]
        day = next((day for day in town.optical if day in address), None)
        if day is None:  # radar, or a scene of another year
            continue
        blue = town.optical[day]["B2"]
        blue[:, SIDE - EDGE_PX : SIDE - EDGE_PX // 2] = NOISE
        town.archive.files[address] = open_town.as_tiff(blue, 10, 0)
        for asset, file, step in (("nir08", "B8A", 20), ("nir09", "B09", 60)):
            values = np.full((SIDE * 10 // step, SIDE * 10 // step), 3000, np.uint16)
            values[:, -EDGE_PX * 10 // step :] = 0
            own = address.replace("B02", file)
            town.archive.files[own] = open_town.as_tiff(values, step, 0)
            item["assets"][asset] = open_town._asset(own, values, step) | {
                "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}]
            }


@pytest.mark.parametrize("version", [1, 2])
def test_noise_of_an_archives_scene_is_left_out(version, tmp_path, reconnected):
    with open_town.standing() as town:
        with_edges(town)
        with connect(catalog="open", home=tmp_path):
            optical = Optical(clouds="scl", level="l2a", bands=("B2",), composite_version=version)
            seen = sentinel2.sensed(BOUNDS, JUNE, optical)
            raster = pixels.fetch(seen.packed, GRID, ["B2"])
    edge = np.s_[0, :, SIDE - EDGE_PX : SIDE - EDGE_PX // 2]
    assert raster.valid_BHW[0, :, : SIDE - EDGE_PX].mean() > 0.9
    if version == 1:
        assert (raster.values_BHW[edge][raster.valid_BHW[edge]] == NOISE - 1000).all()
    assert raster.valid_BHW[edge].any() is np.bool_(version == 1)
