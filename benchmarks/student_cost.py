"""What a student costs on the local engine: CPU seconds per km2 of a composite alone and with a student's graph on it.

`python -m benchmarks.student_cost [--side 256]`. The engine runs in this process, so its CPU time is the process's;
composites are of the simulated world. Google's EECU are another unit: nothing here says how many a student takes.
"""

from __future__ import annotations

import argparse
import time

import ee
import torch

from gee_export.base.regions import Month, from_bbox
from gee_export.earth_engine import session
from gee_export.requests import pixels
from gee_export.requests.channel import Channel
from gee_export.requests.client import Cell, Client
from gee_export.sentinel import composite
from inference.student import graph
from inference.student.parameters import Layer, Parameters, StoredRange
from training.models import build

NAMES = ("B2", "B3", "B4", "B8", "VV", "VH")
STEP_KM = 0.01


def numbers(hidden: tuple[int, ...]) -> Parameters:
    """A student with random weights: its cost does not depend on them."""
    torch.manual_seed(0)
    network = build("student", NAMES, {"hidden": hidden})
    layers = tuple(Layer(tuple(map(tuple, each.weight.tolist())), tuple(each.bias.tolist())) for each in network.layers)
    bands = tuple(StoredRange(name, "any", 1.0, -32767, 32767) for name in NAMES)
    statistics = (network.centre.tolist(), network.spread.tolist())
    sides = (network.config.means, network.config.deviations)
    return Parameters(bands, *sides, *map(tuple, statistics), layers, ("pervious", "impervious"), 0.5)


def cpu_s(image: ee.Image, geobox, channels: tuple[Channel, ...]) -> float:
    """CPU seconds of this process for one request, its second time, when files and compiled code are warm."""
    for _ in range(2):
        begun = time.process_time()
        _ = list(Client()([Cell(0, "cost", image.select([c.name for c in channels]), geobox, channels)]))
        spent = time.process_time() - begun
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="pixels along a side")
    side = parser.parse_args().side
    with session.connect(None, catalog="world"):
        region = from_bbox((114.28, 30.52, 114.28 + side * 1.2e-4, 30.52 + side * 1.0e-4))
        from gee_export.base.grid import Window, crop, grid_of

        geobox = crop(grid_of(region), Window(0, 0, side, side))
        packed = composite.build(region, Month(2020, 6).period, composite.Settings()).packed
        km2 = (side * STEP_KM) ** 2
        print(f"{side} x {side} pixels, {km2:.2f} km2, CPU seconds per km2")
        alone = cpu_s(packed, geobox, pixels.channels(NAMES))
        print(f"{'composite alone':<24} {alone / km2:8.3f}")
        for hidden in ((16, 8), (32, 16)):
            parameters = numbers(hidden)
            image = graph.student_image(packed, parameters)
            spent = cpu_s(image, geobox, (Channel("prob"),))
            size = len(graph.serialised(image))
            print(f"{'with student ' + '-'.join(map(str, hidden)):<24} {spent / km2:8.3f}   graph {size:,} bytes")


if __name__ == "__main__":
    main()
