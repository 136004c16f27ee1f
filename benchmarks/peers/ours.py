"""This project's client: python ours.py URL N WORKERS RATE, the repository on PYTHONPATH."""

from __future__ import annotations

import sys

import common
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.requests.channel import Channel
from isamap.gee_export.requests.client import Cell, Client
from isamap.gee_export.requests.throttle import Throttle


def geobox(index: int) -> GeoBox:
    row, col = divmod(index, common.ACROSS)
    left, top = common.ORIGIN_M
    affine = Affine(10, 0, left + col * common.SIDE_PX * 10, 0, -10, top - row * common.SIDE_PX * 10)
    return GeoBox((common.SIDE_PX, common.SIDE_PX), affine, "EPSG:32650")


def main(url: str, count: int, workers: int, rate_per_s: float) -> None:
    common.connect(url)
    image, bands = common.image(), tuple(Channel(name) for name in common.BANDS)
    cells = [Cell(index, f"block {index}", image, geobox(index), bands) for index in range(count)]
    client = Client(Throttle(workers, rate_per_s=rate_per_s))

    def work() -> int:
        return len({cell.index for cell, pixels in client(cells) if pixels.shape == (128, 128)})

    common.measure(work)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
