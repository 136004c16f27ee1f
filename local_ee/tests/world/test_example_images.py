"""Images that the examples of Google's catalog ask for: on their days, with the values that they filter by."""

from __future__ import annotations

from datetime import UTC, datetime


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def images(world, collection: str, first: str, last: str) -> list:
    """Those that begin from first to before last."""
    return list(world.images(collection, ms(first), ms(last), None))


def test_an_ongoing_collection_reaches_the_days_of_its_example(world):
    assert images(world, "ECMWF/ERA5/HOURLY_PRESSURE_LEVELS", "2026-06-03", "2026-06-04")


def test_each_step_has_an_image_of_every_value_that_the_example_asks_for(world):
    forecast = images(world, "ECMWF/CAMS/NRT", "2019-01-01", "2019-01-02")
    assert [image.properties["model_forecast_hour"] for image in forecast] == [0, 21]


def test_the_images_of_a_step_are_found_by_their_ids(world):
    for image in images(world, "ECMWF/CAMS/NRT", "2019-01-01", "2019-01-02"):
        assert world.image(image.id).properties == image.properties


def test_a_combination_of_values_that_an_example_filters_by_has_an_image(world):
    wanted = {"season": "tc-maize-main", "aez_id": 46172, "product": "irrigation"}
    found = images(world, "ESA/WorldCereal/2021/MODELS/v100", "2020-01-01", "2022-01-01")
    assert any(wanted.items() <= image.properties.items() for image in found)


def test_the_year_of_an_image_is_that_of_its_moment(world):
    (image,) = images(world, "projects/mapbiomas-public/assets/bolivia/lulc/v1", "2024-01-01", "2024-12-31")
    assert image.properties["year"] == 2024


def test_a_single_image_begins_on_its_day(world):
    assert len(images(world, "JRC/GFC2020/V1", "2020-12-31", "2021-01-01")) == 1


def test_the_text_of_an_area_is_a_number(world):
    assert float(world.table("USGS/WBD/2017/HUC06")[0].properties["areasqkm"]) > 0


def test_some_landsat_scenes_have_no_clouds(world):
    """guides/ic_filtering keeps those whose CLOUD_COVER is 0."""
    scenes = world.images("LANDSAT/LC08/C02/T1_TOA", ms("2015-01-01"), ms("2018-01-01"), (25.8, -18.1, 25.9, -18.0))
    assert 0 < sum(scene.properties["CLOUD_COVER"] == 0 for scene in scenes) < len(scenes) / 4


def test_the_version_of_a_scene_is_when_it_was_ingested_in_microseconds(world):
    """guides/image_info."""
    scene = world.image("LANDSAT/LC08/C02/T1_TOA/LC08_044034_20140318")
    days = (scene.properties["system:version"] / 1000 - scene.properties["system:time_start"]) / 86_400_000
    assert isinstance(scene.properties["system:version"], int) and days == 30


def test_an_older_release_has_the_area_of_its_example(world):
    (image,) = images(world, "USFS/GTAC/LCMS/v2020-6", "2020-01-01", "2021-01-01")
    assert image.properties["study_area"] == "PRUSVI"
