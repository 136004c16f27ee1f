"""An engine with a bucket `uploads`, and what tests of ingestion and external images upload, register and read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ee
import numpy as np
import pytest
from google.auth.credentials import AnonymousCredentials

from local_ee import LocalEngine
from local_ee.testing.small import catalog, storage_client

ROOT = "projects/local/assets"


@contextmanager
def engine_with_uploads(home: Path) -> Iterator[LocalEngine]:
    """`ee` speaks to an engine that has the bucket, and repeats nothing."""
    with LocalEngine(catalog(8, 8), home) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        storage_client(running.url).create_bucket("uploads")
        yield running
    ee.data.setMaxRetries(5)


def name_of(request: pytest.FixtureRequest) -> str:
    """The test's own name, as an asset or an object may have it."""
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


def manifest(name: str, *uris: str, **fields) -> dict:
    tileset = {"id": "t", "sources": [{"uris": [uri]} for uri in uris], **fields.pop("tileset", {})}
    return {"name": f"{ROOT}/{name}", "tilesets": [tileset], **fields}


def pixels(name: str, band: str) -> np.ndarray:
    request = {"assetId": f"{ROOT}/{name}", "fileFormat": "NUMPY_NDARRAY", "bandIds": [band]}
    return ee.data.getPixels(request)[band]


def mask(name: str, band: str) -> np.ndarray:
    image = ee.Image(f"{ROOT}/{name}").select(band).mask()
    return ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY"})[band]
