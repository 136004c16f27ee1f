"""Decision trees as text (apidocs ee-classifier-decisiontree: the format of R): read, and written."""

from __future__ import annotations

import re

import ee
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info
from tests.support.training import NAMES, answers, blobs

pytestmark = pytest.mark.usefixtures("session")

# The form of rpart::print.rpart, with both of its signs; made for this test.
RPART = """n= 47

node), split, n, deviance, yval
      * denotes terminal node

1) root 47 68.0 9
  2) a< 7.5 23 7.2 1 *
  3) a>=7.5 24 36.1 9
    6) b>=2 10 5.6 3 *
    7) b< 2 14 20.3 2 *
"""
ROWS = np.array([[7, 0, 0], [7.5, 2, 0], [8, 1.5, 0], [8, 3, 0]], float)


def test_a_tree_of_rpart():
    assert answers(ee.Classifier.decisionTree(RPART), ROWS).tolist() == [1, 3, 2, 3]


def test_the_inputs_are_those_of_the_tests():
    assert info(ee.Classifier.decisionTree(RPART).schema()) == ["a", "b"]


def test_at_most_takes_the_threshold_in():
    text = "1) root 2 1 0\n2) a <= 7.5 1 0 4 *\n3) a > 7.5 1 0 5 *"
    assert answers(ee.Classifier.decisionTree(text), ROWS).tolist() == [4, 4, 5, 5]


def test_trees_of_an_ensemble_vote():
    texts = [f"1) root 2 1 0\n2) a<=7.5 1 0 {low} *\n3) a>7.5 1 0 7 *" for low in (3, 5, 5)]
    assert answers(ee.Classifier.decisionTreeEnsemble(texts), ROWS).tolist() == [5, 5, 7, 7]


def test_one_text_may_hold_several_trees():
    text = "".join(f"1) root 2 1 0\n 2) a<=7.5 1 0 {low} *\n 3) a>7.5 1 0 {high} *\n" for low, high in ((1, 6), (2, 8)))
    ensemble = ee.Classifier.decisionTreeEnsemble([text]).setOutputMode("REGRESSION")
    assert answers(ensemble, ROWS).tolist() == [1.5, 1.5, 7, 7]


def test_raw_votes_of_an_ensemble():
    text = "".join(f"1) root 2 1 0\n 2) a<=7.5 1 0 {low} *\n 3) a>7.5 1 0 {high} *\n" for low, high in ((1, 6), (2, 8)))
    assert answers(ee.Classifier.decisionTreeEnsemble([text]).setOutputMode("RAW"), ROWS)[2].tolist() == [6, 8]


def test_forests_of_geemap_vote_as_those_of_scikit_learn():
    """geemap.ml writes scikit-learn's trees for Earth Engine (those that grew depth first), with six decimals."""
    ml = pytest.importorskip("geemap.ml")
    table, labels = blobs()
    forest = RandomForestClassifier(9, random_state=4, max_depth=4).fit(table, labels)
    texts = [ml.tree_to_string(tree, NAMES, forest.classes_) for tree in forest.estimators_]
    new, _ = blobs(seed=5)
    votes = np.stack([tree.predict(new) for tree in forest.estimators_], axis=1).astype(int)
    expected = [np.bincount(row, minlength=3).argmax() for row in votes]
    assert answers(ee.Classifier.decisionTreeEnsemble(texts), new).tolist() == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "holds no decision tree"),
        ("2) a<1 1 0 4 *", "has no root"),
        ("1) root 2 1 0\n2) a<1 1 0 4 *", "must have two children, 2 and 3"),
        ("1) root 2 1 0\n2) a: red,blue 1 0 4 *\n3) a: green 1 0 5 *", "No line of a decision tree: '2) a: red"),
    ],
)
def test_texts_that_are_no_trees(text, words):
    with pytest.raises(EngineError, match=re.escape(words)):
        info(ee.Classifier.decisionTree(text).schema())
