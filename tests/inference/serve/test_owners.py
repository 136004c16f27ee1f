"""Several tokens: each ends its own jobs, sees all, and an operator's ends everybody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.library import Library
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import Tokens, owner_of_token
from tests.inference.serve.conftest import BASE

ANNA, BERT, OPERATOR = (f"{name}s-token-that-is-long-enough" for name in ("anna", "bert", "operator"))
TOKENS = Tokens((ANNA, BERT, OPERATOR), (OPERATOR,))


def clients(settings: ServiceSettings) -> Callable[[str], TestClient]:
    """Clients of one service, by token."""
    application = Service(settings, Door.of("127.0.0.1", 8765, TOKENS, None)).application()
    return lambda token: TestClient(application, base_url=BASE, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def service(settings):
    return clients(settings)


@pytest.fixture
def job(service, asked) -> str:
    """The address of a job that Anna started."""
    return f"/jobs/{service(ANNA).post('/processes/map/execution', json=asked()).json()['jobID']}"


def test_who_started_a_job_may_end_it(service, job):
    assert service(ANNA).get(job).json()["mayDismiss"] is True
    assert service(ANNA).delete(job).json()["status"] == "dismissed"


def test_another_token_may_not_end_it(service, job):
    reply = service(BERT).delete(job)
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/problem+json")
    assert reply.json()["detail"] == "Another token started this job: only that one, or an operator's, may end it."
    assert service(ANNA).get(job).json()["status"] == "accepted"


def test_another_token_sees_it(service, job):
    (row,) = service(BERT).get("/jobs").json()["jobs"]
    assert f"/jobs/{row['jobID']}" == job and row["mayDismiss"] is False
    assert service(BERT).get(f"{job}/log").status_code == 200


def test_another_token_may_not_remove_what_a_job_has_made(service, job, settings):
    folder = settings.work(job.rpartition("/")[2])
    folder.mkdir(parents=True)
    taken = settings.jobs.take("worker", 60)
    settings.jobs.finish(taken, "successful", "done", {})
    assert service(BERT).delete(job).status_code == 403 and folder.is_dir()


def test_the_same_request_of_another_token_does_not_take_the_job(service, job, asked):
    reply = service(BERT).post("/processes/map/execution", json=asked())
    assert (reply.status_code, reply.json()["mayDismiss"]) == (200, False)


def test_who_asks_again_for_a_dismissed_job_starts_it_and_does_not_get_its_files(service, job, asked):
    service(ANNA).delete(job)
    reply = service(BERT).post("/processes/map/execution", json=asked())
    assert (reply.status_code, reply.json()["mayDismiss"]) == (201, False)
    assert service(BERT).delete(job).status_code == 403
    assert service(ANNA).delete(job).json()["status"] == "dismissed"


def test_a_dismissed_job_is_removed_by_its_second_end(service, job, settings):
    folder = settings.work(job.rpartition("/")[2])
    folder.mkdir(parents=True)
    service(ANNA).delete(job)
    assert folder.is_dir() and service(BERT).delete(job).status_code == 403
    assert service(ANNA).delete(job).json()["status"] == "dismissed"
    assert not folder.exists() and service(ANNA).get(job).status_code == 404


def test_the_oldest_dismissed_jobs_of_a_token_make_room(settings, asked):
    client = clients(replace(settings, limits=Limits(kept_jobs=2)))(ANNA)
    ids = []
    for month in ("2019-05", "2019-06", "2019-07"):
        ids.append(client.post("/processes/map/execution", json=asked(period=month)).json()["jobID"])
        client.delete(f"/jobs/{ids[-1]}")
    assert [row["jobID"] for row in client.get("/jobs").json()["jobs"]] == ids[:0:-1]


def test_a_token_with_many_finished_jobs_is_told_to_delete_some(settings, asked):
    client = clients(replace(settings, limits=Limits(kept_jobs=1)))(ANNA)
    client.post("/processes/map/execution", json=asked())
    settings.jobs.finish(settings.jobs.take("worker", 60), "successful", "done", {})
    reply = client.post("/processes/map/execution", json=asked(period="2019-07"))
    assert reply.status_code == 429 and "delete some" in reply.json()["detail"]


@pytest.fixture
def annas_map(service, job, settings, finished_map, random_map) -> str:
    """The address of a map that Anna's job made."""
    id = job.rpartition("/")[2]
    settings.jobs.finish(settings.jobs.take("worker", 60), "successful", "done", {})
    record = {"name": "a town", "job": id, "checkpoint": "run"}
    Library(settings).maps.publish(finished_map(random_map), "annas", record)
    return "/maps/annas"


def test_who_made_a_map_may_rename_it(service, annas_map):
    assert service(BERT).patch(annas_map, json={"name": "mine"}).status_code == 403
    assert service(ANNA).patch(annas_map, json={"name": "Kumasi, east"}).json()["name"] == "Kumasi, east"
    assert service(BERT).get(annas_map).json()["name"] == "Kumasi, east"


@pytest.mark.long
@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), ({"id": "x"}, 400), ({"name": ""}, 422), ({"name": "a\nb"}, 422)]
)
def test_a_name_is_a_line_for_people(service, annas_map, body, status):
    assert service(ANNA).patch(annas_map, json=body).status_code == status


def test_a_removed_map_is_made_again_when_it_is_asked_for(service, annas_map, job, asked, settings):
    assert service(BERT).delete(annas_map).status_code == 403
    assert service(ANNA).delete(annas_map).status_code == 204
    assert service(ANNA).get(annas_map).status_code == 404 and not list(settings.maps.glob("annas*"))
    assert service(ANNA).post("/processes/map/execution", json=asked()).status_code == 201


def test_an_operator_may_end_it(service, job):
    assert service(OPERATOR).get(job).json()["mayDismiss"] is True
    assert service(OPERATOR).delete(job).json()["status"] == "dismissed"


@pytest.mark.parametrize("token", [ANNA, OPERATOR])
def test_a_job_from_before_there_were_tokens_is_an_operators(token, client, service, asked):
    info = client.post("/processes/map/execution", json=asked()).json()
    assert service(token).delete(f"/jobs/{info['jobID']}").status_code == (403, 200)[token == OPERATOR]


def test_without_tokens_everybody_of_this_machine_may_end_a_job(client, job):
    assert client.get(job).json()["mayDismiss"] is True
    assert client.delete(job).status_code == 200


def test_the_right_is_asked_for_while_nobody_changes_the_job(settings, service, job):
    """Between the look at a job and its end it may have become another's."""
    with pytest.raises(PermissionError):
        settings.jobs.dismiss(job.rpartition("/")[2], may_end=lambda each: each.owner != owner_of_token(ANNA))
    assert settings.jobs.job(job.rpartition("/")[2]).status == "accepted"
