"""Image.Segmentation.GMeans on pixels whose number of clusters is known, and its statistic against an integral."""

from __future__ import annotations

from itertools import pairwise

import ee
import numpy as np
import pytest
from scipy import stats

from local_ee.errors import EngineError
from local_ee.learning.g_means import GMeans, anderson_darling, halving
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(16, 20)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10)}, seed=3, hidden=1),))
CHANCE = np.random.default_rng(0)
CENTRES = np.array([[0, 0], [20, 0], [0, 20], [20, 20.0]])


def blobs(count: int, size: int = 400) -> np.ndarray:
    return np.concatenate(
        [centre + np.random.default_rng(k).normal(size=(size, 2)) for k, centre in enumerate(CENTRES[:count])]
    )


def weighted_distance(numbers: np.ndarray) -> float:
    """n times the integral of (F_n - u)^2 / (u (1 - u)) du, in closed form between the steps of F_n."""
    steps = stats.norm.cdf(np.sort(stats.zscore(numbers, ddof=1)))
    total, count = 0.0, len(numbers)
    for k, (u, w) in enumerate(pairwise([1e-300, *steps, 1 - 1e-16])):
        own = k / count
        total += own**2 * np.log(w / u) + (1 - own) ** 2 * np.log((1 - u) / (1 - w)) - (w - u)
    return count * total


@pytest.mark.parametrize("numbers", [CHANCE.normal(3, 2, 500), CHANCE.uniform(size=80), CHANCE.normal(0, 1, 9) ** 2])
def test_the_statistic_is_the_weighted_distance_of_distributions(numbers):
    """Hamerly and Elkan, section 2.1, for a mean and a deviation that are estimated."""
    expected = weighted_distance(numbers) * (1 + 4 / len(numbers) - 25 / len(numbers) ** 2)
    assert anderson_darling(numbers) == pytest.approx(expected, rel=1e-6)


def test_equal_numbers_look_normal():
    assert anderson_darling(np.full(20, 3.0)) == 0


def test_halves_begin_on_the_longest_axis_of_the_rows():
    """Section 2.2: c + m and c - m with m = s sqrt(2 lambda / pi)."""
    rows = np.random.default_rng(1).normal(size=(500, 2)) * [5, 1]
    a, b = halving(rows)
    _, scales, axes = np.linalg.svd(rows - rows.mean(axis=0))
    assert (a + b) / 2 == pytest.approx(rows.mean(axis=0))
    assert abs((a - b) @ axes[0]) / 2 == pytest.approx(scales[0] / np.sqrt(499) * np.sqrt(2 / np.pi))
    assert (a - b) @ axes[1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_as_many_clusters_are_found_as_there_are(count):
    centres = GMeans(5.0, 20, 256).run(blobs(count)).points
    assert len(centres) == count
    distance = np.linalg.norm(centres[:, None] - CENTRES[None, :count], axis=2)
    assert distance.min(axis=0) == pytest.approx(np.zeros(count), abs=0.3)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_numbers_without_a_variance_are_one_cluster():
    assert len(GMeans(5.0, 20, 256).run(1e200 * blobs(2)).points) == 1


def test_there_are_no_more_clusters_than_allowed():
    assert len(GMeans(5.0, 20, 3).run(blobs(4)).points) == 3


def test_a_round_doubles_the_clusters_at_most():
    """A: numIterations, "Number of iterations"."""
    assert [len(GMeans(5.0, rounds, 256).run(blobs(4)).points) for rounds in (1, 2)] == [2, 4]


# Through the client


def clusters(image: ee.Image, **options) -> ee.Image:
    return ee.Algorithms.Image.Segmentation.GMeans(image, **({"pValue": 5, "gridSize": 1024} | options))


def groups() -> ee.Image:
    """Three values far apart, with a little noise."""
    return ee.Image("C/a").select("x").mod(3).multiply(1000).add(ee.Image("C/a").select("y").mod(2))


def test_pixels_of_one_group_have_one_label():
    group = pixels(ee.Image("C/a").select("x").mod(3), CATALOG, GRID)
    image = ee.Image("C/a").select("x").mod(3).multiply(1000)
    labels = pixels(clusters(image), CATALOG, GRID)
    by_group = [set(labels[group == k].compressed().tolist()) for k in range(3)]
    assert [len(each) for each in by_group] == [1, 1, 1] and len(set.union(*by_group)) == 3


def test_a_larger_critical_value_makes_fewer_clusters():
    """A: pValue, "Significance level for normality test"."""
    counts = [len(set(pixels(clusters(groups(), pValue=p), CATALOG, GRID).compressed().tolist())) for p in (1, 17, 1e9)]
    assert counts[0] > counts[1] > counts[2] == 1


def test_the_default_splits_what_is_far_from_normal_only():
    wide = utm(64, 64)
    catalog = Scenes((Scene("C/a", wide, {"x": ("uint16", 10)}, seed=3),))
    normal = ee.Image.random(1, "normal").reproject("EPSG:32650", None, 10)
    for image, expected in ((ee.Image("C/a").mod(2).multiply(100), 2), (normal, 1)):
        labels = pixels(ee.Algorithms.Image.Segmentation.GMeans(image, uniqueLabels=False), catalog, wide)
        assert len(np.unique(labels)) == expected


def test_labels_repeat_from_cell_to_cell_only_where_asked():
    """A: "If true, clusters are assigned unique IDs. Otherwise, they repeat per tile or grid cell"."""
    halves = groups().gt(500).multiply(1000)
    unique = pixels(clusters(halves, gridSize=8, pValue=3), CATALOG, GRID)
    repeated = pixels(clusters(halves, gridSize=8, pValue=3, uniqueLabels=False), CATALOG, GRID)
    assert set(repeated.compressed().tolist()) == {0, 1}
    assert len(set(unique.compressed().tolist())) > 6


@pytest.mark.parametrize("options", [{"gridSize": 8}, {"gridSize": None, "neighborhoodSize": 5}])
def test_a_part_of_a_window_has_the_labels_of_the_whole(options):
    image = clusters(groups(), **options)
    whole, part = pixels(image, CATALOG, GRID), pixels(image, CATALOG, utm(5, 6, top=3_399_930, left=300_040))
    np.testing.assert_array_equal(whole[7:12, 4:10].filled(-1), part.filled(-1))


def test_a_pixel_that_is_masked_in_part_is_masked():
    """A: "Any input pixels with partial masks are fully masked in the output"."""
    image = ee.Image(1).addBands(2).updateMask(ee.Image.pixelCoordinates("EPSG:32650").select("x").gt(300_040).max(0.5))
    assert np.ma.getmaskarray(pixels(clusters(image)))[0].tolist() == [True] * 4 + [False] * 4


def test_it_is_one_whole_number_named_clusters():
    image = value(clusters(groups()), CATALOG)
    assert image.band_names == ("clusters",) and image.bands[0].type.dtype.name == "int32"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"numIterations": 0}, "numIterations must be 1 to 100"),
        ({"pValue": -1}, "pValue must not be negative"),
        ({"gridSize": -1}, "gridSize must be"),
        ({"gridSize": None, "neighborhoodSize": 5000}, "neighborhoodSize must be"),
        ({"gridSize": 8, "neighborhoodSize": 8}, "exclude each other"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(EngineError, match=words):
        info(clusters(groups(), **options), CATALOG)
