"""Fetched blocks on their way to patches: files of stored numbers in the run's folder, each with its checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.storage import crc32c, write_whole

# With a version: blocks of an older layout are made again, not misread.
_MAGIC = b"isamap block 2\n"

# per count band: pixels, and the least, greatest and total number of clear observations
Observed = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Block:
    """Stored numbers of a window of a layer: arrays (bands, rows, columns) by name, and what was observed."""

    window: Window
    arrays: Mapping[str, np.ndarray]
    observed: Observed

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.ndim != 3 or array.shape[1:] != (self.window.height, self.window.width):
                raise ValueError(
                    f"block {name}: {array.shape} pixels, expected (bands, rows, columns) of {self.window}"
                )


class BlockStore:
    """Block files by number in a folder; written whole, read by windows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, block_index: int) -> Path:
        return self._folder / f"{block_index:06d}.block"

    def write(self, block_index: int, key: str, block: Block) -> None:
        """Stores the block of a part's layer (`key`); Fault on a full disk."""
        arrays = {name: _little(array) for name, array in block.arrays.items()}
        payload = b"".join(array.tobytes() for array in arrays.values())
        header = {
            "key": key,
            "window": asdict(block.window),
            "arrays": [[name, array.dtype.str, len(array)] for name, array in arrays.items()],
            "observed": block.observed,
            # Of the payload alone, in front of it: one reading of the file tells whether it is whole.
            "crc32c": crc32c(payload),
        }
        line = json.dumps(header).encode() + b"\n"
        write_whole(self.path(block_index), _MAGIC + line + payload)

    def observed(self, block_index: int, key: str, window: Window) -> Observed | None:
        """The block's observation counts where its file is whole and of this part, layer and window, else None."""
        try:
            data = self.path(block_index).read_bytes()
            header, start = _header(data)
        except (OSError, ValueError):
            return None
        # By content and not by number: another version may number the blocks in another way.
        if (header.get("key"), header.get("window")) != (key, asdict(window)):
            return None
        return header["observed"] if crc32c(data[start:]) == header.get("crc32c") else None

    def open(self, block_index: int) -> Block:
        """The block with its pixels mapped from the file."""
        path = self.path(block_index)
        with path.open("rb") as file:
            header, start = _header(file.readline() + file.readline())
        window, arrays = Window(**header["window"]), {}
        for name, dtype, bands in header["arrays"]:
            # Mapped, as patches need a few rows of a block each and a block has tens of megabytes.
            arrays[name] = np.memmap(path, dtype, "r", start, (bands, window.height, window.width))
            start += arrays[name].nbytes
        return Block(window, arrays, header["observed"])

    def remove(self, block_index: int) -> None:
        self.path(block_index).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes every block and the folder."""
        for path in self._folder.glob("*"):
            path.unlink(missing_ok=True)
        if self._folder.exists():
            self._folder.rmdir()


def cut(window: Window, blocks: Sequence[Block]) -> dict[str, np.ndarray]:
    """The arrays of a patch from the blocks that together hold its pixels."""
    size = (window.height, window.width)
    patch = {name: np.empty((len(array), *size), array.dtype) for name, array in blocks[0].arrays.items()}
    for block in blocks:
        shared = window.overlap(block.window)
        if shared is None:
            continue
        source, here = shared.within(block.window), shared.within(window)
        for name, array in block.arrays.items():
            patch[name][:, here[0], here[1]] = array[:, source[0], source[1]]
    return patch


def observed(count_HW: np.ndarray, inside: np.ndarray | None) -> dict[str, int]:
    """How many pixels (of those inside) a count band has, their least, greatest and total count."""
    seen = count_HW if inside is None else count_HW[inside]
    if not seen.size:
        return {"pixels": 0, "min": 0, "max": 0, "total": 0}
    return {"pixels": int(seen.size), "min": int(seen.min()), "max": int(seen.max()), "total": int(seen.sum())}


def pooled(rows: Sequence[Mapping[str, int]]) -> dict[str, float]:
    """The least, mean and greatest count over the `observed` of several blocks."""
    seen = [row for row in rows if row["pixels"]]
    count = sum(row["pixels"] for row in seen)
    if not count:
        return {"min": 0, "mean": 0.0, "max": 0}
    total = sum(row["total"] for row in seen)
    return {"min": min(r["min"] for r in seen), "mean": round(total / count, 4), "max": max(r["max"] for r in seen)}


def _little(array: np.ndarray) -> np.ndarray:
    # Little-endian on every machine, so that a resumed export may change machines.
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if not data.startswith(_MAGIC):
        raise ValueError("not a block file")
    end = data.index(b"\n", len(_MAGIC))
    return json.loads(data[len(_MAGIC) : end]), end + 1
