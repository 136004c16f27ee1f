"""Masks: on the map's grid, of another grid and CRS, and what the map says where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

import isamap
from isamap.inference.mapping.map import map_region
from tests.inference.conftest import WUHAN, stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401

HEIGHT, WIDTH = 70, 64


@pytest.fixture
def scene(tmp_path) -> Path:
    return write_tif(tmp_path / "scene.tif", stored_scene(HEIGHT, WIDTH))


def mask_file(path: Path, values_HW: np.ndarray, transform: Affine = WUHAN, crs: str = "EPSG:32650", **profile) -> Path:
    height, width = values_HW.shape
    profile = {"driver": "GTiff", "crs": crs, "transform": transform, "count": 1, "dtype": values_HW.dtype} | profile
    with rasterio.open(path, "w", height=height, width=width, **profile) as target:
        target.write(values_HW, 1)
    return path


def mapped(run, scene, out: Path, *words: str) -> np.ndarray:
    names = ["map", "--checkpoint", str(run), "--input", str(scene), "--out", str(out), *words]
    assert isamap.main(names) == 0
    return read_map(out)


@pytest.fixture
def water(tmp_path) -> tuple[Path, np.ndarray]:
    """A mask on the map's grid, with values other than 1."""
    inside_HW = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    return mask_file(tmp_path / "water.tif", (inside_HW * 80).astype(np.uint8)), inside_HW


@pytest.mark.long
@pytest.mark.parametrize(
    ("meaning", "stored"), [("pervious", (0, 0)), ("impervious", (1, 254)), ("unknown", (255, 255))]
)
def test_the_map_says_what_is_asked_under_the_mask_and_nothing_else_elsewhere(
    run, scene, water, tmp_path, meaning, stored
):
    path, inside_HW = water
    plain = mapped(run, scene, tmp_path / "plain.tif")
    raster = mapped(run, scene, tmp_path / "map.tif", "--mask", f"{path}={meaning}")
    known_HW = plain[0] != 255
    np.testing.assert_array_equal(raster[:, ~inside_HW], plain[:, ~inside_HW])
    for band, value in zip(raster, stored, strict=True):
        assert (band[inside_HW & known_HW] == value).all() and (band[~known_HW] == 255).all()


def test_the_last_mask_lies_on_top(run, scene, water, tmp_path):
    path, _ = water
    over = mask_file(tmp_path / "over.tif", np.ones((HEIGHT, WIDTH), np.uint8))
    raster = mapped(run, scene, tmp_path / "map.tif", "--mask", f"{path}=impervious", f"{over}=pervious")
    assert not (raster[0] == 1).any()


def test_a_mask_of_another_crs_is_read_by_its_nearest_pixels(run, scene, tmp_path):
    """By pyproj: each map pixel's centre in degrees, and the mask's pixel that holds it."""
    corner = Transformer.from_crs(32650, 4326, always_xy=True).transform(212750, 3416360)
    transform = Affine(3e-4, 0, corner[0] + 1e-3, 0, -3e-4, corner[1] - 1e-3)
    values_HW = (np.random.default_rng(1).random((12, 14)) < 0.5).astype(np.float32)
    values_HW[3, 3] = np.nan
    path = mask_file(tmp_path / "degrees.tif", values_HW, transform, "EPSG:4326")
    plain, actual = mapped(run, scene, tmp_path / "plain.tif"), mapped(
        run, scene, tmp_path / "map.tif", "--mask", f"{path}=unknown"
    )  # fmt: skip
    rows, cols = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(212750 + 10 * cols, 3416360 - 10 * rows)
    col, row = ~transform * (lon, lat)
    at = np.floor(row).astype(int), np.floor(col).astype(int)
    on_HW = (at[0] >= 0) & (at[0] < 12) & (at[1] >= 0) & (at[1] < 14)
    inside_HW = on_HW & (np.nan_to_num(values_HW)[at[0].clip(0, 11), at[1].clip(0, 13)] > 0)
    assert 0 < inside_HW.sum() < inside_HW.size
    np.testing.assert_array_equal(actual[0] == 255, inside_HW | (plain[0] == 255))


@pytest.mark.long
def test_where_a_mask_has_no_data_nothing_is_masked(run, scene, tmp_path):
    values_HW = np.full((HEIGHT, WIDTH), 200, np.uint8)
    path = mask_file(tmp_path / "void.tif", values_HW, nodata=200)
    np.testing.assert_array_equal(
        mapped(run, scene, tmp_path / "map.tif", "--mask", f"{path}=unknown"),
        mapped(run, scene, tmp_path / "plain.tif"),
    )


def test_the_map_says_its_masks_and_its_sieve(run, scene, water, tmp_path):
    """The sieve comes last: what a mask cut into crumbs goes too."""
    mapped(run, scene, tmp_path / "map.tif", "--mask", f"{water[0]}=pervious", "--sieve", "900m2")
    with rasterio.open(tmp_path / "map.tif") as stored:
        assert (stored.tags()["masks"], stored.tags()["sieve"]) == ("water.tif=pervious", "9 px")
        class_HW = stored.read(1)
    from rasterio.features import sieve

    np.testing.assert_array_equal(sieve(class_HW, 9, mask=class_HW != 255), class_HW)


def test_another_mask_is_another_map(run, scene, water, tmp_path):
    path, inside_HW = water
    options = {"input": scene, "mask": [f"{path}=pervious"], "progress": False}
    map_region(run, out=tmp_path / "map.tif", **options)
    assert map_region(run, out=tmp_path / "map.tif", **options).already_there
    mask_file(path, (~inside_HW).astype(np.uint8))
    with pytest.raises(ValueError, match="other settings"):
        map_region(run, out=tmp_path / "map.tif", **options)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--mask", "{water}"], "expected FILE=CLASS, such as water.tif=pervious"),
        (["--mask", "{water}=wet"], "choose one of pervious, impervious, unknown after ="),
        (["--mask", "none.tif=unknown"], "mask none.tif: no such file"),
        (["--mask", "{bare}=unknown"], "has no CRS"),
        (["--sieve", "tiny"], "expected pixels or an area"),
    ],
)
def test_wrong_masks_are_one_sentence(run, scene, water, tmp_path, capsys, words, sentence):
    bare = mask_file(tmp_path / "bare.tif", np.ones((4, 4), np.uint8), crs=None)
    words = [word.format(water=water[0], bare=bare) for word in words]
    assert (
        isamap.main(["map", "--checkpoint", str(run), "--input", str(scene), "--out", str(tmp_path / "m.tif"), *words])
        == 2
    )
    assert sentence in capsys.readouterr().err and not (tmp_path / "m.tif").exists()
