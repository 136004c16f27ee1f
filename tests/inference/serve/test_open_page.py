"""The page of `isamap serve --catalog open`: it names the archives and speaks of no simulation."""

from __future__ import annotations

import pytest

from tests.support.chromium import Page
from tests.support.running_service import running_service

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def page(tab: Page, tmp_path_factory) -> Page:
    """With the network that comes with the package; nothing is asked of the archives before a job."""
    options = ("--catalog", "open", "--checkpoint", "starter")
    with running_service(tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home"), *options) as service:
        tab.open(service.address, width=1280, height=860)
        tab.wait_for("document.querySelector('#source').textContent")
        yield tab


def test_the_form_says_that_images_are_real(page):
    assert page.text("#source") == "Images: real ones, from public archives without an account."


def test_only_the_network_is_called_simulated(page):
    """Starter learned from simulated images, and the form says so; nothing else on the page speaks of simulation."""
    words = page.evaluate("document.body.innerText").replace("trained on simulated images", "")
    assert "imulat" not in words and page.complaints == []
