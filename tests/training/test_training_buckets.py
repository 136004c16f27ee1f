"""Datasets and checkpoints under gs:// addresses, by the real storage client on the local engine."""

from __future__ import annotations

from pathlib import Path

import pytest

import isamap
from isamap import training
from isamap.gee_export.base.storage import open_storage
from isamap.gee_export.datasets.dataset import write
from isamap.gee_export.earth_engine import session as sessions
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.publication import publish_model
from isamap.training.runs.remote import run_home
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import BANDS, manifest, samples, spread

FAST = {"model.widths": "4,8", "batch": "4", "epochs": "1"}


@pytest.fixture(scope="module")
def address(session) -> str:
    session.storage_client().create_bucket("town-training")
    url, splits = "gs://town-training/data", spread(4, 1, 1)
    write(url, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits), session)
    return url


@pytest.mark.long
def test_a_dataset_in_a_bucket_trains_as_one_in_a_folder(address, session, tmp_path):
    folder = tmp_path / "data"
    splits = spread(4, 1, 1)
    write(folder, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits))
    remote = training.train(address, "unet-tiny", tmp_path / "remote", settings=FAST, session=session)
    local = training.train(folder, "unet-tiny", tmp_path / "local", settings=FAST)
    assert ck.load(remote.folder).fingerprint == ck.load(local.folder).fingerprint


@pytest.mark.long
def test_a_checkpoint_is_brought_over_once_and_again_where_the_copy_is_damaged(session, uncut, monkeypatch):
    storage = open_storage("gs://town-training/runs/once", session)
    ck.upload(uncut.folder / "best", storage, "best")
    read, original = [], type(storage).read
    monkeypatch.setattr(type(storage), "read", lambda place, name: read.append(name) or original(place, name))
    checkpoint = ck.load("gs://town-training/runs/once", session)
    ck.load("gs://town-training/runs/once", session)
    assert read.count(f"best/{ck.WEIGHTS}") == 1
    (Path(checkpoint.location) / ck.WEIGHTS).write_bytes(b"damaged")
    assert ck.load("gs://town-training/runs/once", session).build()


def test_no_checkpoint_in_the_bucket(address, session):
    with pytest.raises(ValueError, match="gs://town-training/none: no checkpoint there"):
        ck.load("gs://town-training/none", session)


RUN = "gs://town-training/runs/cut"
TWO = FAST | {"epochs": "3", "device": "cpu"}


def fresh_machine(home: Path, monkeypatch) -> None:
    """Colab is gone with its disk: another ISAMAP_HOME."""
    monkeypatch.setenv("ISAMAP_HOME", str(home))


def broken_in(epoch: int, monkeypatch):
    from isamap.training.fitting.task import Task

    original = Task.training_step

    def breaking(task, batch, at):
        if task.current_epoch == epoch:
            raise RuntimeError("Colab disconnected")
        return original(task, batch, at)

    monkeypatch.setattr(Task, "training_step", breaking)


@pytest.fixture(scope="module")
def uncut(address, session, tmp_path_factory):
    """The same run in a folder, not interrupted."""
    return training.train(address, "unet-tiny", tmp_path_factory.mktemp("runs") / "run", settings=TWO, session=session)


@pytest.mark.long
def test_a_run_in_a_bucket_goes_on_on_a_fresh_machine(address, session, uncut, tmp_path, monkeypatch):
    """docs/reference/wishes.md, "Wish 25": what a lost Colab had finished is in the bucket whole, and repeats the uncut
    run.
    """
    with monkeypatch.context() as patch:
        broken_in(2, patch)
        fresh_machine(tmp_path / "colab", patch)
        with pytest.raises(RuntimeError, match="Colab disconnected"):
            training.train(address, "unet-tiny", RUN, settings=TWO, session=session)
    storage = open_storage(RUN, session)
    held = storage.list()
    assert {"run.json", "history.json", "resume.ckpt", "best/weights.safetensors", "last/checkpoint.json"} <= set(held)
    assert not [name for name in (*held, *(s.name for s in storage.listed())) if name.startswith(".")]
    fresh_machine(tmp_path / "other", monkeypatch)
    assert ck.load(f"{RUN}/last", session).metrics["epoch"] == 2
    from isamap.training.fitting.task import Task

    steps, original = [], Task.training_step
    monkeypatch.setattr(Task, "training_step", lambda *words: steps.append(1) or original(*words))
    report = training.train(address, "unet-tiny", RUN, settings=TWO, session=session)
    assert len(steps) == 1, "only the third epoch's one step"
    assert ck.load(f"{RUN}/last", session).weights_sha256 == ck.load(uncut.folder / "last").weights_sha256
    assert (report.address, f"checkpoint: {RUN}/best" in str(report)) == (RUN, True)
    assert "intervals" in ck.load(RUN, session).metrics
    _is_not_trained_again(address, session, tmp_path / "third", monkeypatch)


def _is_not_trained_again(address, session, home: Path, monkeypatch) -> None:
    from isamap.training.fitting.task import Task

    fresh_machine(home, monkeypatch)
    monkeypatch.setattr(Task, "training_step", lambda *_: pytest.fail("trained again"))
    assert training.train(address, "unet-tiny", RUN, settings=TWO, session=session).epochs == 3
    with pytest.raises(ValueError, match="gs://town-training/runs/cut holds another run: epochs is 3 there, 4 asked"):
        training.train(address, "unet-tiny", RUN, settings=TWO | {"epochs": "4"}, session=session)


def test_a_newer_checkpoint_that_waits_in_the_bucket_is_read_first(session, uncut):
    """A machine lost between the two: wholefolder.py."""
    storage = open_storage("gs://town-training/runs/waits", session)
    ck.upload(uncut.folder / "last", storage, "best")
    assert "intervals" not in ck.load("gs://town-training/runs/waits", session).metrics
    ck.upload(uncut.folder / "best", storage, ".best.new")
    for place in ("runs/waits", "runs/waits/best"):
        assert "intervals" in ck.load(f"gs://town-training/{place}", session).metrics


def test_a_machine_lost_while_it_replaced_a_checkpoint_harms_nobody(session, uncut):
    """best/ is half the old one and half the new one, `.best.new` is whole: that is taken up, and best/ mended."""
    address = "gs://town-training/runs/half"
    storage = open_storage(address, session)
    storage.write("run.json", b"{}")
    storage.write(f"best/{ck.DESCRIPTION}", (uncut.folder / "last" / ck.DESCRIPTION).read_bytes() + b" ")
    for file in (uncut.folder / "best").iterdir():
        storage.write(f".best.new/{file.name}", file.read_bytes())
    with run_home(address, session) as home:
        assert ck.load(home.folder / "best").build() and home.files()[:3] == [
            f"best/{name}" for name in (ck.CARD, ck.DESCRIPTION, ck.WEIGHTS)
        ]
        home.keep()
    kept = {stored.name for stored in storage.listed()}
    assert kept == {"run.json", *(f"best/{name}" for name in (ck.CARD, ck.DESCRIPTION, ck.WEIGHTS))}
    assert storage.read(f"best/{ck.DESCRIPTION}") == (uncut.folder / "best" / ck.DESCRIPTION).read_bytes()


def test_a_published_model_of_a_bucket_is_a_checkpoint(session, uncut):
    report = publish_model(uncut.folder, "gs://town-training/models/unet", session=session)
    kept = {stored.name for stored in open_storage("gs://town-training/models/unet", session).listed()}
    assert kept == set(report.files) and "model.stac.json" in kept
    assert ck.load("gs://town-training/models/unet", session).fingerprint == ck.load(uncut.folder).fingerprint


def test_a_bucket_without_a_folder_is_no_place_for_a_model(session, uncut):
    with pytest.raises(ValueError, match="name a folder in the bucket, such as gs://town-training/models/unet"):
        publish_model(uncut.folder, "gs://town-training", session=session)


def test_a_prefix_with_other_things_is_refused(address, session):
    with pytest.raises(ValueError, match="gs://town-training/data is not empty and holds no run"):
        training.train(address, "unet-tiny", "gs://town-training/data", settings=FAST, session=session)


def test_two_processes_of_one_machine_do_not_train_under_one_prefix(session):
    second = run_home("gs://town-training/runs/two", session)
    with (
        run_home("gs://town-training/runs/two", session),
        pytest.raises(ValueError, match="another process is training in gs://town-training/runs/two"),
    ):
        second.__enter__()


def test_only_what_changed_goes_up(session, monkeypatch):
    with run_home("gs://town-training/runs/changed", session) as home:
        (home.folder / "run.json").write_text("{}")
        (home.folder / "resume.ckpt").write_text("1")
        written, original = [], type(home.storage).write
        monkeypatch.setattr(
            type(home.storage), "write", lambda place, name, *rest: written.append(name) or original(place, name, *rest)
        )
        home.keep()
        (home.folder / "resume.ckpt").write_text("22")
        (home.folder / "history.json").write_text("[]")
        (home.folder / ".half.tmp").write_text("")
        home.keep()
        home.keep()
    assert written == ["run.json", "resume.ckpt", "history.json", "resume.ckpt"]
    with run_home("gs://town-training/runs/changed", session) as again:
        assert (again.folder / "resume.ckpt").read_text() == "22"


def test_a_run_that_never_finished_an_epoch_leaves_the_prefix_free(session):
    with run_home("gs://town-training/runs/failed", session) as home:
        (home.folder / "run.json").write_text("{}")
        (home.folder / "tensorboard").mkdir()
        (home.folder / "tensorboard" / "events").write_text("")
        home.keep()
        home.give_up()
        assert home.storage.list() == [] and not home.folder.exists()
    with run_home("gs://town-training/runs/an-epoch", session) as home:
        (home.folder / "resume.ckpt").write_text("1")
        (home.folder / "last").mkdir()
        home.keep()
        home.give_up()
        assert "resume.ckpt" in home.files(), "an epoch is there: nothing is given up"


def test_the_machines_own_copy_gives_way_to_the_bucket(session):
    """The bucket is the truth: what somebody else's machine trained on since is taken up."""
    with run_home("gs://town-training/runs/truth", session) as home:
        (home.folder / "run.json").write_text("{}")
        home.keep()
        (home.folder / "run.json").write_text("changed")
        (home.folder / "stale").write_text("never sent")
    with run_home("gs://town-training/runs/truth", session) as home:
        assert (home.folder / "run.json").read_text() == "{}" and home.files() == ["run.json"]


@pytest.mark.long
def test_the_command_trains_into_a_bucket(address, session, capfd, monkeypatch):
    monkeypatch.setattr(sessions, "connect", lambda *_, **__: session.activate())
    words = ["--recipe", "unet-tiny", "--set", "model.widths=4,8", "batch=4", "epochs=1", "device=cpu"]
    assert isamap.main(["train", "--data", address, "--out", "gs://town-training/runs/word", *words]) == 0
    assert "checkpoint: gs://town-training/runs/word/best" in capfd.readouterr().out


@pytest.mark.long
def test_a_checkpoint_in_a_bucket_is_loaded(address, session, tmp_path):
    run = training.train(address, "unet-tiny", tmp_path / "run", settings=FAST, session=session)
    storage = open_storage("gs://town-training/run", session)
    for file in (run.folder / "best").iterdir():
        storage.write(f"best/{file.name}", file.read_bytes())
    checkpoint = ck.load("gs://town-training/run", session)
    assert checkpoint.fingerprint == ck.load(run.folder).fingerprint and Path(checkpoint.location).is_dir()
    counted = training.evaluate("gs://town-training/run", address, session=session)
    assert counted.confusion.tolist() == training.evaluate(run.folder, address, session=session).confusion.tolist()
