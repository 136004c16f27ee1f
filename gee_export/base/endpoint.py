"""Which of Google's two addresses answers what: chosen once for a command and the processes that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_URL = "https://earthengine.googleapis.com"
HIGH_VOLUME_URL = "https://earthengine-highvolume.googleapis.com"  # guides/processing_environments
VARIABLE = "ISAMAP_ENDPOINT"
ENDPOINTS = ("auto", "standard", "high-volume")


def chosen() -> str:
    """The user's choice, `auto` without one; ValueError for another word in the variable."""
    return checked(os.environ.get(VARIABLE) or "auto")


def checked(endpoint: str) -> str:
    """The word; ValueError for another one."""
    if endpoint not in ENDPOINTS:
        raise ValueError(f"--endpoint {endpoint}: expected one of {', '.join(ENDPOINTS)}")
    return endpoint


def addresses(endpoint: str) -> tuple[str, str]:
    """Where questions go (lists, aggregations, assets, tasks), and where pixels are asked for.

    `auto`: the high-volume address is for many small requests without aggregation, and takes more EECU for complex
    ones (guides/processing_environments), so only pixels go there.
    """
    questions = HIGH_VOLUME_URL if endpoint == "high-volume" else STANDARD_URL
    return questions, STANDARD_URL if endpoint == "standard" else HIGH_VOLUME_URL


@contextmanager
def using(endpoint: str | None) -> Iterator[None]:
    """The choice inside the block, for processes started there too; None leaves it as it is."""
    before = os.environ.get(VARIABLE)
    if endpoint is not None:
        os.environ[VARIABLE] = checked(endpoint)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
