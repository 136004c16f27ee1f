"""Archives that fail and processes that are killed: nothing is lost, and the pixels are those of an undisturbed run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from local_ee.open import blocks, hosts
from local_ee.open.catalog import OpenCatalog
from local_ee.open.errors import ArchiveFault
from local_ee.testing import archive as archives
from local_ee.testing.archive import Archive, Fault, always
from local_ee.testing.small_archive import BOX, small_archive

S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT"
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]
SCHEDULES, KILLS = 50, 20


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FIRST_PAUSE_S", 0.002)


@pytest.fixture(scope="module")
def server() -> Iterator[Archive]:
    with small_archive() as archive:
        yield archive


@pytest.fixture(scope="module")
def undisturbed(server: Archive, tmp_path_factory: pytest.TempPathFactory) -> str:
    return digest(server.catalog(tmp_path_factory.mktemp("undisturbed")))


def digest(catalog: OpenCatalog) -> str:
    """The hash of ids and pixels of all scenes and bands."""
    total = sha256()
    for collection in (S2, S1):
        for image in catalog.images(collection, *JUNE, BOX):
            total.update(image.id.encode())
            for band in image.bands:
                values, masks = image.read((band.name,), band.grid)
                total.update(values.tobytes() + masks.tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_a_schedule_of_faults_changes_no_pixel(seed: int, server: Archive, undisturbed: str, tmp_path: Path):
    before = len(server.asked)
    server.faults = archives.schedule(seed)
    try:
        assert digest(server.catalog(tmp_path)) == undisturbed
    finally:
        server.faults = lambda asked: None
    assert len(server.asked) > before
    assert digest(server.catalog(tmp_path, offline=True)) == undisturbed


@pytest.mark.parametrize(
    "fault",
    [Fault("status", 503), Fault("close"), Fault("status", 429, {"Retry-After": "9999"})],
    ids=["down", "cut off", "throttled"],
)
@pytest.mark.parametrize("after", [0, 3, 12, 30])
def test_an_archive_that_goes_down_is_one_sentence_and_what_came_before_is_kept(
    server: Archive, undisturbed: str, tmp_path: Path, after: int, fault: Fault
):
    start = len(server.asked)
    server.faults = lambda asked: fault if asked.number > start + after else None
    try:
        with pytest.raises(ArchiveFault) as caught:
            digest(server.catalog(tmp_path))
    finally:
        server.faults = lambda asked: None
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    kept = names(tmp_path)
    assert digest(server.catalog(tmp_path)) == undisturbed
    assert kept <= names(tmp_path)


def names(folder: Path) -> set[str]:
    """The files that are whole: what other threads are still writing has a name of its own."""
    return {path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}


def test_a_bucket_that_refuses_everything_hides_no_scene(server: Archive, undisturbed: str, tmp_path: Path):
    """As a proxy between may do: 403 for each file is no sign that none is there."""
    server.faults = always(Fault("status", 403), lambda asked: asked.is_file and "amazonaws" in asked.host)
    try:
        with pytest.raises(ArchiveFault, match="refuses every file that it lists"):
            digest(server.catalog(tmp_path))
    finally:
        server.faults = lambda asked: None
    assert digest(server.catalog(tmp_path)) == undisturbed


def test_a_disk_that_is_full_in_the_middle_loses_nothing(
    server: Archive, undisturbed: str, tmp_path: Path, monkeypatch
):
    real, left = blocks._write, [20]

    def write(path: Path, *parts: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, os.strerror(28))
        real(path, *parts)

    monkeypatch.setattr(blocks, "_write", write)
    with pytest.raises(OSError, match="is full: free space there"):
        digest(server.catalog(tmp_path))
    left[0] = 1 << 30
    assert digest(server.catalog(tmp_path)) == undisturbed


PROGRAM = """
import json, os, random, signal, sys
from pathlib import Path
from local_ee.open import blocks, hosts
from local_ee.open.catalog import OpenCatalog
from tests.open.test_archive_faults import digest
hosts.LOOPBACK.update(json.loads(sys.argv[2]))
folder, kills = Path(sys.argv[1]), int(sys.argv[3])
def work(seed):
    drawn = random.Random(seed)
    left, half = drawn.randrange(1, 6), drawn.random() < 0.5
    real = blocks._write
    def write(path, digest, content):
        nonlocal left
        left -= 1
        if left == 0:
            real(path, digest, content[: len(content) // 2] if half else content)
            os.kill(os.getpid(), signal.SIGKILL)
        real(path, digest, content)
    blocks._write = write
    digest(OpenCatalog(folder))
    os._exit(0)
for seed in range(kills):
    child = os.fork()
    if child == 0:
        work(seed)
    print(os.waitpid(child, 0)[1], sum(1 for path in folder.rglob("*") if path.is_file()))
print(digest(OpenCatalog(folder)))
"""


def test_twenty_kills_lose_nothing_that_was_whole(server: Archive, undisturbed: str, tmp_path: Path):
    """Each killed while it writes, before or after the bytes are there; the next goes on with what is kept."""
    arguments = [str(tmp_path), json.dumps(server.loopback), str(KILLS)]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr
    *killed, last = ended.stdout.split("\n")[:-1]
    statuses, counts = zip(*(map(int, line.split()) for line in killed), strict=True)
    assert set(statuses) == {9}
    assert list(counts) == sorted(counts)
    assert last == undisturbed
    before = len(server.asked)
    assert digest(server.catalog(tmp_path, offline=True)) == undisturbed
    assert len(server.asked) == before


def test_only_scenes_that_lack_files_is_no_error(tmp_path: Path):
    with small_archive() as server:
        server.faults = always(Fault("status", 404), lambda asked: asked.path.endswith("SCL.tif"))
        catalog = server.catalog(tmp_path)
        assert catalog.images(S2, *JUNE, BOX) == []
        assert {note.reason for note in catalog.notes(S2)} == {"the archive has no file of its band SCL"}


def test_no_scene_at_all_is_an_empty_collection(tmp_path: Path):
    with Archive() as server:
        catalog = server.catalog(tmp_path)
        assert catalog.images(S1, *JUNE, BOX) == [] and catalog.notes() == ()
