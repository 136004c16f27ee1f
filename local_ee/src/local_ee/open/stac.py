"""Searches of archives: one question, all its pages, kept on disk.

Earth Search's next page is named by a link whose body replaces ours (`merge: false`); Planetary Computer's answers have
had no link since January 2026 (planetary-computer-apis issue 274), so its items are asked for in the order of their
ids until none are left. A link's address is never followed: only its body is used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local_ee import budget
from local_ee.open.blocks import Blocks, key_of
from local_ee.open.errors import ArchiveFault
from local_ee.open.hosts import Address, Hosts
from local_ee.open.providers import Provider

MOST_PAGE_BYTES = 20 << 20
MOST_ITEMS = 20_000  # of one search
MOST_PAGES = 400
FRESH_S, SETTLED_S = 86_400.0, 30 * 86_400.0  # how long an answer is kept; of a period long past
SETTLED_AFTER = timedelta(days=30)
# What scenes are made of; the rest of an item would only fill the disk.
_KEPT = ("id", "collection", "geometry", "properties", "assets")
_KEPT_OF_ASSET = ("href", "proj:epsg", "proj:code", "proj:shape", "proj:transform", "raster:bands")

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """Items of a collection in [start, end], of a box or of a tile."""

    start: datetime
    end: datetime
    bounds_wsen: tuple[float, float, float, float] | None = None
    tile: str | None = None

    def touches(self, area_wsen: tuple[float, float, float, float] | None) -> bool:
        """Whether its box meets an area; True of no area, False of a question without a box."""
        if area_wsen is None or self.bounds_wsen is None:
            return area_wsen is None
        (west, south, east, north), (left, low, right, high) = self.bounds_wsen, area_wsen
        return west <= right and east >= left and south <= high and north >= low

    @property
    def is_settled(self) -> bool:
        """Whether the period is so long past that few items may be added."""
        return datetime.now(UTC) - self.end > SETTLED_AFTER


class Searches:
    """The answers of archives to questions, from disk as long as they are fresh. Threads may share it."""

    def __init__(self, hosts: Hosts, blocks: Blocks) -> None:
        self._hosts, self._blocks = hosts, blocks

    def items(self, provider: Provider, question: Question) -> list[Item]:
        """All items; ArchiveFault where the archive gives no whole answer, or more than is read."""
        body = _body(provider, question)
        key = key_of("search", provider.search, json.dumps(body, sort_keys=True))
        kept = self._blocks.get(key)
        if kept is not None:
            answer = json.loads(kept)
            age = time.time() - answer["asked"]
            # An answer of the future is of a clock that was wrong: nobody knows its age.
            if self._hosts.offline or 0 <= age < (SETTLED_S if question.is_settled else FRESH_S):
                items: list[Item] = answer["items"]
                return items
        pages = self._linked(provider, body) if provider.pages == "link" else self._by_id(provider, body)
        items = list(_bounded(provider, pages))
        self._blocks.put(key, json.dumps({"asked": time.time(), "items": items}).encode())
        return items

    def _linked(self, provider: Provider, body: dict[str, Any]) -> Iterator[list[Item]]:
        for _ in range(MOST_PAGES):
            page = self._page(provider, body)
            yield page["features"]
            link = next((each for each in page.get("links", ()) if _is_next(each)), None)
            if link is None or not page["features"]:
                return
            following = link["body"] if not link.get("merge") else {**body, **link["body"]}
            if following == body:
                raise ArchiveFault(f"{provider.title}: its page names itself as the next one: try again later")
            body = following

    def _by_id(self, provider: Provider, body: dict[str, Any]) -> Iterator[list[Item]]:
        body = {**body, "sortby": [{"field": "id", "direction": "asc"}]}
        after = ""
        for _ in range(MOST_PAGES):
            query = {**body.get("query", {}), "id": {"gt": after}} if after else body.get("query", {})
            features = self._page(provider, {**body, "query": query} if query else body)["features"]
            if not features:
                return
            last = max(str(item.get("id")) for item in features)
            if last <= after:
                raise ArchiveFault(f"{provider.title}: its pages do not go on: try again later")
            yield features
            after = last

    def _page(self, provider: Provider, body: dict[str, Any]) -> dict[str, Any]:
        """One page; ArchiveFault where it is none."""
        budget.check()
        address = Address.of(provider.search, self._hosts.most_connections)
        answer = self._hosts.document(address, MOST_PAGE_BYTES, json.dumps(body).encode(), throttled=True)
        if answer.status != 200:
            raise ArchiveFault(f"{provider.title} answered {answer.status} to a search: try again later")
        try:
            page = json.loads(answer.body)
        except (ValueError, RecursionError):
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("features"), list):
            raise ArchiveFault(f"{provider.title} answered a search with something else than items: try again later")
        if not all(isinstance(item, dict) for item in page["features"]):
            raise ArchiveFault(f"{provider.title} answered a search with items that are none: try again later")
        return page


def _body(provider: Provider, question: Question) -> dict[str, Any]:
    period = "/".join(f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (question.start, question.end))
    body: dict[str, Any] = {
        "collections": [provider.collection],
        "datetime": period,
        "limit": provider.page_items,
    }
    if question.bounds_wsen is not None:
        body["bbox"] = list(question.bounds_wsen)
    if question.tile is not None:
        name, _, before = provider.tile_query.partition("=")
        tile = question.tile.lstrip("0") if before else question.tile
        body["query"] = {name: {"eq": f"{before}{tile}"}}
    return body


def _is_next(link: object) -> bool:
    return isinstance(link, dict) and link.get("rel") == "next" and isinstance(link.get("body"), dict)


def _bounded(provider: Provider, pages: Iterator[list[Item]]) -> Iterator[Item]:
    """The items of all pages, each once, less what is never read; ArchiveFault beyond the bound."""
    seen: set[str] = set()
    for page in pages:
        fresh = [item for item in page if str(item.get("id")) not in seen]
        if page and not fresh:
            raise ArchiveFault(f"{provider.title}: its pages repeat themselves: try again later")
        seen.update(str(item.get("id")) for item in fresh)
        if len(seen) > MOST_ITEMS:
            raise ArchiveFault(
                f"{provider.title} has more than {MOST_ITEMS:,} items there: filter by a shorter period or "
                "smaller bounds"
            )
        yield from map(_slim, fresh)


def _slim(item: Item) -> Item:
    slim = {key: item[key] for key in _KEPT if key in item}
    assets = item.get("assets")
    slim["assets"] = {
        str(name): {key: asset[key] for key in _KEPT_OF_ASSET if key in asset}
        for name, asset in (assets.items() if isinstance(assets, dict) else ())
        if isinstance(asset, dict)
    }
    return slim
