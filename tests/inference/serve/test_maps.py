"""Finished maps: what lists say of them, their tiles pixel by pixel, values, areas and files to take away."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer

from gee_export.base.feature_table import read_table
from gee_export.base.rasters import open_bytes
from inference.serve.map_store import MapStore
from inference.serve.tiles import TileAddress
from tests.inference.conftest import WUHAN
from tests.inference.serve.conftest import TOWN, add_map

TO_METRES = Transformer.from_crs(4326, 32650, always_xy=True)
TO_DEGREES = Transformer.from_crs(32650, 4326, always_xy=True)
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


def test_a_map_tells_its_areas(client, town):
    areas = client.get(f"/maps/{TOWN}").json()["area_km2"]
    for value, name in enumerate(("pervious", "impervious")):
        assert areas[name] == pytest.approx((town[0] == value).sum() * 1e-4, rel=0.002)  # the grid's own scale


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


@pytest.mark.parametrize(
    "address", ["class/25/0/0", "class/3/8/0", "class/3/0/8", "odd/3/0/0", "class/3/0/99999999999"]
)
def test_a_tile_that_cannot_be_is_refused(client, town, address):
    assert client.get(f"/maps/{TOWN}/tiles/{address}.png").status_code == 404


@pytest.mark.parametrize("address", ["class/-1/0/0", "class/a/0/0", "class/3/1.5/0"])
def test_a_tile_of_no_numbers_is_no_address(client, town, address):
    assert client.get(f"/maps/{TOWN}/tiles/{address}.png").status_code == 404


def test_a_tile_that_a_browser_has_is_not_sent_again(client, town):
    x, y = tile_at(*lonlat(30, 30), 16)
    address = f"/maps/{TOWN}/tiles/class/16/{x}/{y}.png"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304


def test_tiles_cover_the_world_once():
    assert TileAddress(0, 0, 0).side_m == pytest.approx(40_075_016.686)
    left, top = TileAddress(1, 1, 1).corner_m
    assert (left, top) == (0, 0)


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


def test_the_tiles_of_tilejson_are_there(client, town):
    document = client.get(f"/maps/{TOWN}/tilejson.json").json()
    lon, lat, _ = document["center"]
    zoom = document["maxzoom"]
    x, y = tile_at(lon, lat, zoom)
    address = document["tiles"][0].format(z=zoom, x=x, y=y)
    assert client.get(address).status_code == 200


def test_an_unknown_layer_is_refused(client, town):
    assert client.get(f"/maps/{TOWN}/tilejson.json?layer=odd").status_code == 400


@pytest.mark.parametrize(("row", "col"), [(20, 20), (55, 3), (89, 69), (0, 69)])
def test_a_point_has_the_value_of_its_pixel(client, town, row, col):
    lon, lat = lonlat(row + 0.5, col + 0.5)
    document = client.get(f"/maps/{TOWN}/point", params={"lon": lon, "lat": lat}).json()
    assert document["value"] == town[0, row, col]
    assert document["class"] == ("pervious", "impervious")[town[0, row, col]]
    assert document["probability"] == pytest.approx(town[1, row, col] / 254, abs=1e-4)


@pytest.mark.parametrize(("row", "col"), [(2, 2), (-1, 5), (95, 5)])
def test_a_point_that_the_map_does_not_know_is_not_there(client, town, row, col):
    lon, lat = lonlat(row + 0.5, col + 0.5)
    assert client.get(f"/maps/{TOWN}/point", params={"lon": lon, "lat": lat}).status_code == 404


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


def test_the_areas_of_a_box_count_unknown_ground_apart(client, town):
    west, _, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    _, south = lonlat(89.9, 0)
    document = client.get(f"/maps/{TOWN}/area?bbox={west},{south},{east},{north}").json()
    assert document["nodata_km2"] == pytest.approx((town[0] == 255).sum() * 1e-4, rel=0.01)


def test_a_polygon_off_the_map_is_refused(client, town):
    reply = client.get(f"/maps/{TOWN}/area?bbox=10,10,10.01,10.01")
    assert reply.status_code == 422 and "does not lie on the map" in reply.json()["detail"]


@pytest.mark.parametrize("query", ["", "bbox=1,2,3", "bbox=a,b,c,d", "bbox=1,2,3,nan", "bbox=0,0,170,80"])
def test_a_box_that_is_none_or_too_large_is_refused(client, town, query):
    assert client.get(f"/maps/{TOWN}/area?{query}").status_code == 422


def test_a_geotiff_is_the_maps_own_file(client, settings, town):
    for format, name in (("geotiff", f"{TOWN}.tif"), ("probability", f"{TOWN}_prob.tif")):
        reply = client.get(f"/maps/{TOWN}/download?format={format}")
        assert reply.content == (settings.maps / name).read_bytes()
        assert reply.headers["content-disposition"].startswith("attachment")
    with open_bytes(reply.content, "probability") as file:
        assert (file.read(1) == town[1]).all()


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


def test_a_picture_is_a_png(client, town):
    reply = client.get(f"/maps/{TOWN}/download?format=png")
    assert reply.content.startswith(b"\x89PNG") and reply.headers["content-type"] == "image/png"


def test_an_unknown_format_is_refused(client, town):
    assert client.get(f"/maps/{TOWN}/download?format=exe").status_code == 400


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
