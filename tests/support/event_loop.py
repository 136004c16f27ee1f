"""A fixture for tests that draw widgets: a loop in the main thread, as a notebook's kernel has one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def event_loop_of_a_kernel() -> Iterator[None]:
    """`asyncio.run` in a test before leaves the main thread without a loop, and widgets ask for one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)
