"""docs/view.md: its commands and lines are run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import isamap
from isamap.gee_export.earth_engine import session as sessions
from isamap.inference.web_map import document, view
from isamap.inference.web_map.picture import COARSE_STEPS
from tests.support.event_loop import event_loop_of_a_kernel  # noqa: F401

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "view.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    (text,) = re.findall(rf"^```{name}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return text


@pytest.fixture
def folder(finished_map, random_map, tmp_path, monkeypatch) -> Path:
    """A folder with maps of the names that the page gives."""
    (tmp_path / "maps").mkdir()
    for year in (2017, 2020, 2023):
        period = {"period": f"{year}-06", "period_start": f"{year}-06-01", "period_end": f"{year}-07-01"}
        finished_map(random_map, f"maps/wuhan-{year}.tif", **period)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_makes_the_page_of_three_years(folder):
    words = shlex.split(re.search(r"^isamap view .*$", PAGE, flags=re.MULTILINE).group())
    assert isamap.main(words[1:]) == 0
    text = (folder / "wuhan.html").read_text("utf-8")
    assert len(re.findall(r'id="map-\d-class"', text)) == 3


def last_value(code: str):
    """What a notebook would draw below the cell."""
    lines, _, last = code.strip().rpartition("\n")
    space: dict = {}
    exec(lines, space)
    return eval(last, space)


def test_the_first_lines_draw_the_page(folder, monkeypatch):
    monkeypatch.setattr(sessions, "_current", None)
    assert "srcdoc" in last_value(block("python notebook")).data


@pytest.mark.long
def test_the_lines_with_a_session_draw_tiles(geemap, folder, session, home):
    shown = last_value(block("python session"))
    assert [layer.name for layer in shown.layers][-2:] == ["Sentinel-2 2020-06", "isa 2020-06"]


def test_the_limits_are_the_codes():
    assert f"{view.LIMIT_BYTES // 10**6} MB" in PAGE and f"steps of {100 / COARSE_STEPS:g} %" in PAGE
    assert f"{document.SIDE_PX:,} pixels" in " ".join(PAGE.split())


def test_the_address_for_qgis_is_a_route_of_the_service():
    from isamap.inference.serve.map_routes import MapRoutes

    path = re.sub(r"^http://[^/]+|\s", "", block("text qgis"))
    routes = MapRoutes(None, None, None, None).routes()
    example = path.replace("MAP", "wuhan").replace("{z}", "1").replace("{x}", "0").replace("{y}", "0")
    assert np.any([route.path_regex.match(example) for route in routes])
