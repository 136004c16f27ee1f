"""The processes one after the other, as a person uses them: patches, a network, its map, a sample of it, an asset."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from isamap.gee_export.base.option_files import read
from isamap.gee_export.base.options import from_options
from isamap.gee_export.export.request import ExportRequest
from isamap.inference.serve.job import OPEN
from isamap.inference.serve.library import Library
from isamap.inference.serve.processes import PROCESSES
from isamap.inference.tiles.jobs import RunRequest
from tests.inference.serve.conftest import BBOX, TOWN
from tests.inference.serve.test_server import until
from tests.support.running_service import Running, running_service

TOWN_3KM = [114.28, 30.58, 114.312, 30.608]


def done(service: Running, process: str, inputs: dict) -> dict:
    """The results of a job that is waited for."""
    job = service.post(f"/processes/{process}/execution", {"inputs": inputs})["jobID"]
    until(lambda: service.json(f"/jobs/{job}")["status"] not in OPEN)
    info = service.json(f"/jobs/{job}")
    assert info["status"] == "successful", info["message"]
    return service.json(f"/jobs/{job}/results")


@pytest.mark.long
def test_from_patches_to_an_asset(network, plot_folder, engine_home, tmp_path):
    options = ("--checkpoint", str(network), "--catalog", str(plot_folder))
    with running_service(tmp_path / "service", engine_home, *options) as service:
        location = {"bbox": BBOX, "period": "2019-06"}
        cut = done(service, "export", location | {"size": 16, "stride": 16, "name": "plot"})["dataset"]["value"]
        assert [row["name"] for row in service.json("/datasets")["datasets"]] == [cut]
        training = {"data": [cut], "recipe": "unet-tiny", "epochs": 1, "name": "fresh"}
        trained = done(service, "train", training)["checkpoint"]["value"]
        assert {row["name"] for row in service.json("/checkpoints")["checkpoints"]} == {"run", trained}
        href = done(service, "map", location | {"checkpoint": trained})["map"]["href"]
        id = href.rpartition("/")[2]
        sample = done(service, "assess", {"map": id, "points": 10, "design": "simple"})
        assert re.fullmatch(r"/jobs/[0-9a-f]{32}/files/sample.zip", sample["sample"]["href"])
        asset = "projects/local/assets/service/plot"
        published = done(service, "publish", {"map": id, "asset": asset})
    assert (published["asset"], published["code"]) == (asset, "")  # the local engine's: Google has nothing to show
    assert f'ee.Image("{asset}")' in published["python"]


def test_a_place_too_small_for_a_first_network_is_refused_before_work_begins(client):
    reply = client.post("/processes/first-network/execution", json={"inputs": {"bbox": BBOX, "period": "2019-06"}})
    assert reply.status_code == 422 and "choose a place of 3 km or more each way" in reply.json()["detail"]


def test_a_first_networks_price_has_both_steps(client):
    inputs = {"bbox": TOWN_3KM, "period": "2019-06"}
    cut = client.post("/processes/export/estimate", json={"inputs": inputs | {"size": 64, "stride": 64}}).json()
    full = client.post("/processes/first-network/estimate", json={"inputs": inputs | {"epochs": 10}}).json()
    assert full["patches"] == cut["patches"]
    assert full["minutes"] == pytest.approx(cut["minutes"] + 0.25 + 10 * cut["epoch_minutes"], abs=0.02)


def test_a_first_networks_commands_are_the_two_steps(library, tmp_path):
    request = PROCESSES["first-network"].read({"bbox": TOWN_3KM, "period": "2019-06"}, library)
    export, train = request.commands(tmp_path)
    assert export[0] == "export" and train[:3] == ("train", "--data", str(tmp_path / "dataset"))
    assert PROCESSES["first-network"].read(request.inputs, library) == request


@pytest.mark.parametrize(("side", "batch"), [(0.025, 3), (0.03, 4), (0.2, 8)])
def test_a_first_networks_batch_fits_its_place(library, tmp_path, side, batch):
    """Patches of 640 m that are cut at every edge, of which a half is the training's, are no fewer than a batch."""
    inputs = {"bbox": [114.3, 30.0, 114.3 + side, 30.0 + side], "period": "2019-06"}
    train = PROCESSES["first-network"].read(inputs, library).commands(tmp_path)[1]
    assert train[-1] == f"batch={batch}"
    columns, rows = (max(1, int(metres / 640) - 1) for metres in (side * 96_400, side * 110_800))
    assert max(1, columns * rows // 2) >= batch


@pytest.mark.parametrize("period", ["2019-06", "2019-JJA", "2019", "2019-06-01..2019-07-15"])
def test_the_files_of_options_are_read_by_their_commands(library, tmp_path, period):
    location = {"bbox": BBOX, "period": period}
    (words,) = PROCESSES["map"].read(location | {"checkpoint": "run"}, library).commands(tmp_path)
    assert words == ("run", "jobs.toml")
    request = from_options(RunRequest, read(RunRequest, tmp_path / "jobs.toml"))
    assert len(request.jobs()) == 1 and request.where.bbox == tuple(BBOX)
    (words,) = PROCESSES["export"].read(location, library).commands(tmp_path)
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
    clustered = Library(replace(library.settings, scheduler="tcp://10.0.0.1:8786"))
    inputs = {"checkpoint": "run", "bbox": BBOX, "period": "2019-06"}
    (words,) = PROCESSES["map"].read(inputs, clustered).commands(tmp_path)
    assert words == ("run", "jobs.toml", "--scheduler", "tcp://10.0.0.1:8786")


def test_answers_are_estimated_after_a_sample(library, town, tmp_path):
    request = PROCESSES["assess"].read({"map": TOWN, "points": 10, "answers": "plotid,class\n"}, library)
    sample, estimate = request.commands(tmp_path)
    assert sample[:2] == ("assess", "sample") and estimate[:2] == ("assess", "estimate")
    assert (tmp_path / "answers.csv").read_text() == "plotid,class\n"
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "key.json").write_text("{}")
    assert [words[:2] for words in request.commands(tmp_path)] == [("assess", "estimate")]
