"""docs/accuracy-and-area.md: every command that it shows runs, in its order, on small maps of its names."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

import isamap
from isamap.inference.assessment.class_map import open_class_map

PAGE = Path(__file__).resolve().parents[3] / "docs" / "accuracy-and-area.md"


def commands() -> list[str]:
    blocks = PAGE.read_text(encoding="utf-8").split("```")[1::2]
    return [line.strip() for block in blocks for line in block.splitlines() if line.startswith("isamap ")]


@pytest.fixture
def place(tmp_path, make_map, monkeypatch):
    """A folder with the maps, districts, image and survey of the page."""
    class_HW = np.zeros((40, 50), np.uint8)
    class_HW[:, 20:] = 1
    for year in (2018, 2020):
        class_HW[:8, :20] = year == 2020
        path = make_map(class_HW, f"maps/city-{year}.tif", period_start=f"{year}-06-01")
    with rasterio.open(path) as file, rasterio.open(tmp_path / "stack.tif", "w", **file.profile) as image:
        image.write(class_HW * 90, 1)
        box = shapely.box(*file.bounds)
    columns = {"name": np.array(["north"], dtype=object)}
    pyogrio.raw.write(
        tmp_path / "districts.gpkg", geometry=shapely.to_wkb([box]), field_data=list(columns.values()),
        fields=list(columns), crs="EPSG:32650", driver="GPKG", geometry_type="Polygon",
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill_in(folder: Path, sampled: str) -> None:
    """Answers the sheet from the map itself, and leaves what the page's other commands read beside it."""
    truth = open_class_map(sampled)
    rows = list(csv.DictReader((folder / "sheet" / "answers.csv").open()))
    lon, lat = (np.array([float(row[key]) for row in rows]) for key in ("LON", "LAT"))
    names = [truth.classes[value] for value in truth.at(lon, lat)]
    for row, name in zip(rows, names, strict=True):
        row["class"] = name
    others = [Path(name) for name in ("li.csv", "wu.csv", "xu.csv") if not Path(name).exists()]
    for path in (folder / "sheet" / "answers.csv", *others):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    if Path("survey.gpkg").exists():
        return
    fields = {"PLOTID": np.arange(len(rows)), "class": np.array(names, dtype=object)}
    pyogrio.raw.write(
        "survey.gpkg", geometry=shapely.to_wkb(shapely.points(lon, lat)), field_data=list(fields.values()),
        fields=list(fields), crs="EPSG:4326", driver="GPKG", geometry_type="Point",
    )  # fmt: skip


@pytest.mark.long
def test_every_command_of_the_page_runs(place, home, capsys):
    for command in commands():
        words = shlex.split(command)[1:]
        assert isamap.main(words) == 0, (command, capsys.readouterr().err)
        if words[:2] == ["assess", "sample"]:
            fill_in(place / words[words.index("--out") + 1], words[2])
    assert {"areas.gpkg", "change.csv", "report", "city-change.tif", "change-estimates.csv"} <= {
        path.name for path in place.iterdir()
    }


def test_the_page_shows_every_command_of_assessments():
    shown = {name for name in isamap.COMMANDS if any(line.startswith(f"isamap {name} ") for line in commands())}
    assert shown == {"assess plan", "assess sample", "assess estimate", "area", "change"}
