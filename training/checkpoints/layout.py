"""Names of a checkpoint's files and folders (docs/reference/formats.md, "Checkpoint")."""

from __future__ import annotations

from isamap.training.checkpoints.atomic_folder import new_of, old_of

CARD, DESCRIPTION, WEIGHTS = "card.md", "checkpoint.json", "weights.safetensors"
FURTHER = ("int8.json", "int8.onnx")  # of the same weights, in checkpoints that have them (training/runtimes/quantized)
BEST, LAST = "best", "last"
FOLDERS = ("", *(folder for name in (BEST, LAST) for folder in (new_of(name), name, old_of(name))))


def nothing_at(address: object) -> ValueError:
    """The error of an address that holds no checkpoint."""
    return ValueError(
        f"{address}: no checkpoint there (expected {DESCRIPTION} in it or in its {BEST}/ or {LAST}/); "
        "give a run's folder or make one with `isamap train`"
    )
