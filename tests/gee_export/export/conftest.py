"""Exports of the plot: of June 2019, by tasks, and in many small requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import pixels
from isamap.gee_export.tasks import batch
from tests.support import killed
from tests.support import plot as plots

PLOT_JUNE = {"region": plots.REGION, "month": "2019-06", "progress": False}


@pytest.fixture(scope="module")
def small_requests() -> Iterator[None]:
    """Few pixels a request, so that an export of the small plot is many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "REQUEST_LIMIT_BYTES", killed.SMALL_REQUEST)
        yield


@pytest.fixture
def export(plot_session):
    """Exports the plot of June 2019 to a folder."""

    def call(out, **asked):
        return export_patches(**(PLOT_JUNE | asked), out=out, session=plot_session)

    return call


@pytest.fixture
def by_tasks(plot_session, monkeypatch):
    monkeypatch.setattr(batch, "LOCAL_PACE", batch.Pace(0.01, 0.05, 0.3))
    plot_session.storage_client().create_bucket("tasks")
    yield {"mode": "batch", "bucket": "tasks"}
    plot_session.storage_client().bucket("tasks").delete(force=True)
