"""What 8 bits change on a map's own pixels, counted on windows of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isamap.gee_export.base.grid import Window
from isamap.inference.mapping import map as map_module
from isamap.inference.mapping.eight_bits import ClassChange, class_change, kept_change, spread_windows
from isamap.inference.mapping.map import map_region
from isamap.inference.mapping.predict import Predictor, quantise
from tests.inference.conftest import LEGEND

IMAGE_HW = np.random.default_rng(1).random((40, 50), dtype=np.float32)
KNOWN_HW = np.random.default_rng(2).random((40, 50)) < 0.7


def network(shift):
    def probabilities(images, classes):
        impervious_NHW = np.clip(images[:, 0] + np.float32(shift), 0, 1)
        return np.stack([impervious_NHW] * len(classes), axis=1)

    return probabilities


def read(window):
    return IMAGE_HW[None][:, *window.slices], KNOWN_HW[window.slices]


@pytest.mark.parametrize("side", [10, 64])
def test_the_known_pixels_of_the_windows_that_change_class_are_counted(side):
    """Those between .4 and .5, as a tenth is added; a window of 64 is wider than the map."""
    windows = list(spread_windows(Window(0, 0, 40, 50), side))
    seen_HW = np.zeros((40, 50), bool)
    for window, _ in windows:
        seen_HW[window.slices] = True
    predictor = Predictor(network(0.1), 1, 1, replace(LEGEND, threshold=0.5), values=quantise)
    crosses_HW = (IMAGE_HW < 0.5) & (IMAGE_HW + np.float32(0.1) >= 0.5)
    counts = int((seen_HW & KNOWN_HW).sum()), int((seen_HW & KNOWN_HW & crosses_HW).sum())
    assert class_change(predictor, network(0.0), read, windows) == ClassChange(*counts) and counts[1] > 0


def test_windows_reach_every_edge_of_what_is_mapped_and_do_not_overlap():
    windows = [window for window, _ in spread_windows(Window(7, 9, 40, 25), 10)]
    times_HW = np.zeros((60, 60), int)
    for window in windows:
        times_HW[window.slices] += 1
    assert times_HW.max() == 1 and times_HW.sum() == 6 * 100
    rows, cols = np.nonzero(times_HW)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (7, 46, 9, 33)


def test_a_resumed_map_says_what_the_first_call_found(tmp_path):
    kept_change(tmp_path, lambda: ClassChange(200, 3))
    assert kept_change(tmp_path, None) == ClassChange(200, 3)
    assert str(ClassChange(200, 3)) == "8 bits: 1.50% of 200 pixels of this map get another class than in fp32"


def test_a_map_in_8_bits_is_judged_and_in_fp32_not(run, scene, tmp_path, monkeypatch):
    """fp32 in the place of 8 bits, which not every processor multiplies: so no pixel changes."""
    options = {"input": scene, "progress": False}
    assert map_region(run, out=tmp_path / "plain.tif", **options).change is None
    monkeypatch.setattr(map_module, "INT8", "fp32")
    report = map_region(run, out=tmp_path / "judged.tif", **options)
    assert report.change.pixels > 1000 and report.change.changed == 0
    assert "8 bits: 0.00% of" in str(report)
