"""Which files are a map: the pair that belongs together."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from affine import Affine

from isamap.inference.map_files.map_file import open_map, probability_of
from tests.inference.conftest import WUHAN


def test_both_bands_are_read_from_their_files(finished_map, random_map):
    bands = open_map(finished_map(random_map)).bands
    assert list(bands) == ["isa", "prob"]
    np.testing.assert_array_equal(np.stack([band.read() for band in bands.values()]), random_map)


def test_a_map_without_its_probabilities_is_refused(finished_map, random_map):
    path = finished_map(random_map)
    probability_of(path).unlink()
    with pytest.raises(ValueError, match=r"its probabilities, map_prob\.tif, are missing: copy that file beside it"):
        open_map(path)


@pytest.mark.parametrize("other", [{"settings": "f" * 32}, {"transform": WUHAN * Affine.translation(1, 0)}])
def test_the_probabilities_of_another_map_are_refused(finished_map, random_map, other):
    path = finished_map(random_map)
    shutil.copy(probability_of(finished_map(random_map, "other.tif", **other)), probability_of(path))
    with pytest.raises(ValueError, match="are of two maps"):
        open_map(path)


def test_classes_in_the_place_of_probabilities_are_refused(finished_map, random_map):
    path = finished_map(random_map)
    shutil.copy(path, probability_of(path))
    with pytest.raises(ValueError, match="holds no probabilities of a map"):
        open_map(path)


def test_the_file_of_probabilities_is_no_map_by_itself(finished_map, random_map):
    with pytest.raises(ValueError, match="holds only the probabilities of a map: give the file of its classes"):
        open_map(probability_of(finished_map(random_map)))
