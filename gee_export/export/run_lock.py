"""The output folder of an export: its owner, its contents, and what other commands may not do to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import FolderStorage, Storage
from isamap.gee_export.datasets import manifest
from isamap.gee_export.datasets.dataset import MANIFEST, Dataset, Entry
from isamap.gee_export.datasets.manifest import DatasetManifest
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.export.blocks import BlockStore

_NOT_ASKED = (*manifest.FROM_SERVER, *manifest.FROM_PLAN)


@contextmanager
def claimed(storage: Storage, progress_log: ProgressLog, request_head: DatasetManifest) -> Iterator[None]:
    """Holds the place for this run; ValueError where it has other contents, Fault where another run holds it."""
    with progress_log.locked():
        _forget_unreadable(storage, progress_log)
        stored = _held(storage, progress_log)
        if stored is None and not progress_log.has_begun and storage.list():
            raise ValueError(_foreign(storage))
        if stored is not None:
            _refuse_others(storage, request_head, stored, without=_NOT_ASKED)
        # Only under the lock: another writer's temporary files would be swept away, too.
        if isinstance(storage, FolderStorage):
            storage.sweep()
        yield


def refuse_others(storage: Storage, progress_log: ProgressLog, asked: DatasetManifest) -> None:
    """ValueError where the place has other contents; looks only, and holds nothing."""
    if (holder := _held(storage, progress_log)) is not None:
        _refuse_others(storage, asked, holder, without=_NOT_ASKED)
    elif not progress_log.has_begun and storage.list():
        raise ValueError(_foreign(storage))


def finished(storage: Storage, progress_log: ProgressLog) -> Dataset | None:
    """The dataset where it is complete and every file whole; a damaged one is reopened, to be repaired."""
    if not storage.exists(MANIFEST):
        return None
    try:
        dataset = Dataset.open(storage)
        damaged = dataset.damaged()
    except Fault as error:
        dataset, damaged = None, [str(error)]
    if damaged:
        progress_log.log(f"mends {len(damaged)} damaged files, such as {damaged[0]}")
        # First of all: while the manifest stands, the dataset counts as whole.
        storage.delete(MANIFEST)
        return None
    BlockStore(progress_log.blocks).clear()
    return dataset


def begin(storage: Storage, progress_log: ProgressLog, head: DatasetManifest) -> None:
    """Notes what this export is; ValueError where the place was begun with something else."""
    stored = progress_log.head()
    if stored is None:
        progress_log.begin(head)
    else:
        _refuse_others(storage, head, stored, without=())


def _forget_unreadable(storage: Storage, progress_log: ProgressLog) -> None:
    """Removes the work of a run whose settings cannot be read: they may be others than those asked for now."""
    if progress_log.is_readable or storage.exists(MANIFEST):
        return
    for entry in (Entry.from_json(row) for row in progress_log.rows() if "patch" in row):
        for name, _ in entry.patch.files:
            storage.delete(name)
    BlockStore(progress_log.blocks).clear()
    progress_log.forget()


def _held(storage: Storage, progress_log: ProgressLog) -> DatasetManifest | None:
    """What the place was exported with; of a damaged manifest the run's own notes know the settings."""
    if not storage.exists(MANIFEST):
        return progress_log.head()
    try:
        return manifest.decode_sealed(storage.read(MANIFEST), f"{storage.url}/{MANIFEST}")[0]
    except Fault as error:
        if (noted := progress_log.head()) is None:
            raise Fault(f"{error}; first remove {storage.url}, its settings are lost") from error
        return noted


def _foreign(storage: Storage) -> str:
    return f"{storage.url} holds files that no export of this machine has begun: choose another --out, or empty it"


def _refuse_others(
    storage: Storage, requested: DatasetManifest, stored: DatasetManifest, *, without: Sequence[str]
) -> None:
    differing = manifest.differences(requested, stored, without=without)
    if differing:
        more = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
        raise ValueError(
            f"{storage.url} holds an export with other settings: {'; '.join(differing[:3])}{more}; "
            "choose another --out, or remove it"
        )
