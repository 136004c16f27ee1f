"""A user's files whose rows run from south to north: every reader gives what it gives of their north-up twins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import regions
from isamap.gee_export.coregistration import raster_file
from isamap.gee_export.datasets.chips import ChipOptions, import_chips
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.images.external_image import ground_of, open_imagery
from isamap.gee_export.images.image_asset import _piece
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels
from tests.support.marked_rasters import southern

LEFT, TOP = 212750.0, 3416360.0
PERIOD = regions.Month(2019, 6).period
GRID = GeoBox((60, 47), Affine(10, 0, LEFT, 0, -10, TOP), "EPSG:32650")
REGION = regions.Region("plot", 32650, (LEFT + 30, TOP - 500, LEFT + 400, TOP - 20), (LEFT, TOP))


def written(path: Path, values_BHW: np.ndarray, **changes) -> Path:
    count, height, width = values_BHW.shape
    profile = {"crs": "EPSG:32650", "transform": GRID.affine, "dtype": values_BHW.dtype.name} | changes
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, **profile) as file:
        file.write(values_BHW)
    return path


@pytest.fixture
def scenes(tmp_path) -> tuple[Path, Path]:
    """A scene of two bands with missing pixels, and its south-up twin."""
    values = np.random.default_rng(0).integers(1, 3000, (2, *GRID.shape)).astype("int16")
    values[:, 20:30, 5:12] = -9999
    north = written(tmp_path / "north.tif", values, nodata=-9999)
    return north, southern(north, tmp_path / "south.tif")


@pytest.mark.parametrize("step_m", [None, 13.0, 30.0])
def test_an_image_on_its_own_pixels_or_on_others(scenes, step_m):
    grounds, reads = [], []
    for path in scenes:
        image = open_imagery(Imagery(str(path)), None, PERIOD)
        ground = ground_of(image, REGION, step_m)
        geobox = ground.geobox(ground.window)
        grounds.append((geobox, ground.window))
        reads.append(image.onto(geobox).read(geobox))
    assert grounds[0] == grounds[1]
    np.testing.assert_array_equal(*reads)
    assert (reads[0] > 0).any()


@pytest.mark.parametrize("e", [-10, 10])
def test_an_asset_whose_rows_begin_in_the_south_has_the_grid_of_the_north_up_one(e):
    top = TOP if e < 0 else TOP - 600
    band = {"id": "a", "dimensions": [47, 60], "crs": "EPSG:32650", "crs_transform": [10, 0, LEFT, 0, e, top]}
    assert _piece({"id": "x", "bands": [band]}).grid == GRID


def test_an_image_that_lies_elsewhere_says_where(scenes):
    image = open_imagery(Imagery(str(scenes[1])), None, PERIOD)
    far = regions.Region("far", 32650, (LEFT + 9000, TOP - 500, LEFT + 9400, TOP), (LEFT, TOP))
    with pytest.raises(ValueError, match=r"'far': it lies at 113.9966 30.8403 114.0016 30.8458 degrees"):
        ground_of(image, far, None)


def test_a_label_and_the_codes_in_it(tmp_path):
    codes = np.random.default_rng(1).choice(np.array([0, 1, 5], np.uint8), (1, *GRID.shape), p=[0.5, 0.45, 0.05])
    codes[:, 40:, 30:] = 255
    north = written(tmp_path / "north.tif", codes, nodata=255)
    reads, facts = [], []
    for path in (north, southern(north, tmp_path / "south.tif")):
        labels = open_labels(LabelRequest((f"{path}#1=1/pervious=0",)), REGION, regions.Month(2019, 6))
        reads.append(labels.fuse({}, GRID))
        facts.append([part.get("undeclared_codes") for part in labels.info["parts"]] if "parts" in labels.info else [])
    for first, second in zip(*reads, strict=True):
        np.testing.assert_array_equal(first, second)
    assert facts[0] == facts[1]


@pytest.mark.parametrize("onto", [None, GeoBox((40, 40), Affine(13, 0, LEFT - 7, 0, -13, TOP + 4), "EPSG:32650")])
def test_a_file_to_be_co_registered(scenes, onto):
    first, second = (raster_file.read(path, onto=onto) for path in scenes)
    assert first.geobox == second.geobox
    np.testing.assert_array_equal(first.values_BHW, second.values_BHW)
    np.testing.assert_array_equal(first.valid_BHW, second.valid_BHW)


def pairs(folder: Path, *, south: str = "", label: str = ".tif") -> tuple[Path, Path]:
    """Twenty chips and their labels in a folder; those of `south` are stored from the south."""
    for at in range(20):
        rng = np.random.default_rng(at)
        layers = {
            "images": rng.integers(1, 3000, (1, 16, 16)).astype("uint16"),
            "masks": rng.integers(0, 2, (1, 16, 16)),
        }
        for name, values in layers.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            path = written(folder / name / f"c{at:02}.tif", values.astype("uint8" if name == "masks" else "uint16"))
            if name == south:
                southern(path, folder / "turned.tif").replace(path)
            if name == "masks" and label == ".npy":
                np.save(path.with_suffix(".npy"), values[0])
                path.unlink()
    return folder / "images", folder / "masks"


CHIPS = ChipOptions(("B4",), "reflectance=0.0001", impervious=(1,))


@pytest.mark.parametrize("south", ["images", "masks"])
def test_chips_whose_images_or_labels_are_stored_from_the_south(tmp_path, south):
    stored = []
    for name, which in (("north", ""), ("south", south)):
        import_chips(*pairs(tmp_path / name, south=which), tmp_path / f"{name}-data", CHIPS)
        data = Dataset.open(tmp_path / f"{name}-data")
        patches = sorted(data.patches, key=lambda patch: patch.row)
        stored.append(([data.read_image(each) for each in patches], [data.read_label(each) for each in patches]))
    np.testing.assert_array_equal(*(images for images, _ in stored))
    np.testing.assert_array_equal(*(labels for _, labels in stored))


def test_a_chip_from_the_south_beside_a_label_that_lies_nowhere_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"has rows from south to north, and .*c00.npy does not say where its rows lie"
    ):
        import_chips(*pairs(tmp_path, south="images", label=".npy"), tmp_path / "data", CHIPS)
