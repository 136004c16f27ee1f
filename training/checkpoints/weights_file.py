"""Weights that another program wrote: a safetensors file, or one of torch.save, read without running its code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

SAFETENSORS = ".safetensors"
INSIDE = ("state_dict", "model_state_dict", "model", "teacher", "encoder")  # where programs keep weights in a file
LICENCES = ("license", "licence")


@dataclass(frozen=True)
class ForeignWeights:
    """Tensors by the name that their program gave them, and the licence that the file itself states (or none)."""

    tensors: Mapping[str, Tensor]
    licence: str = ""


def read_weights(path: Path) -> ForeignWeights:
    """The weights in a file; ValueError where it is missing, of neither format, or holds no tensors.

    torch.load with weights_only=True refuses every object that is not plain data, so a file cannot run code.
    """
    if not path.is_file():
        raise ValueError(f"weights {path}: there is no such file")
    loaded, licence = _safetensors(path) if path.suffix == SAFETENSORS else (_of_torch(path), "")
    tensors = {str(name): tensor for name, tensor in loaded.items() if isinstance(tensor, Tensor)}
    if not tensors:
        raise ValueError(f"weights {path}: the file holds no tensors by name, expected a network's state_dict")
    return ForeignWeights(tensors, licence)


def _safetensors(path: Path) -> tuple[Mapping[str, Any], str]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, next(  # noqa: SIM118 (no mapping)
                (metadata[key] for key in LICENCES if key in metadata), ""
            )
    except safetensors.SafetensorError as error:
        raise ValueError(f"weights {path} cannot be read as safetensors ({error}): copy the file again") from error


def _of_torch(path: Path) -> Mapping[str, Any]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ValueError(
            f"weights {path} are no plain tensors of torch.save ({reason}): convert them to safetensors"
        ) from error
    # Programs nest them: DINO's files have {"teacher": ...}, a trainer's {"state_dict": ...}.
    while isinstance(loaded, Mapping) and (inner := next((key for key in INSIDE if _is_nested(loaded, key)), None)):
        loaded = loaded[inner]
    if not isinstance(loaded, Mapping):
        raise ValueError(f"weights {path} hold a {type(loaded).__name__}, expected a network's state_dict")
    return loaded


def _is_nested(loaded: Mapping[str, Any], key: str) -> bool:
    return isinstance(loaded.get(key), Mapping)
