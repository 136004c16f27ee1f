"""Accuracy at points drawn from the test patches."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.reproduction.points import accuracy


@pytest.fixture
def labels() -> dict[str, np.ndarray]:
    """Two patches of 60 x 60 pixels; a third of them is unknown."""
    rng = np.random.default_rng(0)
    return {name: rng.choice([0, 1, UNKNOWN], (60, 60)).astype(np.uint8) for name in "ab"}


def test_a_map_equal_to_its_label_is_right_everywhere(labels):
    assert accuracy(labels, labels, 500) == 1


def test_points_estimate_the_share_of_pixels_that_agree(labels):
    """All known pixels are drawn: the estimate is the share itself."""
    maps = {name: np.zeros_like(label) for name, label in labels.items()}
    listed = np.concatenate([label[label != UNKNOWN] for label in labels.values()])
    assert accuracy(labels, maps, len(listed)) == pytest.approx((listed == 0).mean())


def test_points_are_the_same_for_every_map(labels):
    """Wrong at one pixel less: never worse at the same points."""
    first = {name: np.zeros_like(label) for name, label in labels.items()}
    better = {name: np.where(label == 1, 1, 0) if name == "a" else first[name] for name, label in labels.items()}
    assert accuracy(labels, better, 300) >= accuracy(labels, first, 300)


def test_more_points_than_labelled_pixels_are_refused(labels):
    with pytest.raises(ValueError, match=r"labelled pixels for 9,999 points"):
        accuracy(labels, labels, 9999)
