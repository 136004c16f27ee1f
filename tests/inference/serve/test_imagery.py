"""Imagery comes from a process of its own, which ends when nobody asks, when it is large, and with its server."""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.inference.serve import painter
from isamap.inference.serve.cache import Cache
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.page_files import PAGE
from isamap.inference.serve.painter import CompositePicture, CompositeQuery, Painter, paint
from isamap.inference.serve.tiles import TileAddress
from isamap.inference.tiles.jobs import Server
from tests.support.echo import echo

ADDRESS = TileAddress(12, 3345, 1679)  # on Wuhan
STORED = SimpleNamespace(
    id="town",
    version="1",
    bbox=(113.9, 30.6, 114.2, 30.9),
    file=SimpleNamespace(tags={"period_start": "2019-06-01", "period_end": "2019-07-01"}),
)
PICTURE = CompositePicture("town 1", STORED.bbox, "2019-06-01", "2019-07-01", ADDRESS)


@pytest.fixture
def link(monkeypatch):
    """The painter's loop in a thread, with a process's answers in place of an engine's; how it ended."""
    monkeypatch.setattr(painter.signal, "signal", lambda *_: None)
    monkeypatch.setattr(painter.Painter, "png", lambda self, picture: picture.map.encode())

    def begin(*pictures, **how) -> tuple:
        here, present = multiprocessing.Pipe()
        for picture in pictures:  # before the loop's patience begins
            here.send(picture)
        thread = threading.Thread(target=paint, args=(present, Server()), kwargs=how, daemon=True)
        thread.start()
        return here, thread

    return begin


def test_a_painter_ends_when_nobody_asks(link):
    here, thread = link(PICTURE, idle_s=0.1, most_bytes=1 << 50)
    assert here.recv() == b"town 1"
    thread.join(60)
    assert not thread.is_alive()


def test_a_painter_that_has_become_large_ends_after_its_picture(link):
    here, thread = link(idle_s=60.0, most_bytes=1)
    here.send(PICTURE)
    assert here.recv() == b"town 1"
    thread.join(60)
    assert not thread.is_alive()


def test_a_painter_ends_with_its_server(link):
    here, thread = link(idle_s=60.0, most_bytes=1 << 50)
    here.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_fault_of_the_server_is_told_in_words(link, monkeypatch):
    def refused(self, picture):
        raise Fault("Earth Engine is closed today")

    monkeypatch.setattr(painter.Painter, "png", refused)
    here, _ = link(idle_s=60.0)
    here.send(PICTURE)
    assert here.recv() == "Earth Engine is closed today"


def test_a_fault_of_the_painter_tells_no_detail(link, monkeypatch):
    monkeypatch.setattr(painter.Painter, "png", lambda self, picture: 1 / 0)
    here, _ = link(idle_s=60.0)
    here.send(PICTURE)
    assert here.recv() == "the imagery of map town cannot be drawn: see the service's log"


def test_a_period_without_images_is_told_with_its_remedy(monkeypatch):
    """The sentence is that of `isamap map`."""
    from isamap.gee_export.sentinel import composite

    def none(region, period, settings):
        raise composite.NoScenes(f"{period} {settings.optical.bands} {region.name}: choose another month")

    monkeypatch.setattr(composite, "build", none)
    monkeypatch.setattr(Painter, "_connect", lambda self: None)
    expected = CompositeQuery(STORED.bbox, "2018-06-01", "2018-07-01", {"bands": ["B2"]})
    assert Painter(Server()).lack(expected) == "2018-06 ('B2',) place: choose another month"
    monkeypatch.setattr(composite, "build", lambda *_: None)
    assert Painter(Server()).lack(expected) == ""


class Rows:
    """An end of a pipe that sends a picture's row alone."""

    def __init__(self, link) -> None:
        self.recv, self.poll, self.close, self._link = link.recv, link.poll, link.close, link

    def send(self, picture) -> None:
        self._link.send(picture.address.y)


class Echo(ImageryTiles):
    """Draws by a process without an engine (tests/support/echo.py)."""

    def _begin(self) -> None:
        self.close()
        context = multiprocessing.get_context("spawn")
        here, second = context.Pipe()
        self._link = Rows(here)
        self._process = context.Process(target=echo, args=(second,), daemon=True)
        self._process.start()
        second.close()


@pytest.fixture
def imagery(tmp_path: Path):
    made = Echo(Server(), Cache(tmp_path / "imagery", 1e9))
    yield made
    made.close()


@pytest.mark.long
def test_a_tile_is_drawn_once_by_another_process_and_kept(imagery, tmp_path):
    first = imagery.tile(STORED, ADDRESS)
    imagery.close()
    assert int(first) != os.getpid() and imagery.tile(STORED, ADDRESS) == first
    again = Echo(Server(), Cache(tmp_path / "imagery", 1e9))
    assert again.tile(STORED, ADDRESS) == first and again._process is None  # nobody had to draw


@pytest.mark.long
def test_a_process_that_has_ended_is_replaced(imagery):
    first = imagery.tile(STORED, ADDRESS)
    imagery._process.kill()
    imagery._process.join()
    assert imagery.tile(STORED, TileAddress(13, 6691, 3359)) != first


def test_the_end_of_a_server_ends_the_picture_that_it_waits_for(imagery):
    imagery._begin()
    imagery.end()
    with pytest.raises(Fault, match="ended while it drew"):
        imagery._drawn(PICTURE)


@pytest.mark.long
def test_a_process_that_ends_while_it_draws_is_a_fault(imagery):
    with pytest.raises(Fault, match="ended while it drew"):
        imagery._drawn(CompositePicture("town 1", STORED.bbox, "2019-06-01", "2019-07-01", TileAddress(9, 0, 0)))


@pytest.mark.parametrize("address", [TileAddress(8, 209, 105), TileAddress(12, 0, 0)])
def test_coarse_tiles_and_those_off_the_map_start_no_process(imagery, address):
    assert imagery.tile(STORED, address) is None and imagery._process is None


@pytest.mark.parametrize(
    ("server", "source"),
    [
        (Server(), "simulated"),
        (Server(catalog="open"), "open"),
        (Server(catalog="scenes"), "folder"),
        (Server(project="my-project"), "google"),
        (Server(project="my-project", catalog="open"), "google"),
    ],
)
def test_the_page_has_words_for_the_source_of_every_server(tmp_path, server, source):
    assert ImageryTiles(server, Cache(tmp_path, 1e9)).source == source
    words = re.search(r"const SOURCES = {.*?};", (PAGE / "main.js").read_text(encoding="utf-8"), re.DOTALL)
    assert f'  {source}: "Images: ' in words[0]
