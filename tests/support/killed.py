"""Runs an export of the plot in a process of its own that kills itself (SIGKILL) at a chosen moment.

python killed.py FOLDER OUT MOMENT [parts]      parts: two regions in two periods instead of the whole plot
"""

from __future__ import annotations

import os
import signal
import sys

from isamap.gee_export.base import storage
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets import dataset
from isamap.gee_export.export import blocks, export
from isamap.gee_export.requests import pixels
from tests.support import plot as plots

SMALL_REQUEST = 36 * 64 * 64  # bytes: blocks of at most 64 x 64 pixels, so that the plot needs nine
ASKED = {"region": plots.REGION, "month": "2019-06", "size": 32, "stride": 20, "speckle": "none", "progress": False}


def half(name: str, number: int) -> Region:
    """The plot's western (0) or eastern (1) half, on the plot's lattice."""
    width = 10 * plots.WIDTH // 2
    left, bottom = plots.LEFT + number * width, plots.TOP - 10 * plots.HEIGHT
    return Region(name, 32650, (left, bottom, left + width, plots.TOP), (plots.LEFT, plots.TOP))


PARTS = ASKED | {
    "region": [half("west", 0), half("east", 1)],
    "month": None,
    "period": ["2019-06", "2019-05-20", "2019-06-10"],
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(calls: int, original, act):
    """The function, which acts before its call of that number."""
    seen = []

    def counted(*args, **kwargs):
        seen.append(1)
        if len(seen) == calls:
            act(*args, **kwargs)
        return original(*args, **kwargs)

    return counted


def half_a_block(store, number, key, block) -> None:
    store.path(number).parent.mkdir(parents=True, exist_ok=True)
    store.path(number).with_name(f".{number}.part").write_bytes(b"isamap block")
    die()


def half_a_patch(path, data) -> None:
    path.with_name(f".{path.name}.1-1.part").write_bytes(data[: len(data) // 2])
    die()


def set_trap(moment: str) -> None:
    """Arranges the end of this process."""
    if moment == "in a block":
        blocks.BlockStore.write = after(4, blocks.BlockStore.write, half_a_block)
    elif moment == "in a patch":
        storage.write_loose = after(40, storage.write_loose, half_a_patch)
    elif moment == "before the manifest":
        dataset.manifest.encode = after(2, dataset.manifest.encode, lambda *_: die())


if __name__ == "__main__":
    folder, out, moment, *parts = sys.argv[1:]
    pixels.REQUEST_LIMIT_BYTES = SMALL_REQUEST
    set_trap(moment)
    export.export_patches(**(PARTS if parts else ASKED), catalog=folder, out=out)
