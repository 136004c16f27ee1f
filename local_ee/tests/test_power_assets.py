"""A power cut at any step of an ingestion: the asset is whole or not there, and operations have ended."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from local_ee.assets.ingest import ingest
from local_ee.assets.manifest import Manifest, parse
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Progress, Submission, TaskStore
from local_ee.errors import EngineError
from local_ee.home import Home
from local_ee.leftovers import resident
from local_ee.limits import Limits
from local_ee.storage.objects import ObjectStore
from local_ee.testing.power import Cut, Disk
from local_ee.testing.small import geotiff, grid

pytestmark = pytest.mark.long
FOLDER = "projects/p/assets/deep"
ASSET = f"{FOLDER}/map"
FIRST = np.arange(2 * 30 * 20, dtype="uint16").reshape(2, 30, 20)
VERSIONS = {"first": FIRST, "second": FIRST + 5}


def prepared(root: Path) -> Home:
    """A home whose bucket holds the files to ingest."""
    home = Home(root)
    store = ObjectStore(home)
    store.create_bucket("uploads", {})
    for name, values in VERSIONS.items():
        (draft := store.temporary("uploads", name)).write_bytes(geotiff(values))
        store.put(draft, "uploads", name, attributes={})
    return home


def ingested(manifest: Manifest, assets: AssetStore, buckets: ObjectStore, progress: Progress) -> list[str]:
    return ingest(manifest, assets, buckets, overwrite=True, progress=progress)


def work(home: Home, disk: Disk | None = None) -> None:
    """A folder, the first version of the asset in it, then the second."""
    with resident(home), contextlib.closing(TaskStore(home, Limits())) as tasks:
        assets, buckets = AssetStore(home), ObjectStore(home)
        with contextlib.suppress(EngineError):  # it is there
            assets.create(FOLDER, "FOLDER", {})
        if disk:
            disk.promise("folder")
        for version in VERSIONS:
            document = {"name": ASSET, "tilesets": [{"id": "t", "sources": [{"uris": [f"gs://uploads/{version}"]}]}]}
            made = tasks.submit(
                Submission("p", "INGEST_IMAGE", version),
                partial(ingested, parse(document), assets, buckets),
            )
            ended = tasks.wait(made["name"].rpartition("/")[2])
            assert ended["metadata"]["state"] == "SUCCEEDED", ended
            if disk:
                disk.promise(version)


def recorded(root: Path, *, fsync: bool = True) -> Disk:
    root.mkdir()
    home = prepared(root)
    disk = Disk(root, fsync=fsync)
    with disk.recording():
        work(home, disk)
    return disk


def pixels(home: Home) -> np.ndarray | None:
    image = AssetStore(home).image(ASSET)
    return None if image is None else image.read(("b1", "b2"), grid(30, 20))[0]


def version(home: Home) -> str | None:
    """Which version the asset is; None where there is none, `torn` where it is neither."""
    values = pixels(home)
    if values is None:
        return None
    return next((name for name, wanted in VERSIONS.items() if np.array_equal(values, wanted)), "torn")


def is_kept(cut: Cut, root: Path) -> bool:
    """Whether the asset is the last version of which the end was told, or the next one."""
    cut.restore(root)
    states, count = [None, *VERSIONS], max(len(cut.promised) - 1, 0)
    return version(Home(root)) in states[count : count + 2]


def test_an_asset_is_the_version_that_was_told_after_a_power_cut_at_any_step(tmp_path):
    disk = recorded(tmp_path / "disk")
    lost = [cut.moment for cut in disk.cuts if not is_kept(cut, disk.root)]
    assert len(disk.cuts) > 100 and not lost, lost[:5]


def test_every_operation_has_ended_after_a_power_cut_and_those_told_to_have_succeeded_did(tmp_path):
    disk = recorded(tmp_path / "disk")
    for cut in disk.cuts:
        cut.restore(disk.root)
        with contextlib.closing(TaskStore(Home(disk.root), Limits())) as tasks:
            operations = tasks.list("p")
        assert all(operation.get("done") for operation in operations), cut.moment
        succeeded = {o["metadata"]["description"] for o in operations if o["metadata"]["state"] == "SUCCEEDED"}
        assert succeeded >= set(cut.promised) - {"folder"}, cut.moment


def test_the_same_requests_end_the_same_after_a_power_cut_at_any_step(tmp_path):
    disk = recorded(tmp_path / "disk")
    for cut in disk.cuts:
        cut.restore(disk.root)
        work(home := Home(disk.root))
        tifs = [path for path in home.assets.rglob("*.tif")]
        assert version(home) == "second" and len(tifs) == 2, cut.moment


def test_without_fsync_assets_are_torn_or_lost(tmp_path):
    """So the tests above can fail."""
    disk = recorded(tmp_path / "disk", fsync=False)
    lost = 0
    for cut in disk.cuts:
        try:
            lost += not is_kept(cut, disk.root)
        except Exception:  # rasterio's, of half a file
            lost += 1
    assert lost
