"""Xee's own path (xarray over computePixels): python xee_peer.py URL N WORKERS, 0 workers for its default.

Xee asks band by band; so that a request carries as much as those of the others, the band has seven dates.
"""

from __future__ import annotations

import sys

import common
import ee
import xarray
import xee  # noqa: F401  (gives xarray its engine)


def main(url: str, count: int, workers: int) -> None:
    common.connect(url)
    side, down, across = common.SIDE_PX, count // common.ACROSS, common.ACROSS
    dates = ee.ImageCollection([common.image().set("system:time_start", 86_400_000 * day) for day in range(7)])
    more = {"executor_kwargs": {"max_workers": workers}} if workers else {}

    def work() -> int:
        dataset = xarray.open_dataset(
            dates,
            engine="ee",
            crs="EPSG:32650",
            crs_transform=(10, 0, common.ORIGIN_M[0], 0, -10, common.ORIGIN_M[1]),
            shape_2d=(across * side, down * side),
            chunks=None,
            io_chunks={"index": 7, "width": side, "height": side},
            **more,
        )
        return down * across if dataset["B2"].values.size == count * side * side * 7 else 0

    common.measure(work, count=down * across)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
