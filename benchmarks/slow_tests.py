"""Which test files and which fixtures take how long, from one run of the tests (`make slow`).

As a plug-in of pytest (`-p benchmarks.slow_tests`, also in the workers) it notes durations in FOLDER; as a program
(`python -m benchmarks.slow_tests [ROWS]`) it sums what lies there.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path("build/durations")
ROWS = 45

_inner: list[float] = []  # seconds of fixtures that were asked for inside each fixture that is being set up


def _note(kind: str, name: str, seconds: float) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{os.getpid()}.tsv").open("a", encoding="utf-8") as file:
        file.write(f"{kind}\t{name}\t{seconds:.4f}\n")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    """A fixture's own seconds: those that its function asked for by name are counted where they belong."""
    _inner.append(0.0)
    begun = time.perf_counter()
    try:
        return (yield)
    finally:
        seconds, inner = time.perf_counter() - begun, _inner.pop()
        if _inner:
            _inner[-1] += seconds
        _note("fixture", f"{fixturedef.baseid or '-'}::{fixturedef.argname}", seconds - inner)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Set-up, call and tear-down of a test count for its file."""
    _note("file", item.nodeid.partition("::")[0], call.duration)
    return (yield)


def summed(lines: Iterable[str]) -> dict[str, Counter[str]]:
    """Seconds by name, of files and of fixtures."""
    sums: dict[str, Counter[str]] = {"file": Counter(), "fixture": Counter()}
    for line in lines:
        kind, name, seconds = line.rstrip("\n").split("\t")
        sums[kind][name] += float(seconds)
    return sums


def table(seconds: Counter[str], rows: int) -> Iterator[str]:
    """The longest first, with the share that they and all before them have."""
    whole, so_far = sum(seconds.values()), 0.0
    for name, own in seconds.most_common(rows):
        so_far += own
        yield f"{own:8.1f} s {100 * so_far / whole if whole else 0:4.0f} %  {name}"


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    lines = (line for path in sorted(FOLDER.glob("*.tsv")) for line in path.read_text("utf-8").splitlines())
    for kind, seconds in summed(lines).items():
        print(f"{sum(seconds.values()):8.0f} s of {len(seconds)} {kind}s", *table(seconds, rows), sep="\n")


if __name__ == "__main__":
    main()
