"""The page of `isamap serve` as it comes from a fresh clone: without a checkpoint, a map, or a job."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import isamap
from tests.support.chromium import Page
from tests.support.running_service import Running, drag_box, map_box, running_service

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Running]:
    with running_service(tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def page(tab: Page, service: Running) -> Page:
    tab.open(service.address, width=1280, height=860)
    return tab


def test_the_page_says_how_to_get_a_network(page):
    text = page.text("#no-network")
    assert text.startswith("This service has no network yet") and page.complaints == []
    assert page.evaluate("document.querySelector('#no-network').checkVisibility()")


def test_the_options_that_the_page_names_are_there(page, capsys):
    assert "--checkpoint" in page.text("#no-network") and "isamap train --out" in page.text("#no-network")
    for command, option in {"serve": "--checkpoint", "train": "--out"}.items():
        assert isamap.main([command, "--help"]) == 0 and option in capsys.readouterr().out


def test_an_empty_choice_of_networks_is_not_shown(page):
    assert not page.evaluate("document.querySelector('#checkpoint').checkVisibility()")


def test_a_place_has_no_price_without_a_network(page):
    drag_box(page, 0.3)
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")
    assert page.text("#price") == "Without a network no map can be made: see 3."
    assert page.evaluate("document.querySelector('#start').disabled")


@pytest.fixture(scope="module")
def prices() -> list[str]:
    """What the page said before a training began."""
    return []


@pytest.fixture(scope="module")
def trained(page, prices) -> Page:
    """The page after a network was trained on 5 km of Wuhan by mouse, and their box is still the place."""
    page.click("#region")
    for letter in "wuhan":
        page.key(letter)
    page.wait_for("document.querySelector('#region-wuhan')")
    page.click("#region-wuhan")
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Region wuhan')")
    left, top, width, height = map_box(page)
    for _ in range(4):
        page.wheel(left + width / 2, top + height / 2, -400)
    drag_box(page, 0.6)
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")
    page.wait_for("!document.querySelector('#train-first').disabled")
    prices.append(page.text("#train-price"))
    page.complaints.clear()  # a slow machine asks for the price of all Wuhan on the way, which is refused
    page.click("#train-first")
    page.wait_for("document.querySelector('#checkpoint').options.length === 1", 900)
    return page


def test_the_price_of_training_stands_there_before_it_starts(trained, prices):
    """5 km in patches of 640 m."""
    (price,) = prices
    pattern = r"(About .+|Less than a minute) for (\d+) patches and their training, on two processor cores.*"
    words = re.fullmatch(pattern, price)
    assert words and 4 <= int(words[2]) <= 400 and "minute" in words[1], price


def test_a_network_trained_by_mouse_can_be_chosen_at_once(trained):
    assert trained.evaluate("document.querySelector('#checkpoint').checkVisibility()")
    assert trained.text("#checkpoint").startswith("first-network-") and trained.complaints == []


def test_dataset_and_network_of_the_one_job_are_listed(trained, service):
    (job,) = service.json("/jobs")["jobs"]
    results = service.json(f"/jobs/{job['jobID']}/results")
    listed = [service.json(path)[path[1:]] for path in ("/datasets", "/checkpoints")]
    assert [[row["name"] for row in rows] for rows in listed] == [
        [results["dataset"]["value"]],
        [results["checkpoint"]["value"]],
    ]


def test_a_map_by_the_network_of_the_page_has_a_price(trained):
    trained.wait_for("!document.querySelector('#start').disabled")
    assert trained.text("#checkpoint-words").endswith("trained on simulated images")
