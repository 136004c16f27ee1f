"""The list of jobs on the page: a job that runs is cancelled there, and its command ends."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.chromium import Page
from tests.support.running_service import running_service

pytestmark = pytest.mark.long

LARGE = [114.0, 30.4, 114.5, 30.9]  # 2,600 km2: minutes of work


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder it is (Linux)."""
    ids = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if Path(os.readlink(entry / "cwd")) == folder:
                ids.append(int(entry.name))
    return ids


def press_over_renewals(tab: Page, button: str, opened: str) -> bool:
    """Whether a press of the mouse that lasts over two renewals of the list is a click; and the focus stays."""
    place = tab.middle(button)
    tab.mouse("press", *place)
    tab.requests.clear()
    tab.wait_for_requests("/jobs?limit", 2)
    tab.mouse("release", *place)
    tab.wait_for(f"document.querySelector({opened!r})")
    return tab.evaluate(f"document.activeElement.matches({button!r})")


@pytest.fixture(scope="module")
def cancelled(tab: Page, network, tmp_path_factory) -> dict:
    """A running job's state after "Cancel" was clicked: what the service says and what the page shows."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(folder, tmp_path_factory.mktemp("home"), "--checkpoint", str(network)) as service:
        inputs = {"checkpoint": "run", "bbox": LARGE, "period": "2020-06"}
        job = service.post("/processes/map/execution", {"inputs": inputs})["jobID"]
        work = folder / "jobs" / job
        tab.open(service.address)
        tab.click("#jobs-button")
        tab.wait_for("document.querySelector('#job-list .running')")
        tab.wait_until(lambda: bool(processes_in(work)), "a process of the job")
        log_opened = press_over_renewals(tab, "[data-key^=log]", ".log")
        tab.click("[data-key^=cancel]")
        tab.wait_for("document.querySelector('#job-list .dismissed')")
        tab.wait_until(lambda: not processes_in(work), "no process of the job")
        buttons = tab.evaluate("document.querySelectorAll('[data-key^=cancel]').length")
        times = tab.evaluate("[...document.querySelectorAll('#job-list time')].map((each) => each.textContent)")
        status = service.json(f"/jobs/{job}")["status"]
        return {"status": status, "list": tab.text("#job-list"), "buttons": buttons, "times": times, "log": log_opened}


def test_the_page_says_that_the_job_is_cancelled(cancelled):
    assert cancelled["list"].startswith("cancelled") and cancelled["buttons"] == 0


def test_a_job_has_its_local_time_and_says_its_status_once(cancelled):
    (time,) = cancelled["times"]
    assert re.search(r"20\d\d", time) and time in cancelled["list"]
    assert cancelled["list"].count("cancelled") == 1 and "[object" not in cancelled["list"]


def test_a_click_that_lasts_over_a_renewal_opens_the_log_and_keeps_the_focus(cancelled):
    assert cancelled["log"]


def test_the_service_dismissed_the_job(cancelled):
    assert cancelled["status"] == "dismissed"
