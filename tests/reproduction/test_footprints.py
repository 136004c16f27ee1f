"""The class map of San Marcos: what colours and footprints say, on a made image."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.reproduction.footprints import LOW, PAVEMENT, ROOF, SOIL, TREE, YARD_M, classes_of

# medians of the real mosaic: a road, cleared ground, dry grass, chaparral; and deep shadow
COLOURS = {PAVEMENT: (98, 88, 68), SOIL: (167, 137, 104), LOW: (89, 78, 55), TREE: (26, 26, 18)}


@pytest.mark.parametrize("wanted", COLOURS)
def test_colours_far_from_buildings_say_what_is_there(wanted):
    colours = np.broadcast_to(np.array(COLOURS[wanted], np.float32)[:, None, None], (3, 4, 4))
    assert (classes_of(colours, np.zeros((4, 4), bool)) == wanted).all()


def test_footprints_are_roofs_and_what_is_not_green_beside_them_is_paved():
    grass = np.broadcast_to(np.array(COLOURS[LOW], np.float32)[:, None, None], (3, 60, 60))
    built = np.zeros((60, 60), bool)
    built[:10, :10] = True
    classes = classes_of(grass, built)
    assert (classes[:10, :10] == ROOF).all() and (classes[10 : 10 + YARD_M, :10] == PAVEMENT).all()
    assert (classes[10 + YARD_M :] == LOW).all()
