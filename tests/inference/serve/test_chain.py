"""The processes one after the other, as a person uses them: patches, a network, its map, a sample of it, an asset."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gee_export.base.option_files import read
from gee_export.base.options import from_options
from gee_export.export.request import ExportRequest
from inference.serve.processes import PROCESSES
from inference.tiles.jobs import RunRequest
from tests.inference.serve.conftest import BBOX, TOWN
from tests.inference.serve.test_server import Running, start, until  # noqa: F401  (a fixture)

OPEN = ("accepted", "running")


def done(server: Running, process: str, inputs: dict) -> dict:
    """The results of a job that is waited for."""
    job = server.ask(f"/processes/{process}/execution", {"inputs": inputs})["jobID"]
    until(lambda: server.ask(f"/jobs/{job}")["status"] not in OPEN)
    info = server.ask(f"/jobs/{job}")
    assert info["status"] == "successful", info["message"]
    return server.ask(f"/jobs/{job}/results")


@pytest.mark.long
def test_from_patches_to_an_asset(start, settings):  # noqa: F811
    server = start()
    place = {"bbox": BBOX, "period": "2019-06"}
    dataset = done(server, "export", place | {"size": 16, "stride": 16, "name": "plot"})["dataset"]["value"]
    assert [row["name"] for row in server.ask("/datasets")["datasets"]] == [dataset]
    training = {"data": [dataset], "recipe": "unet-tiny", "epochs": 1, "name": "fresh"}
    network = done(server, "train", training)["checkpoint"]["value"]
    assert {row["name"] for row in server.ask("/checkpoints")["checkpoints"]} == {"run", network}
    href = done(server, "map", place | {"checkpoint": network})["map"]["href"]
    id = href.rpartition("/")[2]
    sample = done(server, "assess", {"map": id, "points": 10, "design": "simple"})
    assert re.fullmatch(r"/jobs/[0-9a-f]{32}/files/sample.zip", sample["sample"]["href"])
    asset = "projects/local/assets/service/plot"
    results = done(server, "publish", {"map": id, "asset": asset})
    assert results["asset"] == asset and results["code"].startswith(f"var map = ee.Image('{asset}');")


@pytest.mark.parametrize("period", ["2019-06", "2019-JJA", "2019", "2019-06-01..2019-07-15"])
def test_the_files_of_options_are_read_by_their_commands(library, tmp_path, period):
    place = {"bbox": BBOX, "period": period}
    (words,) = PROCESSES["map"].read(place | {"checkpoint": "run"}, library).commands(tmp_path)
    assert words == ("run", "jobs.toml")
    request = from_options(RunRequest, read(RunRequest, tmp_path / "jobs.toml"))
    assert len(request.jobs()) == 1 and request.where.bbox == tuple(BBOX)
    (words,) = PROCESSES["export"].read(place, library).commands(tmp_path)
    assert words == ("export", "--config", "export.toml")
    assert len(from_options(ExportRequest, read(ExportRequest, tmp_path / "export.toml")).placed()[2]) == 1


def test_a_polygon_is_written_beside_its_options(library, tmp_path):
    west, south, east, north = BBOX
    ring = [[west, south], [east, south], [east, north], [west, south]]
    inputs = {"checkpoint": "run", "period": "2019-06", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    PROCESSES["map"].read(inputs, library).commands(tmp_path)
    request = from_options(RunRequest, read(RunRequest, tmp_path / "jobs.toml"))
    (job,) = request.jobs()
    assert job.area[0].outline.equals_exact(job.area[0].outline.__class__(ring), 1e-9)
    assert [Path(path).parent for path in request.where.geometry] == [tmp_path]


def test_a_cluster_makes_the_tiles_where_there_is_one(library, tmp_path):
    from dataclasses import replace

    from inference.serve.library import Library

    clustered = Library(replace(library.settings, scheduler="tcp://10.0.0.1:8786"))
    (words,) = (
        PROCESSES["map"].read({"checkpoint": "run", "bbox": BBOX, "period": "2019-06"}, clustered).commands(tmp_path)
    )
    assert words == ("run", "jobs.toml", "--scheduler", "tcp://10.0.0.1:8786")


def test_answers_are_estimated_after_a_sample(library, town, tmp_path):
    request = PROCESSES["assess"].read({"map": TOWN, "points": 10, "answers": "plotid,class\n"}, library)
    sample, estimate = request.commands(tmp_path)
    assert sample[:2] == ("assess", "sample") and estimate[:2] == ("assess", "estimate")
    assert (tmp_path / "answers.csv").read_text() == "plotid,class\n"
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "key.json").write_text("{}")
    assert [words[:2] for words in request.commands(tmp_path)] == [("assess", "estimate")]
