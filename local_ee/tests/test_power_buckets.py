"""A power cut at any step of a bucket's life: what was acknowledged is there, nothing is torn, and all can go on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from local_ee.home import Home
from local_ee.leftovers import resident
from local_ee.storage.objects import UNKNOWN, Checksums, ObjectStore, Preconditions, StorageError, checksums_of
from local_ee.storage.uploads import CHUNK_MULTIPLE, ResumableUploads
from local_ee.testing.power import Cut, Disk

BUCKET = "things"
BIG = bytes(range(256)) * (CHUNK_MULTIPLE // 256) + b"the last piece"


def put(store: ObjectStore, name: str, data: bytes) -> None:
    draft = store.temporary(BUCKET, name)
    draft.write_bytes(data)
    store.put(draft, BUCKET, name, attributes={})


def upload(home: Home, store: ObjectStore) -> None:
    """BIG in two pieces."""
    uploads = ResumableUploads(home, store)
    session = uploads.begin(BUCKET, "big", attributes={}, conditions=Preconditions(), claimed=UNKNOWN)
    for start, data in ((0, BIG[:CHUNK_MULTIPLE]), (CHUNK_MULTIPLE, BIG[CHUNK_MULTIPLE:])):
        where = f"bytes {start}-{start + len(data) - 1}/{len(BIG)}"
        uploads.receive(session, where, BytesIO(data), Checksums())


def create(store: ObjectStore) -> None:
    with contextlib.suppress(StorageError):
        store.create_bucket(BUCKET, {})


# each step's work, and what the bucket holds after it
Step = tuple[Callable[[Home, ObjectStore, Path], None], dict[str, bytes]]
STEPS: tuple[Step, ...] = (
    (lambda home, store: create(store), {}),
    (lambda home, store: put(store, "a", b"first"), {"a": b"first"}),
    (lambda home, store: put(store, "deep/b", b"second"), {"a": b"first", "deep/b": b"second"}),
    (lambda home, store: put(store, "a", b"third"), {"a": b"third", "deep/b": b"second"}),
    (upload, {"a": b"third", "deep/b": b"second", "big": BIG}),
    (lambda home, store: store.delete(BUCKET, "deep/b"), {"a": b"third", "big": BIG}),
)


def bucket(store: ObjectStore) -> dict[str, bytes] | None:
    """What a client reads, each object with the checksum that its description says; None without the bucket."""
    try:
        store.bucket(BUCKET)
    except StorageError:
        return None
    found = {}
    for stored in store.walk(BUCKET):
        with contextlib.suppress(StorageError), store.open(BUCKET, stored.name)[1] as file:
            found[stored.name] = file.read()
            assert checksums_of(store.content_path(stored)).crc32c == stored.crc32c
    return found


def work(home: Home, disk: Disk | None = None) -> None:
    store = ObjectStore(home)
    with resident(home):
        for number, (act, _) in enumerate(STEPS):
            with contextlib.suppress(StorageError):  # deleting what is deleted
                act(home, store)
            if disk:
                disk.promise(number)


def recorded(root: Path, *, fsync: bool = True) -> Disk:
    root.mkdir()
    disk = Disk(root, fsync=fsync)
    with disk.recording():
        work(Home(root), disk)
    return disk


def is_kept(cut: Cut, root: Path) -> bool:
    """Whether a client finds the last step that was acknowledged, or what follows it."""
    cut.restore(root)
    home, count = Home(root), len(cut.promised)
    states = [None, *(state for _, state in STEPS)]
    with resident(home):
        return bucket(ObjectStore(home)) in states[count : count + 2]


def test_a_bucket_holds_what_was_acknowledged_after_a_power_cut_at_any_step(tmp_path):
    disk = recorded(tmp_path / "disk")
    lost = [cut.moment for cut in disk.cuts if not is_kept(cut, disk.root)]
    assert len(disk.cuts) > 100 and not lost, lost[:5]


@pytest.mark.long
def test_the_same_requests_end_the_same_after_a_power_cut_at_any_step(tmp_path):
    disk = recorded(tmp_path / "disk")
    for cut in disk.cuts:
        cut.restore(disk.root)
        work(Home(disk.root))
        assert bucket(ObjectStore(Home(disk.root))) == STEPS[-1][1], cut.moment


@pytest.mark.long
def test_nothing_is_left_over_of_a_power_cut_once_an_engine_has_started_and_all_was_done_again(tmp_path):
    disk = recorded(tmp_path / "disk")
    kinds = sorted(kind(path) for path in files(disk.root))
    for cut in disk.cuts:
        cut.restore(disk.root)
        work(Home(disk.root))
        with resident(Home(disk.root)):
            assert sorted(kind(path) for path in files(disk.root)) == kinds, cut.moment


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.parent.name not in ("locks", "uploads")]


def kind(path: Path) -> str:
    """A file's name without what differs from run to run."""
    stem, mark, detail = path.name.rpartition("@")
    return f"{stem}{mark}{'N' if detail.isdigit() else detail}"


def test_without_fsync_acknowledged_objects_are_lost(tmp_path):
    """So the tests above can fail."""
    disk = recorded(tmp_path / "disk", fsync=False)
    assert any(not is_kept(cut, disk.root) for cut in disk.cuts if cut.promised)
