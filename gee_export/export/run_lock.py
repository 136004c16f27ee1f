"""The place of an export: whose it is, what it holds already, and what another command may not do to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gee_export.base.errors import Fault
from gee_export.base.storage import FolderStorage, Storage
from gee_export.datasets import manifest
from gee_export.datasets.dataset import MANIFEST, Dataset
from gee_export.datasets.manifest import DatasetManifest
from gee_export.datasets.progress_log import Ledger
from gee_export.export.blocks import BlockStore


@contextmanager
def claimed(storage: Storage, ledger: Ledger, asked: DatasetManifest) -> Iterator[None]:
    """Holds the place for this run; ValueError where it has other contents, Fault where another run holds it."""
    with ledger.locked():
        held = _held(storage, ledger)
        if held is None and storage.list():
            raise ValueError(
                f"{storage.url} holds files that no export of this machine has begun: choose another --out, or empty it"
            )
        if held is not None:
            _refuse_others(storage, asked, held, without=(*manifest.FROM_SERVER, *manifest.FROM_PLAN))
        if isinstance(storage, FolderStorage):
            storage.sweep()
        yield


def finished(storage: Storage, ledger: Ledger) -> Dataset | None:
    """The dataset where it is complete and every file whole; a damaged one is opened up again, to be mended."""
    if not storage.exists(MANIFEST):
        return None
    try:
        held = Dataset.open(storage)
        damaged = held.damaged()
    except Fault as error:
        held, damaged = None, [str(error)]
    if damaged:
        ledger.log(f"mends {len(damaged)} damaged files, such as {damaged[0]}")
        storage.delete(MANIFEST)
        return None
    BlockStore(ledger.blocks).clear()
    return held


def begin(storage: Storage, ledger: Ledger, head: DatasetManifest) -> None:
    """Notes what this export is; ValueError where the place was begun with something else."""
    held = ledger.head()
    if held is None:
        ledger.begin(head)
    else:
        _refuse_others(storage, head, held, without=())


def _held(storage: Storage, ledger: Ledger) -> DatasetManifest | None:
    """What the place was exported with; of a damaged manifest the run's own notes know the settings."""
    if not storage.exists(MANIFEST):
        return ledger.head()
    try:
        return manifest.decode(storage.read(MANIFEST), f"{storage.url}/{MANIFEST}")
    except Fault as error:
        if (noted := ledger.head()) is None:
            raise Fault(f"{error}; first remove {storage.url}, its settings are lost") from error
        return noted


def _refuse_others(storage: Storage, wanted: DatasetManifest, held: DatasetManifest, *, without: Sequence[str]) -> None:
    found = manifest.differences(wanted, held, without=without)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise ValueError(
            f"{storage.url} holds an export with other settings: {'; '.join(found[:3])}{more}; "
            "choose another --out, or remove it"
        )
