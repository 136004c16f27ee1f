"""Notebooks 01 and 04 with `catalog = "open"`: their own cells, on the ground and month of a small town."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
import rasterio
from rasterio.features import shapes
from shapely.geometry import mapping, shape

from tests.support import open_town
from tests.support.open_town import OpenTown

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
BBOX = (114.1155, 30.5055, 114.1315, 30.5185)
# Left out: pip, what needs a browser, and cells that ask the simulated world for its truth
OTHER = ("%pip", "isamap.show", "world/truth10", "truth_of", "truth", '"world"]')


def cells(name: str) -> list[str]:
    """The code cells on the archives, with the town's place and month, fewer epochs and smaller patches."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    text = "\n\n".join(source for source in sources if not any(word in source for word in OTHER))
    assert 'catalog = "world"' in text
    text = text.replace('catalog = "world"', 'catalog = "open"').replace('region="wuhan",', "")
    text = re.sub(r"20(19|20)-06", "2023-06", text)
    text = re.sub(r"\(114\.\d+, 30\.\d+, 114\.\d+, 30\.\d+\)", str(BBOX), text)
    text = re.sub(r'"epochs": \d+', '"epochs": 1, "batch": 2', text).replace("size=64", "size=32")
    return text.replace("export_patches(", "export_patches(size=32, stride=32, ", "size=32" not in text).split("\n\n")


def write_polygons(town: OpenTown, path: Path) -> None:
    """The town's blocks as a person might draw them."""
    drawn = [shape(outline) for outline, value in shapes(town.built.astype("uint8"), transform=open_town.GRID.affine)
             if value]  # fmt: skip
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{open_town.EPSG}"}}
    features = [{"type": "Feature", "properties": {}, "geometry": mapping(each)} for each in drawn]
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))


@pytest.mark.long
@pytest.mark.parametrize(("name", "made"), [("01_wuhan", "wuhan-2023-06"), ("04_own_labels", "own")])
def test_a_notebook_runs_on_the_archives(name, made, town, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    write_polygons(town, tmp_path / "polygons.geojson")
    namespace: dict = {}
    for cell in cells(name):
        exec(compile(cell, name, "exec"), namespace)
    with rasterio.open(tmp_path / "maps" / f"{made}.tif") as file:
        assert file.tags()["simulated"] == "false" and set(file.read(1).ravel()) <= {0, 1, 255}
