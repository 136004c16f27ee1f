"""The training cache: a dataset's patches as one memory-mapped array, built once.

`<ISAMAP_HOME>/cache/training/<fingerprint>/` holds images.npy (int16), labels.npy (uint8) and cache.json, which is
written last. Whatever changes the dataset changes its fingerprint and so makes another cache.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from tqdm import tqdm

from gee_export.console import Fault
from gee_export.datasets.dataset import Dataset, Patch
from gee_export.datasets.manifest import UNKNOWN, DatasetManifest

VERSION = 2
_IMAGES, _LABELS, _NOTE = "images.npy", "labels.npy", "cache.json"
_THREADS = 8


@dataclass(frozen=True)
class Cache:
    """Images (patches, bands, rows, columns) and labels (patches, rows, columns) in the dataset's order.

    Labels are 0 pervious, 1 impervious, 255 unknown, whatever classes the dataset has.
    """

    images_NBHW: np.ndarray
    labels_NHW: np.ndarray


def cache_home() -> Path:
    """The folder of all training caches: under ISAMAP_HOME, or the platform's user data folder."""
    named = os.environ.get("ISAMAP_HOME")
    home = Path(named).expanduser().absolute() if named else platformdirs.user_data_path("isamap")
    return home / "cache" / "training"


def open_cache(dataset: Dataset, home: Path | None = None) -> Cache:
    """The dataset's cache, built first where there is none or it is not whole.

    ValueError: the dataset has no patches or no labels. Fault: damaged patches, full disk.
    """
    folder = (home or cache_home()) / dataset.fingerprint
    if (found := _opened(folder, dataset)) is None:
        _build(folder, dataset)
        found = _opened(folder, dataset)
    if found is None:
        raise Fault(f"{folder}: the training cache cannot be read back; remove that folder and run again")
    return found


def _shapes(dataset: Dataset) -> tuple[tuple[int, ...], tuple[int, ...]]:
    head = dataset.manifest
    count = len(dataset.patches)
    return (count, len(head.bands), head.size, head.size), (count, head.size, head.size)


def _opened(folder: Path, dataset: Dataset) -> Cache | None:
    """The cache if it is whole and belongs to this dataset and version, else None."""
    try:
        note = json.loads((folder / _NOTE).read_text())
        images = np.load(folder / _IMAGES, mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / _LABELS, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    kinds = (images.dtype, labels.dtype) == (np.int16, np.uint8)
    if note != _note(dataset) or not kinds or (images.shape, labels.shape) != _shapes(dataset):
        return None
    return Cache(images, labels)


def _note(dataset: Dataset) -> dict[str, object]:
    return {"version": VERSION, "fingerprint": dataset.fingerprint, "patches": len(dataset.patches)}


def _build(folder: Path, dataset: Dataset) -> None:
    """Write the cache beside its place and rename it; another process may do the same at the same time."""
    _check(dataset)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        _fill(fresh, dataset)
        (fresh / _NOTE).write_text(json.dumps(_note(dataset)) + "\n")
        _put_in_place(fresh, folder)
    except OSError as error:
        raise _disk_fault(folder, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _check(dataset: Dataset) -> None:
    name = dataset.manifest.name
    if not dataset.patches:
        raise ValueError(f"dataset {name} has no patches: export a larger region")
    if any(patch.label_name is None for patch in dataset.patches):
        raise ValueError(f"dataset {name} has no labels: export it with --label worldcover to train or evaluate")


def _fill(folder: Path, dataset: Dataset) -> None:
    image_shape, label_shape = _shapes(dataset)
    images = np.lib.format.open_memmap(folder / _IMAGES, mode="w+", dtype=np.int16, shape=image_shape)
    labels = np.lib.format.open_memmap(folder / _LABELS, mode="w+", dtype=np.uint8, shape=label_shape)
    for row, (image, label) in enumerate(_read(dataset)):
        images[row], labels[row] = image, label
    images.flush()
    labels.flush()


def _read(dataset: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every patch's image and label in order, read by a few threads a little ahead."""
    number_of = _binary(dataset.manifest)

    def pair(patch: Patch) -> tuple[np.ndarray, np.ndarray]:
        return dataset.read_image(patch), number_of[dataset.read_label(patch)]

    patches = tqdm(dataset.patches, desc="training cache", unit="patch", leave=False, disable=None)
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = []
        for patch in patches:
            waiting.append(pool.submit(pair, patch))
            if len(waiting) > 8 * _THREADS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _binary(head: DatasetManifest) -> np.ndarray:
    """For each stored number 0, 1 or 255: networks tell impervious from other ground. No class: stays as it is."""
    number_of = np.arange(256, dtype=np.uint8)
    number_of[[int(number) for number in (head.label or {}).get("classes", {})]] = 0
    number_of[head.impervious_class], number_of[UNKNOWN] = 1, UNKNOWN
    return number_of


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Rename over a cache that is missing or damaged; a whole one made meanwhile by another process is as good."""
    try:
        os.replace(fresh, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        aside = fresh.with_suffix(".old")
        os.replace(folder, aside)
        os.replace(fresh, folder)
        shutil.rmtree(aside, ignore_errors=True)


def _disk_fault(folder: Path, error: OSError) -> Fault:
    if error.errno == errno.ENOSPC:
        return Fault(f"{folder}: the disk is full; free some space or set ISAMAP_HOME to a folder on a larger disk")
    return Fault(
        f"{folder}: the training cache cannot be written ({error.strerror}); set ISAMAP_HOME to another folder"
    )
