"""Searches: every page, each item once, kept on disk; pages without end and answers that are none are sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_ee.catalog.boxes import boxes
from local_ee.open import hosts, stac
from local_ee.open.blocks import Blocks
from local_ee.open.errors import ArchiveFault
from local_ee.open.hosts import Hosts
from local_ee.open.providers import C1, HOSTS, PC_S2
from local_ee.open.questions import of_tile_month, whole_days
from local_ee.open.stac import Question, Searches
from local_ee.testing import archive as archives
from local_ee.testing.archive import Archive, Fault, always

JUNE = Question(datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 6, 30, tzinfo=UTC), (117.0, 29.5, 117.5, 30.0))


def item(number: int, collection: str) -> dict[str, Any]:
    square = [[117.0, 29.6], [117.4, 29.6], [117.4, 29.9], [117.0, 29.9], [117.0, 29.6]]
    return {
        "id": f"scene-{number:03d}",
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"datetime": f"2024-06-{1 + number % 28:02d}T03:00:00Z"},
        "assets": {},
    }


@pytest.fixture
def server() -> Iterator[Archive]:
    items = [item(number, provider.collection) for provider in (C1, PC_S2) for number in range(23)]
    with Archive(items=items) as archive:
        yield archive


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FIRST_PAUSE_S", 0.01)


def searches(server: Archive, folder: Path, **options) -> Searches:
    return Searches(Hosts(HOSTS, server.loopback, **options), Blocks(folder))


@pytest.mark.parametrize("provider", [C1, PC_S2], ids=lambda provider: provider.pages)
def test_all_pages_are_read_and_each_item_once(server: Archive, tmp_path: Path, provider):
    found = searches(server, tmp_path).items(provider, JUNE)
    assert sorted(each["id"] for each in found) == [f"scene-{number:03d}" for number in range(23)]


def test_planetary_computers_pages_end_only_where_none_are_left(server: Archive, tmp_path: Path):
    """A page with fewer items than were asked for is no end: a server may always give fewer."""
    searches(server, tmp_path).items(PC_S2, JUNE)
    assert len(server.asked) == 5  # 7, 7, 7, 2 and an empty one
    assert all(asked.body["sortby"] == [{"field": "id", "direction": "asc"}] for asked in server.asked)


def test_earth_searchs_next_body_replaces_the_question(server: Archive, tmp_path: Path):
    searches(server, tmp_path).items(C1, JUNE)
    assert set(server.asked[0].body) == {"collections", "datetime", "limit", "bbox"}
    assert [set(asked.body) for asked in server.asked[1:]] == [{"next"}] * 3


def test_a_fresh_answer_needs_no_request(server: Archive, tmp_path: Path):
    first = searches(server, tmp_path).items(C1, JUNE)
    before = len(server.asked)
    assert searches(server, tmp_path, offline=True).items(C1, JUNE) == first
    assert len(server.asked) == before


def test_an_old_answer_is_asked_for_again_but_not_offline(server: Archive, tmp_path: Path, monkeypatch):
    searches(server, tmp_path).items(C1, JUNE)
    before = len(server.asked)
    monkeypatch.setattr(stac.time, "time", lambda real=stac.time.time: real() + stac.SETTLED_S + 1)
    assert searches(server, tmp_path, offline=True).items(C1, JUNE)
    assert len(server.asked) == before
    searches(server, tmp_path).items(C1, JUNE)
    assert len(server.asked) > before


def test_a_clock_that_was_set_back_makes_no_answer_last_forever(server: Archive, tmp_path: Path, monkeypatch):
    searches(server, tmp_path).items(C1, JUNE)
    before = len(server.asked)
    monkeypatch.setattr(stac.time, "time", lambda real=stac.time.time: real() - 1000)
    searches(server, tmp_path).items(C1, JUNE)
    assert len(server.asked) > before


def _page(links: list[Any], *items: dict[str, Any]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": list(items), "links": links}).encode()


def _next(**body: Any) -> dict[str, Any]:
    return {"rel": "next", "method": "POST", "merge": False, "href": "https://evil.example/", "body": body}


def test_pages_that_repeat_themselves_end(server: Archive, tmp_path: Path):
    pages = iter(range(10_000))
    body = lambda: _page([_next(next=str(next(pages)))], item(1, C1.collection))  # noqa: E731
    server.faults = lambda asked: Fault("json", body=body())
    with pytest.raises(ArchiveFault, match="repeat themselves"):
        searches(server, tmp_path).items(C1, JUNE)


def test_pages_without_end_are_given_up(server: Archive, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(stac, "MOST_ITEMS", 50)
    count = iter(range(10_000))
    server.faults = lambda asked: Fault("json", body=_page([_next(n=next(count))], item(next(count), C1.collection)))
    with pytest.raises(ArchiveFault, match="more than 50 items"):
        searches(server, tmp_path).items(C1, JUNE)
    assert len(server.asked) <= 52


def test_ids_that_do_not_go_on_are_given_up(server: Archive, tmp_path: Path):
    server.faults = always(Fault("json", body=_page([], item(1, PC_S2.collection))))
    with pytest.raises(ArchiveFault, match="do not go on"):
        searches(server, tmp_path).items(PC_S2, JUNE)


def test_the_address_of_a_next_link_is_never_asked(server: Archive, tmp_path: Path):
    pages = iter([_page([_next(next="2")], item(1, C1.collection)), _page([], item(2, C1.collection))])
    server.faults = lambda asked: Fault("json", body=next(pages))
    assert len(searches(server, tmp_path).items(C1, JUNE)) == 2
    assert {asked.host for asked in server.asked} == {"earth-search.aws.element84.com"}


@pytest.mark.parametrize(
    "body",
    [b"<html>sign in</html>", b"[]", b"{}", b'{"features": 3}', b'{"features": [3]}', b"[" * 100_000, b"\xff\xfe"],
    ids=["html", "list", "empty", "number", "numbers", "deep", "bytes"],
)
def test_an_answer_that_is_no_page_is_a_sentence(server: Archive, tmp_path: Path, body: bytes):
    server.faults = always(Fault("json", body=body))
    with pytest.raises(ArchiveFault, match="try again later"):
        searches(server, tmp_path).items(C1, JUNE)
    assert not list(tmp_path.glob("??/*"))


def test_throttling_by_403_is_tried_again(server: Archive, tmp_path: Path):
    server.faults = archives.once(Fault("status", 403, body=b"Forbidden"))
    assert len(searches(server, tmp_path).items(C1, JUNE)) == 23


@archives.needs_shared
def test_the_recorded_pages_of_earth_search(tmp_path: Path):
    pages = {}
    for number in (1, 2):
        page = json.loads((archives.SHARED / "earth-search" / f"search-{number}.json").read_text())
        pages[page["request"]["body"].get("next", "")] = page["response"]
    last = pages[max(pages)]
    last["links"] = []
    with Archive() as server:
        server.faults = lambda asked: Fault("json", body=json.dumps(pages[asked.body.get("next", "")]).encode())
        found = searches(server, tmp_path).items(C1, JUNE)
    expected = {each["id"] for page in pages.values() for each in page["features"]}
    assert {each["id"] for each in found} == expected and len(expected) == 20


def test_neighbours_ask_the_same_question():
    start, end = datetime(2024, 6, 1, 3, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    one = whole_days(start, end, (117.01, 29.81, 117.02, 29.82))
    other = whole_days(start + timedelta(hours=1), end, (117.3, 29.6, 117.4, 29.7))
    assert one == other
    assert (one.start, one.end) == (datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 6, 30, 23, 59, 59, tzinfo=UTC))


def test_an_index_is_looked_for_in_its_month_and_a_day_around():
    question = of_tile_month(datetime(2024, 12, 31, 23, tzinfo=UTC), "01WCR")
    assert (question.start.date().isoformat(), question.end.date().isoformat()) == ("2024-11-30", "2025-01-02")


@pytest.mark.parametrize(
    ("box", "parts"),
    [
        ((10, 20, 30, 40), [(10, 20, 30, 40)]),
        ((170, -10, 190, 10), [(170, -10, 180, 10), (-180, -10, -170, 10)]),
        ((170, -10, -170, 10), [(170, -10, 180, 10), (-180, -10, -170, 10)]),
        ((-190, 80, -170, 95), [(170, 80, 180, 90), (-180, 80, -170, 90)]),
        ((-200, -90, 200, 90), [(-180, -90, 180, 90)]),
        ((350, 0, 370, 1), [(-10, 0, 10, 1)]),
    ],
)
def test_boxes_across_the_antimeridian_are_two(box, parts):
    assert boxes(box) == parts
