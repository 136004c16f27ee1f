"""Datasets written by the real writer, and a home for the caches of these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isamap.gee_export.datasets.dataset import Dataset, write
from tests.support.pairs import write_pairs
from tests.support.towns import BANDS, manifest, samples, spread


@pytest.fixture
def make(tmp_path) -> Callable[..., Dataset]:
    """Writes a dataset: make(splits, bands=..., size=..., change=..., seed=..., name=..., **manifest changes)."""

    def written(splits, *, bands=tuple(BANDS), size=32, seed=0, change=lambda *pair: pair, name="town", **changes):
        head = manifest(bands, size, len(splits), name=name, **changes)
        return write(tmp_path / "data" / name, head, samples(bands, size, splits, seed=seed, change=change))

    return written


@pytest.fixture(scope="session")
def town(tmp_path_factory) -> Path:
    """A dataset of 64-px patches: 24 to train, 4 to validate, 4 to test."""
    folder = tmp_path_factory.mktemp("town") / "data"
    splits = spread(24, 4, 4)
    write(folder, manifest(tuple(BANDS), 64, len(splits)), samples(tuple(BANDS), 64, splits))
    return folder


@pytest.fixture(scope="session")
def hamlet(tmp_path_factory) -> Path:
    """Patches of 32 px: 8 to train, 2 to validate, 1 to test."""
    folder, splits = tmp_path_factory.mktemp("hamlet") / "data", spread(8, 2, 1)
    write(folder, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits))
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """Patches of 8 px of 10 m and 80 px of 1 m: 8 to train, 2 to validate, 1 to test."""
    folder = tmp_path_factory.mktemp("pairs") / "data"
    write_pairs(folder, spread(8, 2, 1), size=8)
    return folder


@pytest.fixture(scope="session")
def training_home(tmp_path_factory) -> Path:
    """An ISAMAP_HOME for the training caches of these tests."""
    return tmp_path_factory.mktemp("training_home")


@pytest.fixture(scope="module", autouse=True)
def own_home(training_home) -> Iterator[None]:
    """Training caches lie there, for the tests of this folder only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(training_home))
        yield
