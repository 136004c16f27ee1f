"""Maps of percents in the service: their own layer, values, areas as sums and file, and no word of probability."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import rasterio
from PIL import Image

from isamap.inference.map_files.map_file import files_of
from tests.inference.serve.conftest import TOWN, add_map
from tests.inference.serve.test_maps import expected, lonlat, tile_at
from tests.support.running_service import running_service


@pytest.fixture
def percents(settings, finished_map, random_map) -> np.ndarray:
    """Stored steps of 1/254, uint8 (rows, columns), of a map of shares that the service has."""
    add_map(settings, finished_map(random_map, target="share"), TOWN)
    return random_map[1]


def km2_of(steps_HW: np.ndarray) -> tuple[float, float]:
    """Impervious and pervious ground as the sum of whole percents; pixels of 10 m."""
    known = np.rint(steps_HW[steps_HW != 255] * 100.0 / 254)
    return known.sum() / 100 * 1e-4, (100 - known).sum() / 100 * 1e-4


def test_what_is_said_of_it_speaks_of_shares_alone(client, percents):
    document = client.get(f"/maps/{TOWN}").json()
    assert document["bands"] == ["class", "share"] and "probability" not in json.dumps(document)
    lon, lat = lonlat(20.5, 30.5)
    point = client.get(f"/maps/{TOWN}/point?lon={lon}&lat={lat}").json()
    assert point["share"] == pytest.approx(percents[20, 30] / 254, abs=1e-4) and "probability" not in point
    item = client.get(f"/collections/maps/items/{TOWN}").json()
    assert item["assets"]["share"]["raster:bands"][0]["unit"] == "%" and "probability" not in item["assets"]


def test_areas_are_sums_of_percents(client, percents):
    """Of the whole map, of a box around it, and beside itself; up to the 0.2 % of a UTM zone's scale."""
    impervious, pervious = km2_of(percents)
    document = client.get(f"/maps/{TOWN}").json()
    box = ",".join(map(str, document["bbox"]))
    in_box = client.get(f"/maps/{TOWN}/area?bbox={box}").json()
    beside = client.get(f"/areas?maps={TOWN}&bbox={box}").json()["maps"][0]
    for areas in (document["area_km2"], in_box["area_km2"], beside["area_km2"]):
        assert areas["impervious"] == pytest.approx(impervious, rel=4e-3)
        assert areas["pervious"] == pytest.approx(pervious, rel=4e-3)
    assert in_box["note"].startswith("the sum of percents")


def test_its_tiles_have_the_palette_of_its_file(client, percents):
    x, y = tile_at(*lonlat(30, 30), 16)
    reply = client.get(f"/maps/{TOWN}/tiles/share/16/{x}/{y}.png")
    colours_HW4 = np.asarray(Image.open(io.BytesIO(reply.content)).convert("RGBA"))
    values_HW, clear_HW = expected(percents, 16, x, y)
    known = clear_HW & (values_HW != 255)
    percent = np.rint(values_HW * 100.0 / 254)[known][:, None] / 100
    wanted = np.array([0xD9, 0xD9, 0xD9]) * (1 - percent) + np.array([0xE3, 0x1A, 0x1C]) * percent
    assert (np.abs(colours_HW4[known][:, :3] - wanted) <= 0.51).all(axis=1).mean() > 0.999
    assert client.get(f"/maps/{TOWN}/tiles/probability/16/{x}/{y}.png").status_code == 404


def test_its_file_is_taken_away_as_percents(client, percents):
    reply = client.get(f"/maps/{TOWN}/download?format=share")
    with rasterio.MemoryFile(reply.content) as memory, memory.open() as file:
        assert file.units == ("%",) and file.read(1)[20, 30] == round(int(percents[20, 30]) * 100 / 254)
    assert client.get(f"/maps/{TOWN}/download?format=probability").status_code == 400
    table = client.get(f"/maps/{TOWN}/download?format=csv").text
    assert (
        "summed_km2" in table and f"impervious,{client.get(f'/maps/{TOWN}').json()['area_km2']['impervious']}" in table
    )


def test_a_map_that_has_lost_its_percents_is_no_map(client, settings, percents):
    (settings.folder / "maps" / f"{TOWN}_share.tif").unlink()
    assert client.get(f"/maps/{TOWN}").status_code == 404


@pytest.mark.long
def test_the_page_says_percent_and_no_probability(tab, finished_map, random_map, tmp_path):
    folder = tmp_path / "service" / "maps"
    folder.mkdir(parents=True)
    for path in files_of(finished_map(random_map, "p.tif", target="share")):
        path.rename(folder / path.name)
    with running_service(folder.parent, tmp_path / "home") as service:
        tab.open(service.address + "/#map=p", width=1280, height=860)
        tab.wait_for("document.querySelectorAll('#files a').length")
        tab.evaluate("document.querySelector('input[name=band][value=numbers]').click()")
        tab.wait_for("!document.querySelector('#ramp').hidden")
        assert (tab.text("#numbers-word"), tab.text("#ramp-words")) == ("Percent", "impervious share of a pixel")
        links = tab.evaluate("[...document.querySelectorAll('#files a')].map(a => a.getAttribute('href'))")
        assert [link.rpartition("=")[2] for link in links] == ["geotiff", "share", "gpkg", "csv", "png"]
        assert "probability" not in tab.evaluate("document.body.innerText").lower()
