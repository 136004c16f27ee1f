"""A power cut at any step of an export: the same command ends with the same bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from local_ee.home import Home
from local_ee.storage.objects import ObjectStore
from local_ee.testing.power import Disk

from isamap.gee_export.base.storage import provide
from isamap.gee_export.export.export import export_patches
from tests.gee_export.export.test_export import contents
from tests.support import killed
from tests.support.own_engine import engine_of

pytestmark = pytest.mark.usefixtures("small_requests")

ASKED = killed.ASKED | {"region": killed.half("west", 0), "max_patches": 6}
SAMPLED, SEED = 30, 4


def recorded(root: Path, session, *, fsync: bool = True) -> tuple[Disk, dict[str, bytes]]:
    """An export that nothing disturbs, as the disk saw it, and its files."""
    root.mkdir()
    disk = Disk(root, fsync=fsync)
    with disk.recording():
        export_patches(**ASKED, out=root / "data", session=session)
        disk.promise("done")
    return disk, contents(root / "data")


def wrong(disk: Disk, whole: dict[str, bytes], session) -> list[str]:
    """Cuts after which the same command does not end with the same bytes, or had to do what it had said was done."""
    actual = []
    for cut in disk.cuts:
        cut.restore(disk.root)
        try:
            report = export_patches(**ASKED, out=disk.root / "data", session=session)
        except Exception as error:
            actual.append(f"{cut.moment}: {error}")
            continue
        if contents(disk.root / "data") != whole:
            actual.append(f"{cut.moment}: other bytes")
        if cut.promised and "already complete" not in str(report):
            actual.append(f"{cut.moment}: done was not done")
    return actual


@pytest.mark.long
def test_the_same_command_ends_with_the_same_bytes_after_a_power_cut_at_any_step(plot_session, tmp_path):
    disk, full = recorded(tmp_path / "disk", plot_session)
    assert len(disk.cuts) > 100
    promised = [cut for cut in disk.cuts if cut.promised]
    disk.cuts = random.Random(SEED).sample(disk.cuts, 2 * SAMPLED) + promised
    assert not wrong(disk, full, plot_session)


@pytest.mark.long
def test_without_fsync_the_same_command_finds_done_undone(plot_session, tmp_path):
    """So the test above can fail: a disk that keeps nothing loses what was said to be done."""
    disk, full = recorded(tmp_path / "disk", plot_session, fsync=False)
    disk.cuts = [cut for cut in disk.cuts if cut.promised]
    assert any("done was not done" in fault for fault in wrong(disk, full, plot_session))


def to_bucket(home: Path, folder: Path) -> dict[str, bytes]:
    """An export to the bucket of an engine of its own: the objects' bytes by name."""
    with engine_of(home, folder) as session:
        provide("power", session)
        export_patches(**ASKED, out="gs://power/data", session=session)
    store = ObjectStore(Home(home))
    return {stored.name: store.open("power", stored.name)[1].read() for stored in store.walk("power")}


@pytest.mark.long
def test_an_export_to_the_engines_bucket_ends_with_the_same_bytes_after_a_power_cut(
    plot_session, plot, tmp_path, monkeypatch
):
    """The bucket, the operations and the run's folder lie in one home, which the cut hits as a whole."""
    (root := tmp_path / "disk").mkdir()
    monkeypatch.setenv("ISAMAP_HOME", str(root / "home"))
    disk = Disk(root)
    with disk.recording():
        full = to_bucket(root / "home", plot.folder)
    assert len(full) == 15
    for cut in random.Random(SEED).sample(disk.cuts, SAMPLED):
        cut.restore(root)
        assert to_bucket(root / "home", plot.folder) == full, cut.moment
