"""Generalised labels: small pieces go to what surrounds them, what the edge cuts or nobody knows stays."""

from __future__ import annotations

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.labelling.minimum_unit import generalised


def ground() -> np.ndarray:
    """Pervious ground with roofs of 49, 50 and, cut by the edge, 20 pixels, and a yard of 9 in the second one."""
    label = np.zeros((40, 40), np.uint8)
    label[5:12, 5:12] = 1
    label[20:30, 20:25] = 1
    label[0:4, 30:35] = 1
    return label


def test_pieces_below_the_unit_are_taken_in():
    label = ground()
    made = generalised(label, 50)
    assert not made[5:12, 5:12].any() and made[20:30, 20:25].all() and made[0:4, 30:35].all()
    label[5:12, 5:12] = 0
    np.testing.assert_array_equal(made, label)


def test_a_yard_within_a_roof_becomes_roof():
    label = np.zeros((40, 40), np.uint8)
    label[10:30, 10:30] = 1
    label[15:18, 15:18] = 0
    assert generalised(label, 50)[10:30, 10:30].all()


def test_unknown_pixels_stay_and_take_nothing_in():
    label = ground()
    label[5:12, 4] = label[35, 35] = UNKNOWN
    made = generalised(label, 50)
    assert ((made == UNKNOWN) == (label == UNKNOWN)).all() and not made[5:12, 5:12].any()


def test_a_unit_of_a_pixel_changes_nothing():
    np.testing.assert_array_equal(generalised(ground(), 1), ground())
