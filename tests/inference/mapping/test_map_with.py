"""Any function of an array makes maps: against the function on the whole image, and the same cut by cut."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import write
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.map_files.map_file import open_map
from tests.inference.conftest import NAMES, WUHAN, stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.towns import BANDS, manifest, samples, spread


def brightness(image_BHW: np.ndarray) -> np.ndarray:
    """Of each pixel alone, so that windows and blending change nothing."""
    return np.clip(image_BHW[2] * 4, 0, 1)


def mapped(function, scene, out, **how):
    report = isamap.map_with(function, input=scene, out=out, bands=NAMES, progress=False, window=64, overlap=16, **how)
    return report, read_map(out)


def test_the_map_is_what_the_function_says_of_physical_values(scene, tmp_path):
    report, values = mapped(brightness, scene, tmp_path / "map.tif")
    with rasterio.open(scene) as file:
        stored = file.read()
    valid = (stored != -32768).all(axis=0)
    expected = np.rint(np.clip(stored[2] * np.float64(1e-4) * 4, 0, 1) * 254)
    assert np.abs(values[1][valid].astype(int) - expected[valid]).max() <= 1 and (values[1][~valid] == 255).all()
    assert ((values[0] == 1) == (np.clip(stored[2] * 1e-4 * 4, 0, 1) >= 0.5))[valid].mean() > 0.999
    assert report.path == tmp_path / "map.tif" and not (tmp_path / "map.toml").exists()


def test_a_part_of_a_file_gives_the_same_pixels(tmp_path):
    stored = stored_scene(200, 200)

    def smooth(image_BHW):
        padded = np.pad(image_BHW[0], 1, mode="edge")
        return np.clip(4 * sum(padded[r : r + image_BHW.shape[1], c : c + image_BHW.shape[2]]
                               for r in range(3) for c in range(3)) / 9, 0, 1)  # fmt: skip

    _, full = mapped(smooth, write_tif(tmp_path / "a.tif", stored), tmp_path / "whole.tif")
    corner = WUHAN * WUHAN.translation(48, 96)
    piece = write_tif(tmp_path / "b.tif", stored[:, 96:, 48:], transform=corner)
    _, cut = mapped(smooth, piece, tmp_path / "cut.tif")
    np.testing.assert_array_equal(cut[:, 64:, 64:], full[:, 160:, 112:])  # a window away from the part's own edges


def test_a_torch_module_is_a_function(scene, tmp_path):
    layer = torch.nn.Conv2d(6, 1, 1)

    def network(image_BHW):
        return torch.sigmoid(layer(torch.from_numpy(image_BHW)[None]))[0, 0]

    _, values = mapped(network, scene, tmp_path / "map.tif")
    assert len(np.unique(values[1])) > 20


def test_the_map_is_published_viewed_and_measured_like_any_other(scene, tmp_path):
    mapped(brightness, scene, tmp_path / "map.tif")
    made = open_map(tmp_path / "map.tif")
    assert made.tags["model"] == "function brightness" and made.tags["runtime"] == "function"
    assert {row["class"] for row in isamap.area(tmp_path / "map.tif").rows} == {"pervious", "impervious"}


def test_the_same_call_does_nothing_and_another_version_is_another_map(scene, tmp_path):
    mapped(brightness, scene, tmp_path / "map.tif")
    assert mapped(brightness, scene, tmp_path / "map.tif")[0].already_there
    with pytest.raises(ValueError, match="--overwrite"):
        mapped(brightness, scene, tmp_path / "map.tif", version="2")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda image: image, r"gave \(6, .*expected \("),
        (lambda image: image[5], "expected probabilities of 0 to 1"),
        (lambda image: image[0] * np.nan, "expected probabilities of 0 to 1"),
    ],
)
def test_what_is_no_probability_is_a_fault(scene, tmp_path, function, words):
    with pytest.raises(Fault, match=words):
        mapped(function, scene, tmp_path / "map.tif")
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": ()}, "needs data=DATASET"),
        ({"values": "raw"}, "expected 'physical' or 'standardised'"),
        ({"values": "standardised"}, "needs data=DATASET, which has the statistics"),
        ({"overlap": 64}, "less of them shared"),
        ({"threshold": 1}, "between 0 and 1"),
    ],
)
def test_mistakes_are_named(scene, tmp_path, change, words):
    options = {"bands": NAMES, "window": 64, "overlap": 16} | change
    with pytest.raises(ValueError, match=words):
        isamap.map_with(brightness, input=scene, out=tmp_path / "map.tif", progress=False, **options)


@pytest.fixture
def dataset(tmp_path):
    """A dataset of the usual composite, whose settings a region's map is made with."""
    splits = spread(4, 1, 1)
    head = manifest(tuple(BANDS), 32, len(splits), settings=Settings().to_json())
    write(tmp_path / "data", head, samples(tuple(BANDS), 32, splits))
    return tmp_path / "data"


def of_box(dataset, out, bbox):
    options = {"data": dataset, "bbox": bbox, "epsg": 32650, "month": "2020-06", "window": 64, "overlap": 16}
    isamap.map_with(brightness, out=out, progress=False, **options)
    with rasterio.open(out) as file:
        return file.read(1), file.transform


@pytest.mark.long
def test_a_region_is_mapped_and_cuts_of_it_are_exact(session, home, dataset, tmp_path):
    full, location = of_box(dataset, tmp_path / "whole.tif", (114.240, 30.540, 114.250, 30.550))
    piece, corner = of_box(dataset, tmp_path / "part.tif", (114.244, 30.543, 114.250, 30.548))
    col, row = (round(value) for value in ~location * (corner.c, corner.f))
    height, width = piece.shape
    assert (full != 255).mean() > 0.5 and len(np.unique(full)) > 1
    np.testing.assert_array_equal(piece, full[row : row + height, col : col + width])
