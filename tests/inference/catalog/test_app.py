"""The Code Editor App: a JavaScript parser reads it, and its settings are those of the published images."""

from __future__ import annotations

import json
import uuid

import pytest

import isamap
from inference import legend, manifest
from inference.asset import Target
from inference.catalog.app import script, settings_of
from inference.map_file import open_map

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
    import inference

    name = f"projects/local/assets/tests/{uuid.uuid4().hex[:12]}"
    Target(name).make_collection()
    inference.publish(finished_map(random_map), asset=f"{name}/wuhan_2020", progress=False)
    out = tmp_path / "app.js"
    assert isamap.main(["app", name, "--out", str(out)]) == 0
    assert settings(out.read_text("utf-8"))["firstYear"] == 2020
    assert isamap.main(["app", name, "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_an_asset_that_is_no_collection_is_refused(session, home, tmp_path, capsys):
    assert isamap.main(["app", f"{NAME}_never", "--out", str(tmp_path / "app.js")]) == 2
    assert "is no image collection" in capsys.readouterr().err
