"""Google's own list of algorithms (names, parameters, defaults), read from the installed `ee` wheel."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """One argument of an algorithm; `type` is Google's name of it, such as Image<unknown bands> or List<String>."""

    name: str
    type: str
    required: bool
    default: Any


@dataclass(frozen=True)
class Signature:
    """An algorithm's name, its parameters in order, and Google's name of the type that it gives."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)


@cache
def listing() -> Mapping[str, Any]:
    """The list as Google's server sends it ({"algorithms": [...]}), from ee/tests/algorithms.json of the wheel."""
    spec = importlib.util.find_spec("ee")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the package earthengine-api is not installed; pip install earthengine-api")
    path = Path(next(iter(spec.submodule_search_locations))) / "tests" / "algorithms.json"
    algorithms: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return algorithms


@cache
def signatures() -> Mapping[str, Signature]:
    """Every algorithm that Google lists, by name (without the prefix algorithms/)."""
    return {signature.name: signature for signature in map(_signature, listing()["algorithms"])}


def _signature(entry: Mapping[str, Any]) -> Signature:
    parameters = tuple(
        Parameter(
            argument["argumentName"],
            argument["type"],
            not argument.get("optional", False),
            argument.get("defaultValue"),
        )
        for argument in entry.get("arguments", [])
    )
    return Signature(entry["name"].removeprefix("algorithms/"), parameters, entry["returnType"])
