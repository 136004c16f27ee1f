"""A small town's public archives, and checkpoints, which the tests of whole ways share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inference.conftest import make_checkpoint  # noqa: F401
from tests.support import open_town
from tests.support.open_town import OpenTown


@pytest.fixture(scope="module")
def town(reconnected: None) -> Iterator[OpenTown]:
    """A small town's public archives, on the loopback address."""
    with open_town.standing() as standing:
        yield standing


@pytest.fixture(scope="module")
def archive_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An ISAMAP_HOME of its own, whose cache of archives is empty."""
    home = tmp_path_factory.mktemp("open-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(home))
        yield home
