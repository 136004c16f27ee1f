"""More points than a map has pixels: refused before anything is drawn or written, whatever the design."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.inference.assessment.draw import draw_sample
from isamap.inference.assessment.request import DESIGNS, DrawOptions


def town() -> np.ndarray:
    class_HW = np.zeros((60, 80), np.uint8)
    class_HW[:, :20] = 1
    class_HW[0, :40] = 255
    return class_HW


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("points", [4_761, 1_000_000_000])
def test_more_points_than_known_pixels_are_refused_and_nothing_is_written(make_map, tmp_path, design, points):
    with pytest.raises(ValueError, match=f"--points {points}: the map knows the class of 4760 pixels: ask for fewer"):
        draw_sample([make_map(town())], tmp_path / "sample", design=DrawOptions(design, points))
    assert not (tmp_path / "sample").exists()


def test_most_pixels_of_a_map_may_be_drawn(make_map, tmp_path):
    report = draw_sample([make_map(town())], tmp_path / "sample", design=DrawOptions("simple", 4_000))
    assert len(report.sample.points) == 4_000
