"""What killed processes leave in a home is removed at the next start, and nothing that a living one uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_ee.catalogs import open_catalog
from local_ee.home import Home, hold, temporary_beside
from local_ee.leftovers import resident, sweep
from local_ee.rest.server import LocalEngine
from local_ee.storage.objects import ObjectStore, StoredObject


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def store(home) -> ObjectStore:
    store = ObjectStore(home)
    store.create_bucket("things", {})
    return store


def put(store: ObjectStore, name: str, data: bytes) -> StoredObject:
    draft = store.temporary("things", name)
    draft.write_bytes(data)
    return store.put(draft, "things", name, attributes={})


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "locks" not in path.parts}


def left(home: Home) -> list[Path]:
    """One of each kind of file that a killed engine leaves."""
    made = [
        temporary_beside(home.buckets / "things" / "deep" / "x"),
        temporary_beside(home.assets / "projects" / "p" / "assets" / "a").with_suffix(".draft.tif"),
        temporary_beside(home.assets / "projects" / "p" / "assets" / "a").with_suffix(".draft.tif.msk"),
        temporary_beside(home.uploads / "body"),
        temporary_beside(home.operations / "x"),
        temporary_beside(home.engine / "probe"),
        home.buckets / "things" / "deep" / "never described@1700000000000000",
        home.assets / "projects" / "p" / "assets" / "a@0123456789ab-0.tif",
        home.uploads / "0123.part",
        home.operations / "ABC.cancel",
    ]
    for path in made:
        path.write_bytes(b"half")
    return made


def test_leftovers_of_every_kind_are_removed(home, store):
    put(store, "deep/kept", b"1")
    kept = files(home.engine)
    assert set(sweep_after(home, left(home))) and files(home.engine) == kept


def sweep_after(home: Home, made: list[Path]) -> list[Path]:
    assert set(made) <= files(home.engine)
    return sweep(home)


def test_bytes_of_an_older_generation_are_removed(home, store):
    stored = put(store, "x", b"new")
    (old := store.content_path(stored).with_name("x@1")).write_bytes(b"old")
    assert sweep(home) == [old] and store.open("things", "x")[1].read() == b"new"


def test_objects_whose_names_look_like_drafts_stay(home, store):
    name = ".17-0123456789ab.tmp"
    put(store, name, b"mine")
    assert sweep(home) == [] and store.open("things", name)[1].read() == b"mine"


def test_bytes_whose_description_is_damaged_stay(home, store):
    stored = put(store, "x", b"1")
    (description := home.buckets / "things" / "x@.json").write_bytes(b"")
    assert sweep(home) == [] and store.content_path(stored).exists() and description.exists()


def test_the_lock_of_a_dead_process_is_removed_and_that_of_a_living_one_stays(home):
    (dead := home.locks / "process-1-dead").parent.mkdir(parents=True)
    dead.touch()
    with hold(home.locks / "process-2-living"):
        sweep_locks = {path.name for path in sweep(home)}
        assert sweep_locks == {dead.name} and (home.locks / "process-2-living").exists()


def test_nothing_is_removed_while_another_engine_uses_the_home(home, store):
    with resident(home):
        made = left(home)
        with resident(home):
            assert set(made) <= files(home.engine)
    with resident(home):
        assert not set(made) & files(home.engine)


def test_an_engine_sweeps_when_it_starts(home, store):
    made = left(home)
    with LocalEngine(open_catalog("world"), home.root):
        assert not set(made) & files(home.engine)


def test_an_engine_that_has_stopped_keeps_nobody_from_sweeping(home, store):
    with LocalEngine(open_catalog("world"), home.root):
        made = left(home)
    with resident(home):
        assert not set(made) & files(home.engine)
