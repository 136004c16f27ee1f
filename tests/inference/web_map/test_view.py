"""The one-file page: what lies in it, byte for byte, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from pyproj import Geod, Transformer

import isamap
from isamap.inference.web_map import view as web_view
from isamap.inference.web_map.script import asset, joined
from isamap.inference.web_map.view import page_of, view_html
from tests.inference.conftest import WUHAN


def band(text: str, name: str) -> np.ndarray:
    """Stored values of a band of the page, by another reader of PNG than the page's own."""
    data = re.search(rf'<script type="text/plain" id="{name}">([^<]+)</script>', text).group(1)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    return np.asarray(picture)


def head(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="head">([^<]+)</script>', text).group(1))


@pytest.fixture
def text(finished_map, random_map) -> str:
    return page_of(finished_map(random_map, region="wuhan")).content.decode()


def test_the_page_holds_the_maps_values(text, random_map):
    np.testing.assert_array_equal(band(text, "map-0-class"), random_map[0])
    np.testing.assert_array_equal(band(text, "map-0-probability"), random_map[1])


def test_areas_of_the_map_are_those_of_its_pixels(text, random_map):
    """Geod says how large the grid's pixel in the middle is."""
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    corners = [WUHAN * (col, row) for col, row in ((35, 45), (36, 45), (36, 46), (35, 46))]
    lon, lat = to_degrees.transform(*zip(*corners, strict=True))
    pixel_km2 = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]) / 1e6
    area_km2 = head(text)["maps"][0]["area_km2"]
    assert area_km2["impervious"] == pytest.approx((random_map[0] == 1).sum() * pixel_km2, rel=1e-4)
    assert area_km2["pervious"] == pytest.approx((random_map[0] == 0).sum() * pixel_km2, rel=1e-4)
    assert head(text)["maps"][0]["unknown_km2"] == pytest.approx(63 * pixel_km2, rel=1e-4)


def test_places_of_the_lattice_are_pyprojs(text):
    grid = head(text)["grid"]
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(*(WUHAN * (grid["width"], grid["height"])))
    assert (grid["lon"][-1], grid["lat"][-1]) == pytest.approx((lon, lat), abs=1e-6)


def test_maps_stand_in_the_order_of_time(finished_map, random_map):
    late = finished_map(random_map, "a.tif", period="2023-06", period_start="2023-06-01")
    early = finished_map(random_map, "b.tif", period="2017-06", period_start="2017-06-01")
    text = page_of([late, early]).content.decode()
    assert [each["label"] for each in head(text)["maps"]] == ["2017-06", "2023-06"]


def test_maps_of_one_period_are_told_apart_by_their_files(finished_map, random_map):
    paths = [finished_map(random_map, name) for name in ("unet.tif", "crofusenet.tif")]
    labels = [each["label"] for each in head(page_of(paths).content.decode())["maps"]]
    assert sorted(labels) == ["crofusenet", "unet"]


def test_a_shifted_map_is_drawn_where_its_ground_is(finished_map, random_map):
    """Its pixels stand 20 columns to the right and 10 rows down of the first map's, and nothing stands beside them."""
    first = finished_map(random_map, "a.tif", period_start="2017-06-01")
    moved = finished_map(random_map, "b.tif", period_start="2018-06-01", transform=WUHAN * Affine.translation(20, 10))
    text = page_of([first, moved]).content.decode()
    expected = np.full((100, 90), 255, np.uint8)
    expected[10:, 20:] = random_map[0]
    np.testing.assert_array_equal(band(text, "map-1-class"), expected)


def test_equal_maps_give_equal_pages(finished_map, random_map):
    path = finished_map(random_map)
    assert page_of(path).content == page_of(path).content


def test_a_simulated_map_says_so_above_everything(text):
    assert "<p class='simulated' role='note'>Simulated input: this map says nothing about the real place.</p>" in text


def test_only_the_simulated_maps_are_named(finished_map, random_map):
    paths = [
        finished_map(random_map, "a.tif", period="2019-06", simulated="false"),
        finished_map(random_map, "b.tif", period="2021-06", simulated="true"),
    ]
    text = page_of(paths).content.decode()
    assert "role='note'>2021-06: simulated input: this map" in text


def test_a_real_map_says_nothing_of_simulation(finished_map, random_map):
    page = page_of(finished_map(random_map, simulated="false"))
    assert not page.simulated and b"role='note'" not in page.content


def test_source_and_date_are_in_the_page(text):
    facts = dict(head(text)["maps"][0]["facts"])
    assert facts["Period"] == "2020-06 (2020-06-01 to 2020-07-01)" and facts["Network"] == "unet"


def test_tags_of_a_map_are_text_and_not_markup(finished_map, random_map):
    """A tag is whatever a file says: it must not become an element or end the head's script."""
    evil = "</script><img src=x onerror=alert(1)>"
    text = page_of(finished_map(random_map, region=evil)).content.decode()
    assert "<img src=x" not in text and head(text)["maps"][0]["name"] == evil


def test_no_address_stands_in_the_page_but_names_of_formats(text):
    """Names of XML and of standards in comments are no requests; everything else would be."""
    addresses = set(re.findall(r"https?://[^\s\"')]+", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text


def test_the_joined_script_loads_nothing():
    script = joined("one_file.js")
    assert not re.search(r"^\s*(import|export)\b", script, flags=re.MULTILINE)


def test_a_page_has_its_own_files_before_the_shared_ones(tmp_path):
    (tmp_path / "dom.js").write_text("// own\n")
    assert asset("dom.js", tmp_path) == "// own\n" and asset("plane.js", tmp_path) == asset("plane.js")


def test_a_large_map_is_drawn_coarser_and_says_so(finished_map, monkeypatch):
    large = np.zeros((2, 600, 1400), np.uint8)
    large[:, :, 700:] = 1
    monkeypatch.setattr("isamap.inference.web_map.document.SIDE_PX", 350)
    page = page_of(finished_map(large))
    np.testing.assert_array_equal(band(page.content.decode(), "map-0-class"), [[0] * 175 + [1] * 175] * 150)
    assert "the page draws pixels of 40 m, the maps have 10 m" in page.notes[0]


def test_areas_of_a_map_drawn_coarser_are_those_of_all_its_pixels(finished_map, monkeypatch):
    lines = np.zeros((2, 300, 300), np.uint8)
    lines[:, :, ::7] = 1
    path = finished_map(lines)
    monkeypatch.setattr("isamap.inference.web_map.document.SIDE_PX", 100)
    area_km2 = head(page_of(path).content.decode())["maps"][0]["area_km2"]
    assert area_km2["impervious"] / sum(area_km2.values()) == pytest.approx(43 / 300, rel=1e-4)


def test_a_page_that_is_too_large_gets_coarser_probabilities_first(finished_map, random_map, monkeypatch):
    path = finished_map(random_map)
    fine = page_of(path)
    monkeypatch.setattr(web_view, "LIMIT_BYTES", len(fine.content) - 100)
    page = page_of(path)
    values = band(page.content.decode(), "map-0-probability")
    is_known = random_map[1] != 255
    np.testing.assert_array_equal(values[is_known], np.rint(random_map[1][is_known] * (20 / 254)))
    assert (values[~is_known] == 255).all() and page.notes == ("probabilities are in steps of 5 %",)


def test_then_coarser_pixels(finished_map, random_map, monkeypatch):
    path = finished_map(np.random.default_rng(0).integers(0, 2, (2, 540, 560), np.uint8))
    monkeypatch.setattr(web_view, "LIMIT_BYTES", len(page_of(path).content) // 2)
    page = page_of(path)
    assert len(page.content) <= web_view.LIMIT_BYTES and any("draws pixels of" in note for note in page.notes)


def test_the_page_is_named_html(finished_map, random_map, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.html"):
        view_html(finished_map(random_map), html=tmp_path / "map.png")


def test_maps_of_two_places_are_refused(finished_map, random_map):
    first = finished_map(random_map, "a.tif", period_start="2017-06-01")
    far = finished_map(random_map, "b.tif", period_start="2018-06-01", transform=WUHAN * Affine.translation(71, 0))
    with pytest.raises(ValueError, match=r"b\.tif lies beside .*a\.tif"):
        page_of([first, far])


def test_too_many_maps_are_refused(finished_map, random_map):
    with pytest.raises(ValueError, match="41 maps: a page holds 1 to 40"):
        page_of([finished_map(random_map)] * 41)


def test_the_command_writes_the_page(finished_map, random_map, tmp_path, capsys):
    path = finished_map(random_map)
    assert isamap.main(["view", str(path), str(path), "--html", str(tmp_path / "two.html")]) == 0
    assert "2 maps in one file" in capsys.readouterr().out
    assert len(head((tmp_path / "two.html").read_text("utf-8"))["maps"]) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], "give --out FILE.png, --html FILE.html or both"), (["--out", "x.png"], "--out draws one map, and 2 are")],
)
def test_the_command_says_what_is_missing(finished_map, random_map, capsys, words, sentence):
    path = str(finished_map(random_map))
    assert isamap.main(["view", path, path, *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_reads_the_joined_script(tmp_path):
    (tmp_path / "page.js").write_text(joined("one_file.js"), encoding="utf-8")
    subprocess.run(["node", "--check", str(tmp_path / "page.js")], check=True, timeout=60)
