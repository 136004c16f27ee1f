"""Puts what a program measured between two marks of a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def write_between(page: Path, opening: str, closing: str, body: Callable[[], str]) -> None:
    """Replaces what stands between the marks of a page; ValueError where it has none, before the body is made."""
    text = page.read_text(encoding="utf-8")
    before, opened, after = text.partition(opening)
    _, closed, end = after.partition(closing)
    if not (opened and closed):
        raise ValueError(f"{page} has no {opening} ... {closing}: put both where the tables belong")
    page.write_text(f"{before}{opening}\n{body()}\n{closing}{end}", encoding="utf-8")
