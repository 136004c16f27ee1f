"""Datasets and checkpoints under gs:// addresses, by the real storage client on the local engine."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from gee_export.datasets.dataset import write
from gee_export.stores.storage import open_storage
from tests.training.towns import BANDS, manifest, samples, spread
from training import checkpoint as ck

FAST = {"model.widths": "4,8", "batch": "4", "epochs": "1"}


@pytest.fixture(scope="module")
def address(session) -> str:
    session.storage_client().create_bucket("town-training")
    url, splits = "gs://town-training/data", spread(4, 1, 1)
    write(url, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits), session)
    return url


def test_a_dataset_in_a_bucket_trains_as_one_in_a_folder(address, session, tmp_path):
    folder = tmp_path / "data"
    splits = spread(4, 1, 1)
    write(folder, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits))
    remote = training.train(address, "unet-tiny", tmp_path / "remote", settings=FAST, session=session)
    local = training.train(folder, "unet-tiny", tmp_path / "local", settings=FAST)
    assert ck.load(remote.folder).fingerprint == ck.load(local.folder).fingerprint


def test_a_checkpoint_in_a_bucket_is_loaded(address, session, tmp_path):
    run = training.train(address, "unet-tiny", tmp_path / "run", settings=FAST, session=session)
    storage = open_storage("gs://town-training/run", session)
    for file in (run.folder / "best").iterdir():
        storage.write(f"best/{file.name}", file.read_bytes())
    found = ck.load("gs://town-training/run", session)
    assert found.fingerprint == ck.load(run.folder).fingerprint and Path(found.location).is_dir()
    counted = training.evaluate("gs://town-training/run", address, session=session)
    assert counted.confusion.tolist() == training.evaluate(run.folder, address, session=session).confusion.tolist()


def test_no_checkpoint_in_the_bucket(address, session):
    with pytest.raises(ValueError, match="gs://town-training/none: no checkpoint there"):
        ck.load("gs://town-training/none", session)
