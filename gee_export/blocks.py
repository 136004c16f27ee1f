"""Fetched blocks on their way to patches: files of stored numbers in the run's folder, each with its checksum."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gee_export.grid import Window
from gee_export.manifest import NODATA, UNKNOWN
from gee_export.storage import crc32c, write_whole

_MAGIC = b"isamap block 1\n"


@dataclass(frozen=True)
class Block:
    """Stored numbers of a lattice window: image int16 (bands, rows, columns), label uint8 or None.

    observed: per count band, pixels and the least, greatest and total number of clear observations.
    """

    window: Window
    image_BHW: np.ndarray
    label_HW: np.ndarray | None
    observed: dict[str, dict[str, int]]


def quantise(
    pixels: np.ndarray, window: Window, bands: Sequence[str], counts: Sequence[str], inside: np.ndarray | None
) -> Block:
    """A block of the server's structured array, rounded half to even; outside the outline everything is missing."""
    image = np.empty((len(bands), window.height, window.width), np.int16)
    for number, band in enumerate(bands):
        rounded = np.rint(pixels[band])
        # The fill lies far below and NaN loses against every number, so both become the no-data value.
        np.fmax(rounded, NODATA, out=rounded)
        image[number] = np.fmin(rounded, 32767, out=rounded)
    label = np.ascontiguousarray(pixels["label"]) if "label" in (pixels.dtype.names or ()) else None
    if inside is not None:
        image[:, ~inside] = NODATA
        if label is not None:
            label[~inside] = UNKNOWN
    return Block(window, image, label, {name: _observed(pixels[name], inside) for name in counts})


class BlockStore:
    """Block files by number in a folder; written whole, read by windows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.block"

    def write(self, number: int, block: Block) -> None:
        """Stores the block; Fault on a full disk."""
        parts = [block.image_BHW.astype("<i2", copy=False).tobytes()]
        if block.label_HW is not None:
            parts.append(block.label_HW.tobytes())
        payload = b"".join(parts)
        header = {
            "window": asdict(block.window),
            "bands": len(block.image_BHW),
            "label": block.label_HW is not None,
            "observed": block.observed,
            "crc32c": crc32c(payload),
        }
        line = json.dumps(header).encode() + b"\n"
        write_whole(self.path(number), _MAGIC + line + payload)

    def observed(self, number: int, window: Window) -> dict[str, dict[str, int]] | None:
        """The block's observation counts where its file is whole and of this window, else None."""
        try:
            data = self.path(number).read_bytes()
            header, start = _header(data)
        except (OSError, ValueError):
            return None
        if header.get("window") != asdict(window) or crc32c(data[start:]) != header.get("crc32c"):
            return None
        return header["observed"]

    def open(self, number: int) -> Block:
        """The block with its pixels mapped from the file."""
        path = self.path(number)
        with path.open("rb") as file:
            header, start = _header(file.read(4096))
        window = Window(**header["window"])
        shape = (header["bands"], window.height, window.width)
        image = np.memmap(path, "<i2", "r", start, shape)
        label = np.memmap(path, np.uint8, "r", start + image.nbytes, shape[1:]) if header["label"] else None
        return Block(window, image, label, header["observed"])

    def remove(self, number: int) -> None:
        self.path(number).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes every block and the folder."""
        for path in self._folder.glob("*"):
            path.unlink(missing_ok=True)
        if self._folder.exists():
            self._folder.rmdir()


def cut(window: Window, parts: Sequence[Block]) -> tuple[np.ndarray, np.ndarray | None]:
    """Image and label of a patch from the blocks that hold its pixels."""
    image = np.full((len(parts[0].image_BHW), window.height, window.width), NODATA, np.int16)
    label = None if parts[0].label_HW is None else np.full(image.shape[1:], UNKNOWN, np.uint8)
    for block in parts:
        shared = window.overlap(block.window)
        there, here = shared.within(block.window), shared.within(window)
        image[:, here[0], here[1]] = block.image_BHW[:, there[0], there[1]]
        if label is not None:
            label[here] = block.label_HW[there]
    return image, label


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if not data.startswith(_MAGIC):
        raise ValueError("not a block file")
    end = data.index(b"\n", len(_MAGIC))
    return json.loads(data[len(_MAGIC) : end]), end + 1


def _observed(count_HW: np.ndarray, inside: np.ndarray | None) -> dict[str, int]:
    seen = count_HW if inside is None else count_HW[inside]
    if not seen.size:
        return {"pixels": 0, "min": 0, "max": 0, "total": 0}
    return {"pixels": int(seen.size), "min": int(seen.min()), "max": int(seen.max()), "total": int(seen.sum())}
