"""What an engine holds, as its clients see it: python state.py HOME prints objects, assets and operations as JSON."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isamap.gee_export.earth_engine.session import Session, connect

PROJECT = "projects/local/assets"
UNFINISHED = ("PENDING", "RUNNING", "CANCELLING", "UNKNOWN", "")
SETTLE_S = 120.0
# What differs between two runs that do the same: when, and under which number.
PASSING = ("updateTime", "sizeBytes", "version", "etag", "startTimeNs")


def state(session: Session) -> dict[str, Any]:
    """Digests of objects and assets by name, and the states of operations once those that run have ended."""
    return {"objects": objects(session), "assets": assets(), "operations": operations()}


def objects(session: Session) -> dict[str, str]:
    """sha256 by gs:// address of every object of every bucket."""
    client = session.storage_client()
    blobs = (blob for bucket in client.list_buckets() for blob in client.list_blobs(bucket))
    return {f"gs://{blob.bucket.name}/{blob.name}": _sha256(blob.download_as_bytes()) for blob in blobs}


def assets() -> dict[str, str]:
    """sha256 by id of every asset: its description without times, and of images all pixels."""
    return {asset["name"]: _sha256(_facts(asset) + _pixels(asset)) for asset in _walk(PROJECT)}


def operations() -> dict[str, str]:
    """State by name of every operation, after a wait for those that still run."""
    import ee

    deadline = time.monotonic() + SETTLE_S
    while True:
        states = {item["name"]: item["metadata"].get("state", "") for item in ee.data.listOperations()}
        if not set(states.values()) & set(UNFINISHED) or time.monotonic() > deadline:
            return states
        time.sleep(0.2)


def _walk(parent: str) -> Iterator[dict[str, Any]]:
    import ee

    for asset in ee.data.listAssets(parent).get("assets", []):
        yield asset
        if asset["type"] in ("FOLDER", "IMAGE_COLLECTION"):
            yield from _walk(asset["name"])


def _facts(asset: dict[str, Any]) -> bytes:
    return json.dumps({key: value for key, value in asset.items() if key not in PASSING}, sort_keys=True).encode()


def _pixels(asset: dict[str, Any]) -> bytes:
    import ee

    if asset["type"] != "IMAGE":
        return b""
    bands = ee.data.getAsset(asset["name"])["bands"]
    request = {"assetId": asset["name"], "fileFormat": "NPY", "grid": bands[0]["grid"]}
    return b"".join(ee.data.getPixels({**request, "bandIds": [band["id"]]}) for band in bands)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    print(json.dumps(state(connect(home=Path(sys.argv[1])))))
