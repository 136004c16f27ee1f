"""A plot of ground with known pixels behind an engine of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import plot as plots


@pytest.fixture(scope="session")
def plot(tmp_path_factory: pytest.TempPathFactory) -> plots.Plot:
    return plots.write(tmp_path_factory.mktemp("plot"))


@pytest.fixture(scope="module")
def plot_session(plot: plots.Plot, engine_home: Path) -> Iterator:
    """`ee` connected to the plot for one module; afterwards to the world again, as other suites expect."""
    from isamap.gee_export.earth_engine.session import connect

    with connect(catalog=plot.folder, home=engine_home) as connected:
        yield connected
    connect(catalog="world", home=engine_home)
