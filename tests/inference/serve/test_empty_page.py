"""The page of `isamap serve` as it comes from a fresh clone: without a checkpoint, a map, or a job."""

from __future__ import annotations

import pytest

import isamap
from tests.support.chromium import Page
from tests.support.running_service import drag_box, running_service

pytestmark = pytest.mark.long
pytest.importorskip("rio_tiler")


@pytest.fixture(scope="module")
def page(tab: Page, tmp_path_factory) -> Page:
    with running_service(tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home")) as service:
        tab.open(service.address, width=1280, height=860)
        yield tab


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
