"""Classifiers against scikit-learn, or against their definition (apidocs ee-classifier-smilerandomforest and its kin,
guides/classification for the output modes). Random forests are not Smile's number by number: what is shown here is
what holds for every forest.
"""

from __future__ import annotations

import sys

import ee
import numpy as np
import pytest
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from local_ee.algorithms.classification import of_table
from local_ee.errors import EngineError
from local_ee.evaluation.values import Band, Image
from local_ee.raster.pixel_type import FLOAT
from local_ee.raster.pixels import Pixels, valid
from local_ee.testing.evaluating import info, pixels, value
from local_ee.testing.scenes import utm
from tests.support.training import NAMES, answers, blobs, features, trained

pytestmark = pytest.mark.usefixtures("session")

TABLE, LABELS = blobs()
NEW, _ = blobs(seed=2)
NUMBERS = TABLE @ [1.0, -2.0, 0.5]


def test_a_forest_separates_what_can_be_separated():
    forest = trained(ee.Classifier.smileRandomForest(20), TABLE, LABELS)
    assert (answers(forest, TABLE) == LABELS).mean() > 0.95


def test_a_forest_is_the_majority_of_its_trees():
    forest = ee.Classifier.smileRandomForest(7, seed=3)
    votes = answers(trained(forest.setOutputMode("RAW"), TABLE, LABELS), NEW)
    majority = [np.bincount(row.astype(int), minlength=3).argmax() for row in votes]
    assert answers(trained(forest, TABLE, LABELS), NEW).tolist() == majority


def test_the_same_seed_grows_the_same_forest():
    first, second = (trained(ee.Classifier.smileRandomForest(5, seed=8), TABLE, LABELS) for _ in range(2))
    assert info(first.explain()) == info(second.explain())


def test_another_seed_grows_another_forest():
    first, second = (trained(ee.Classifier.smileRandomForest(5, seed=seed), TABLE, LABELS) for seed in (1, 2))
    assert info(first.explain())["trees"] != info(second.explain())["trees"]


def test_the_text_of_a_forest_makes_the_same_forest():
    forest = trained(ee.Classifier.smileRandomForest(9), TABLE, LABELS)
    rebuilt = ee.Classifier.decisionTreeEnsemble(ee.List(forest.explain().get("trees")))
    assert answers(rebuilt, NEW).tolist() == answers(forest, NEW).tolist()


def test_a_forest_of_regressions_is_the_mean_of_its_trees():
    forest = ee.Classifier.smileRandomForest(6)
    raw = answers(trained(forest.setOutputMode("RAW_REGRESSION"), TABLE, NUMBERS), NEW)
    means = answers(trained(forest.setOutputMode("REGRESSION"), TABLE, NUMBERS), NEW)
    assert raw.shape == (len(NEW), 6)
    assert means == pytest.approx(raw.mean(axis=1))


def test_probabilities_of_a_forest_sum_to_one():
    forest = ee.Classifier.smileRandomForest(11).setOutputMode("MULTIPROBABILITY")
    assert answers(trained(forest, TABLE, LABELS), NEW).sum(axis=1) == pytest.approx(1)


def test_the_probability_of_two_classes_is_that_of_the_larger():
    labels = LABELS % 2
    forest = ee.Classifier.smileRandomForest(11)
    both = answers(trained(forest.setOutputMode("MULTIPROBABILITY"), TABLE, labels), NEW)
    single = answers(trained(forest.setOutputMode("PROBABILITY"), TABLE, labels), NEW)
    assert single == pytest.approx(both[:, 1])


def test_what_a_forest_explains():
    answer = info(trained(ee.Classifier.smileRandomForest(4), TABLE, LABELS).explain())
    assert answer["classes"] == [0, 1, 2]
    assert answer["numberOfTrees"] == len(answer["trees"]) == 4
    assert sorted(answer["importance"]) == NAMES
    assert 0 <= answer["outOfBagErrorEstimate"] < 0.5


def test_an_input_that_says_nothing_has_no_importance():
    table = np.column_stack([TABLE[:, :2], np.zeros(len(TABLE))])
    assert info(trained(ee.Classifier.smileRandomForest(4), table, LABELS).explain())["importance"]["c"] == 0


def test_a_bag_of_a_tenth_is_a_tenth_of_each_class():
    answer = info(trained(ee.Classifier.smileRandomForest(1, bagFraction=0.1), TABLE, LABELS).explain())
    assert answer["trees"][0].startswith("n= 6\n")


def test_a_tree_without_limits_is_that_of_scikit_learn():
    expected = DecisionTreeClassifier(random_state=0).fit(TABLE, LABELS).predict(NEW)
    assert answers(trained(ee.Classifier.smileCart(), TABLE, LABELS), NEW).tolist() == expected.tolist()


def test_a_tree_of_few_leaves():
    tree = DecisionTreeClassifier(max_leaf_nodes=2, min_samples_leaf=5, random_state=0).fit(TABLE, LABELS)
    own = trained(ee.Classifier.smileCart(2, 5), TABLE, LABELS)
    assert info(own.explain())["trees"][0].count("*\n") == tree.get_n_leaves()
    assert answers(own, NEW).tolist() == tree.predict(NEW).tolist()


def test_a_tree_of_a_regression():
    expected = DecisionTreeRegressor(max_leaf_nodes=6, random_state=0).fit(TABLE, NUMBERS).predict(NEW)
    own = ee.Classifier.smileCart(6).setOutputMode("REGRESSION")
    assert answers(trained(own, TABLE, NUMBERS), NEW) == pytest.approx(expected)


def test_boosted_trees_learn():
    boosted = trained(ee.Classifier.smileGradientTreeBoost(20, 0.3, maxNodes=4), TABLE, LABELS)
    assert (answers(boosted, TABLE) == LABELS).mean() > 0.95


@pytest.mark.parametrize("loss", ["LeastSquares", "LeastAbsoluteDeviation", "Huber"])
def test_boosted_regressions_are_better_than_the_mean(loss):
    boosted = ee.Classifier.smileGradientTreeBoost(40, 0.3, maxNodes=6, loss=loss).setOutputMode("REGRESSION")
    errors = answers(trained(boosted, TABLE, NUMBERS), TABLE) - NUMBERS
    assert np.abs(errors).mean() < 0.5 * np.abs(NUMBERS - NUMBERS.mean()).mean()


@pytest.mark.parametrize(("metric", "own"), [("EUCLIDEAN", "euclidean"), ("MANHATTAN", "manhattan")])
def test_nearest_neighbours(metric, own):
    expected = KNeighborsClassifier(5, metric=own).fit(TABLE, LABELS).predict(NEW)
    neighbours = ee.Classifier.smileKNN(5, "LINEAR_SEARCH", metric)
    assert answers(trained(neighbours, TABLE, LABELS), NEW).tolist() == expected.tolist()


def test_nearest_neighbours_by_mahalanobis_distance():
    oracle = KNeighborsClassifier(
        3, metric="mahalanobis", metric_params={"VI": np.linalg.inv(np.cov(TABLE, rowvar=False))}, algorithm="brute"
    ).fit(TABLE, LABELS)
    neighbours = ee.Classifier.smileKNN(3, "LINEAR_SEARCH", "MAHALANOBIS")
    assert answers(trained(neighbours, TABLE, LABELS), NEW).tolist() == oracle.predict(NEW).tolist()


def test_nearest_neighbours_by_bray_and_curtis():
    expected = KNeighborsClassifier(3, metric="braycurtis").fit(TABLE, LABELS).predict(NEW)
    neighbours = ee.Classifier.smileKNN(3, "LINEAR_SEARCH", "BRAYCURTIS")
    assert answers(trained(neighbours, TABLE, LABELS), NEW).tolist() == expected.tolist()


def test_a_tree_of_neighbours_knows_no_metric():
    """apidocs ee-classifier-smileknn: KD_TREE (and AUTO for low dimensions) will not use the metric selected."""
    both = [trained(ee.Classifier.smileKNN(3, "AUTO", metric), TABLE, LABELS) for metric in ("EUCLIDEAN", "BRAYCURTIS")]
    assert answers(both[0], NEW).tolist() == answers(both[1], NEW).tolist()


def test_naive_bayes():
    oracle = MultinomialNB(alpha=0.5).fit(TABLE, LABELS)
    assert answers(trained(ee.Classifier.smileNaiveBayes(0.5), TABLE, LABELS), NEW).tolist() == (
        oracle.predict(NEW).tolist()
    )


def test_probabilities_of_naive_bayes():
    oracle = MultinomialNB(alpha=0.5).fit(TABLE, LABELS).predict_proba(NEW)
    own = ee.Classifier.smileNaiveBayes(0.5).setOutputMode("MULTIPROBABILITY")
    assert answers(trained(own, TABLE, LABELS), NEW) == pytest.approx(oracle)


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF"])
def test_support_vectors(kernel):
    oracle = SVC(kernel=kernel.lower(), gamma=0.01, coef0=1, degree=2, C=10).fit(TABLE, LABELS)
    machine = ee.Classifier.libsvm(kernelType=kernel, gamma=0.01, coef0=1, degree=2, cost=10)
    assert answers(trained(machine, TABLE, LABELS), NEW).tolist() == oracle.predict(NEW).tolist()


def test_a_regression_by_support_vectors():
    oracle = SVR(kernel="rbf", gamma=1 / 3, C=5, epsilon=0.1).fit(TABLE, NUMBERS)
    machine = ee.Classifier.libsvm(svmType="EPSILON_SVR", kernelType="RBF", cost=5)
    own = answers(trained(machine.setOutputMode("REGRESSION"), TABLE, NUMBERS), NEW)
    assert own == pytest.approx(oracle.predict(NEW))


def test_one_class_machines_give_the_class_of_what_they_know():
    machine = ee.Classifier.libsvm(svmType="ONE_CLASS", kernelType="RBF", gamma=0.01, nu=0.1, oneClass=1)
    own = trained(machine, TABLE, (LABELS == 1).astype(int))
    far = np.full((1, 3), 1000.0)
    assert answers(own, far).tolist() == [0]
    assert answers(own, TABLE[LABELS == 1]).mean() > 0.7


def test_the_nearest_mean():
    expected = NearestCentroid().fit(TABLE, LABELS).predict(NEW)
    assert answers(trained(ee.Classifier.minimumDistance(), TABLE, LABELS), NEW).tolist() == expected.tolist()


def test_raw_distances_to_every_mean():
    means = np.stack([TABLE[label == LABELS].mean(axis=0) for label in range(3)])
    own = ee.Classifier.minimumDistance("manhattan").setOutputMode("RAW")
    assert answers(trained(own, TABLE, LABELS), NEW) == pytest.approx(np.abs(NEW[:, None] - means).sum(axis=2))


def test_the_distance_to_the_nearest_mean_is_its_regression():
    own = ee.Classifier.minimumDistance("mahalanobis")
    raw = answers(trained(own.setOutputMode("RAW"), TABLE, LABELS), NEW)
    assert answers(trained(own.setOutputMode("REGRESSION"), TABLE, LABELS), NEW) == pytest.approx(raw.min(axis=1))


def test_mahalanobis_distances_take_the_covariance_of_the_class():
    own = trained(ee.Classifier.minimumDistance("mahalanobis").setOutputMode("RAW"), TABLE, LABELS)
    group = TABLE[LABELS == 0]
    offset = NEW[0] - group.mean(axis=0)
    expected = np.sqrt(offset @ np.linalg.inv(np.cov(group, rowvar=False)) @ offset)
    assert answers(own, NEW)[0, 0] == pytest.approx(expected)


def test_angles_to_the_means():
    own = trained(ee.Classifier.minimumDistance("cosine").setOutputMode("RAW"), TABLE, LABELS)
    mean = TABLE[LABELS == 2].mean(axis=0)
    cosine = NEW[0] @ mean / np.linalg.norm(NEW[0]) / np.linalg.norm(mean)
    assert answers(own, NEW)[0, 2] == pytest.approx(np.arccos(cosine))


def test_several_nearest_classes():
    own = trained(ee.Classifier.minimumDistance("euclidean", 2), TABLE, LABELS)
    first = answers(trained(ee.Classifier.minimumDistance(), TABLE, LABELS), NEW)
    both = answers(own, NEW)
    assert both.shape == (len(NEW), 2)
    assert both[:, 0].tolist() == first.tolist()


def test_an_image_is_classified_by_the_names_of_its_bands():
    tree = trained(ee.Classifier.smileCart(), TABLE, LABELS)
    point = ee.Image.constant(TABLE[5][::-1].tolist()).rename(NAMES[::-1])
    assert pixels(point.classify(tree))[0, 0] == LABELS[5]


def test_a_pixel_is_masked_where_an_input_is():
    tree = trained(ee.Classifier.smileCart(), TABLE, LABELS)
    image = ee.Image.constant([1, 2, 3]).rename(NAMES).addBands(ee.Image(0).selfMask().rename("b"), None, True)
    assert pixels(image.classify(tree)).mask.all()


def test_a_pixel_whose_input_is_no_number_is_masked():
    """Files may hold such pixels; libsvm takes none."""
    values = np.array([[1, np.nan, 3], [np.inf, 5, 6]], np.float32)
    image = Image((Band("a", FLOAT),), lambda window, positions: Pixels((values,), (valid(values.shape),)))
    answer = of_table(image, [("b", FLOAT)], lambda table: table[:, 0] * 2).read(utm(2, 3))
    assert answer.masks[0].tolist() == [[True, False, True], [False, True, True]]
    assert answer.values[0][answer.masks[0]].tolist() == [2, 6, 10, 12]


def test_bands_that_a_classifier_does_not_take_hide_nothing():
    tree = trained(ee.Classifier.smileCart(), TABLE, LABELS)
    image = ee.Image.constant([*TABLE[0].tolist(), 0]).rename([*NAMES, "other"])
    masked = image.addBands(ee.Image(0).selfMask().rename("other"), None, True)
    assert pixels(masked.classify(tree, "class"))[0, 0] == LABELS[0]


def test_the_band_of_a_classified_image():
    tree = trained(ee.Classifier.smileCart(), TABLE, LABELS)
    band = info(ee.Image.constant([1, 2, 3]).rename(NAMES).classify(tree, "cover"))["bands"][0]
    assert (band["id"], band["data_type"]["precision"], band["data_type"]["max"]) == ("cover", "int", 2**31 - 1)


def test_probabilities_of_pixels_are_arrays():
    tree = trained(ee.Classifier.smileCart().setOutputMode("MULTIPROBABILITY"), TABLE, LABELS)
    image = ee.Image.constant(TABLE[1].tolist()).rename(NAMES).classify(tree)
    first = image.arrayGet([1])
    assert pixels(first)[0, 0] == 1


def test_samples_of_an_image_need_no_input_properties():
    """apidocs ee-classifier-train: optional if the input collection contains a 'band_order' property."""
    image = ee.Image.pixelCoordinates("EPSG:32650").addBands(ee.Image.pixelCoordinates("EPSG:32650").select("x").gt(50))
    image = image.rename(["x", "y", "label"])
    region = ee.Geometry.Rectangle([0, 0, 100, 40], "EPSG:32650", False)
    sample = image.sample(region, 10, "EPSG:32650")
    tree = ee.Classifier.smileCart().train(sample, "label")
    assert info(tree.schema()) == ["x", "y"]


def test_a_classifier_without_training_data_has_no_schema():
    assert info(ee.Classifier.smileCart().schema()) is None


def test_training_twice_adds_data():
    low, high = LABELS < 2, LABELS > 0
    tree = trained(trained(ee.Classifier.smileCart(), TABLE[low], LABELS[low]), TABLE[high], LABELS[high])
    assert sorted(info(tree.explain())["classes"]) == [0, 1, 2]


def test_classes_are_in_the_order_in_which_they_were_seen():
    tree = trained(ee.Classifier.smileCart(), TABLE, 7 - LABELS)
    assert info(tree.explain())["classes"] == [7, 6, 5]


def test_a_share_of_the_samples():
    tree = ee.Classifier.smileCart().train(features(TABLE, LABELS), "label", NAMES, 0.5, 3)
    size = int(info(tree.explain())["trees"][0].split("\n")[0].split()[1])
    assert 15 < size < 45


def test_the_mode_of_a_classifier():
    assert info(ee.Classifier.smileCart().setOutputMode("REGRESSION").mode()) == "REGRESSION"


def refusal(expression) -> str:
    with pytest.raises(EngineError) as caught:
        info(expression)
    return caught.value.message


def test_a_mode_that_a_classifier_lacks():
    message = refusal(ee.Classifier.smileKNN().setOutputMode("REGRESSION").mode())
    assert "smileKNN does not support the output mode REGRESSION: use CLASSIFICATION or PROBABILITY." in message


def test_a_missing_property_is_named():
    rows = ee.FeatureCollection([ee.Feature(None, {"a": 1, "label": 0})])
    tree = ee.Classifier.smileCart().train(rows, "label", ["a", "b"])
    assert "Property 'b' of feature '0' is missing." in refusal(rows.classify(tree))


def test_a_single_class_cannot_be_learned():
    message = refusal(trained(ee.Classifier.smileRandomForest(3), TABLE, LABELS * 0).explain())
    assert "Only one class." in message


def test_no_training_data():
    rows = features(TABLE, LABELS).filter(ee.Filter.eq("label", 9))
    assert "No valid training data were found." in refusal(
        ee.Classifier.smileCart().train(rows, "label", NAMES).schema()
    )


def test_classes_are_whole_numbers():
    assert "whole numbers, got 0.5" in refusal(trained(ee.Classifier.smileCart(), TABLE, LABELS + 0.5).explain())


def test_an_image_without_an_input():
    tree = trained(ee.Classifier.smileCart(), TABLE, LABELS)
    with pytest.raises(EngineError, match="Band pattern 'b' did not match any bands"):
        value(ee.Image.constant([1, 2]).rename(["a", "c"]).classify(tree))


def test_without_scikit_learn_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    assert "pip install 'local-ee[learning]'" in refusal(trained(ee.Classifier.smileCart(), TABLE, LABELS).explain())
