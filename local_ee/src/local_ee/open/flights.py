"""Calls that fetch or decode in threads of their own, and computations that wait for them."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import cache
from typing import Any, TypeVar

from local_ee import budget
from local_ee.threads import DaemonThreads

_THREADS = 48
_DECODERS = 16  # GDAL lets other threads run meanwhile; on a busy machine more threads get more of it
_POLL_S = 0.05

Value = TypeVar("Value")


def together(call: Callable[[Any], Value], items: Sequence[Any]) -> list[Value]:
    """The value of a call for each item, several at once; the first error is raised."""
    if len(items) == 1:
        return [call(items[0])]
    return [waited(future) for future in [apart(call, item) for item in items]]


def waited(future: Future[Value]) -> Value:
    """The value of what another thread fetches; the wait does not count against the computation's deadline."""
    with budget.waiting():
        while True:
            budget.check()
            try:
                return future.result(_POLL_S)
            except NotYet:
                if future.done():  # it came just now, or ended by a time-out of its own
                    return future.result()


def apart(call: Callable[..., Value], *args: Any) -> Future[Value]:
    """The future of a call that belongs to no computation: others may wait for it when this one has ended."""
    future: Future[Value] = contextvars.Context().run(_threads().submit, call, *args)
    return future


def decoding(call: Callable[..., object], *args: Any) -> None:
    """Begins a call that works with a processor, beside those that wait for archives; it belongs to no computation."""
    contextvars.Context().run(_decoders().submit, call, *args)


@cache
def _threads() -> DaemonThreads:
    return DaemonThreads(_THREADS, "open-archives")


@cache
def _decoders() -> DaemonThreads:
    return DaemonThreads(_DECODERS, "open-decoders")


if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
    os.register_at_fork(after_in_child=_threads.cache_clear)
    os.register_at_fork(after_in_child=_decoders.cache_clear)
