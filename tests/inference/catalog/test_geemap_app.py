"""The App for notebooks, run with geemap itself on the local engine: what it draws, counts and answers."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import urllib.request
import uuid
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import isamap
from isamap import inference
from isamap.inference.publishing.asset import Target
from tests.support.event_loop import event_loop_of_a_kernel  # noqa: F401

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("geemap")]
YEARS = (2019, 2023)


@pytest.fixture(scope="module")
def maps() -> dict[int, np.ndarray]:
    """Classes and probabilities of two years; of the second twice as much is impervious."""
    made = {}
    for year, built in zip(YEARS, (20, 40), strict=True):
        share_HW = np.full((90, 70), 50, np.uint8)
        share_HW[:built] = 200
        made[year] = np.stack([(share_HW >= 127).astype(np.uint8), share_HW])
    return made


@pytest.fixture
def app(session, home, finished_map, maps, tmp_path, monkeypatch) -> ModuleType:
    """The module that the command writes of two published years."""
    name = f"projects/local/assets/tests/{uuid.uuid4().hex[:12]}"
    Target(name).make_collection()
    for year, values in maps.items():
        days = {"period_start": f"{year}-06-01", "period_end": f"{year}-07-01"}
        inference.publish(finished_map(values, f"{year}.tif", **days), asset=f"{name}/m{year}", progress=False)
    out = tmp_path / "wuhan_app.py"
    assert isamap.main(["app", name, "--out", str(tmp_path / "app.js"), "--geemap", str(out)]) == 0
    spec = importlib.util.spec_from_file_location("wuhan_app", out)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def view(app):
    """The App; ipywidgets' views need an event loop and no page."""
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    yield app.app()
    loop.close()


def of_type(view, name: str) -> list:
    return [each for each in (*view.layers, *view.controls) if type(each).__name__ == name]


def widgets(view, name: str) -> list:
    """Every widget of a type, in the App's panels."""

    def below(widget) -> list:
        inner = getattr(widget, "children", ()) or ()
        return [widget, *(each for child in inner for each in below(child))]

    panels = [each.widget for each in of_type(view, "WidgetControl")]
    return [each for panel in panels for each in below(panel) if type(each).__name__ == name]


def test_areas_are_the_expected_shares_of_each_year(app, maps):
    """100 m2 a pixel on the grid; UTM's scale is within 0.1 % there."""
    areas = app.areas()
    assert list(areas) == list(YEARS)
    for year, km2 in areas.items():
        assert km2 == pytest.approx(maps[year][1].sum() / 254 * 1e-4, rel=0.2)  # of 7 x 9 pixels of 100 m
    assert areas[2023] > areas[2019]


def test_the_probability_at_a_point_is_the_maps(app, maps):
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(212750 + 355, 3416360 - 305)
    assert app.probability(lon, lat, 2019) == pytest.approx(50 / 254)
    assert app.probability(lon, lat, 2023) == pytest.approx(200 / 254)
    assert app.probability(0, 0, 2023) is None


def test_two_years_are_side_by_side_and_their_tiles_are_pictures(view):
    (split,) = of_type(view, "SplitMapControl")
    left, right = split.left_layer, split.right_layer
    assert left.url != right.url
    with urllib.request.urlopen(left.url.format(z=12, x=3347, y=1681)) as reply:
        assert reply.status == 200 and reply.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_slider_changes_the_year_of_its_side(view):
    (split,) = of_type(view, "SplitMapControl")
    first, second = widgets(view, "IntSlider")
    assert (first.value, second.value) == YEARS
    before = split.left_layer.url, split.right_layer.url
    first.value = 2023
    assert split.left_layer.url != before[0] and split.right_layer.url == before[1]


def test_a_click_says_the_probability(view, maps):
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(212750 + 355, 3416360 - 305)
    for callback in view._interaction_callbacks.callbacks:
        callback(type="click", coordinates=[lat, lon])
    assert f"2023: {200 / 254:.2f}" in [label.value for label in widgets(view, "Label")]


def test_it_has_a_legend_and_a_chart(view):
    (legend,) = widgets(view, "Legend")
    assert "impervious" in str(legend.get_state()) and "e31a1c" in str(legend.get_state()).lower()
    (picture,) = widgets(view, "Image")
    assert bytes(picture.value).startswith(b"\x89PNG")


def test_both_apps_have_the_same_settings(app, tmp_path):
    text = (tmp_path / "app.js").read_text("utf-8")
    assert json.loads(text.partition("var settings = ")[2].partition(";\n")[0]) == app.SETTINGS


@pytest.mark.parametrize(("name", "words"), [("app.txt", "ends in .py"), ("my-app.py", "notebooks import it")])
def test_another_name_is_refused(session, home, tmp_path, capsys, name, words):
    options = ["--out", str(tmp_path / "app.js"), "--geemap", str(tmp_path / name)]
    assert isamap.main(["app", "projects/local/assets/isa", *options]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "app.js").exists()


def test_the_file_needs_nothing_of_isamap(app):
    imports = [node for node in ast.walk(ast.parse(Path(app.__file__).read_text("utf-8")))
               if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names == {"io", "ee", "geemap", "ipyleaflet", "ipywidgets", "matplotlib.figure"}
