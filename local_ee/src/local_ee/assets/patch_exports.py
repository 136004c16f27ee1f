"""Exports of images as TFRecord: patches in row-major order, and the mixer that says where they lie.

Source: guides/tfrecord. All numbers are floats; a masked pixel has the default value.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import tf_record
from local_ee.assets.destination import Destination
from local_ee.assets.exports import Work, plain_number
from local_ee.errors import EngineError
from local_ee.evaluation.values import Image
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import projection_of
from local_ee.raster.window import Window, crop
from local_ee.storage.objects import ObjectStore

FORMAT = "TF_RECORD_IMAGE"
_FILE_BYTES = 1 << 30  # default of maxFileSize
_DEFAULT_PATCH = 256  # where no patchDimensions are given (assumption)
_MOST_PATCH_BYTES = 256 << 20
_REFUSED = {"tensorDepths": "bands of arrays", "sequenceData": "SequenceExamples", "collapseBands": "collapsed bands"}


@dataclass(frozen=True)
class PatchOptions:
    """Where and how patches are written; shape and margin are (rows, columns), the margin that of each side.

    Assumption: files are compressed where the request says so, because the client leaves a `compressed` of false out.
    """

    destination: Destination
    shape: tuple[int, int]
    margin: tuple[int, int]
    compress: bool
    file_bytes: int
    default: float
    most_masked: float

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PatchOptions:
        """The options of a fileExportOptions message; EngineError for what is not written here."""
        own = options.get("tfRecordOptions") or {}
        for key, name in _REFUSED.items():
            if own.get(key):
                raise EngineError(f"The local engine writes no {name} as TFRecord: leave out {key}.")
        margin = _sides(own.get("marginDimensions"), "kernelSize", 1, least=0)
        return cls(
            Destination.of(options),
            _sides(own.get("tileDimensions"), "patchDimensions", _DEFAULT_PATCH, least=1),
            (margin[0] // 2, margin[1] // 2),
            bool(own.get("compress")),
            int(plain_number(own.get("maxSizeBytes"), _FILE_BYTES)),
            float(own.get("defaultValue") or 0),
            float(plain_number(own.get("maxMaskedRatio"), 1)),
        )

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of a record."""
        return self.shape[0] + 2 * self.margin[0], self.shape[1] + 2 * self.margin[1]


def _sides(dimensions: Mapping[str, Any] | None, name: str, default: int, *, least: int) -> tuple[int, int]:
    sides = tuple(int((dimensions or {}).get(key, default)) for key in ("height", "width"))
    if min(sides) < least:
        raise EngineError(f"{name} must be at least {least}, got {sides[1]} x {sides[0]}.")
    return sides[0], sides[1]


def windows(grid: GeoBox, options: PatchOptions) -> list[Window]:
    """The patches that lie whole in the grid, row by row; EngineError where there is none."""
    rows, columns = grid.shape[0] // options.shape[0], grid.shape[1] // options.shape[1]
    if not rows * columns:
        raise EngineError(
            f"The export has {grid.shape[1]} x {grid.shape[0]} pixels, fewer than a patch of {options.shape[1]} x "
            f"{options.shape[0]}: choose smaller patchDimensions."
        )
    height, width = options.shape
    return [Window(row * height, col * width, height, width) for row in range(rows) for col in range(columns)]


def mixer(grid: GeoBox, options: PatchOptions) -> dict[str, Any]:
    """Where the patches lie: projection, their size without margins, how many a row, and how many in all."""
    rows, columns = grid.shape[0] // options.shape[0], grid.shape[1] // options.shape[1]
    affine = {"doubleMatrix": [float(coefficient) for coefficient in tuple(grid.affine)[:6]]}
    return {
        "projection": {"crs": projection_of(grid).crs, "affine": affine},
        "patchDimensions": [options.shape[1], options.shape[0]],
        "patchesPerRow": columns,
        "totalPatches": rows * columns,
    }


def to_bucket(image: Image, grid: GeoBox, options: PatchOptions, buckets: ObjectStore, work: Work) -> list[str]:
    """Writes PREFIX-00000.tfrecord.gz, ... and PREFIX-mixer.json; the address they begin with."""
    height, width = options.padded
    if height * width * len(image.bands) * 4 > _MOST_PATCH_BYTES:
        raise EngineError(f"A patch of {width} x {height} pixels and {len(image.bands)} bands is too large.")
    options.destination.check(buckets)
    shards = _Shards(options, buckets)
    try:
        for record in _records(image, grid, options, work):
            shards.add(record)
        shards.close()
    finally:
        shards.discard()
    if options.most_masked == 1:
        sidecar = buckets.temporary(options.destination.bucket, f"{options.destination.prefix}-mixer.json")
        sidecar.write_text(json.dumps(mixer(grid, options)))
        _put(buckets, options, sidecar, "-mixer.json", "application/json")
    return [options.destination.url]


class _Shards:
    """Files of records, each of at most so many bytes before compression; a file is put whole or not at all."""

    def __init__(self, options: PatchOptions, buckets: ObjectStore) -> None:
        self._options, self._buckets = options, buckets
        self._ending = ".tfrecord.gz" if options.compress else ".tfrecord"
        self._number, self._size = 0, 0
        self._draft = buckets.temporary(options.destination.bucket, options.destination.prefix)
        self._file = self._opened()

    def _opened(self) -> BinaryIO:
        if self._options.compress:
            return cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=self._draft.open("wb"), mtime=0))
        return self._draft.open("wb")

    def add(self, record: bytes) -> None:
        """Writes a record, in a new file where it does not fit."""
        if self._size and self._size + len(record) > self._options.file_bytes:
            self.close()
            self._number, self._size = self._number + 1, 0
            self._draft = self._buckets.temporary(self._options.destination.bucket, self._options.destination.prefix)
            self._file = self._opened()
        self._file.write(record)
        self._size += len(record)

    def close(self) -> None:
        """Puts the file under its number."""
        raw = self._file.fileobj if isinstance(self._file, gzip.GzipFile) else None
        self._file.close()
        if raw is not None:
            raw.close()
        ending = f"-{self._number:05d}{self._ending}"
        _put(self._buckets, self._options, self._draft, ending, "application/octet-stream")

    def discard(self) -> None:
        """Removes a file that was not put."""
        self._file.close()
        self._draft.unlink(missing_ok=True)


def _put(buckets: ObjectStore, options: PatchOptions, draft: Path, ending: str, media_type: str) -> None:
    try:
        buckets.put(
            draft,
            options.destination.bucket,
            f"{options.destination.prefix}{ending}",
            attributes={"contentType": media_type},
        )
    finally:
        draft.unlink(missing_ok=True)


def _records(image: Image, grid: GeoBox, options: PatchOptions, work: Work) -> Iterator[bytes]:
    """Framed records in row-major order, some patches read ahead."""
    patches = windows(grid, options)
    margined = (_with_margin(window, options.margin) for window in patches)
    for done, (_, pixels) in enumerate(work.ahead(margined, lambda window: image.read(crop(grid, window)))):
        work.progress.report(done / len(patches))
        record = _record(image, pixels, options)
        if record is not None:
            yield tf_record.framed(record)


def _with_margin(window: Window, margin: tuple[int, int]) -> Window:
    rows, columns = margin
    return Window(window.row - rows, window.col - columns, window.height + 2 * rows, window.width + 2 * columns)


def _record(image: Image, pixels: Pixels, options: PatchOptions) -> bytes | None:
    """A tf.Example of a patch; None where more pixels are masked than allowed."""
    hidden = np.stack([~opaque(np.asarray(mask)).astype(bool) for mask in pixels.masks])
    if hidden.mean() > options.most_masked:
        return None
    bands = zip(image.bands, pixels.values, hidden, strict=True)
    return tf_record.example(
        {band.name: np.where(masked, _fill(band.type.dtype, options.default), values) for band, values, masked in bands}
    )


def _fill(dtype: np.dtype, default: float) -> float:
    """The default in a band's type: whole and within its range where the type is whole."""
    if dtype.kind not in "iu":
        return default
    bounds = np.iinfo(dtype)
    return float(min(max(int(default), bounds.min), bounds.max))
