"""Libraries of the extra `runtime`, asked for by name when they are needed."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from types import ModuleType


def preload(runtime: str) -> None:
    """Loads a runtime's library among the other imports of a command; one that is missing is said where it is used."""
    if runtime == "openvino":
        with suppress(ImportError):
            import_module(runtime)


def imported(library: str) -> ModuleType:
    """The library; ValueError with the remedy where it is not installed."""
    try:
        return import_module(library)
    except ImportError as error:
        raise ValueError(f"{library} is not installed: pip install 'isamap[runtime]' brings it") from error
