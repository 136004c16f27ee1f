"""Finished maps: what lists say of them, their tiles pixel by pixel, values, areas and files to take away."""

from __future__ import annotations

import gc
import io
import math
import threading
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer

from isamap.gee_export.base.feature_table import read_table
from isamap.gee_export.base.rasters import open_bytes
from isamap.inference.serve import map_routes, tiles
from isamap.inference.serve.map_store import MapStore
from isamap.inference.serve.tiles import TileAddress
from tests.inference.conftest import WUHAN
from tests.inference.serve.conftest import TOWN, add_map

TO_METRES = Transformer.from_crs(4326, 32650, always_xy=True)
TO_DEGREES = Transformer.from_crs(32650, 4326, always_xy=True)
BOXES = ("1,2,3", "a,b,c,d", "1,2,3,nan", "0,0,170,80", "1,2,3,1e400")
COLOURS = {0: (0xD9, 0xD9, 0xD9, 255), 1: (0xE3, 0x1A, 0x1C, 255), 255: (0, 0, 0, 0)}


def lonlat(row: float, col: float) -> tuple[float, float]:
    """Of a point of the town's grid, by pyproj."""
    lon, lat = TO_DEGREES.transform(*(WUHAN * (col, row)))
    return lon, lat


def tile_at(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames"""
    scale = 2**zoom
    x = (lon + 180) / 360 * scale
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * scale
    return int(x), int(y)


def picture(client, layer: str, zoom: int, x: int, y: int) -> np.ndarray:
    reply = client.get(f"/maps/{TOWN}/tiles/{layer}/{zoom}/{x}/{y}.png")
    assert reply.status_code == 200 and reply.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(reply.content)).convert("RGBA"))


def expected(values_HW: np.ndarray, zoom: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """The values under the centres of a tile's pixels, 255 off the map; and which centres are clear of an edge."""
    scale = 2**zoom
    cols, rows = np.meshgrid(x + (np.arange(256) + 0.5) / 256, y + (np.arange(256) + 0.5) / 256)
    lon = cols / scale * 360 - 180
    lat = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * rows / scale))))
    col, row = ~WUHAN * TO_METRES.transform(lon, lat)
    inside = (row >= 0) & (row < values_HW.shape[0]) & (col >= 0) & (col < values_HW.shape[1])
    values = np.full((256, 256), 255, np.uint8)
    values[inside] = values_HW[row[inside].astype(int), col[inside].astype(int)]
    clear = (np.abs(row - np.round(row)) > 0.1) & (np.abs(col - np.round(col)) > 0.1)
    return values, clear


def test_a_list_says_what_a_map_is(client, town):
    (document,) = client.get("/maps").json()["maps"]
    assert (document["id"], document["name"], document["period"]) == (TOWN, "a town", "2020-06")
    assert document["classes"][1] == {"value": 1, "name": "impervious", "colour": "#e31a1c"}
    assert (document["step_m"], document["simulated"], document["bands"]) == (10, True, ["class", "probability"])
    west, south, east, north = document["bbox"]
    lon, lat = lonlat(45, 35)
    assert west < lon < east and south < lat < north


def test_a_file_that_is_no_map_is_left_out(client, settings, town):
    (settings.maps / "note.tif").write_bytes(b"II*\0 nothing")
    assert [each["id"] for each in client.get("/maps").json()["maps"]] == [TOWN]


def test_a_map_that_was_replaced_is_seen(client, settings, town, finished_map, random_map):
    before = client.get(f"/maps/{TOWN}/point", params=dict(zip(("lon", "lat"), lonlat(50.5, 40.5), strict=True))).json()
    turned = random_map.copy()
    turned[0] = np.where(turned[0] == 255, 255, 1 - turned[0])
    add_map(settings, finished_map(turned, "other.tif", period="2021-06"), TOWN)
    after = client.get(f"/maps/{TOWN}/point", params=dict(zip(("lon", "lat"), lonlat(50.5, 40.5), strict=True))).json()
    assert (before["value"], after["value"]) in ((0, 1), (1, 0))


def test_an_unknown_map_is_named(client):
    assert client.get("/maps/nothing").json()["detail"] == "Map 'nothing' is not there: GET /maps lists them."


@pytest.mark.long
@pytest.mark.parametrize("zoom", [15, 16, 17])
def test_a_tile_of_classes_has_the_colour_of_each_pixel(client, town, zoom):
    x, y = tile_at(*lonlat(30, 30), zoom)
    colours_HW4 = picture(client, "class", zoom, x, y)
    values_HW, clear_HW = expected(town[0], zoom, x, y)
    wanted_HW4 = np.array([COLOURS[value] for value in values_HW.ravel().tolist()], np.uint8).reshape(256, 256, 4)
    same_HW = (colours_HW4 == wanted_HW4).all(axis=2) | ((colours_HW4[..., 3] == 0) & (wanted_HW4[..., 3] == 0))
    assert same_HW[clear_HW].mean() > 0.999
    assert len(np.unique(values_HW)) == 3 or zoom > 15  # the tile shows both classes and unknown ground


def test_a_tile_of_probabilities_reddens_with_them(client, town):
    x, y = tile_at(*lonlat(30, 30), 16)
    colours_HW4 = picture(client, "probability", 16, x, y).astype(int)
    values_HW, clear_HW = expected(town[1], 16, x, y)
    share_HW = values_HW / 254
    known = clear_HW & (values_HW != 255)
    for channel, (white, red) in enumerate(zip((255, 255, 255), (227, 26, 28), strict=True)):
        wanted = white * (1 - share_HW) + red * share_HW
        close = np.abs(colours_HW4[..., channel] - wanted)[known] <= 0.51
        assert close.mean() > 0.999
    assert (colours_HW4[..., 3][known] == 255).mean() > 0.999


def test_off_the_map_there_is_no_tile(client, town):
    reply = client.get(f"/maps/{TOWN}/tiles/class/15/1/1.png")
    assert (reply.status_code, reply.content) == (204, b"")


@pytest.mark.long
@pytest.mark.parametrize(
    "address",
    [
        *("class/25/0/0", "class/3/8/0", "class/3/0/8", "odd/3/0/0", "class/3/0/99999999999"),
        *("class/-1/0/0", "class/a/0/0", "class/3/1.5/0"),
        *(f"class/12/3347/{number}" for number in ("9" * 4301, "1" * 400, "²", "1_0")),
    ],
)
def test_a_tile_that_cannot_be_is_not_there(client, town, address):
    reply = client.get(f"/maps/{TOWN}/tiles/{address}.png")
    assert reply.status_code == 404 and reply.headers["content-type"] == "application/problem+json"


def test_a_coarse_tile_is_of_the_overview_that_is_fine_enough(settings, town):
    """One overview fewer would be read whole; one more has fewer pixels than are shown."""
    stored = MapStore(settings.maps).map(TOWN)
    for zoom, factors in ((16, {1}), (8, {1, 2, 4, 8, 16, 32, 64})):
        x, y = tile_at(*lonlat(20, 20), zoom)
        source = tiles._source(stored.file.classes, stored, TileAddress(zoom, x, y))
        factor = round(stored.file.geobox.shape[1] / source.width)
        ground_m = TileAddress(zoom, x, y).step_m * math.cos(math.radians(stored.bbox[1]))
        assert factor in factors and stored.step_m * factor <= max(ground_m, stored.step_m)


@pytest.mark.long
def test_tiles_lose_no_memory(settings, town):
    """rasterio 1.4's calculate_default_transform lost 790 bytes at each call, counted by glibc over many tiles."""
    import ctypes
    import platform

    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")

    class Count(ctypes.Structure):  # mallinfo2(3)
        _fields_: ClassVar = [(f"field{number}", ctypes.c_size_t) for number in range(10)]

    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Count
    stored = MapStore(settings.maps).map(TOWN)
    address = TileAddress(16, *tile_at(*lonlat(20, 20), 16))

    def used_bytes(times: int) -> int:
        for _ in range(times):
            tiles.tile(stored, "class", address)
        gc.collect()
        return int(mallinfo2().field7)  # uordblks

    before = used_bytes(50)
    assert used_bytes(400) - before < 400 * 250


def test_a_tile_that_a_browser_has_is_not_sent_again(client, town):
    x, y = tile_at(*lonlat(30, 30), 16)
    address = f"/maps/{TOWN}/tiles/class/16/{x}/{y}.png"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304


def test_tilejson_has_what_its_specification_requires(client, town):
    """https://github.com/mapbox/tilejson-spec/tree/master/3.0.0: tilejson and tiles; bounds, center, zooms in range."""
    document = client.get(f"/maps/{TOWN}/tilejson.json?layer=probability").json()
    assert document["tilejson"] == "3.0.0" and 0 <= document["minzoom"] <= document["maxzoom"] <= 30
    (address,) = document["tiles"]
    assert all(part in address for part in ("{z}", "{x}", "{y}"))
    west, south, east, north = document["bounds"]
    lon, lat, zoom = document["center"]
    assert west < lon < east and south < lat < north and document["minzoom"] <= zoom <= document["maxzoom"]
    assert "SIMULATED" in document["description"]
    x, y = tile_at(lon, lat, document["maxzoom"])
    assert client.get(address.format(z=document["maxzoom"], x=x, y=y)).status_code == 200


@pytest.mark.parametrize(
    ("parts", "begins", "sentence"),
    [
        ("input", "SIMULATED, says nothing about the real place. ", "Simulated input: this map says nothing"),
        ("training", "Of a network that learned from SIMULATED images. ", "Simulated training: the network learned"),
    ],
)
def test_input_and_training_are_called_simulated_each_by_itself(
    client, settings, finished_map, random_map, parts, begins, sentence
):
    add_map(settings, finished_map(random_map, simulated_parts=parts), TOWN)
    (document,) = client.get("/maps").json()["maps"]
    assert document["simulated"] is True and document["simulation"].startswith(sentence)
    assert client.get(f"/maps/{TOWN}/tilejson.json").json()["description"] == f"{begins}2020-06"
    description = client.get("/collections/maps").json()["description"]
    assert ("say nothing about real places" in description) == (parts == "input")
    assert ("learned from SIMULATED images" in description) == (parts == "training")


@pytest.mark.long
@pytest.mark.parametrize(("row", "col"), [(20, 20), (55, 3), (89, 69), (0, 69)])
def test_a_point_has_the_value_of_its_pixel(client, town, row, col):
    lon, lat = lonlat(row + 0.5, col + 0.5)
    document = client.get(f"/maps/{TOWN}/point", params={"lon": lon, "lat": lat}).json()
    assert document["value"] == town[0, row, col]
    assert document["class"] == ("pervious", "impervious")[town[0, row, col]]
    assert document["probability"] == pytest.approx(town[1, row, col] / 254, abs=1e-4)


@pytest.mark.long
@pytest.mark.parametrize(("row", "col"), [(2, 2), (-1, 5), (95, 5)])
def test_a_point_that_the_map_does_not_know_is_not_there(client, town, row, col):
    lon, lat = lonlat(row + 0.5, col + 0.5)
    assert client.get(f"/maps/{TOWN}/point", params={"lon": lon, "lat": lat}).status_code == 404


@pytest.mark.long
@pytest.mark.parametrize("query", ["lon=x&lat=1", "lat=1", "lon=nan&lat=1", "lon=1e999&lat=1", "lon=200&lat=1"])
def test_a_point_of_no_degrees_is_refused(client, town, query):
    assert client.get(f"/maps/{TOWN}/point?{query}").status_code == 400


def test_the_history_of_a_point_is_in_every_map_by_period(client, settings, town, finished_map):
    later = np.stack([np.ones((90, 70)), np.full((90, 70), 200)]).astype(np.uint8)
    times = {"period": "2021-06", "period_start": "2021-06-01", "period_end": "2021-07-01"}
    add_map(settings, finished_map(later, "later.tif", **times), "a-later-town")
    lon, lat = lonlat(50.5, 40.5)
    history = client.get(f"/maps/{TOWN}/point", params={"lon": lon, "lat": lat}).json()["history"]
    assert [(each["period"], each["map"]) for each in history] == [("2020-06", TOWN), ("2021-06", "a-later-town")]
    assert (history[1]["class"], history[1]["probability"]) == ("impervious", pytest.approx(200 / 254, abs=1e-4))


def test_the_areas_of_a_polygon_are_those_of_its_pixels(client, town):
    """A polygon along the edges of 30 x 20 pixels."""
    corners = [lonlat(row, col) for row, col in ((40, 20), (40, 40), (70, 40), (70, 20), (40, 20))]
    polygon = {"type": "Polygon", "coordinates": [[list(corner) for corner in corners]]}
    document = client.post(f"/maps/{TOWN}/area", json=polygon).json()
    inside = town[0, 40:70, 20:40]
    for value, name in enumerate(("pervious", "impervious")):
        assert document["area_km2"][name] == pytest.approx((inside == value).sum() * 1e-4, rel=0.003)
    assert document["pixels"] == pytest.approx(600, abs=2) and document["nodata_km2"] == pytest.approx(0, abs=1e-6)
    assert "biased" in document["note"]


def test_areas_are_counted_in_threads_that_nothing_else_waits_for(client, town, monkeypatch):
    """A polygon of 3,900 slivers takes seconds of a processor."""
    threads = []
    monkeypatch.setattr(map_routes.map_values, "areas_in", lambda *_: threads.append(threading.current_thread().name))
    west, south, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    client.get(f"/maps/{TOWN}/area?bbox={west},{south},{east},{north}")
    assert len(threads) == 1 and threads[0].startswith("isamap-areas")


def test_the_areas_of_a_box_count_unknown_ground_apart(client, town):
    west, _, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    _, south = lonlat(89.9, 0)
    document = client.get(f"/maps/{TOWN}/area?bbox={west},{south},{east},{north}").json()
    assert document["nodata_km2"] == pytest.approx((town[0] == 255).sum() * 1e-4, rel=0.01)


def test_areas_of_several_maps_are_of_the_ground_that_all_know(client, settings, town, finished_map):
    """A second map knows one quarter more, and one quarter less: counted pixel by pixel where both know."""
    half = town.copy()
    half[0, :, : town.shape[2] // 2] = 255
    add_map(settings, finished_map(half), "half")
    height, width = town.shape[1:]
    left, bottom = lonlat(height + 3, -3)
    right, top = lonlat(-3, width + 3)
    answer = client.get(f"/areas?maps={TOWN},half&bbox={left},{bottom},{right},{top}").json()
    known = (town[0] != 255) & (half[0] != 255)
    for row in answer["maps"]:
        for value, km2 in enumerate(row["area_km2"].values()):
            assert km2 == pytest.approx(float((town[0][known] == value).sum()) * 1e-4, rel=2e-3)
    assert answer["known_km2"] == pytest.approx(known.sum() * 1e-4, rel=2e-3)
    assert 0.3 < answer["known_share"] < 0.6


def test_maps_without_common_ground_have_none(client, settings, town, finished_map):
    add_map(settings, finished_map(np.full_like(town, 255)), "empty")
    (left, top), (right, bottom) = lonlat(0, 0), lonlat(*town.shape[1:])
    answer = client.get(f"/areas?maps={TOWN},empty&bbox={left},{bottom},{right},{top}").json()
    assert answer["known_share"] == 0 and all(not any(row["area_km2"].values()) for row in answer["maps"])


@pytest.mark.long
@pytest.mark.parametrize("maps", ["", ",".join(["town-2020"] * 21), "nothing"])
def test_areas_of_no_maps_or_too_many_are_refused(client, town, maps):
    assert client.get(f"/areas?maps={maps}&bbox=1,2,3,4").status_code in (400, 404)


def test_a_polygon_off_the_map_is_refused(client, town):
    reply = client.get(f"/maps/{TOWN}/area?bbox=10,10,10.01,10.01")
    assert reply.status_code == 422 and "does not lie on the map" in reply.json()["detail"]


@pytest.mark.long
@pytest.mark.parametrize("query", ["", *(f"bbox={box}" for box in BOXES)])
def test_a_box_that_is_none_or_too_large_is_refused(client, town, query):
    assert client.get(f"/maps/{TOWN}/area?{query}").status_code == 422


def test_a_geotiff_is_the_maps_own_file(client, settings, town):
    for format, name in (("geotiff", f"{TOWN}.tif"), ("probability", f"{TOWN}_prob.tif")):
        reply = client.get(f"/maps/{TOWN}/download?format={format}")
        assert reply.content == (settings.maps / name).read_bytes()
        assert reply.headers["content-disposition"].startswith("attachment")
    with open_bytes(reply.content, "probability") as file:
        assert (file.read(1) == town[1]).all()


def test_a_map_of_one_class_is_told_with_the_remedy(client, town, settings, finished_map):
    empty = town.copy()
    empty[0][empty[0] == 1] = 0
    add_map(settings, finished_map(empty, "empty.tif"), "empty")
    (warning,) = client.get("/maps/empty").json()["warnings"]
    assert warning.startswith("every known pixel of the map is pervious") and "isamap calibrate" in warning
    assert client.get(f"/maps/{TOWN}").json()["warnings"] == []


@pytest.mark.long
def test_a_geopackage_has_the_areas_of_the_classes(client, town, tmp_path):
    path = tmp_path / "classes.gpkg"
    path.write_bytes(client.get(f"/maps/{TOWN}/download?format=gpkg").content)
    table = read_table(path)
    for value, name in enumerate(("pervious", "impervious")):
        shapes = table.shapes[table.columns["class"] == name]
        assert sum(shape.area for shape in shapes) == pytest.approx((town[0] == value).sum() * 100)


def test_a_table_has_the_areas_of_the_map(client, town):
    lines = client.get(f"/maps/{TOWN}/download?format=csv").text.splitlines()
    areas = client.get(f"/maps/{TOWN}").json()["area_km2"]
    assert lines[0].startswith("map,period,class,counted_km2,simulated")
    assert lines[2].startswith(f"{TOWN},2020-06,impervious,{areas['impervious']},true,")


@pytest.mark.long
def test_a_picture_is_a_png(client, town):
    reply = client.get(f"/maps/{TOWN}/download?format=png")
    assert reply.content.startswith(b"\x89PNG") and reply.headers["content-type"] == "image/png"


@pytest.mark.parametrize("address", ["tilejson.json?layer=odd", "download?format=exe"])
def test_an_unknown_layer_or_format_is_refused(client, town, address):
    assert client.get(f"/maps/{TOWN}/{address}").status_code == 400


def test_a_map_is_there_only_when_all_its_files_are(settings, finished_map, random_map, monkeypatch):
    """The classes are taken over last: a worker that dies before leaves no map."""
    taken = []
    original = MapStore.publish.__globals__["_take_over"]

    def dying(source, target):
        taken.append(target.name)
        if target.name == f"{TOWN}.tif":
            raise KeyboardInterrupt
        original(source, target)

    monkeypatch.setitem(MapStore.publish.__globals__, "_take_over", dying)
    with pytest.raises(KeyboardInterrupt):
        add_map(settings, finished_map(random_map), TOWN)
    assert taken[-1] == f"{TOWN}.tif" and len(taken) == 3
    assert MapStore(settings.maps).maps() == []
