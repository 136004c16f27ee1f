"""Patches to checkpoint: networks, losses, metrics, the training loop and its recipes.

`training.train` and `training.evaluate` load their machinery when first used, so that inference can take
`training.checkpoints.checkpoint` without it.
"""

from __future__ import annotations

from typing import Any

_PUBLIC = {
    "train": "training.runs.run",
    "TrainReport": "training.runs.run",
    "evaluate": "training.accuracy.evaluation",
    "EvaluationReport": "training.accuracy.evaluation",
    "compare": "training.accuracy.comparison_report",
    "ComparisonReport": "training.accuracy.comparison_report",
    "agreement": "training.imperfect.agreement",
    "AgreementReport": "training.imperfect.agreement",
    "prune": "training.pruning.run",
    "PruneReport": "training.pruning.report",
    "ensemble": "training.checkpoints.ensemble",
    "EnsembleReport": "training.checkpoints.ensemble",
    "quantize": "training.accuracy.quantization",
    "QuantizationReport": "training.accuracy.quantization",
    "export_onnx": "training.runtimes.publish",
    "OnnxReport": "training.runtimes.publish",
    "trust": "gee_export.base.trust",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'training' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)
