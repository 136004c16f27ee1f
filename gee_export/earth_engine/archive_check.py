"""Which public archives answer, how fast, and what none of them holds: `isamap check --catalog open`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from isamap.gee_export.base.offline import is_offline
from isamap.gee_export.earth_engine.check import CheckReport, CheckRow

if TYPE_CHECKING:
    from local_ee.open.hosts import Address, Hosts
    from local_ee.open.providers import Provider

LOOK_BYTES = 1 << 16  # of a file, as its head is read
# A month and a place of which every archive has scenes: Wuhan
LOOKED_FOR = {"datetime": "2020-06-01T00:00:00Z/2020-06-30T23:59:59Z", "bbox": [114.0, 30.0, 115.0, 31.0]}
MAIDUGURI = [13.1, 11.8, 13.2, 11.9]  # for archives of Africa alone
_MOST_PAGE_BYTES = 4 << 20
NETWORK = "check the network or the proxy, then try again; archives have bad hours"
NEEDED = "earth-search-c1"  # without it there is no Sentinel-2


def check_archives(hosts: Hosts | None = None) -> CheckReport:
    """A search, a token and the head of a file of every archive; one real request each, no account."""
    from local_ee.open.hosts import Hosts
    from local_ee.open.products import ADDRESSED
    from local_ee.open.providers import HOSTS, SENTINEL1, SENTINEL2

    if is_offline():
        raise ValueError("--offline and check --catalog open: the check asks the archives, leave --offline out")
    hosts = hosts or Hosts(HOSTS)
    tests: list[Callable[[], CheckRow]] = [
        *(lambda each=provider: _provider_row(hosts, each) for provider in (*SENTINEL2, *SENTINEL1)),
        *(lambda each=product: _product_row(hosts, each) for product in ADDRESSED.values()),
    ]
    # All at once, so that a silent archive costs its own time-out and not everybody's.
    with ThreadPoolExecutor(len(tests), thread_name_prefix="archive") as pool:
        rows = list(pool.map(lambda test: test(), tests))
    return CheckReport((*rows, *_missing()))


def _provider_row(hosts: Hosts, provider: Provider) -> CheckRow:
    return _tested(provider.name, lambda: _searched(hosts, provider), required=provider.name == NEEDED)


def _product_row(hosts: Hosts, product: object) -> CheckRow:
    name, address = _known_file(product)
    return _tested(name, lambda: _head(hosts, address), required=False)


def _known_file(product: object) -> tuple[str, Address]:
    """A short name of a product of computed addresses, and a file of it that shows Wuhan."""
    from local_ee.open.addressed import EsriLandCover, Glo30, WorldCover
    from local_ee.open.embedding_index import LIST
    from local_ee.open.embeddings import AlphaEarth

    if isinstance(product, WorldCover):
        return f"worldcover-{product.year}", product.band(114, 30).file.address
    if isinstance(product, Glo30):
        return "glo30", product.scene(114, 30).bands[0].file.address
    if isinstance(product, EsriLandCover):
        return "esri-land-cover", product._file(f"50R_{product.years[-1]}").address
    if isinstance(product, AlphaEarth):
        return "alphaearth", LIST
    raise TypeError(f"{type(product).__name__} has no known file: name one here")


def _searched(hosts: Hosts, provider: Provider) -> str:
    """One item of the archive and the first bytes of one of its files."""
    from local_ee.open import items
    from local_ee.open.errors import ArchiveFault
    from local_ee.open.hosts import Address
    from local_ee.open.tokens import Tokens

    filters = LOOKED_FOR if provider.area_wsen is None else {**LOOKED_FOR, "bbox": MAIDUGURI}
    body = json.dumps({"collections": [provider.collection], **filters, "limit": 1}).encode()
    address = Address.of(provider.search, hosts.most_connections)
    begun = time.monotonic()
    answer = hosts.document(address, _MOST_PAGE_BYTES, body, throttled=True)
    if answer.status != 200:
        raise ArchiveFault(f"{provider.title} answered {answer.status} to a search")
    searched_s = time.monotonic() - begun
    features = json.loads(answer.body).get("features") or []
    assets = features[0]["assets"] if features else {}
    file = next((assets[key] for key in provider.bands.values() if key in assets), None)
    if file is None:
        raise ArchiveFault(f"{provider.title} has no item")
    query = Tokens(hosts).query(provider.token) if provider.token else ""
    return f"search {searched_s:.2f} s, {_head(hosts, items.file_address(file, provider), query)}"


def _head(hosts: Hosts, address: Address, query: str = "") -> str:
    begun = time.monotonic()
    piece = hosts.piece(address, 0, LOOK_BYTES, query)
    seconds = time.monotonic() - begun
    return f"{len(piece.body) / 1000:.0f} kB of a file in {seconds:.2f} s"


def _tested(name: str, test: Callable[[], str], *, required: bool) -> CheckRow:
    from local_ee.open.errors import ArchiveFault

    try:
        return CheckRow(name, True, test(), required=required)
    except (ArchiveFault, ValueError, KeyError, TypeError) as error:
        return CheckRow(name, False, " ".join(str(error).split()), NETWORK, required=required)


def _missing() -> Iterator[CheckRow]:
    from local_ee.open.products import REFUSED

    yield CheckRow("not there", True, f"no public archive holds {', '.join(REFUSED)}")
