"""Processor time: every computation says what it took, under the tag of its request."""

from __future__ import annotations

import time

import numpy as np
import pytest

from local_ee.assets.tasks import Submission, TaskStore
from local_ee.budget import Budget
from local_ee.errors import EngineError
from local_ee.home import Home
from local_ee.limits import Limits
from local_ee.threads import DaemonThreads
from local_ee.usage import CPU_HEADER, Usage, checked_tag


def burn(seconds: float) -> None:
    """Uses a processor for so long, however busy the machine is."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        np.sqrt(np.arange(1000.0))


def test_a_computation_counts_its_own_thread():
    budget = Budget()
    with budget.running():
        burn(0.1)
    assert 0.1 <= budget.cpu_seconds < 0.15


def test_waiting_counts_nothing():
    budget = Budget()
    with budget.running():
        time.sleep(0.2)
    assert budget.cpu_seconds < 0.1


def test_a_block_within_a_block_counts_once():
    budget = Budget()
    with budget.running():
        budget.metered(lambda: burn(0.1))
    assert budget.cpu_seconds < 0.15


def test_threads_that_work_for_it_count():
    budget, pool = Budget(), DaemonThreads(2, "test")
    with budget.running():
        for future in [pool.submit(budget.metered, lambda: burn(0.1)) for _ in range(2)]:
            future.result()
    pool.shutdown()
    assert 0.2 <= budget.cpu_seconds < 0.3


def finished(tasks: TaskStore, job, tag: str = "") -> dict:
    operation = tasks.submit(Submission("local", "EXPORT_IMAGE", "a task", workload_tag=tag), job)
    return tasks.wait(operation["name"].rpartition("/")[2])


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
def test_an_operation_names_what_it_took(tmp_path, state):
    def job(progress):
        burn(0.1)
        if state == "FAILED":
            raise EngineError("no such band")
        return []

    tasks, usage = TaskStore(Home(tmp_path), Limits(), usage := Usage()), usage
    ended = finished(tasks, job, "maps")
    tasks.close()
    assert ended["metadata"]["state"] == state
    assert 0.1 <= ended["metadata"]["batchEecuUsageSeconds"] < 0.2
    assert usage.cpu_seconds == pytest.approx({"maps": ended["metadata"]["batchEecuUsageSeconds"]}, abs=1e-3)


@pytest.mark.parametrize("tag", ["isamap", "a", "a-b_c", "a" * 63, ""])
def test_tags_of_the_client_are_accepted(tag):
    assert checked_tag({"workloadTag": tag}) == tag


@pytest.mark.parametrize("tag", ["Isamap", "-a", "a-", "a.b", "a" * 64, "a b", 3, ["a"]])
def test_other_tags_are_refused(tag):
    with pytest.raises(EngineError, match="Invalid workload tag"):
        checked_tag({"workloadTag": tag})


def body(**more) -> dict:
    ones = {"functionName": "Image.constant", "arguments": {"value": {"constantValue": 1}}}
    expression = {"result": "0", "values": {"0": {"functionInvocationValue": ones}}}
    grid = {
        "dimensions": {"width": 8, "height": 8},
        "affineTransform": {"scaleX": 10, "scaleY": -10, "translateX": 212750, "translateY": 3416360},
        "crsCode": "EPSG:32650",
    }
    return {"expression": expression, "grid": grid, "fileFormat": "NPY", **more}


def test_pixels_come_with_the_seconds_that_they_took(own_engine):
    reply = post(own_engine, "image:computePixels", body(workloadTag="maps"))
    assert reply.status_code == 200
    seconds = float(reply.headers[CPU_HEADER])
    assert seconds > 0 and own_engine.cpu_seconds == pytest.approx({"maps": seconds}, abs=1e-5)


def test_a_refusal_says_what_it_took(own_engine):
    reply = post(own_engine, "image:computePixels", body(bandIds=["B99"]))
    assert reply.status_code == 400 and float(reply.headers[CPU_HEADER]) >= 0


def test_a_value_counts_under_its_tag(own_engine):
    two = {"functionName": "Number.add", "arguments": {"left": {"constantValue": 1}, "right": {"constantValue": 1}}}
    expression = {"result": "0", "values": {"0": {"functionInvocationValue": two}}}
    reply = post(own_engine, "value:compute", {"expression": expression, "workloadTag": "values"})
    assert reply.json()["result"] == 2 and list(own_engine.cpu_seconds) == ["values"]


def test_a_request_with_another_tag_is_refused(own_engine):
    reply = post(own_engine, "image:computePixels", body(workloadTag="No Tag"))
    assert reply.status_code == 400 and "Invalid workload tag" in reply.json()["error"]["message"]
    assert own_engine.cpu_seconds == {}


def post(engine, method: str, document: dict):
    import requests

    address = f"{engine.url}/v1/projects/local/{method}"
    return requests.post(address, json=document, timeout=300)


@pytest.fixture
def own_engine(tmp_path):
    from local_ee import LocalEngine
    from local_ee.testing.small import catalog

    with LocalEngine(catalog(32, 32), tmp_path) as engine:
        yield engine
