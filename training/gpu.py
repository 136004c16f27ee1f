"""The GPU that torch can use here: CUDA's or ROCm's, or Apple's, which knows no float64 and is used in fp32 alone."""

from __future__ import annotations

import torch

from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network
from isamap.training.models.student import Student

FLOAT64 = (PixelClassifier, Student)  # networks that compute in it
MPS = "mps"  # Metal Performance Shaders, torch's name of Apple's


def gpu_of(network: type[Network] = Network) -> str:
    """What a network can use, by torch's name: "cuda" or "mps"; "" where there is none."""
    if torch.cuda.is_available():
        return "cuda"
    return MPS if torch.backends.mps.is_available() and not issubclass(network, FLOAT64) else ""
