"""Fast forward passes: one switch for what runs a checkpoint's network, and in which precision.

Names load when they are used: a map by a graph that was kept (`kept_graphs.py`) needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "DEFAULT": "precisions",
    "PRECISIONS": "precisions",
    "precision_of": "precisions",
    "RUNTIMES": "forward",
    "TORCH": "forward",
    "Forward": "forward",
    "check_forward": "forward",
    "open_forward": "forward",
    "folded": "fold",
}

__all__ = ["DEFAULT", "PRECISIONS", "RUNTIMES", "TORCH", "Forward", "check_forward", "folded", "open_forward"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
