"""What stands beside the files of a catalog folder: notes, parts, STAC items, and the mistakes in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.catalog.folder import FolderCatalog, write_image
from local_ee.testing.folder_files import GRID, INDEX, JUNE_2, S2, note, numbers, tiff


def test_notes_name_bands_and_convert_units(tmp_path: Path) -> None:
    stored = numbers("int16")
    path = tiff(tmp_path / S2 / f"{INDEX}.tif", [stored, stored])
    note(path, bands=["B2", "B3"], offset={"B2": -1000}, scale=[1, 0.5], nodata={"B3": int(stored[0, 0])})
    image = FolderCatalog(tmp_path).image(f"{S2}/{INDEX}")
    read, masks = image.read(("B2", "B3"), GRID)
    np.testing.assert_array_equal(read[0], stored.astype("int64") - 1000)
    expected = np.ma.masked_equal(stored, stored[0, 0]) * np.float32(0.5)
    np.testing.assert_array_equal(read[1], expected.filled(0))
    np.testing.assert_array_equal(masks[1], ~np.ma.getmaskarray(expected))
    assert [band.dtype for band in image.bands] == ["int32", "float32"]


@pytest.mark.parametrize(
    ("stored", "scale", "offset", "dtype"),
    [
        ("uint16", 1, -1000, "int32"),
        ("uint8", 2, 0, "uint16"),
        ("int16", 0.01, 0, "float32"),
        ("int32", 0.01, 0, "float64"),
        ("float32", 2, 1, "float32"),
    ],
)
def test_converted_types_hold_every_value(tmp_path: Path, stored: str, scale: float, offset: float, dtype: str) -> None:
    values = numbers(stored)
    values[0, 0], values[0, 1] = (1, -1) if stored == "float32" else (np.iinfo(stored).min, np.iinfo(stored).max)
    path = tiff(tmp_path / "A" / "x.tif", [values], names=("b",))
    note(path, scale=scale, offset=offset)
    image = FolderCatalog(tmp_path).image("A/x")
    read, _ = image.read(("b",), GRID)
    assert image.bands[0].dtype == dtype
    np.testing.assert_array_equal(read[0], (values.astype("float64") * scale + offset).astype(dtype))


def test_bands_of_three_resolutions_in_files_of_their_own(tmp_path: Path) -> None:
    arrays = {name: numbers("uint16", GeoBox(shape, GRID.affine, GRID.crs)) for name, shape in SHAPES.items()}
    write_image(tmp_path, f"{S2}/{INDEX}", arrays, GRID)
    image = FolderCatalog(tmp_path).image(f"{S2}/{INDEX}")
    assert [band.name for band in image.bands] == ["B1", "B2", "B8A", "B11"]  # Earth Engine's order
    for band in image.bands:
        read, _ = image.read((band.name,), band.grid)
        np.testing.assert_array_equal(read[0], arrays[band.name])
        assert band.grid.boundingbox == GRID.boundingbox


SHAPES = {"B11": (20, 25), "B2": (40, 50), "B8A": (20, 25), "B1": (8, 10)}


def test_parts_of_several_bands_are_named_by_the_notes(tmp_path: Path) -> None:
    tiff(tmp_path / "A" / "x.10m.tif", [numbers("uint16"), numbers("uint16", seed=3)])
    tiff(tmp_path / "A" / "x.B11.tif", [numbers("uint16", seed=4)])
    note(tmp_path / "A" / "x.tif", bands={"10m": ["B2", "B3"], "B11": "swir"})
    image = FolderCatalog(tmp_path).image("A/x")
    assert [band.name for band in image.bands] == ["B2", "B3", "swir"]
    np.testing.assert_array_equal(image.read(("swir",), GRID)[0][0], numbers("uint16", seed=4))


def test_the_sensing_time_in_the_index(tmp_path: Path) -> None:
    """A Sentinel-2 index begins with the sensing time (docs/reference/earth-engine.md, "Sentinel-2"); a Sentinel-1 name
    has mode and time.
    """
    write_image(tmp_path, f"{S2}/{INDEX}", {"B2": numbers("uint16")}, GRID)
    s1 = "COPERNICUS/S1_GRD_FLOAT/S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017018_01C579_7EEC"
    write_image(tmp_path, s1, {"VV": numbers("float32"), "VH": numbers("float32")}, GRID)
    catalog = FolderCatalog(tmp_path)
    assert catalog.image(f"{S2}/{INDEX}").properties["system:time_start"] == JUNE_2
    assert catalog.image(s1).properties["system:time_start"] == 1497372643000  # 2017-06-13T16:50:43Z
    assert catalog.image(s1).properties["instrumentMode"] == "IW"
    assert catalog.image(s1).properties["transmitterReceiverPolarisation"] == ["VV", "VH"]


def item(**changes) -> dict:
    """A STAC 1.0 item as Earth Search writes them, cut to what matters here."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A_50RKU_20190602_0_L2A",
        "properties": {"datetime": "2019-06-02T02:55:51Z", "eo:cloud_cover": 12.5, "proj:epsg": 32633},
        "assets": {
            "blue": {
                "href": "https://example.org/tiles/B02.tif",
                "eo:bands": [{"name": "B02", "common_name": "blue"}],
                "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}],
            },
            "swir16": {"href": "B11.tif", "eo:bands": [{"name": "B11"}]},
            "thumbnail": {"href": "thumbnail.tif", "roles": ["thumbnail"]},
            "metadata": {"href": "metadata.xml"},
        },
        **changes,
    }


def test_stac_items_describe_the_files_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / S2
    stored = numbers("uint16")
    stored[2, 2] = 0
    tiff(folder / "B02.tif", [stored])
    tiff(folder / "B11.tif", [numbers("uint16", GRID.zoom_out(2))], GRID.zoom_out(2))
    tiff(folder / "thumbnail.tif", [numbers("uint8")])
    (folder / "S2A_50RKU.json").write_text(json.dumps(item()))
    (folder / "collection.json").write_text(json.dumps({"type": "Collection", "stac_version": "1.0.0"}))
    catalog = FolderCatalog(tmp_path)
    (image,) = catalog.images(S2, JUNE_2, JUNE_2 + 1, None)
    assert image.id == f"{S2}/S2A_50RKU"
    assert [band.name for band in image.bands] == ["B2", "B11"]
    assert image.properties["CLOUDY_PIXEL_PERCENTAGE"] == 12.5
    read, masks = image.read(("B2",), GRID)
    expected = np.where(stored == 0, 0, stored.astype("int64") - 1000)  # reflectance x 10,000, Earth Engine's unit
    np.testing.assert_array_equal(read[0], np.clip(expected, 0, None))
    assert read.dtype == "uint16"
    np.testing.assert_array_equal(masks[0], stored != 0)


def test_an_item_whose_numbers_are_shifted_already_is_not_shifted_again(tmp_path: Path) -> None:
    """Earth Search's old collection states -0.1 beside earthsearch:boa_offset_applied."""
    stored = numbers("uint16")
    tiff(tmp_path / S2 / "B02.tif", [stored])
    document = item()
    document["properties"]["earthsearch:boa_offset_applied"] = True
    (tmp_path / S2 / "S2A_50RKU.json").write_text(json.dumps(document))
    image = FolderCatalog(tmp_path).image(f"{S2}/S2A_50RKU")
    np.testing.assert_array_equal(image.read(("B2",), GRID)[0][0], stored)


def test_earth_searchs_own_names_of_assets_and_tiles(tmp_path: Path) -> None:
    classes, aerosol = numbers("uint8"), numbers("uint16")
    tiff(tmp_path / S2 / "SCL.tif", [classes])
    tiff(tmp_path / S2 / "AOT.tif", [aerosol])
    assets = {
        "scl": {"href": "SCL.tif", "raster:bands": [{"nodata": 0, "data_type": "uint8"}]},
        "aot": {"href": "AOT.tif", "raster:bands": [{"nodata": 0, "scale": 0.001, "offset": 0}]},
    }
    document = item(assets=assets)
    document["properties"]["grid:code"] = "MGRS-1WCR"
    (tmp_path / S2 / "S2A_01WCR.json").write_text(json.dumps(document))
    image = FolderCatalog(tmp_path).image(f"{S2}/S2A_01WCR")
    assert [band.name for band in image.bands] == ["AOT", "SCL"]
    assert image.properties["MGRS_TILE"] == "01WCR"
    np.testing.assert_array_equal(image.read(("SCL",), GRID)[0][0], classes)
    np.testing.assert_array_equal(image.read(("AOT",), GRID)[0][0], aerosol)


def test_stac_1_1_bands_and_sentinel1_properties(tmp_path: Path) -> None:
    folder = tmp_path / "COPERNICUS" / "S1_GRD_FLOAT"
    tiff(folder / "one.tif", [numbers("float32"), numbers("float32", seed=2)])
    sentinel1 = {
        "datetime": None,
        "start_datetime": "2019-06-02T02:55:51+00:00",
        "sar:instrument_mode": "IW",
        "sar:polarizations": ["VV", "VH"],
        "sat:orbit_state": "descending",
    }
    asset = {"href": "one.tif", "bands": [{"name": "vv"}, {"name": "vh"}]}
    document = item(stac_version="1.1.0", properties=sentinel1, assets={"data": asset})
    (folder / "one.json").write_text(json.dumps(document))
    image = FolderCatalog(tmp_path).image("COPERNICUS/S1_GRD_FLOAT/one")
    assert [band.name for band in image.bands] == ["VV", "VH"]
    assert image.properties["system:time_start"] == JUNE_2
    assert image.properties["orbitProperties_pass"] == "DESCENDING"
    assert image.properties["transmitterReceiverPolarisation"] == ["VV", "VH"]


def test_a_stac_item_places_a_file_that_has_no_georeferencing(tmp_path: Path) -> None:
    unplaced = {"crs": None, "transform": Affine.identity()}
    tiff(tmp_path / "A" / "x.tif", [numbers("uint16")], **unplaced)
    properties = {
        "datetime": "2019-06-02T02:55:51Z",
        "proj:code": "EPSG:32633",
        "proj:transform": [10, 0, 404400, 0, -10, 5342400],
    }
    document = item(properties=properties, assets={"b": {"href": "x.tif"}})
    (tmp_path / "A" / "x.json").write_text(json.dumps(document))
    (tmp_path / "A" / "x.tif").rename(tmp_path / "A" / "x.b.tif")
    document["assets"]["b"]["href"] = "./x.b.tif"
    (tmp_path / "A" / "x.json").write_text(json.dumps(document))
    (band,) = FolderCatalog(tmp_path).image("A/x").bands
    assert band.name == "b"
    assert band.grid == GRID


def break_crs(folder: Path) -> None:
    tiff(folder / "x.tif", [numbers("uint8")], names=("b",), crs=None)


def break_transform(folder: Path) -> None:
    tiff(folder / "x.tif", [numbers("uint8")], names=("b",), transform=Affine.identity())


def break_names(folder: Path) -> None:
    tiff(folder / "x.tif", [numbers("uint8"), numbers("uint8")])


def break_json(folder: Path) -> None:
    tiff(folder / "x.tif", [numbers("uint8")], names=("b",)).with_suffix(".json").write_text("{")


def break_key(folder: Path) -> None:
    note(tiff(folder / "x.tif", [numbers("uint8")], names=("b",)), scales=2)


def break_count(folder: Path) -> None:
    note(tiff(folder / "x.tif", [numbers("uint8")], names=("b",)), bands=["b", "c"])


def break_band(folder: Path) -> None:
    note(tiff(folder / "x.tif", [numbers("uint8")], names=("b",)), scale={"B02": 1e-4})


def break_time(folder: Path) -> None:
    note(tiff(folder / "x.tif", [numbers("uint8")], names=("b",)), properties={"system:time_start": "2019-06-02"})


def break_links(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "x.json").write_text(json.dumps(item()))


def break_type(folder: Path) -> None:
    tiff(folder / "x.tif", [numbers("float32").astype("complex64")], names=("b",))


def break_twice(folder: Path) -> None:
    tiff(folder / "x.1.tif", [numbers("uint8")], names=("b",))
    tiff(folder / "x.2.tif", [numbers("uint8")], names=("b",))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (break_crs, r"x\.tif has no coordinate reference system: .*gdal_edit"),
        (break_transform, r"x\.tif has no geotransform"),
        (break_names, r"x\.tif: its 2 bands are not all named .*x\.json"),
        (break_json, r"x\.json cannot be read as JSON"),
        (break_key, r"x\.json: unknown key 'scales'; expected properties, bands"),
        (break_count, r"x\.json names 2 bands of x\.tif, which holds 1"),
        (break_band, r"x\.json: band 'B02' is none of image A/x: b"),
        (break_time, r"x\.json: system:time_start is '2019-06-02'; expected milliseconds"),
        (break_links, r"x\.json: none of the STAC item's GeoTIFF assets lies beside it"),
        (break_type, r"x\.tif: band 1 is complex64"),
        (break_twice, r"band 'b' is in both .*x\.1\.tif and .*x\.2\.tif"),
    ],
)
def test_mistakes_are_one_sentence_naming_the_file(tmp_path: Path, break_it, sentence: str) -> None:
    break_it(tmp_path / "A")
    with pytest.raises(ValueError, match=sentence):
        FolderCatalog(tmp_path).images("A", None, None, None)
