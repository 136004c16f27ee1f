"""Constructors of classifiers: the arguments of Classifier.smileRandomForest and its kin, checked."""

from __future__ import annotations

from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.coerce import accept
from local_ee.evaluation.registry import algorithm
from local_ee.learning import distances, forests, margins, maxent
from local_ee.learning.classifier import Classifier

accept("Classifier", Classifier)
_MOST_TREES = 5000


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise EngineError(f"{name} must be within (0, 1], got {value:g}.")


def _check_trees(count: int) -> None:
    if not 1 <= count <= _MOST_TREES:
        raise EngineError(f"numberOfTrees must be 1 to {_MOST_TREES}, got {count}.")


@algorithm("Classifier.smileRandomForest")
def smile_random_forest(
    numberOfTrees: int,
    variablesPerSplit: int | None,
    minLeafPopulation: int,
    bagFraction: float,
    maxNodes: int | None,
    seed: int,
) -> Classifier:
    """A random forest, not trained. Its trees are not Smile's own: the algorithm is, the random numbers are not."""
    _check_trees(numberOfTrees)
    _check_share("bagFraction", bagFraction)
    forests.check_leaves(maxNodes, minLeafPopulation)
    return forests.forest(
        {
            "numberOfTrees": numberOfTrees,
            "variablesPerSplit": variablesPerSplit,
            "minLeafPopulation": minLeafPopulation,
            "bagFraction": bagFraction,
            "maxNodes": maxNodes,
            "seed": seed,
        }
    )


@algorithm("Classifier.smileCart")
def smile_cart(maxNodes: int | None, minLeafPopulation: int) -> Classifier:
    """One decision tree, not trained."""
    forests.check_leaves(maxNodes, minLeafPopulation)
    return forests.cart({"maxNodes": maxNodes, "minLeafPopulation": minLeafPopulation})


@algorithm("Classifier.smileGradientTreeBoost")
def smile_gradient_tree_boost(
    numberOfTrees: int, shrinkage: float, samplingRate: float, maxNodes: int | None, loss: str, seed: int
) -> Classifier:
    """Boosted trees, not trained; the random numbers are not Smile's."""
    _check_trees(numberOfTrees)
    _check_share("shrinkage", shrinkage)
    _check_share("samplingRate", samplingRate)
    forests.check_leaves(maxNodes, 1)
    return forests.boosted(
        {
            "numberOfTrees": numberOfTrees,
            "shrinkage": shrinkage,
            "samplingRate": samplingRate,
            "maxNodes": maxNodes,
            "loss": loss,
            "seed": seed,
        }
    )


@algorithm("Classifier.smileKNN")
def smile_knn(k: int, searchMethod: str, metric: str) -> Classifier:
    """Nearest neighbours, not trained."""
    return distances.nearest_neighbors({"k": k, "searchMethod": searchMethod, "metric": metric})


@algorithm("Classifier.minimumDistance")
def minimum_distance(metric: str, kNearest: int) -> Classifier:
    """Nearest class means, not trained."""
    return distances.minimum_distance({"metric": metric, "kNearest": kNearest})


@algorithm("Classifier.smileNaiveBayes")
def smile_naive_bayes(lambda_: float) -> Classifier:
    """Multinomial naive Bayes, not trained."""
    return margins.naive_bayes(lambda_)


@algorithm("Classifier.libsvm", "Classifier.svm")
def libsvm(
    decisionProcedure: str,
    svmType: str,
    kernelType: str,
    shrinking: bool,
    degree: int | None,
    gamma: float | None,
    coef0: float | None,
    cost: float | None,
    nu: float | None,
    terminationEpsilon: float | None,
    lossEpsilon: float | None,
    oneClass: int | None,
) -> Classifier:
    """A support vector machine, not trained."""
    options: dict[str, Any] = {
        "decisionProcedure": decisionProcedure,
        "svmType": svmType,
        "kernelType": kernelType,
        "shrinking": shrinking,
        "degree": degree,
        "gamma": gamma,
        "coef0": coef0,
        "cost": cost,
        "nu": nu,
        "terminationEpsilon": terminationEpsilon,
        "lossEpsilon": lossEpsilon,
        "oneClass": oneClass,
    }
    return margins.support_vectors(options)


@algorithm("Classifier.decisionTree")
def decision_tree(treeString: str) -> Classifier:
    """A decision tree in R's text format."""
    return forests.of_texts("decisionTree", [treeString])


@algorithm("Classifier.decisionTreeEnsemble")
def decision_tree_ensemble(treeStrings: list) -> Classifier:
    """Decision trees in R's text format, which vote."""
    return forests.of_texts("decisionTreeEnsemble", treeStrings)


@algorithm("Classifier.load")
def load(id: str, catalog: Any) -> Classifier:
    """The classifier that Export.classifier.toAsset stored, in the output mode that it was exported in."""
    read = getattr(catalog, "classifier", None)
    rows = None if read is None else read(id)
    if rows is None:
        raise EngineError(f"Classifier asset '{id}' not found: export one with Export.classifier.toAsset.")
    head, *trees = (row.properties for row in rows)
    return forests.of_texts(str(head["name"]), [tree["tree"] for tree in trees]).in_mode(str(head["mode"]))


@algorithm("Classifier.amnhMaxent")
def amnh_maxent(
    categoricalNames: list | None,
    outputFormat: str,
    autoFeature: bool,
    linear: bool,
    quadratic: bool,
    product: bool,
    threshold: bool,
    hinge: bool,
    hingeThreshold: int,
    l2lqThreshold: int,
    lq2lqptThreshold: int,
    addSamplesToBackground: bool,
    addAllSamplesToBackground: bool,
    betaMultiplier: float,
    betaHinge: float,
    betaLqp: float,
    betaCategorical: float,
    betaThreshold: float,
    extrapolate: bool,
    doClamp: bool,
    writeClampGrid: bool,
    randomTestPoints: int,
    seed: int,
) -> Classifier:
    """A maximum entropy model, not trained; no random number is drawn without test points, so seed changes nothing."""
    return maxent.maximum_entropy(
        {
            "categoricalNames": categoricalNames,
            "outputFormat": outputFormat,
            "autoFeature": autoFeature,
            "linear": linear,
            "quadratic": quadratic,
            "product": product,
            "threshold": threshold,
            "hinge": hinge,
            "hingeThreshold": hingeThreshold,
            "l2lqThreshold": l2lqThreshold,
            "lq2lqptThreshold": lq2lqptThreshold,
            "addSamplesToBackground": addSamplesToBackground,
            "addAllSamplesToBackground": addAllSamplesToBackground,
            "betaMultiplier": betaMultiplier,
            "betaHinge": betaHinge,
            "betaLqp": betaLqp,
            "betaCategorical": betaCategorical,
            "betaThreshold": betaThreshold,
            "extrapolate": extrapolate,
            "doClamp": doClamp,
            "writeClampGrid": writeClampGrid,
            "randomTestPoints": randomTestPoints,
            "seed": seed,
        }
    )
