"""Several tokens: each ends its own jobs, sees all, and an operator's ends everybody's."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from inference.serve.app import Service
from inference.serve.door import Door, Tokens, owner_of_token
from tests.inference.serve.conftest import BASE

ANNA, BERT, OPERATOR = (f"{name}s-token-that-is-long-enough" for name in ("anna", "bert", "operator"))
TOKENS = Tokens((ANNA, BERT, OPERATOR), (OPERATOR,))


@pytest.fixture
def service(settings):
    """Clients of one service, by token."""
    application = Service(settings, Door.of("127.0.0.1", 8765, TOKENS, None)).application()

    def client(token: str) -> TestClient:
        return TestClient(application, base_url=BASE, headers={"Authorization": f"Bearer {token}"})

    return client


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


def test_who_asks_again_for_a_dismissed_job_starts_it(service, job, asked):
    service(ANNA).delete(job)
    assert service(BERT).post("/processes/map/execution", json=asked()).json()["mayDismiss"] is True
    assert service(ANNA).delete(job).status_code == 403


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
