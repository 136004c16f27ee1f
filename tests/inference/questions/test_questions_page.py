"""docs/questions.md: every command of its table runs, on files of the names that it uses."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

import isamap
from isamap.gee_export.sentinel.composite import Settings
from tests.inference.conftest import WUHAN, stored_scene, write_tif
from tests.inference.years.conftest import year_maps_in
from tests.support import plot as plots

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "questions.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+\?) \| (.+?) \| (.+) \|$", PAGE, flags=re.MULTILINE)
COMMANDS = [re.fullmatch("`(.*)`", command)[1] for _, command, _ in ROWS if command != "-"]
ASKS_WORLD = "--products"  # the simulated products take a minute
SIDE = 60


@pytest.fixture(scope="module")
def office(tmp_path_factory, engine_home, make_checkpoint, reconnected):
    """A folder with what the page names; commands run there in the page's order."""
    folder = tmp_path_factory.mktemp("office")
    rng = np.random.default_rng(3)
    shares = np.clip(rng.normal(0.3, 0.3, (SIDE, SIDE)), 0, 1)
    write_year = year_maps_in(folder)
    for year in (2018, 2021, 2023):
        shares = np.clip(shares + rng.uniform(0, 0.15, shares.shape), 0, 1)
        made = write_year(year, np.rint(254 * shares).astype(np.uint8))
        for path in made.parent.glob(f"{year}*"):
            path.rename(folder / f"city-{path.name}")
    _districts(folder / "districts.geojson")
    write_tif(folder / "scene.tif", stored_scene(150, 137))
    west, south, *_ = plots.REGION.bounds_wsen
    plots.write(folder / "plot")
    bbox = [west + 0.004, south + 0.005, west + 0.010, south + 0.010]
    (folder / "place.toml").write_text(f'bbox = {bbox}\nmonth = ["2019-06"]\ncatalog = "{folder / "plot"}"\n')
    settings = Settings.of(speckle="none", clouds="none").to_json()
    changes = {
        "city": {"composite": settings},
        "percent": {"target": "share"},
        "sets": {"conformal": {"alpha": 0.1, "least": [100, 120]}},
    }
    for name, change in changes.items():
        (folder / "runs").mkdir(exist_ok=True)
        make_checkpoint(**change).rename(folder / "runs" / name)
    return folder


def _districts(path: Path) -> None:
    """Two halves of the maps."""
    left, top = WUHAN.c, WUHAN.f
    rings = {}
    for name, (west, east) in {"west": (0, SIDE / 2), "east": (SIDE / 2, SIDE)}.items():
        corners = [(west, 0), (east, 0), (east, SIDE), (west, SIDE), (west, 0)]
        rings[name] = [[left + 10 * x, top - 10 * y] for x, y in corners]
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for name, ring in rings.items()
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32650"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, "crs": crs}))


def _fill(folder: Path) -> None:
    """Answers as the map of 2021 says, so that some points differ from the map of 2023."""
    sheet = folder / "sample" / "sheet" / "answers.csv"
    rows = list(csv.DictReader(sheet.open()))
    with rasterio.open(folder / "city-2021.tif") as file:
        to_map = Transformer.from_crs(4326, file.crs, always_xy=True)
        places = [to_map.transform(float(row["LON"]), float(row["LAT"])) for row in rows]
        for row, (value,) in zip(rows, file.sample(places, indexes=[1]), strict=True):
            row["class"] = ("pervious", "impervious")[value]
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_only_two_questions_have_no_answer():
    assert len(COMMANDS) == len(ROWS) - 2 and len(ROWS) == PAGE.count("? |")
    missing = [answer for _, command, answer in ROWS if command == "-"]
    assert all(answer.startswith("missing: ") for answer in missing)


@pytest.mark.parametrize(
    "command",
    [pytest.param(command, marks=pytest.mark.long if ASKS_WORLD in command else ()) for command in COMMANDS],
)
def test_the_command_answers(command, office, monkeypatch, capsys):
    monkeypatch.chdir(office)
    for earlier in COMMANDS[: COMMANDS.index(command)]:  # a command may be run alone
        if (made := _out(earlier)) in _words(command) and not (office / made).exists():
            _run(earlier, office)
    _run(command, office)
    printed = capsys.readouterr().out
    made = _out(command)
    assert printed.strip() and (made is None or (office / made).exists())


def _run(command: str, office: Path) -> None:
    assert isamap.main(_words(command)) == 0
    if command.startswith("isamap assess sample"):
        _fill(office)


def _words(command: str) -> list[str]:
    return shlex.split(command)[1:]


def _out(command: str) -> str | None:
    words = _words(command)
    return words[words.index("--out") + 1] if "--out" in words else None
