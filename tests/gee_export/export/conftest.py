"""Exports of the plot in many small requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from isamap.gee_export.requests import pixels
from tests.support import killed


@pytest.fixture(scope="module")
def small_requests() -> Iterator[None]:
    """Few pixels a request, so that an export of the small plot is many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "REQUEST_LIMIT_BYTES", killed.SMALL_REQUEST)
        yield
