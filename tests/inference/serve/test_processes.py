"""OGC API - Processes: descriptions, execution, estimates, jobs, as OGC 18-062r2 has them."""

from __future__ import annotations

import pytest

from inference.plan.plan import plan_map
from inference.serve.job import FAILED, SUCCESSFUL
from inference.serve.processes import PROCESSES
from tests.inference.serve.conftest import BBOX, TOWN, add_map

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
    assert [each["id"] for each in document["processes"]] == ["export", "train", "map", "assess", "publish"]
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
    assert "expected export, train, map" in detail(reply, 404)
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
    first = submitted(client, asked)
    reply = client.post("/processes/map/execution", json=asked())
    assert reply.status_code == 200 and reply.json()["jobID"] == first["jobID"]
    assert len(client.get("/jobs").json()["jobs"]) == 1


@pytest.mark.parametrize("period", ["2019-06-01..2019-06-30"])
def test_the_same_days_in_other_words_are_one_job(client, asked, period):
    first = submitted(client, asked)
    assert client.post("/processes/map/execution", json=asked(period=period)).json()["jobID"] == first["jobID"]


def test_another_period_is_another_job(client, asked):
    assert submitted(client, asked)["jobID"] != submitted(client, asked, period="2019-07")["jobID"]


def test_another_network_under_the_same_name_is_another_job(client, asked, settings, make_checkpoint, monkeypatch):
    first = submitted(client, asked)
    monkeypatch.setattr("training.checkpoints.checkpoint.Checkpoint.fingerprint", "f" * 64)
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
    from dataclasses import replace

    from starlette.testclient import TestClient

    from inference.serve.app import Service
    from tests.inference.serve.conftest import BASE, DOOR

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
    from dataclasses import replace

    from starlette.testclient import TestClient

    from inference.serve.app import Service
    from inference.serve.limits import Limits
    from tests.inference.serve.conftest import BASE, DOOR

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


def test_an_estimate_starts_nothing(client, asked):
    client.post("/processes/map/estimate", json=asked())
    assert client.get("/jobs").json()["jobs"] == []


def test_jobs_are_listed_by_status(client, asked, settings):
    submitted(client, asked)
    settings.jobs.finish(settings.jobs.take("a", 60), SUCCESSFUL, "done", {})
    other = submitted(client, asked, period="2019-07")
    jobs = client.get("/jobs?status=accepted").json()["jobs"]
    assert [job["jobID"] for job in jobs] == [other["jobID"]]
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


def test_a_job_is_dismissed(client, asked):
    info = submitted(client, asked)
    assert client.delete(f"/jobs/{info['jobID']}").json()["status"] == "dismissed"
    assert client.get(f"/jobs/{info['jobID']}").json()["status"] == "dismissed"


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
    url = "/processes/publish/execution"
    body = {"inputs": {"map": TOWN, "asset": "projects/local/assets/isa/town"}}
    assert client.post(url, json=body).status_code == 201
    body["inputs"]["asset"] = "projects/local/assets/isa/town.2020"
    assert "periods are refused" in detail(client.post(url, json=body))


def test_a_map_that_is_not_there_is_not_published(client):
    body = {"inputs": {"map": "nothing", "asset": "projects/local/assets/isa/town"}}
    assert "map 'nothing' is not there" in detail(client.post("/processes/publish/execution", json=body))


def test_world_answers_are_of_simulated_maps(client, settings, finished_map, random_map):
    add_map(settings, finished_map(random_map, simulated="false"), "real")
    body = {"inputs": {"map": "real", "answers": "world"}}
    assert "shows a real place" in detail(client.post("/processes/assess/execution", json=body))


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
    ],
)
def test_other_processes_refuse_wrong_inputs_too(client, town, process, inputs, word):
    assert word in detail(client.post(f"/processes/{process}/execution", json={"inputs": inputs}))


def test_an_export_is_planned_with_both_sensors(client):
    body = {"inputs": {"bbox": BBOX, "period": "2019-06"}}
    plan = plan_map(bbox=tuple(BBOX), period=("2019-06",))
    assert client.post("/processes/export/estimate", json=body).json()["requests"] == plan.requests
