"""A process that ends waits for no server: what reads ahead is left alone, and no file is closed under a reader."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from isamap.gee_export.base import ending
from isamap.gee_export.base.grid import Window
from isamap.gee_export.command_line import console
from isamap.inference.cutting.parallel import read_ahead
from isamap.inference.inputs.source import open_geotiff
from tests.inference.conftest import BANDS


@pytest.fixture
def answer() -> Iterator[threading.Event]:
    """What a server that hangs would give at last."""
    event = threading.Event()
    yield event
    event.set()
    ending.cancel()


def hanging(answer: threading.Event, asked: threading.Event) -> Iterator[int]:
    yield 0
    asked.set()
    answer.wait()
    yield 1


def closing(answer: threading.Event) -> tuple[threading.Thread, Callable[[], None]]:
    """A thread that closes a reader whose server hangs."""
    request = threading.Event()
    items = read_ahead(hanging(answer, request))
    assert next(items) == 0
    assert request.wait(60)
    thread = threading.Thread(target=items.close, daemon=True)
    return thread, thread.start


def test_a_process_that_ends_leaves_a_reader_that_hangs(answer):
    thread, start = closing(answer)
    ending.begin()
    start()
    thread.join(60)
    assert not thread.is_alive() and not answer.is_set()


@pytest.mark.long
def test_otherwise_the_reader_ends_first(answer):
    thread, start = closing(answer)
    start()
    thread.join(2 * ending.LEAVE_S)
    assert thread.is_alive()
    answer.set()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.long
def test_sigterm_ends_this_command_only(answer):
    left = []

    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            thread, start = closing(answer)
            start()
            thread.join(60)
            left.append(not thread.is_alive())

    assert console.run(command) == console.TERMINATED and left == [True]
    test_otherwise_the_reader_ends_first(threading.Event())


def test_a_file_is_not_closed_while_a_thread_reads_it(scene, monkeypatch):
    """GDAL would read freed memory."""
    source = open_geotiff(scene, BANDS)
    reading, go_on = threading.Event(), threading.Event()
    read = source._rows.read

    def slow(window: Window):
        reading.set()
        go_on.wait()
        return read(window)

    monkeypatch.setattr(source._rows, "read", slow)
    threads = [threading.Thread(target=call, daemon=True) for call in (
        lambda: source.read(Window(0, 0, 8, 8)), source.close)]  # fmt: skip
    threads[0].start()
    assert reading.wait(60)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive() and not source._dataset.closed
    go_on.set()
    threads[1].join(60)
    assert source._dataset.closed
