"""The training cache: each layer of a dataset as one memory-mapped array, built when it is first asked for.

`<ISAMAP_HOME>/cache/training/<fingerprint>/<layer>/` holds values.npy and cache.json, which is written before the
folder gets its name. Whatever changes the dataset changes its fingerprint and so makes another cache.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from isamap.gee_export.base.atomic import settle, sync
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.manifest import NODATA
from isamap.training.checkpoints.atomic_folder import draft_of
from isamap.training.home import cache_home

# Raised whenever the same dataset would be kept otherwise: old folders are then built again.
VERSION = 3
IMAGES, LABELS, FRAMES, DAYFRAMES = "images", "labels", "frames", "dayframes"
_VALUES, _NOTE = "values.npy", "cache.json"
# Patches are many small files, so reading waits for the disk more than for the processor.
_THREADS = 8


@dataclass(frozen=True)
class CachedLayer:
    """What is kept of every patch: an array of `shape` and `dtype`, which `read` makes of a patch."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[Patch], np.ndarray]


def frames_name(count: int, *, days: bool = False) -> str:
    """The layer that holds so many dates of each patch, with their days of year if asked."""
    return f"{DAYFRAMES if days else FRAMES}-{count}"


def open_layer(dataset: Dataset, name: str, home: Path | None = None) -> np.ndarray:
    """A layer of all patches in the dataset's order, as stored and memory-mapped; built first where it is not whole.

    name: images int16 (patches, bands, rows, columns); labels, shares, fine_labels uint8 (patches, rows, columns);
    fine uint8 or int16 (patches, bands, rows, columns); frames-T int16 (patches, T, bands, rows, columns), see `dated`;
    dayframes-T with one more band, see `dated_with_days`.
    ValueError: no patches, or no such layer in the dataset. Fault: damaged patches, a disk that is full or too small.
    """
    layer = _layer(dataset, name)
    folder = (home or cache_home() / "training") / dataset.fingerprint / name
    if (array := _opened(folder, dataset, layer)) is None:
        _build(folder, dataset, layer)
        array = _opened(folder, dataset, layer)
    if array is None:
        raise Fault(f"{folder}: the training cache cannot be read back; remove that folder and run again")
    return array


def dated(frames_TBHW: np.ndarray, image_BHW: np.ndarray, count: int) -> np.ndarray:
    """`count` dates of a patch, in order of time: of more the ones with most pixels, of equal ones the earlier.

    Of fewer, all are repeated in their order (1 2 3 1 2 for five of three); where there is none, the composite is.
    """
    if not len(frames_TBHW):
        return np.broadcast_to(image_BHW, (count, *image_BHW.shape))
    return frames_TBHW[np.resize(_most_shown(frames_TBHW, count), count)]


def dated_with_days(days: Sequence[date], frames_TBHW: np.ndarray, image_BHW: np.ndarray, count: int) -> np.ndarray:
    """`count` dates of a patch as of `dated`, each with its day of year (1 to 366) as one more band behind its own.

    Of fewer, the dates behind them are missing; where there is none, the composite stands without a day.
    """
    bands, height, width = image_BHW.shape
    made = np.full((count, bands + 1, height, width), NODATA, np.int16)
    if not len(frames_TBHW):
        made[0, :bands] = image_BHW
        return made
    most_shown = _most_shown(frames_TBHW, count)
    made[: len(most_shown), :bands] = frames_TBHW[most_shown]
    for at, index in enumerate(most_shown):
        made[at, bands] = days[index].timetuple().tm_yday
    return made


def _most_shown(frames_TBHW: np.ndarray, count: int) -> np.ndarray:
    """Numbers of the `count` dates with most pixels, of equal ones the earlier, in order of time."""
    shown_T = (frames_TBHW != NODATA).sum(axis=(1, 2, 3))
    # Stable, so that equal dates stay in order; sorted again, because networks see dates in time.
    return np.sort(np.argsort(-shown_T, kind="stable")[:count])


def _layer(dataset: Dataset, name: str) -> CachedLayer:
    head = dataset.manifest
    if not dataset.patches:
        raise ValueError(f"dataset {head.name} has no patches: export a larger region")
    layer_type, _, count = name.partition("-")
    return _KINDS[layer_type](dataset, name, int(count or 0))


def _images(dataset: Dataset, name: str, _: int) -> CachedLayer:
    head = dataset.manifest
    return CachedLayer(name, (len(head.bands), head.size, head.size), "int16", dataset.read_image)


def _labels(dataset: Dataset, name: str, _: int) -> CachedLayer:
    head = dataset.manifest
    if any(patch.label_name is None for patch in dataset.patches):
        raise ValueError(f"dataset {head.name} has no labels: export it with --label worldcover to train or evaluate")
    return CachedLayer(name, (head.size, head.size), "uint8", dataset.read_label)


def _further(read: Callable[[Dataset], Callable], dataset: Dataset, name: str, _: int) -> CachedLayer:
    """A layer that the manifest names under `layers`; one band of classes or percents has no axis of its own."""
    stored = dataset.stored(name)
    side = dataset.manifest.size * stored.ratio
    bands = (len(stored.bands),) if name == "fine" else ()
    return CachedLayer(name, (*bands, side, side), stored.dtype, read(dataset))


def _frames(dataset: Dataset, name: str, count: int) -> CachedLayer:
    head, stored = dataset.manifest, dataset.stored(FRAMES)
    if stored.bands != head.bands:
        raise ValueError(f"dataset {head.name}: its frames hold other bands than its images; export it again")

    with_days = name.startswith(DAYFRAMES)

    def read(patch: Patch) -> np.ndarray:
        days, frames = dataset.read_frames(patch)
        image = dataset.read_image(patch)
        return dated_with_days(days, frames, image, count) if with_days else dated(frames, image, count)

    return CachedLayer(name, (count, len(head.bands) + with_days, head.size, head.size), "int16", read)


def _opened(folder: Path, dataset: Dataset, layer: CachedLayer) -> np.ndarray | None:
    """The layer's values if they are whole and belong to this dataset and version, else None."""
    try:
        note = json.loads((folder / _NOTE).read_text())
        # Never a pickle: a cache folder may be anybody's, and a pickle runs code when it is read.
        values = np.load(folder / _VALUES, mmap_mode="r", allow_pickle=False)
    # A layer that is missing, cut short or of an older form is no error: the caller builds it again.
    except (OSError, ValueError):
        return None
    shape = (len(dataset.patches), *layer.shape)
    return values if (note, values.shape, values.dtype.name) == (_note(dataset), shape, layer.dtype) else None


def _note(dataset: Dataset) -> dict[str, object]:
    return {"version": VERSION, "fingerprint": dataset.fingerprint, "patches": len(dataset.patches)}


def _build(folder: Path, dataset: Dataset, layer: CachedLayer) -> None:
    """Write the layer beside its place and rename it; another process may do the same at the same time."""
    try:
        # Several runs may start on one dataset: each builds beside the place, and the rename decides who was first.
        with draft_of(folder) as fresh:
            _check_room(folder, dataset, layer)
            _fill(fresh / _VALUES, dataset, layer)
            (fresh / _NOTE).write_text(json.dumps(_note(dataset)) + "\n")
            settle([fresh / _VALUES, fresh / _NOTE])  # the values before the name that says that they are there
            _put_in_place(fresh, folder, lambda: _opened(folder, dataset, layer) is not None)
    except OSError as error:
        raise _disk_fault(folder, error) from error
    finally:
        with contextlib.suppress(OSError):  # only where nothing came of it
            folder.parent.rmdir()


def _check_room(folder: Path, dataset: Dataset, layer: CachedLayer) -> None:
    """Told before hours of reading, and before the disk is full for everybody else."""
    needed = len(dataset.patches) * prod(layer.shape) * np.dtype(layer.dtype).itemsize
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise Fault(
            f"{folder}: layer {layer.name} of dataset {dataset.manifest.name} takes {needed / 1e9:,.1f} GB in the "
            f"training cache, {free / 1e9:,.1f} GB are free; free some space or set ISAMAP_HOME to a folder on a "
            "larger disk"
        )


def _fill(file: Path, dataset: Dataset, layer: CachedLayer) -> None:
    shape = (len(dataset.patches), *layer.shape)
    values = np.lib.format.open_memmap(file, mode="w+", dtype=layer.dtype, shape=shape)
    for row, array in enumerate(_read(dataset, layer)):
        values[row] = array
    values.flush()


def _read(dataset: Dataset, layer: CachedLayer) -> Iterator[np.ndarray]:
    """Every patch's array in order, read by a few threads a little ahead."""
    patches = ProgressBar(
        dataset.patches, desc=f"training cache: {layer.name}", unit="patch", leave=False, disable=None
    )
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = []
        for patch in patches:
            waiting.append(pool.submit(layer.read, patch))
            # A bounded lead: without it a fast disk would fill memory with patches that nobody has taken.
            if len(waiting) > 8 * _THREADS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _put_in_place(fresh: Path, folder: Path, is_whole: Callable[[], bool]) -> None:
    """Rename over a cache that is missing or damaged; leave one that another process made whole meanwhile."""
    aside = fresh.with_suffix(".old")
    while True:
        try:
            os.replace(fresh, folder)
            sync(folder.parent)
            return
        except OSError as error:
            # POSIX allows either name for a folder that is full; every other error is the disk's and goes up.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if is_whole():
            return  # the same values; its maker may be opening it, and would find nothing where it was moved aside
        with contextlib.suppress(FileNotFoundError):
            # A folder cannot be renamed over a full one; moved aside first, no reader ever sees half of it.
            os.replace(folder, aside)
        # Nobody reads a folder of this name, so what cannot be removed only takes room; the next turn renames again.
        shutil.rmtree(aside, ignore_errors=True)


def _disk_fault(folder: Path, error: OSError) -> Fault:
    if error.errno == errno.ENOSPC:
        return Fault(f"{folder}: the disk is full; free some space or set ISAMAP_HOME to a folder on a larger disk")
    return Fault(
        f"{folder}: the training cache cannot be written ({error.strerror}); set ISAMAP_HOME to another folder"
    )


_KINDS: dict[str, Callable[[Dataset, str, int], CachedLayer]] = {
    IMAGES: _images,
    LABELS: _labels,
    "shares": partial(_further, lambda dataset: dataset.read_share),
    "fine": partial(_further, lambda dataset: dataset.read_fine),
    "fine_labels": partial(_further, lambda dataset: dataset.read_fine_label),
    FRAMES: _frames,
    DAYFRAMES: _frames,
}
