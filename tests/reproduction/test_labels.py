"""Label products taken for maps, against counts made by numpy."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.datasets.dataset import Dataset, write
from isamap.reproduction.labels import AREA, LabelsAsMap, excess_percent, repeated
from isamap.reproduction.runs import Bench
from isamap.reproduction.study import Trial
from tests.reproduction.conftest import BANDS
from tests.support.pairs import RATIO, write_pairs
from tests.support.towns import manifest, samples, spread

SPLITS = spread(1, 1, 4)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Bench:
    """A dataset of pairs, and a product of the same patches that knows only their left halves."""
    folder = tmp_path_factory.mktemp("labels")
    write_pairs(folder / "pairs", SPLITS)

    def half(image, label):
        label[:, 8:] = 255
        return image, label

    head = manifest(tuple(BANDS), 16, len(SPLITS))
    write(folder / "product", head, samples(tuple(BANDS), 16, SPLITS, seed=3, change=half))
    write(folder / "short", manifest(tuple(BANDS), 16, 2), samples(tuple(BANDS), 16, ["train", "val"]))
    roles = ("pairs", "product", "short")
    return Bench(folder, {role: (str(folder / role),) for role in roles})


def pixels(place: Bench, role: str) -> tuple[np.ndarray, np.ndarray]:
    """The product's classes and the truth of all test patches at 1 m, one under the other."""
    pairs, second = Dataset.open(place.data("pairs")[0]), Dataset.open(place.data(role)[0])
    seen = [np.kron(second.read_label(patch.id), np.ones((RATIO, RATIO), int)) for patch in pairs.in_split("test")]
    return np.concatenate(seen), np.concatenate([pairs.read_fine_label(p) for p in pairs.in_split("test")])


@pytest.mark.long
@pytest.mark.parametrize("role", ["pairs", "product"])
def test_scores_are_those_of_the_repeated_labels(place, role):
    """F1 = 2 TP / (2 TP + FP + FN) over the pixels that the product knows."""
    actual = LabelsAsMap(role, "fine")(Trial(place, None, 0, "pairs"))
    seen, truth = pixels(place, role)
    is_known = seen != 255
    both = int(((seen == 1) & (truth == 1) & is_known).sum())
    either = int((seen == 1).sum()) + int(((truth == 1) & is_known).sum())
    assert actual.values["f1_impervious"] == pytest.approx(2 * both / either, abs=1e-5)
    area = 100 * ((seen == 1).sum() / ((truth == 1) & is_known).sum() - 1)
    assert actual.values[AREA] == pytest.approx(area)


def test_own_labels_against_themselves_are_right(place):
    actual = LabelsAsMap()(Trial(place, None, 0, "product"))
    assert actual.values["oa"] == 1
    assert actual.values[AREA] == 0


def test_maps_are_the_labels_of_the_patches_asked_for(place):
    name = Dataset.open(place.data("pairs")[0]).in_split("test")[2].id
    actual = LabelsAsMap("product", "fine")(Trial(place, None, 0, "pairs", (name,)))
    assert list(actual.maps) == [name]
    assert (actual.maps[name] == Dataset.open(place.data("product")[0]).read_label(name)).all()


def test_a_product_of_other_patches_is_refused(place):
    with pytest.raises(ValueError, match="'short' lacks patch town_201906_r00032"):
        LabelsAsMap("short", "fine")(Trial(place, None, 0, "pairs"))


def test_unknown_pixels_of_the_map_make_labels_unknown():
    seen, label = repeated(np.array([[1, 255]], np.uint8), np.array([[1, 0, 1, 0], [0, 0, 1, 1]], np.uint8))
    assert seen[:, :2].all()
    assert label.tolist() == [[1, 0, 255, 255], [0, 0, 255, 255]]


def test_area_of_nothing_has_no_excess():
    assert excess_percent(np.array([[5, 2], [0, 0]])) is None
    assert excess_percent(np.array([[5, 0], [1, 3]])) == -25
