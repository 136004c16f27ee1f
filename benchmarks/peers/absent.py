"""Stands in for libraries that a peer imports and its tiled inference never calls: torchvision and its like.

Their wheels would bring another torch. Every name of such a module is an empty class, so a call would show at once.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

LIBRARIES = ("torchvision", "kornia", "lightly", "segmentation_models_pytorch", "timm", "einops", "fiona")


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None):
        absent = name.split(".")[0] in LIBRARIES
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if absent else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = _Empty(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def stand_in() -> None:
    """Lets the libraries that are not installed be imported."""
    sys.meta_path.append(_Finder())
