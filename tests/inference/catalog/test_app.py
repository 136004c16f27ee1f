"""The Code Editor App: a JavaScript parser reads it, and its settings are those of the published images."""

from __future__ import annotations

import json
import uuid

import pytest

import isamap
from isamap.inference.catalog.app import script, settings_of
from isamap.inference.map_files import legend
from isamap.inference.map_files.map_file import open_map
from isamap.inference.publishing import asset, manifest
from isamap.inference.publishing.asset import Target

NAME = "projects/local/assets/wuhan"


@pytest.fixture
def text(finished_map, random_map) -> str:
    properties = manifest.properties(open_map(finished_map(random_map)), "0" * 64)
    return script(settings_of(NAME, properties, (2019, 2023)))


def settings(text: str) -> dict:
    return json.loads(text.partition("var settings = ")[2].partition(";\n")[0])


def test_a_parser_of_javascript_reads_it(text):
    import esprima

    assert esprima.parseScript(text).body[0].declarations[0].id.name == "settings"
    with pytest.raises(esprima.Error):
        esprima.parseScript(text.replace("ui.root.clear();", "ui.root.clear(;"))


def test_it_has_the_years_the_classes_and_the_colours(text):
    values = settings(text)
    assert (values["firstYear"], values["lastYear"], values["asset"]) == (2019, 2023, NAME)
    assert {c["name"]: c["colour"] for c in values["classes"]} == {
        name: legend.COLOURS[name] for name in ("pervious", "impervious")
    }


def test_it_says_that_it_is_simulated(text):
    assert settings(text)["title"] == "SIMULATED: wuhan"


def test_the_command_reads_the_published_collection(session, home, finished_map, random_map, tmp_path, capsys):
    from isamap import inference

    name = f"projects/local/assets/tests/{uuid.uuid4().hex[:12]}"
    Target(name).make_collection()
    inference.publish(finished_map(random_map), asset=f"{name}/wuhan_2020", progress=False)
    out = tmp_path / "app.js"
    assert isamap.main(["app", name, "--out", str(out)]) == 0
    assert settings(out.read_text("utf-8"))["firstYear"] == 2020
    assert "an App's readers must be able to read its images" in capsys.readouterr().out
    assert isamap.main(["app", name, "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_an_asset_that_is_no_collection_is_refused(session, home, tmp_path, capsys):
    assert isamap.main(["app", f"{NAME}_never", "--out", str(tmp_path / "app.js")]) == 2
    assert "is no image collection" in capsys.readouterr().err


def test_a_shared_collection_asks_for_no_sharing(session, home, finished_map, random_map, tmp_path, capsys):
    """Its images too: an App reads them."""
    import ee

    name = f"projects/local/assets/tests/{uuid.uuid4().hex[:12]}"
    Target(name).make_collection()
    image = f"{name}/wuhan_2020"
    assert isamap.main(["publish", str(finished_map(random_map)), "--asset", image, "--public"]) == 0
    assert asset.is_public(image)
    asset.share(name)
    assert isamap.main(["app", name, "--out", str(tmp_path / "app.js")]) == 0
    assert "must be able to read" not in capsys.readouterr().out
    roles = [binding["role"] for binding in ee.data.getIamPolicy(image)["bindings"] if "allUsers" in binding["members"]]
    assert roles == ["roles/viewer"]  # once, however often it is shared


def test_one_year_has_no_slider_and_the_chart_has_a_point_a_year(text):
    """A slider needs two ends; zones of a year are one point."""
    assert settings(text)["years"] == [2019, 2023] and "settings.firstYear === settings.lastYear" in text
    assert "ui.Chart.feature.byFeature" in text and "settings.years.map" in text
    assert "select(settings.probability)" in text.partition("var area")[2].partition("var chart")[0]
