"""OGC API - Processes: descriptions, execution, estimates, jobs, as OGC 18-062r2 has them."""

from __future__ import annotations

import sqlite3
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from isamap.inference.plan.plan import plan_map
from isamap.inference.serve.app import Service
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.job import FAILED, SUCCESSFUL
from isamap.inference.serve.library import Library
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.processes import PROCESSES
from tests.inference.serve.conftest import BASE, BBOX, DOOR, TOWN, add_map

NOT_READY = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready"


def submitted(client, asked, **changes) -> dict:
    reply = client.post("/processes/map/execution", json=asked(**changes))
    assert reply.status_code == 201
    return reply.json()


def detail(reply, status: int = 422) -> str:
    assert reply.status_code == status
    return reply.json()["detail"]


def test_the_list_of_processes_has_what_the_standard_wants(client):
    """processSummary.yaml: id, version, jobControlOptions; processes.yaml: processes and links."""
    document = client.get("/processes").json()
    names = [each["id"] for each in document["processes"]]
    assert names == ["export", "train", "first-network", "map", "assess", "publish"]
    assert all(each["version"] and "async-execute" in each["jobControlOptions"] for each in document["processes"])
    assert document["links"][0]["rel"] == "self"


@pytest.mark.parametrize("name", PROCESSES)
def test_every_input_and_output_has_a_schema(client, name):
    """inputDescription.yaml and outputDescription.yaml: schema is required."""
    document = client.get(f"/processes/{name}").json()
    for field in (*document["inputs"].values(), *document["outputs"].values()):
        assert "type" in field["schema"] and field["title"]


def test_an_unknown_process_is_named(client):
    reply = client.get("/processes/paint")
    assert "expected export, train, first-network" in detail(reply, 404)
    assert reply.json()["type"].endswith("/no-such-process")


def test_an_execution_is_a_job_that_waits(client, asked):
    """statusInfo.yaml: jobID, status and type are required."""
    reply = client.post("/processes/map/execution", json=asked(name="field"))
    info = reply.json()
    assert reply.status_code == 201 and reply.headers["location"] == f"/jobs/{info['jobID']}"
    assert (info["status"], info["type"], info["processID"], info["progress"]) == ("accepted", "process", "map", 0)
    assert info["inputs"] == asked(name="field")["inputs"]
    assert client.get(reply.headers["location"]).json() == info


def test_the_same_request_twice_is_one_job(client, asked):
    """Also where its days are said in other words."""
    first = submitted(client, asked)
    for period in ("2019-06", "2019-06-01..2019-06-30"):
        reply = client.post("/processes/map/execution", json=asked(period=period))
        assert reply.status_code == 200 and reply.json()["jobID"] == first["jobID"]
    assert len(client.get("/jobs").json()["jobs"]) == 1


def test_another_network_under_the_same_name_is_another_job(client, asked, settings, make_checkpoint, monkeypatch):
    first = submitted(client, asked)
    monkeypatch.setattr("isamap.training.checkpoints.checkpoint.Checkpoint.fingerprint", "f" * 64)
    assert submitted(client, asked)["jobID"] != first["jobID"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"checkpoint": None}, "input 'checkpoint' is missing"),
        ({"checkpoint": "rum"}, "did you mean run"),
        ({"checkpoint": "../run"}, "expected a name"),
        ({"checkpoint": 7}, "expected a name"),
        ({"period": None}, "input 'period' is missing"),
        ({"period": "someday"}, "expected a month (2019-06)"),
        ({"period": "2099-01"}, "lies in the future"),
        ({"period": ["2019-06"]}, "expected 2020-06"),
        ({"period": "2010-01"}, "before the missions"),
        ({"name": "x" * 81}, "up to 80 printable"),
        ({"name": "a\nb"}, "printable"),
        ({"perriod": "2019-06"}, "input 'perriod' is unknown: did you mean period"),
        ({"bbox": [113, 30, 116, 32]}, "at most 10,000 km2"),
    ],
)
def test_a_wrong_input_is_refused_in_words(client, asked, changes, word):
    assert word in detail(client.post("/processes/map/execution", json=asked(**changes)))


def test_a_checkpoint_of_other_images_is_refused(settings, make_checkpoint, asked):
    made = replace(settings, checkpoints=(str(make_checkpoint(composite={})),))
    client = TestClient(Service(made, DOOR).application(), base_url=BASE)
    assert "images of another origin" in detail(client.post("/processes/map/execution", json=asked()))


@pytest.mark.parametrize("body", ["", "{", "[1]", '"text"', "nan", '{"inputs": NaN}'])
def test_a_body_that_is_no_object_is_refused(client, body):
    reply = client.post("/processes/map/execution", content=body, headers={"content-type": "application/json"})
    assert detail(reply, 400).startswith("The body is no")


def test_a_body_nested_too_deep_is_refused(client):
    text = "[" * 200_000 + "]" * 200_000
    reply = client.post("/processes/map/execution", content=text, headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422)


def test_no_address_of_a_request_is_asked(client, asked):
    """subscriber.yaml names addresses that a server would call: of this machine's network."""
    body = asked() | {"subscriber": {"successUri": "http://169.254.169.254/"}}
    assert "calls no addresses" in detail(client.post("/processes/map/execution", json=body), 400)


def test_only_so_many_jobs_are_open(settings, asked):
    client = TestClient(Service(replace(settings, limits=Limits(jobs=1)), DOOR).application(), base_url=BASE)
    submitted(client, asked)
    reply = client.post("/processes/map/execution", json=asked(period="2019-07"))
    assert "1 jobs are under way" in detail(reply, 429) and reply.headers["retry-after"]


def test_an_estimate_is_what_the_plan_says(client, asked, network):
    reply = client.post("/processes/map/estimate", json=asked()).json()
    plan = plan_map(bbox=tuple(BBOX), period=("2019-06",), checkpoint=str(network))
    assert (reply["tiles"], reply["requests"]) == (plan.tiles, plan.requests)
    assert reply["area_km2"] == pytest.approx(plan.area_km2, abs=1e-3)
    assert reply["eecu_hours"] == 0 and any("no EECU" in note for note in reply["notes"])


def test_what_a_map_lacks_is_looked_up_for_its_box_and_network(client, asked, monkeypatch):
    seen = []
    monkeypatch.setattr(ImageryTiles, "lack", lambda self, wanted: seen.append(wanted) or "choose another month")
    assert client.post("/processes/map/lack", json=asked()).json() == {"lack": "choose another month"}
    (wanted,) = seen
    assert list(wanted.bbox) == BBOX and (wanted.start, wanted.end) == ("2019-06-01", "2019-07-01")
    assert wanted.settings["speckle"] == "none"


def test_jobs_are_listed_by_status(client, asked, settings):
    submitted(client, asked)
    settings.jobs.finish(settings.jobs.take("a", 60), SUCCESSFUL, "done", {})
    second = submitted(client, asked, period="2019-07")
    jobs = client.get("/jobs?status=accepted").json()["jobs"]
    assert [job["jobID"] for job in jobs] == [second["jobID"]]
    assert len(client.get("/jobs?limit=1").json()["jobs"]) == 1


@pytest.mark.parametrize("query", ["status=odd", "limit=x", "limit=-1", "processID=paint"])
def test_a_wrong_query_is_refused(client, query):
    assert "expected" in detail(client.get(f"/jobs?{query}"), 400)


def test_results_wait_for_the_end(client, asked):
    info = submitted(client, asked)
    reply = client.get(f"/jobs/{info['jobID']}/results")
    assert reply.status_code == 404 and reply.json()["type"] == NOT_READY


def test_results_of_a_finished_job(client, asked, settings):
    info = submitted(client, asked)
    settings.jobs.finish(settings.jobs.take("a", 60), SUCCESSFUL, "done", {"map": {"href": "/maps/x"}})
    assert client.get(f"/jobs/{info['jobID']}/results").json() == {"map": {"href": "/maps/x"}}
    rels = [link["rel"] for link in client.get(f"/jobs/{info['jobID']}").json()["links"]]
    assert "http://www.opengis.net/def/rel/ogc/1.0/results" in rels


def test_results_of_a_failed_job_say_why(client, asked, settings):
    info = submitted(client, asked)
    settings.jobs.finish(settings.jobs.take("a", 60), FAILED, "the server will not")
    assert "the server will not" in detail(client.get(f"/jobs/{info['jobID']}/results"), 500)


def test_a_dismissed_job_that_has_ended_leaves_no_folder(client, asked, settings):
    info = submitted(client, asked)
    folder = settings.work(info["jobID"])
    folder.mkdir(parents=True)
    settings.jobs.finish(settings.jobs.take("a", 60), SUCCESSFUL, "done", {})
    client.delete(f"/jobs/{info['jobID']}")
    assert list(folder.parent.iterdir()) == []


def test_a_log_is_read_piece_by_piece(client, asked, settings):
    info = submitted(client, asked)
    folder = settings.work(info["jobID"])
    folder.mkdir(parents=True)
    (folder / "log.txt").write_bytes(b"first\n")
    reply = client.get(f"/jobs/{info['jobID']}/log")
    assert (reply.text, reply.headers["x-next-offset"]) == ("first\n", "6")
    assert reply.headers["content-type"].startswith("text/plain")
    with (folder / "log.txt").open("ab") as file:
        file.write(b"second\n")
    assert client.get(f"/jobs/{info['jobID']}/log?offset=6").text == "second\n"
    assert client.get(f"/jobs/{info['jobID']}/log?offset=999").text == ""


def test_only_named_folders_of_a_job_may_be_taken_away(client, asked, settings):
    info = submitted(client, asked)
    folder = settings.work(info["jobID"])
    (folder / "sample").mkdir(parents=True)
    (folder / "sample" / "sheet.csv").write_text("x")
    (folder / "sample" / "key.json").write_text("{}")
    settings.jobs.finish(settings.jobs.take("a", 60), SUCCESSFUL, "done", {})
    address = f"/jobs/{info['jobID']}/files"
    assert client.get(f"{address}/sample.zip").content.startswith(b"PK")
    assert b"key.json" not in client.get(f"{address}/sample.zip").content
    assert {client.get(f"{address}/{name}.zip").status_code for name in ("run", "..", "%2e%2e", "report")} == {404}


def test_a_map_is_published_under_a_name_that_earth_engine_takes(client, town):
    body = {"inputs": {"map": TOWN, "asset": "projects/local/assets/isa/town"}}
    assert client.post("/processes/publish/execution", json=body).status_code == 201


@pytest.mark.parametrize("tags", [{"simulated": "false"}, {"simulated_parts": "training"}])
def test_world_answers_are_of_maps_with_a_simulated_input(client, settings, finished_map, random_map, tags):
    add_map(settings, finished_map(random_map, **tags), "real")
    body = {"inputs": {"map": "real", "answers": "world"}}
    assert "shows a real place" in detail(client.post("/processes/assess/execution", json=body))


def test_the_network_that_comes_with_isamap_maps(settings, tmp_path):
    """Its address is a name, which a job's folder must not turn into a path."""
    library = Library(replace(settings, checkpoints=("starter",)))
    request = PROCESSES["map"].read({"checkpoint": "starter", "bbox": BBOX, "period": "2019-06"}, library)
    ((_, file),) = request.commands(tmp_path)
    (folder,) = tomllib.loads((tmp_path / file).read_text(encoding="utf-8"))["checkpoint"]
    assert Path(folder).is_absolute() and (Path(folder) / "weights.safetensors").is_file()


def test_a_service_of_google_publishes_no_local_asset(settings, town):
    connected = replace(settings, server=replace(settings.server, project="my-project"), bucket="bucket")
    inputs = {"map": TOWN, "asset": "projects/local/assets/x"}
    with pytest.raises(ValueError, match="is the local engine's"):
        PROCESSES["publish"].read(inputs, Library(connected))


@pytest.mark.parametrize(
    ("process", "inputs", "word"),
    [
        ("train", {"data": []}, "1 to 20 names"),
        ("train", {"data": ["nothing"]}, "dataset 'nothing' is not there"),
        ("train", {"data": ["../x"]}, "expected a name"),
        ("export", {"bbox": BBOX, "period": "2019-06", "label": "gold"}, "expected one of"),
        ("export", {"bbox": BBOX, "period": "2019-06", "size": 1}, "whole number of 8 to 512"),
        ("export", {"bbox": BBOX, "period": "2019-06", "name": "a/b"}, "expected a name"),
        ("assess", {"map": TOWN, "points": 1}, "2 to 20,000"),
        ("assess", {"map": TOWN, "design": "odd"}, "expected one of stratified"),
        ("assess", {"map": TOWN, "answers": 5}, "CSV text"),
        ("publish", {"map": "nothing", "asset": "projects/local/assets/isa/town"}, "map 'nothing' is not there"),
        ("publish", {"map": TOWN, "asset": "projects/local/assets/isa/town.2020"}, "periods are refused"),
        ("publish", {"map": TOWN, "asset": "projects/');ATTACK();('/assets/x"}, "project"),
        ("publish", {"map": TOWN, "asset": "projects/p\n/assets/x"}, "project"),
        ("publish", {"map": TOWN, "asset": "projects//assets/x"}, "project"),
        ("publish", {"map": TOWN, "asset": "projects/my-project/assets/x"}, "--project"),
    ],
)
def test_other_processes_refuse_wrong_inputs_too(client, town, process, inputs, word):
    assert word in detail(client.post(f"/processes/{process}/execution", json={"inputs": inputs}))


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "1e400"])
def test_a_number_too_long_for_degrees_is_refused(client, number):
    polygon = f'{{"type": "Polygon", "coordinates": [[[{number}, 1]]]}}'
    for where in (f'"bbox": [{number}, 30, 115, 31]', f'"geometry": {polygon}'):
        body = f'{{"inputs": {{"period": "2020-06", {where}}}}}'
        reply = client.post("/processes/export/estimate", content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 422 and reply.headers["content-type"] == "application/problem+json"


def test_an_export_of_too_many_bytes_is_refused_with_its_size(client):
    """The box and strides of the trial that passed all limits, with an estimate of 268 MB."""
    inputs = {"bbox": [114, 30, 114.95, 30.95], "period": "2020-06", "size": 512, "stride": 8}
    assert "1,501,131 patches" in detail(client.post("/processes/export/estimate", json={"inputs": inputs}))


def test_the_bytes_of_an_export_are_those_of_its_patches(client):
    inputs = {"bbox": [114, 30, 114.01, 30.01], "period": "2020-06", "size": 64, "stride": 64}
    estimate = client.post("/processes/export/estimate", json={"inputs": inputs}).json()
    assert estimate["bytes"] == estimate["patches"] * 64 * 64 * (2 * 6 + 1)  # six bands of int16, a label of uint8


def test_an_unknown_input_with_a_long_name_is_not_echoed(client):
    reply = client.post("/processes/export/estimate", json={"inputs": {"x" * 100_000: 1}})
    assert len(reply.text) < 1000


def test_long_inputs_are_left_out_of_lists_and_stay_with_the_job(client, town, settings):
    answers = "id,class\n" * 5000
    info = client.post("/processes/assess/execution", json={"inputs": {"map": TOWN, "answers": answers}}).json()
    (row,) = client.get("/jobs").json()["jobs"]
    assert row["inputs"] == {"map": TOWN, "points": 500, "design": "stratified", "seed": 0}
    assert client.get(f"/jobs/{info['jobID']}").json()["inputs"]["answers"] == answers


def test_a_database_that_is_replaced_by_something_else_is_told_as_one_that_is_away(client, settings, town):
    for path in settings.folder.glob("jobs.sqlite*"):
        path.unlink()
    (settings.folder / "jobs.sqlite").write_bytes(b"rubbish " * 1000)
    reply = client.get("/jobs")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "10")
    assert client.get("/maps").status_code == 200


def test_a_database_that_another_holds_is_told_as_one_that_is_away(client, settings, monkeypatch, asked):
    monkeypatch.setattr("isamap.inference.serve.database.BUSY_S", 0.1)
    with sqlite3.connect(settings.folder / "jobs.sqlite", isolation_level=None) as second:
        second.execute("BEGIN EXCLUSIVE")
        reply = client.post("/processes/map/execution", json=asked())
        second.execute("ROLLBACK")
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")


def test_an_export_is_planned_with_both_sensors(client):
    body = {"inputs": {"bbox": BBOX, "period": "2019-06"}}
    plan = plan_map(bbox=tuple(BBOX), period=("2019-06",))
    assert client.post("/processes/export/estimate", json=body).json()["requests"] == plan.requests
