"""Items as Earth Engine's images: its ids, names and units; what cannot be used is left out and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local_ee.open import sentinel1, sentinel2
from local_ee.open.conversions import Harmonised, SquareLaw
from local_ee.open.errors import Missing
from local_ee.open.notes import of_item
from local_ee.open.providers import C1, EARTH_SEARCH, OLD, PC_S1, PC_S2
from local_ee.open.stac import Question
from local_ee.open.twins import once
from local_ee.testing import archive as archives
from local_ee.testing.archive import Archive
from local_ee.testing.small_archive import (  # fmt: skip
    BOX,
    DAY,
    GRID,
    add_optical,
    as_planetary,
    cog,
    optical_item,
    reflectance,
    small_archive,
)

S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT"
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]


def earth_engine_facts() -> dict[str, str]:
    document = json.loads(
        (archives.SHARED / "earth-engine" / "S2_SR_20190101T082331_20190101T084846_T34HCH.json").read_text()
    )
    facts: dict[str, str] = document["properties"]
    return facts


@archives.needs_shared
def test_names_are_those_of_a_real_image_of_earth_engine():
    """The item that its own facts would make gives the image's index and names back."""
    facts = earth_engine_facts()
    item = optical_item(datetime(2019, 1, 1, 8, 23, 31), tile="34HCH", baseline="02.11", made="20190101T112242")
    item["properties"] |= {
        "datetime": "2019-01-01T08:49:44Z",
        "s2:datatake_id": facts["DATATAKE_IDENTIFIER"],
        "s2:datastrip_id": facts["DATASTRIP_ID"].replace("02.10", "02.11"),
        "s2:product_uri": f"{facts['PRODUCT_ID']}.SAFE",
        "s2:tile_id": "S2A_OPER_MSI_L2A_TL_MTI__20190101T112242_A018422_T34HCH_N02.11",
        "s2:generation_time": "2019-01-01T11:22:42Z",
        "s2:mean_solar_zenith": 27.589988524,
    }
    for asset in item["assets"].values():
        asset["raster:bands"] = [{"nodata": 0}]
    scene = sentinel2.scene_of(item, C1)
    assert scene is not None
    same = (
        "system:index", "DATATAKE_IDENTIFIER", "DATASTRIP_ID", "GRANULE_ID", "MGRS_TILE", "PROCESSING_BASELINE",
        "PRODUCT_ID", "SENSING_ORBIT_NUMBER", "SPACECRAFT_NAME", "system:time_start",
    )  # fmt: skip
    assert {name: str(scene.properties[name]) for name in same} == {name: facts[name] for name in same}


@archives.needs_shared
def test_every_recorded_item_of_collection_1_is_an_image():
    items = [
        item
        for number in (1, 2)
        for item in json.loads((archives.SHARED / "earth-search" / f"search-{number}.json").read_text())["response"][
            "features"
        ]
        if item["collection"] == C1.collection
    ]
    scenes = [sentinel2.scene_of(item, C1) for item in items]
    assert len(scenes) >= 6
    assert all(scene is not None and len(scene.bands) == 17 for scene in scenes)
    assert {scene.properties["open:offset"] for scene in scenes if scene} == {-1000}
    first = next(scene for scene in scenes if scene and scene.properties["MGRS_TILE"] == "20EPT")
    assert first.index == "20250731T131909_20250731T131905_T20EPT"
    assert [band.name for band in first.bands if band.grid.resolution.x == 60] == ["B1", "B9"]


@archives.needs_shared
def test_every_recorded_item_of_planetary_computer_is_an_image_without_offset():
    document = json.loads((archives.SHARED / "planetary-computer" / "search-sentinel-2-l2a.json").read_text())
    scenes = [sentinel2.scene_of(item, PC_S2) for item in document["response"]["features"]]
    assert len(scenes) == 12 and all(scenes)
    assert {scene.properties["open:offset"] for scene in scenes if scene} == {0}  # baseline 02.12
    assert scenes[0] is not None
    assert scenes[0].properties["SENSING_ORBIT_DIRECTION"] == "DESCENDING"
    assert [band.name for band in scenes[0].bands if band.name.startswith("MSK")] == []


@archives.needs_shared
def test_the_old_collection_is_taken_below_baseline_4_only():
    document = json.loads((archives.SHARED / "earth-search" / "search-1.json").read_text())
    items = [item for item in document["response"]["features"] if item["collection"] == OLD.collection]
    assert items and all(sentinel2.scene_of(item, OLD) is None for item in items)


@archives.needs_shared
def test_an_item_across_the_antimeridian_lies_on_both_sides():
    (path,) = (archives.SHARED / "earth-search").glob("*antimeridian*")
    scene = sentinel2.scene_of(json.loads(path.read_text()), C1)
    assert scene is not None and scene.properties["MGRS_TILE"] == "01WCR"
    west, _, east, _ = scene.footprint.bounds
    assert (west, east) == (-180, 180)
    assert scene.footprint.area < 5  # square degrees: not the whole belt


@archives.needs_shared
def test_recorded_radar_items_are_images_of_gamma_nought():
    for path in (archives.SHARED / "planetary-computer").glob("S1A_*_rtc.json"):
        item = json.loads(path.read_text())
        item["assets"] = {key.removesuffix("-rtc"): asset for key, asset in item["assets"].items()}
        item["geometry"]["coordinates"] = [[[-100, 27], [-99, 27], [-99, 28], [-100, 28], [-100, 27]]]
        scene = sentinel1.scene_of(item, PC_S1)
        assert (
            scene.index
            == item["assets"][next(iter(item["assets"]))]["href"].split("/measurement")[0].rpartition("/")[2]
        )
        assert scene.properties["open:backscatter"] == "gamma0"
        assert scene.properties["system:time_start"] == int(
            datetime.strptime(scene.index.split("_")[4], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp() * 1000
        )


@archives.needs_shared
def test_radar_outlines_that_are_no_degrees_are_refused():
    """The pipeline's own test items hold metres there."""
    item = json.loads(next((archives.SHARED / "planetary-computer").glob("S1A_*1SDV*_rtc.json")).read_text())
    item["assets"] = {key.removesuffix("-rtc"): asset for key, asset in item["assets"].items()}
    with pytest.raises(ValueError, match="not in degrees"):
        sentinel1.scene_of(item, PC_S1)


def test_harmonised_numbers_never_wrap():
    stored = np.array([0, 1, 999, 1000, 1001, 65535], np.uint16)
    assert Harmonised(-1000)(stored).tolist() == [0, 0, 0, 0, 1, 64535]
    assert Harmonised(0)(stored).tolist() == stored.tolist()


def test_the_square_law_of_embeddings():
    stored = np.array([-127, -1, 0, 64, 127], np.int8)
    expected = [np.sign(v) * (v / 127.5) ** 2 for v in (-127, -1, 0, 64, 127)]
    np.testing.assert_allclose(SquareLaw()(stored), expected, rtol=1e-6)


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda item: item["properties"].__setitem__(key, value)


def _asset(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda item: item["assets"]["red"].__setitem__(key, value)


BAD_HREFS = (
    "https://evil.example/B04.tif",
    "s3://evil/B04.tif",
    "/vsicurl/https://evil.example/B04.tif",
    "file:///etc/passwd",
    "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/../secret.tif",
    "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/50/R/MU/B04.tif",
    "javascript:alert(1)",
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *((_asset("href", href), "address") for href in BAD_HREFS),
        (_asset("href", 3), "address"),
        (_asset("proj:shape", [0, 1]), "proj:shape"),
        (_asset("proj:shape", [10**9, 1]), "proj:shape"),
        (_asset("proj:transform", [10, 0, float("nan"), 0, -10, 0]), "proj:transform"),
        (_asset("proj:transform", [10, 1, 0, 0, -10, 0]), "proj:transform"),
        (_asset("proj:transform", "ten"), "proj:transform"),
        (_asset("raster:bands", [{"scale": 0.0001, "offset": 0}]), "states an offset"),
        (_set("proj:epsg", 3857), "projection"),
        (_set("proj:epsg", "32650; drop"), "projection"),
        (_set("s2:processing_baseline", "five"), "baseline"),
        (_set("s2:product_uri", "<script>alert(1)</script>"), "product_uri"),
        (_set("s2:datatake_id", None), "datatake"),
        (_set("datetime", "yesterday"), "datetime"),
        (_set("s2:generation_time", 5), "generation_time"),
        (lambda item: item["assets"].pop("scl"), "lacks the asset scl"),
        (lambda item: item.__setitem__("id", "../../etc/passwd"), "id"),
        (lambda item: item.__setitem__("id", "<img src=x onerror=alert(1)>"), "id"),
        (lambda item: item.__setitem__("geometry", None), "outline"),
        (lambda item: item.__setitem__("geometry", {"type": "Polygon", "coordinates": "x"}), "outline"),
        (lambda item: item.__setitem__("properties", None), "properties"),
    ],
)
def test_an_item_with_one_bad_fact_is_no_scene(change, reason: str):
    item = optical_item(DAY)
    change(item)
    with pytest.raises(ValueError, match=reason) as caught:
        sentinel2.scene_of(item, C1)
    assert not {"<", "evil", "etc"} & set(str(caught.value).replace("/", " ").split())


def test_what_cannot_be_used_is_left_out_and_named(tmp_path: Path):
    with small_archive((DAY,)) as server:
        bad = optical_item(DAY + timedelta(days=1))
        bad["assets"]["red"]["href"] = "https://evil.example/B04.tif"
        server.items.append(bad)
        catalog = server.catalog(tmp_path)
        assert len(catalog.images(S2, *JUNE, BOX)) == 1
        (note,) = catalog.notes(S2)
        assert (note.provider, note.scene) == (C1.name, bad["id"])
        assert note.reason == "an asset's address is not one of the archive's"
        assert catalog.notes(S1) == ()
        assert "evil.example" not in {asked.host for asked in server.asked}


def test_notes_are_of_a_period_and_a_box(tmp_path: Path):
    with small_archive((DAY,)) as server:
        bad = optical_item(DAY + timedelta(days=1))
        bad["properties"].pop("s2:datatake_id")
        server.items.append(bad)
        catalog = server.catalog(tmp_path)
        catalog.images(S2, *JUNE, BOX)
        west, south, east, north = BOX
        (note,) = catalog.notes(S2, start_ms=JUNE[0], end_ms=JUNE[1], bounds_wsen=BOX)
        assert note.scene == bad["id"]
        assert catalog.notes(S2, start_ms=JUNE[1]) == catalog.notes(S2, end_ms=JUNE[0]) == ()
        # Within the question's box, which is widened to half degrees, and not of the scene.
        assert catalog.notes(S2, bounds_wsen=(west + 0.2, south, east + 0.2, north)) == ()
        assert len(catalog.notes(S2, bounds_wsen=(west - 360, south, east - 360, north))) == 1


def test_an_item_without_time_and_outline_is_noted_where_and_when_it_was_asked_for():
    question = Question(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 4, tzinfo=UTC), (117, 29.5, 117.5, 30))
    for item in ({"id": "a"}, {"id": "a", "properties": {"datetime": "soon"}, "geometry": {"type": "Point"}}):
        note = of_item(S2, C1.name, item, question, "it is none")
        assert note.start_ms == 1_717_372_800_000
        assert note.is_within(0, 2e12, (117.4, 29.9, 118, 31)) and not note.is_within(0, 2e12, (117.6, 29, 118, 31))


def test_a_scene_whose_file_is_missing_is_left_out_before_any_graph_reads_it(tmp_path: Path):
    with small_archive() as server:
        del server.files[server.items[0]["assets"]["nir"]["href"]]
        catalog = server.catalog(tmp_path)
        assert len(catalog.images(S2, *JUNE, BOX)) == 2
        (note,) = catalog.notes()
        assert (note.collection, note.reason) == (S2, "the archive has no file of its band B8")


def test_a_band_that_few_composites_need_is_missed_once_then_its_scene_is_left_out(tmp_path: Path):
    """Its file is asked for when it is read: one sentence; from then on the scene is not listed, and named."""
    with small_archive() as server:
        assets = server.items[0]["assets"]
        assets["swir16"] = {**assets["scl"], "href": assets["scl"]["href"].replace("SCL", "B11")}
        first, *others = server.catalog(tmp_path).images(S2, *JUNE, BOX)
        with pytest.raises(Missing, match=r"B11.tif is not there \(answer 403\): run the same command again"):
            first.read(("B11",), next(band.grid for band in first.bands if band.name == "B11"))
        catalog = server.catalog(tmp_path)
        assert [image.id for image in catalog.images(S2, *JUNE, BOX)] == [image.id for image in others]
        assert [note.reason for note in catalog.notes()] == ["the archive has no file of its band B11"]


def test_scenes_that_two_archives_hold_are_given_once_and_gaps_are_filled(tmp_path: Path):
    """Collection 1 holds two of three dates in the newer baseline, Planetary Computer two in an older one."""
    with Archive() as server:
        for number in (0, 1):
            add_optical(server, DAY + timedelta(days=5 * number), number)
        for number in (1, 2):
            item = as_planetary(optical_item(DAY + timedelta(days=5 * number), baseline="03.00"))
            for key, asset in item["assets"].items():
                values = reflectance(f"B{key[2:]}" if key != "SCL" else "SCL", number)
                values = values if key != "SCL" else values[::2, ::2].astype(np.uint8)
                server.files[asset["href"]] = cog(values, GRID if key != "SCL" else GRID.zoom_out(2), nodata=0)
            server.items.append(item)
        catalog = server.catalog(tmp_path)
        images = catalog.images(S2, *JUNE, BOX)
        assert [image.properties["open:provider"] for image in images] == [C1.name, C1.name, PC_S2.name]
        assert [image.properties["open:offset"] for image in images] == [-1000, -1000, 0]
        (note,) = catalog.notes(S2)
        kept = images[1].properties
        assert (note.provider, note.reason) == (
            PC_S2.name,
            f"{C1.name} gives this acquisition ({kept['system:index']})",
        )
        assert note.scene.startswith(kept["system:index"][:15])
        values, masks = images[2].read(("B3",), GRID)
        np.testing.assert_array_equal(values[0], reflectance("B3", 2))
        np.testing.assert_array_equal(masks[0], reflectance("B3", 2) > 0)


def test_of_twins_the_highest_baseline_then_the_newest_is_kept():
    items = [
        optical_item(DAY, baseline=baseline, made=made)
        for baseline, made in (("05.09", "20240605T000000"), ("05.10", "20240604T000000"), ("05.10", "20240606T000000"))
    ]
    scenes = [scene for item in items if (scene := sentinel2.scene_of(item, C1)) is not None]
    kept, left_out = once(scenes, [C1.name])
    assert [scene.properties["PRODUCT_ID"].rpartition("_")[2] for scene in kept] == ["20240606T000000"]
    assert len(left_out) == 2


def test_granules_of_two_data_strips_are_no_twins():
    items = [optical_item(DAY), optical_item(DAY)]
    strip = items[1]["properties"]["s2:datastrip_id"]
    items[1]["properties"]["s2:datastrip_id"] = strip.replace("_S20240603T000022_", "_S20240603T000122_")
    scenes = [scene for item in items if (scene := sentinel2.scene_of(item, C1)) is not None]
    assert len(once(scenes, [C1.name])[0]) == 2


@pytest.mark.parametrize("collection", [S2, S1])
def test_an_image_is_found_by_its_id_alone(tmp_path: Path, collection: str):
    with small_archive() as server:
        listed = server.catalog(tmp_path / "one").images(collection, *JUNE, BOX)[1]
        image = server.catalog(tmp_path / "two").image(listed.id)
        assert image is not None
        assert {k: v for k, v in listed.properties.items() if k != "open:etag"} == image.properties
        name = image.bands[0].name
        np.testing.assert_array_equal(image.read((name,), GRID)[0], listed.read((name,), GRID)[0])


@pytest.mark.parametrize(
    "index", ["x", "20240603T000000_20240603T000022_T99ZZZ", "20249903T000000_20240603T000022_T50RMU"]
)
def test_an_id_that_is_none_is_not_searched_for(tmp_path: Path, index: str):
    with small_archive((DAY,)) as server:
        assert server.catalog(tmp_path).image(f"{S2}/{index}") is None


@pytest.mark.parametrize(
    ("collection", "remedy"),
    [
        ("GOOGLE/DYNAMICWORLD/V1", "--label FILE"),
        ("COPERNICUS/S2_CLOUD_PROBABILITY", "scl"),
        ("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "scl"),
        ("COPERNICUS/S2_HARMONIZED", "S2_SR_HARMONIZED"),
        ("projects/sat-io/open-datasets/GISA_1972_2021", "--label FILE"),
        ("JRC/GHSL/P2023A/GHS_BUILT_S_10m/2018", "--label FILE"),
    ],
)
def test_other_products_are_refused_by_name_with_the_remedy(tmp_path: Path, collection: str, remedy: str):
    with Archive() as server, pytest.raises(ValueError, match=remedy):
        server.catalog(tmp_path).describe(collection)


def test_questions_without_end_are_refused(tmp_path: Path):
    with Archive() as server:
        catalog = server.catalog(tmp_path)
        with pytest.raises(ValueError, match="filterBounds"):
            catalog.images(S2, *JUNE, None)
        with pytest.raises(ValueError, match="filterDate"):
            catalog.images(S2, None, JUNE[1], BOX)
        with pytest.raises(ValueError, match="ask by years"):
            catalog.images(S2, 0, JUNE[1], BOX)
        assert not server.asked


@pytest.mark.parametrize(("lowest", "warned"), [(900, 1), (1_100, 0)])
def test_numbers_that_seem_to_be_shifted_already_are_told_once(tmp_path: Path, caplog, lowest: int, warned: int):
    with small_archive((DAY + timedelta(days=lowest),)) as server:
        address = server.items[0]["assets"]["blue"]["href"]
        server.files[address] = cog(np.full(GRID.shape, lowest, np.uint16), GRID, nodata=0)
        day = server.items[0]["properties"]["datetime"][:10]
        start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
        (image,) = server.catalog(tmp_path).images(S2, start, start + 86_400_000, BOX)
        for _ in range(2):
            image.read(("B2",), GRID)
    assert len([record for record in caplog.records if "shifted already" in record.getMessage()]) == warned


def test_the_old_collection_is_not_asked_where_it_has_nothing_that_is_taken(tmp_path: Path):
    with small_archive((DAY,)) as server:
        server.catalog(tmp_path).images(S2, *JUNE, BOX)
        asked = [(each.host, each.body.get("collections")) for each in server.asked if each.path.endswith("/search")]
        assert (EARTH_SEARCH, [C1.collection]) in asked
        assert (EARTH_SEARCH, [OLD.collection]) not in asked
