"""Maps of networks that learned shares: percent in a file of its own, areas as sums, no word of probability."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import isamap
from isamap import inference
from isamap.inference.assessment.areas import area
from isamap.inference.catalog import app, geemap_app
from isamap.inference.catalog.app import settings_of
from isamap.inference.map_files import cog
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import numbers_words, open_map, share_of
from isamap.inference.publishing.snippet import javascript
from isamap.inference.web_map.facts import facts_of
from isamap.inference.web_map.static_picture import view
from tests.inference.conftest import write_tif
from tests.support.map_files import read_map


@pytest.fixture
def percent_run(make_checkpoint):
    return make_checkpoint(target="share")


@pytest.fixture
def mapped(percent_run, scene, tmp_path):
    return inference.map_region(percent_run, input=scene, out=tmp_path / "map.tif", progress=False)


def test_the_percents_are_the_networks_numbers(mapped):
    steps_HW = read_map(mapped.path)[1]
    expected = np.where(steps_HW == 255, 255, np.rint(steps_HW * 100.0 / 254)).astype(np.uint8)
    with rasterio.open(share_of(mapped.path)) as file:
        np.testing.assert_array_equal(file.read(1), expected)
        assert file.units == ("%",) and file.nodata == 255 and file.descriptions == ("impervious",)
        assert file.colormap(1)[0][:3] == (0xD9, 0xD9, 0xD9) and file.colormap(1)[100][:3] == (0xE3, 0x1A, 0x1C)
        assert file.tags()["target"] == "share"


def test_the_report_sums_the_shares_and_speaks_of_no_probability(mapped):
    steps_HW = read_map(mapped.path)[1]
    mean = steps_HW[steps_HW != 255].mean() / 254
    assert mapped.impervious_share == pytest.approx(mean, abs=2e-3)
    assert "percent impervious: " in str(mapped) and "probab" not in str(mapped)


def test_the_impervious_area_is_the_sum_of_the_shares(mapped):
    report = area(mapped.path)
    steps_HW = read_map(mapped.path)[1].astype(float)
    km2 = {row["class"]: row["mapped_km2"] for row in report.rows}
    known_HW = steps_HW != 255
    assert km2["impervious"] == pytest.approx(steps_HW[known_HW].sum() / 254 * 1e-4, rel=2e-3)
    assert km2["impervious"] + km2["pervious"] == pytest.approx(known_HW.sum() * 1e-4, rel=2e-3)
    assert any("the map holds percents" in text for text in report.warnings)


def test_a_finished_map_without_its_percents_gets_them_again(mapped, percent_run, scene):
    content = share_of(mapped.path).read_bytes()
    share_of(mapped.path).unlink()
    inference.map_region(percent_run, input=scene, out=mapped.path, progress=False)
    assert share_of(mapped.path).read_bytes() == content


def test_a_map_of_classes_takes_the_percents_of_a_former_one_away(mapped, run, scene):
    inference.map_region(run, input=scene, out=mapped.path, progress=False, overwrite=True)
    assert not share_of(mapped.path).exists()


def test_another_file_of_that_name_is_left_alone(percent_run, scene, tmp_path):
    write_tif(tmp_path / "map_share.tif", np.zeros((1, 4, 4), np.int16), names=(), scales=())
    with pytest.raises(ValueError, match=r"map_share.tif exists and is no file of this map's shares"):
        inference.map_region(percent_run, input=scene, out=tmp_path / "map.tif", progress=False)


def test_overviews_of_percents_are_means():
    values_2HW = np.repeat(np.array([[[0, 100, 255, 255], [50, 30, 255, 9]]], np.uint8), 2, axis=0)
    np.testing.assert_array_equal(cog.halved_means(values_2HW), np.full((2, 1, 2), [45, 9]))


@pytest.mark.long
def test_pages_and_pictures_speak_of_shares(finished_map, random_map, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda self, text, **_: titles.append(text))
    view(finished_map(random_map, target="share"), out=tmp_path / "p.png")
    assert "impervious share of a pixel" in titles
    page = isamap.view_html(finished_map(random_map, target="share"), html=tmp_path / "p.html").path.read_text()
    assert "probability of impervious" not in page and ">Share<" in page
    steps_HW = random_map[1][random_map[1] != 255].astype(float)
    assert facts_of(open_map(tmp_path / "map.tif"), "").area_km2["impervious"] == pytest.approx(
        steps_HW.sum() / 254 * 1e-4, rel=2e-3
    )
    plain = isamap.view_html(finished_map(random_map, "plain.tif"), html=tmp_path / "q.html").path.read_text()
    assert "probability of impervious" in plain


def test_what_is_published_of_it_speaks_of_shares():
    """The lines for the Code Editor, both Apps, and no word of probability but as a name of band and function."""
    tags = {"target": "share", "isa_class_names": "pervious,impervious"}
    settings = settings_of("projects/p/assets/a", tags, (2019, 2020))
    assert settings["words"] == numbers_words(tags) == "impervious share of a pixel"
    for text in (app.script(settings), geemap_app.script(settings, "maps")):
        assert "for the probability" not in text and "impervious share of a pixel" in text
    assert "'probability'" not in javascript(
        "projects/p/assets/a", Legend(("pervious", "impervious")), numbers_words(tags)
    )


def test_a_folder_of_a_map_and_its_percents_is_one_map(mapped):
    from isamap.inference.assessment.class_map import open_class_map

    (mapped.path.parent / "scene.tif").unlink()
    assert [sheet.path.name for sheet in open_class_map(mapped.path.parent).sheets] == ["map.tif"]
