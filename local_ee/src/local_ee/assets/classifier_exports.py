"""Classifiers as assets: a row with the name and the output mode, and one with the text of each tree.

Source: https://developers.google.com/earth-engine/apidocs/export-classifier-toasset: "Only supported for" random
forests, single trees, and trees given as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_ee.assets import table_exports
from local_ee.assets.asset import Asset
from local_ee.assets.store import AssetStore
from local_ee.assets.times import now
from local_ee.catalog.table import SourceFeature
from local_ee.errors import EngineError

if TYPE_CHECKING:
    from local_ee.learning.classifier import Classifier

STORED = ("smileRandomForest", "smileCart", "decisionTree", "decisionTreeEnsemble")
MODES = ("CLASSIFICATION", "REGRESSION", "RAW", "RAW_REGRESSION")  # those of trees given as text


def to_asset(classifier: Classifier, name: str, store: AssetStore, *, overwrite: bool) -> str:
    """Writes a classifier asset; its id. EngineError for a classifier, or an output mode, that trees do not make."""
    if classifier.name not in STORED:
        raise EngineError(f"Classifier.{classifier.name} cannot be exported: expected one of {', '.join(STORED)}.")
    if classifier.mode not in MODES:
        raise EngineError(
            f"The local engine stores no classifier in output mode {classifier.mode}: expected {', '.join(MODES)}."
        )
    asset = Asset(store.check_target(name, "CLASSIFIER", overwrite=overwrite), "CLASSIFIER", now())
    trees = [SourceFeature(None, {"tree": text}) for text in classifier.texts]
    head = SourceFeature(None, {"name": classifier.name, "mode": classifier.mode})
    return table_exports.publish(asset, iter([head, *trees]), store, overwrite=overwrite)
