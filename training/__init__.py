"""Patches to checkpoint: networks, losses, metrics, the training loop and its recipes.

`isamap.training.train` and `isamap.training.evaluate` load their machinery when first used, so that inference can take
`isamap.training.checkpoints.checkpoint` without it.
"""

from __future__ import annotations

from typing import Any

if __name__ == "training":  # a module under two names is loaded twice, with two classes of each name
    raise ImportError("this folder is a part of the package isamap: import isamap.training")

_PUBLIC = {
    "train": "isamap.training.runs.run",
    "TrainReport": "isamap.training.runs.run",
    "cross_validate": "isamap.training.runs.cross_validation",
    "FoldsReport": "isamap.training.runs.cross_validation",
    "evaluate": "isamap.training.accuracy.evaluation",
    "EvaluationReport": "isamap.training.accuracy.evaluation",
    "compare": "isamap.training.accuracy.comparison_report",
    "ComparisonReport": "isamap.training.accuracy.comparison_report",
    "agreement": "isamap.training.imperfect.agreement",
    "AgreementReport": "isamap.training.imperfect.agreement",
    "prune": "isamap.training.pruning.run",
    "PruneReport": "isamap.training.pruning.report",
    "ensemble": "isamap.training.checkpoints.ensemble",
    "EnsembleReport": "isamap.training.checkpoints.ensemble",
    "quantize": "isamap.training.accuracy.quantization",
    "QuantizationReport": "isamap.training.accuracy.quantization",
    "export_onnx": "isamap.training.runtimes.publish",
    "OnnxReport": "isamap.training.runtimes.publish",
    "trust": "isamap.gee_export.base.trust",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'training' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)
