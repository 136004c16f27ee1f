"""A plain thread pool over ee.data.computePixels: python pool.py URL N WORKERS."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import common
import ee


def main(url: str, count: int, workers: int) -> None:
    common.connect(url)
    image = common.image()

    def one(index: int) -> bool:
        params = {"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": common.grid(index)}
        try:
            return ee.data.computePixels(params).shape == (128, 128)
        except (ee.EEException, OSError):
            return False  # the block is lost: the client has given up after five attempts

    def work() -> int:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(one, range(count)))

    common.measure(work)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
