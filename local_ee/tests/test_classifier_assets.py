"""Classifiers as assets (apidocs export-classifier-toasset), exported and loaded by the unpatched client."""

from __future__ import annotations

from collections.abc import Iterator

import ee
import numpy as np
import pytest
from google.auth.credentials import AnonymousCredentials

from local_ee import LocalEngine
from local_ee.testing.scenes import Scenes
from tests.support.training import NAMES, blobs, features, trained

pytestmark = pytest.mark.usefixtures("engine")

TABLE, LABELS = blobs()
NEW = blobs(seed=2)[0]
ROOT = "projects/local/assets"


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(Scenes(()), tmp_path_factory.mktemp("classifiers")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        yield running


def exported(classifier: ee.Classifier, name: str, **options) -> dict:
    """The state of the task once it ended."""
    task = ee.batch.Export.classifier.toAsset(classifier, assetId=f"{ROOT}/{name}", **{"overwrite": True, **options})
    task.start()
    return ee.data._execute_cloud_call(
        ee.data._get_cloud_projects().operations().wait(name=task.name, body={"timeout": "100s"})
    )


def loaded(name: str) -> ee.Classifier:
    return ee.Classifier.load(f"{ROOT}/{name}")


def answers(classifier: ee.Classifier) -> list[float]:
    rows = features(NEW, np.zeros(len(NEW))).classify(classifier, "answer")
    return rows.aggregate_array("answer").getInfo()


KINDS = {
    "a_forest": lambda: trained(ee.Classifier.smileRandomForest(5, seed=3), TABLE, LABELS),
    "a_tree": lambda: trained(ee.Classifier.smileCart(), TABLE, LABELS),
    "a_regression": lambda: trained(
        ee.Classifier.smileRandomForest(5, seed=3).setOutputMode("REGRESSION"), TABLE, TABLE @ [1.0, -2.0, 0.5]
    ),
    "a_text": lambda: ee.Classifier.decisionTree(f"1) root 9 9 9\n2) {NAMES[0]}<=50 9 9 4 *\n3) {NAMES[0]}>50 9 9 6 *"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_that_is_loaded_answers_as_the_one_that_was_stored(kind):
    classifier = KINDS[kind]()
    state = exported(classifier, kind)
    assert state["metadata"]["state"] == "SUCCEEDED" and state["metadata"]["type"] == "EXPORT_CLASSIFIER"
    before, after = answers(classifier), answers(loaded(kind))
    assert after == pytest.approx(before) and len(set(before)) > 1


def test_an_asset_of_it_is_listed_with_its_type():
    exported(KINDS["a_tree"](), "listed")
    asset = ee.data.getAsset(f"{ROOT}/listed")
    assert asset["type"] == "CLASSIFIER" and int(asset["sizeBytes"]) > 0
    assert f"{ROOT}/listed" in [each["name"] for each in ee.data.listAssets(ROOT)["assets"]]


def test_a_loaded_classifier_explains_its_trees():
    exported(KINDS["a_forest"](), "explained")
    assert loaded("explained").explain().getInfo()["trees"] == KINDS["a_forest"]().explain().getInfo()["trees"]


def test_it_can_be_copied_moved_and_deleted():
    exported(KINDS["a_tree"](), "first")
    ee.data.copyAsset(f"{ROOT}/first", f"{ROOT}/second", allowOverwrite=True)
    ee.data.deleteAsset(f"{ROOT}/first")
    assert answers(loaded("second")) == answers(KINDS["a_tree"]())
    with pytest.raises(ee.EEException, match="not found"):
        answers(loaded("first"))


def test_another_is_stored_in_its_place_only_where_asked():
    exported(KINDS["a_tree"](), "once")
    with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
        exported(KINDS["a_text"](), "once", overwrite=False)
    exported(KINDS["a_text"](), "once", overwrite=True)
    assert set(answers(loaded("once"))) <= {4, 6}


def test_it_outlives_the_engine(engine):
    exported(KINDS["a_text"](), "kept")
    with LocalEngine(Scenes(()), engine.home.root) as other:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=other.url)
        try:
            assert set(answers(loaded("kept"))) <= {4, 6}
        finally:
            ee.Initialize(credentials=AnonymousCredentials(), project="local", url=engine.url)


def test_a_classifier_is_no_table():
    exported(KINDS["a_text"](), "no_table")
    with pytest.raises(ee.EEException):
        ee.FeatureCollection(f"{ROOT}/no_table").size().getInfo()


@pytest.mark.parametrize(
    ("classifier", "words"),
    [
        (lambda: trained(ee.Classifier.smileKNN(1), TABLE, LABELS), "smileKNN cannot be exported"),
        (
            lambda: trained(ee.Classifier.smileCart().setOutputMode("PROBABILITY"), TABLE, LABELS),
            "no classifier in output mode PROBABILITY",
        ),
        (lambda: ee.Classifier.smileCart(), "no training data yet"),
    ],
)
def test_what_is_not_kept_as_trees_fails_in_a_sentence(classifier, words):
    """The page: "Only supported for" random forests, single trees and trees given as text."""
    assert words in exported(classifier(), "refused")["error"]["message"]


def test_an_asset_that_is_not_there_is_refused():
    with pytest.raises(ee.EEException, match="not found"):
        answers(loaded("absent"))


def test_an_image_is_no_classifier():
    assert "does not compute a Classifier" in exported(ee.Image(1), "image")["error"]["message"]
