"""wekaCobweb on groups that are known, and its category utility against the integral that defines it."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import integrate, stats

from local_ee.errors import EngineError
from local_ee.learning.cobweb import Cobweb, Node, Tree, gains, leaf
from tests.local_ee.support.evaluating import info, pixels
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

CENTRES = np.array([[0, 0], [50, 0], [0, 50.0]])


def blobs(size: int = 40, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return np.concatenate([centre + chance.normal(size=(size, 2)) for centre in CENTRES])


def node(rows: np.ndarray) -> Node:
    return Node(len(rows), rows.sum(axis=0), (rows**2).sum(axis=0))


def grown(table: np.ndarray, *, acuity: float = 1.0, cutoff: float = 0.002, seed: int = 42) -> Tree:
    return Cobweb(acuity, cutoff, seed).run(table)


def squared_density(rows: np.ndarray) -> float:
    """The sum of the integrals of the squared normal densities of all inputs: the expected score of a guess."""
    curves = [stats.norm(column.mean(), column.std(ddof=1)) for column in rows.T]
    return sum(integrate.quad(lambda x, c=c: c.pdf(x) ** 2, *c.interval(1 - 1e-12))[0] for c in curves)


def test_category_utility_is_the_gain_of_a_guess_within_the_parts():
    """Gennari et al., section 5: sum of P(C) (guess within C) less the guess of all, over the number of parts."""
    table = blobs(seed=3)
    parts = [table[:40], table[40:80], table[80:]]
    expected = (sum(len(p) / 120 * squared_density(p) for p in parts) - squared_density(table)) / 3
    assert Cobweb(0.01, 0, 1).utility([node(p) for p in parts]) == pytest.approx(expected, rel=1e-6)


def test_acuity_is_the_least_deviation():
    """A: "Acuity (minimum standard deviation)"."""
    narrow = [node(np.array([[0.0], [0.1]])), node(np.array([[9.0], [9.1]]))]
    spread = np.std([0, 0.1, 9, 9.1], ddof=1)
    assert Cobweb(2.0, 0, 1).utility(narrow) == pytest.approx((1 / 2 - 1 / spread) / 2 / (2 * np.sqrt(np.pi)))


def test_gains_are_differences_of_utilities():
    table, row = blobs(10), np.array([[45.0, 3]])
    parts = [node(table[:10]), node(table[10:20]), node(table[20:])]
    cobweb, own = Cobweb(0.5, 0, 1), gains(parts, row, 0.5)[0]
    with_row = [cobweb.utility([p.plus(leaf(row[0])) if i == k else p for i, p in enumerate(parts)]) for k in range(3)]
    assert np.argmax(own) == np.argmax(with_row) == 1
    assert own[1] - own[0] == pytest.approx((with_row[1] - with_row[0]) * 31 * 3 * 2 * np.sqrt(np.pi))


@pytest.mark.parametrize("seed", range(6))
def test_groups_far_apart_are_different_branches(seed):
    tree = grown(blobs(), acuity=2.0, cutoff=0.02, seed=seed)
    labels = tree.nearest(blobs())
    groups = [set(labels[i : i + 40].tolist()) for i in (0, 40, 80)]
    assert not groups[0] & groups[1] and not groups[1] & groups[2] and not groups[0] & groups[2]
    assert len(set(labels.tolist())) == 3


@pytest.mark.parametrize("seed", range(6))
def test_a_node_has_the_rows_of_its_children(seed):
    tree = grown(np.random.default_rng(seed).normal(size=(80, 2)), acuity=0.1, seed=seed)
    inner = [each for each in tree.root.walk() if each.children]
    assert tree.root.count == 80 and len(inner) > 10
    for each in inner:
        assert len(each.children) > 1 and each.count == sum(child.count for child in each.children)
        assert each.sums == pytest.approx(sum(child.sums for child in each.children))


def test_numbers_count_all_nodes_branch_by_branch():
    tree = grown(np.random.default_rng(1).normal(size=(60, 2)), acuity=0.1)

    def order(each: Node) -> list[int]:
        return [each.number, *(number for child in each.children for number in order(child))]

    assert order(tree.root) == list(range(len(order(tree.root)))) and len(order(tree.root)) > 20


@pytest.mark.parametrize("seed", range(4))
def test_a_large_cutoff_leaves_one_cluster(seed):
    """A: "Cutoff (minimum category utility)"."""
    tree = grown(blobs(), cutoff=10, seed=seed)
    assert not tree.root.children and not tree.nearest(blobs()).any()


def test_a_smaller_cutoff_makes_more_leaves():
    counts = [sum(not each.children for each in grown(blobs(), cutoff=cutoff).root.walk()) for cutoff in (0.0001, 0.02)]
    assert counts[0] > counts[1]


def test_equal_rows_are_one_leaf():
    assert len(list(grown(np.full((30, 2), 5.0)).root.walk())) == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cutoff", [0.01, 0.05, 0.1])
def test_nodes_with_children_are_worth_the_cutoff(seed, cutoff):
    cobweb = Cobweb(0.3, cutoff, seed)
    inner = [each for each in cobweb.run(blobs(20)).root.walk() if each.children]
    assert inner and all(cobweb.utility(each.children) >= cutoff * (1 - 1e-9) for each in inner)


def test_a_negative_seed_takes_the_rows_as_they_come():
    table = np.random.default_rng(1).normal(size=(50, 2))
    first, again, other = (grown(table, acuity=0.2, seed=s).nearest(table).tolist() for s in (-1, -7, 3))
    assert first == again != other


def test_many_equal_rows_without_a_cutoff_make_no_endless_tree():
    tree = grown(np.zeros((300, 1)), cutoff=0)
    assert tree.root.count == 300 and (tree.nearest(np.zeros((5, 1))) == tree.nearest(np.zeros((1, 1)))[0]).all()


# Through the client


def test_an_image_has_the_clusters_of_its_training():
    grid = utm(16, 20)
    catalog = Scenes((Scene("C/a", grid, {"x": ("uint16", 10)}, seed=3),))
    image = ee.Image("C/a").mod(3).multiply(100).rename("v")
    rows = ee.FeatureCollection([ee.Feature(None, {"v": number}) for number in [0, 100, 200] * 8])
    clusterer = ee.Clusterer.wekaCobweb(acuity=5, cutoff=0.001).train(rows, ["v"])
    labels, group = pixels(image.cluster(clusterer), catalog, grid), pixels(image, catalog, grid)
    by_group = [set(labels[group == k].compressed().tolist()) for k in (0, 100, 200)]
    assert [len(each) for each in by_group] == [1, 1, 1] and len(set.union(*by_group)) == 3


def test_the_default_is_wekas():
    """Acuity 1 and cutoff 0.002: numbers between 0 and 1 are one cluster, as in Weka without scaling."""
    rows = ee.FeatureCollection([ee.Feature(None, {"v": number / 10}) for number in range(10)])
    result = rows.cluster(ee.Clusterer.wekaCobweb().train(rows, ["v"]), "c")
    assert info(result.aggregate_array("c")) == [0] * 10


@pytest.mark.parametrize("options", [{"acuity": 0}, {"acuity": -1}, {"cutoff": -0.1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(EngineError, match="acuity must be positive and cutoff not negative"):
        info(ee.Clusterer.wekaCobweb(**options).schema())
