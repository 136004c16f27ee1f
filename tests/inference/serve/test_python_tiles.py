"""docs/view.md: its lines for xarray, folium, ipyleaflet, leafmap run against a service; Chromium loads tiles."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.inference.conftest import finished_maps_in, random_values
from tests.support.chromium import Page
from tests.support.event_loop import event_loop_of_a_kernel  # noqa: F401
from tests.support.running_service import Running, running_service

pytestmark = pytest.mark.long

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "view.md").read_text(encoding="utf-8")
WRITTEN = "http://127.0.0.1:8765/maps/MAP/"
TILE_PX = 256


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    """A map in the folder of the service's maps."""
    maps = tmp_path_factory.mktemp("service") / "maps"
    maps.mkdir()
    path = finished_maps_in(tmp_path_factory.mktemp("made"))(random_values(), "town.tif")
    for name in ("town.tif", "town_prob.tif"):
        (maps / name).write_bytes(path.with_name(name).read_bytes())
    return maps / "town.tif"


@pytest.fixture(scope="module")
def service(town: Path, tmp_path_factory) -> Iterator[Running]:
    """A service with the map `town`."""
    with running_service(town.parents[1], tmp_path_factory.mktemp("home")) as running:
        yield running


def values(service: Running, *names: str) -> dict:
    """What the page's blocks leave behind, one after the other."""
    space: dict = {}
    for name in names:
        (text,) = re.findall(rf"^```python {name}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
        assert name in ("ipyleaflet", "leafmap") or WRITTEN in text
        exec(text.replace(WRITTEN, f"{service.address}/maps/town/"), space)
    return space


def test_rioxarray_reads_the_pixels_of_the_map(service, random_map):
    pytest.importorskip("rioxarray")
    space = values(service, "rioxarray")
    assert np.array_equal(space["classes"].values, random_map[0])


def test_rioxarray_gives_the_impervious_area(service, random_map, town):
    pytest.importorskip("rioxarray")
    with rasterio.open(town) as file:
        pixel_m2 = abs(file.transform.determinant)
    area = values(service, "rioxarray")["impervious_km2"]
    assert area == pytest.approx((random_map[0] == 1).sum() * pixel_m2 / 1e6)


def test_folium_draws_the_tiles_of_the_service(service):
    pytest.importorskip("folium")
    html = values(service, "folium")["shown"].get_root().render()
    assert f"{service.address}/maps/town/tiles/class/{{z}}/{{x}}/{{y}}.png" in html


def test_ipyleaflet_draws_the_tiles_of_the_service_where_the_map_is(service):
    pytest.importorskip("ipyleaflet")
    live = values(service, "folium", "ipyleaflet")["live"]
    assert live.layers[-1].url == f"{service.address}/maps/town/tiles/class/{{z}}/{{x}}/{{y}}.png"
    west, south, east, north = service.json("/maps/town")["bbox"]
    assert south < live.center[0] < north and west < live.center[1] < east


def test_leafmap_draws_the_tiles_of_the_service_where_the_map_is(service):
    pytest.importorskip("leafmap")
    live = values(service, "folium", "leafmap")["live"]
    (layer,) = [each for each in live.layers if each.name == "isamap"]
    assert layer.url == f"{service.address}/maps/town/tiles/class/{{z}}/{{x}}/{{y}}.png"
    west, south, east, north = service.json("/maps/town")["bbox"]
    assert south < live.center[0] < north and west < live.center[1] < east


@pytest.fixture
def notebook(tmp_path) -> Iterator[int]:
    """The port of another server of this machine, as Jupyter is one."""
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook" / "index.html").write_text("<body data-ready=true>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "notebook"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def width_of_tile(tab: Page, service: Running, page: str) -> int:
    """The width of the map's middle tile as a picture in another page; 0 where the browser got none."""
    tiles = values(service, "folium")["tiles"]
    lon, lat = tiles["center"][:2]
    side = 2 ** tiles["maxzoom"]
    col = int((lon + 180) / 360 * side)
    row = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * side)
    address = tiles["tiles"][0].format(z=tiles["maxzoom"], x=col, y=row)
    tab.open(page)
    return tab.evaluate(
        "new Promise(done => { const i = new Image(); i.onload = i.onerror = () => done(i.naturalWidth);"
        f" i.src = '{address}' }})"
    )


def test_a_notebook_of_the_same_host_shows_tiles(tab, service, notebook):
    assert width_of_tile(tab, service, f"http://127.0.0.1:{notebook}/") == TILE_PX, tab.complaints


def test_a_page_of_another_host_shows_none(tab, service, notebook):
    assert width_of_tile(tab, service, f"http://localhost:{notebook}/") == 0
