"""`isamap.show` in a notebook: Earth Engine's tiles where there is a session, else the page in a frame."""

from __future__ import annotations

import base64
import html
import io
import re
import sys
import types
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer

import isamap
from isamap.gee_export.earth_engine import session as sessions
from isamap.inference.map_files.map_file import open_map
from isamap.inference.web_map import geemap_map, notebook
from tests.inference.conftest import WUHAN
from tests.support import plot as plots
from tests.support.event_loop import event_loop_of_a_kernel  # noqa: F401


@pytest.fixture
def unconnected(monkeypatch):
    monkeypatch.setattr(sessions, "_current", None)


@pytest.fixture
def connected(tmp_path, reconnected):
    """A session over a plot of images of June 2019."""
    with sessions.connect(catalog=plots.write(tmp_path / "plot").folder) as session:
        yield session


def june(finished_map, random_map, **tags):
    return finished_map(random_map, period="2019-06", period_start="2019-06-01", period_end="2019-07-01", **tags)


def test_without_a_session_the_page_is_shown_in_a_frame(unconnected, finished_map, random_map):
    path = finished_map(random_map)
    shown = isamap.show(path).data
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', shown).group(1))
    assert page == notebook.page_of(path).content.decode()
    assert 'sandbox="allow-scripts"' in shown


def test_a_report_is_as_good_as_its_path(unconnected, finished_map, random_map):
    report = types.SimpleNamespace(path=finished_map(random_map))
    assert isamap.show(report).data == isamap.show(report.path).data


@pytest.mark.long
def test_a_session_draws_the_map_over_its_own_imagery(geemap, connected, finished_map, random_map):
    view = isamap.show(june(finished_map, random_map))
    names = [layer.name for layer in view.layers]
    assert names[-2:] == ["Sentinel-2 2019-06", "isa 2019-06"]


@pytest.mark.long
def test_the_imagery_is_of_the_sessions_tiles(geemap, connected, finished_map, random_map):
    """The tile over the map's middle, asked for as the notebook's browser does."""
    view = isamap.show(june(finished_map, random_map))
    address = next(layer.url for layer in view.layers if layer.name.startswith("Sentinel-2"))
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(*(WUHAN * (35, 45)))
    zoom = 15
    x = int((lon + 180) / 360 * 2**zoom)
    y = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**zoom)
    with urlopen(address.format(z=zoom, x=x, y=y), timeout=120) as reply:
        assert reply.read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.long
def test_the_legend_says_simulated(geemap, connected, finished_map, random_map, monkeypatch):
    titles = []
    monkeypatch.setattr("geemap.Map.add_legend", lambda self, title, **_: titles.append(title))
    isamap.show(june(finished_map, random_map))
    isamap.show(june(finished_map, random_map, simulated="false"))
    assert titles == ["Simulated: this map says nothing about the real place", "Classes"]


def test_the_picture_lies_where_the_map_lies(finished_map, random_map):
    """A pixel of the map, found again in the picture by pyproj, has its class's colour."""
    map_file = open_map(finished_map(random_map))
    url, ((south, west), (north, east)) = geemap_map.picture_over(map_file)
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    drawn = np.asarray(picture)
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    rng = np.random.default_rng(0)
    same = 0
    for row, col in zip(rng.integers(20, 70, 200), rng.integers(20, 60, 200), strict=True):
        lon, lat = to_degrees.transform(*(WUHAN * (col + 0.5, row + 0.5)))
        at = int((north - lat) / (north - south) * drawn.shape[0]), int((lon - west) / (east - west) * drawn.shape[1])
        same += drawn[at] == random_map[0, row, col]
    assert same > 190  # a pixel of the picture is not quite one of the map: some centres fall into the neighbour's


def test_colab_does_not_reach_a_local_engine(connected, finished_map, random_map, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert "srcdoc" in isamap.show(june(finished_map, random_map)).data


def test_colab_refuses_an_asset_of_a_local_engine(connected, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    with pytest.raises(ValueError, match=r"Colab's browser cannot reach the local engine.*show the map's file"):
        isamap.show("projects/local/assets/isa/wuhan")


def test_an_asset_needs_a_session(unconnected):
    with pytest.raises(ValueError, match=r"give session=isamap\.connect\(\)"):
        isamap.show("projects/local/assets/isa/wuhan")


@pytest.mark.long
def test_an_asset_is_drawn_by_earth_engines_tiles(geemap, session, home, finished_map, random_map):
    path, asset = june(finished_map, random_map), "projects/local/assets/shown/june"
    report = isamap.publish(path, asset=asset)
    layers = {layer.name: layer for layer in isamap.show(report, session=session).layers}
    assert {"isa", "probability of impervious"} <= set(layers) and not layers["probability of impervious"].visible
    assert "/tiles/{z}/{x}/{y}" in layers["isa"].url


@pytest.mark.long
def test_another_asset_is_refused(geemap, connected):
    import ee

    ee.data.createFolder("projects/local/assets/a_folder")
    with pytest.raises(ValueError, match="is no map that `isamap publish` made"):
        isamap.show("projects/local/assets/a_folder")
