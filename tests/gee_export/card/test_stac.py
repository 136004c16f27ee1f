"""The STAC collection as other programs see it: the real pystac reads and validates it, rasterio opens its assets."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import rasterio
import rasterio.warp
from pystac import Collection
from pystac.errors import STACValidationError
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation import validate_dict
from shapely.geometry import box, shape

from isamap.gee_export.base.stac_fields import COPERNICUS
from isamap.gee_export.card import stac
from isamap.gee_export.datasets.dataset import Dataset
from tests.support import sound, stac_schemas


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    dataset = sound.stored(tmp_path_factory.mktemp("stac") / "data")
    stac.write(dataset)
    return dataset


@pytest.fixture(scope="module")
def collection(data) -> Collection:
    return Collection.from_file(str(data.storage.path("stac/collection.json")))


def test_collection_and_items_follow_the_schemas(collection):
    """Those that pystac carries (STAC 1.1.0, to which pystac brings what it reads)."""
    validate_dict(collection.to_dict(include_self_link=False), extensions=[])
    for item in collection.get_items():
        validate_dict(item.to_dict(include_self_link=False), extensions=[])
    broken = collection.to_dict(include_self_link=False) | {"extent": {}}
    with pytest.raises(STACValidationError):
        validate_dict(broken, extensions=[])


def documents(data: Dataset) -> list[dict]:
    return [json.loads(data.storage.read(name)) for name in data.storage.list("stac/")]


def test_collection_and_items_follow_every_schema_as_written(data):
    """Those that the documents name themselves; nothing is brought to another version first."""
    items = documents(data)
    assert len(items) == 1 + len(data) and [stac_schemas.errors(each) for each in items] == [[]] * len(items)
    named = {address.split("/")[3] for each in items for address in each["stac_extensions"]}
    assert named == {"projection", "raster", "eo", "file", "sar", "label"}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("file:checksum", "no multihash"), ("eo:bands", [{"common_name": "purple"}]), ("proj:shape", "48")],
)
def test_the_schemas_see_a_wrong_field(data, field, wrong):
    item = json.loads(data.storage.read(f"stac/items/{data.patches[0].id}.json"))
    item["assets"]["image"][field] = wrong
    assert stac_schemas.errors(item) != []


def test_checksums_and_sizes_are_those_of_the_files(data):
    for item in (each for each in documents(data) if each["type"] == "Feature"):
        for asset in item["assets"].values():
            content = data.storage.path(asset["href"].removeprefix("../../")).read_bytes()
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_a_simulation_has_no_producer_but_the_local_engine(collection):
    assert [provider.name for provider in collection.providers] == ["isamap", "isamap's local engine (simulated)"]


def test_real_images_and_labels_have_their_producers_and_licences(tmp_path):
    real = sound.stored(tmp_path / "real", simulated=False)
    stac.write(real)
    document = json.loads(real.storage.read("stac/collection.json"))
    assert stac_schemas.errors(document) == []
    assert [provider["name"] for provider in document["providers"][1:]] == [
        "sentinel2 COPERNICUS/S2_SR_HARMONIZED",
        "worldcover",
    ]
    pages = [link["href"] for link in document["links"] if link["rel"] == "license"]
    assert pages == [COPERNICUS, "https://creativecommons.org/licenses/by/4.0/"]


def test_every_patch_is_an_item_with_its_facts(data, collection):
    items = {item.id: item for item in collection.get_items()}
    assert list(items) == [patch.id for patch in data.patches]
    for patch in data.patches:
        item = items[patch.id]
        assert item.properties["isamap:split"] == patch.split
        assert item.properties["isamap:simulated"] is True
        assert (item.properties["start_datetime"], item.properties["end_datetime"]) == (
            "2019-06-01T00:00:00Z",
            "2019-06-30T23:59:59Z",
        )
        assert item.bbox == pytest.approx(shape(item.geometry).bounds)


def test_an_asset_opens_where_its_item_says(collection):
    """Relative links lead to the files; projection and raster fields are those of the GeoTIFF itself."""
    item = next(iter(collection.get_items()))
    for key in ("image", "labels"):
        asset = item.assets[key]
        projection = ProjectionExtension.ext(asset)
        with rasterio.open(asset.get_absolute_href()) as source:
            assert projection.epsg == source.crs.to_epsg()
            assert tuple(projection.transform) == tuple(source.transform)[:6]
            assert tuple(projection.shape) == source.shape
            bands = RasterExtension.ext(asset).bands
            assert [band.scale for band in bands] == list(source.scales)
            assert [band.nodata for band in bands] == [source.nodata] * source.count
            assert {str(band.data_type) for band in bands} == set(source.dtypes)
            ground = rasterio.warp.transform_bounds(source.crs, 4326, *source.bounds)
        assert shape(item.geometry).within(box(*ground).buffer(1e-6))
        assert box(*ground).bounds == pytest.approx(shape(item.geometry).bounds, abs=1e-6)


def test_scale_and_no_data_give_the_datasets_numbers(data, collection):
    item = next(iter(collection.get_items()))
    with rasterio.open(item.assets["image"].get_absolute_href()) as source:
        bands = RasterExtension.ext(item.assets["image"]).bands
        physical = [source.read(n) * band.scale + band.offset for n, band in enumerate(bands, 1)]
    stored = data.read_image(item.id)
    assert np.allclose(physical, stored * np.array([band.scale for band in data.manifest.bands])[:, None, None])


def test_nothing_points_outside_or_tells_of_the_machine(data):
    for name in data.storage.list("stac/"):
        text = data.storage.read(name).decode()
        document = json.loads(text)
        links = [link["href"] for link in document["links"] if link["rel"] != "license"] + [
            single["href"] for single in document["assets"].values()
        ]
        assert all(link.startswith(("./", "../")) for link in links)
        assert str(data.storage.root) not in text


def test_writing_twice_gives_the_same_bytes(data):
    for name, content in stac.documents(data):
        assert data.storage.read(name) == content


def test_true_colours_are_found_by_name(collection):
    """The eo extension's common names, which viewers look for."""
    item = next(iter(collection.get_items()))
    actual = [band.get("common_name") for band in item.assets["image"].extra_fields["eo:bands"]]
    assert actual == ["blue", "green", "red", None]
