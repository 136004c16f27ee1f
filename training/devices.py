"""Which device computes, by the names that commands and recipes use."""

from __future__ import annotations

import torch

from training.recipes import DEVICES


def device_named(name: str) -> torch.device:
    """The torch device of auto, cpu or gpu; ValueError for another name, or a GPU that is not there."""
    if name not in DEVICES:
        raise ValueError(f"device {name!r}: expected one of {', '.join(DEVICES)}")
    if name == "gpu" and not torch.cuda.is_available():
        raise ValueError("device gpu: this machine has no GPU that torch can use; leave it out or choose cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
