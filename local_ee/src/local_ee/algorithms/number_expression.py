"""Number.expression: arithmetic of numbers written as text (apidocs ee-number-expression)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation import registry
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.expression import Bands, Call, Name, Node, Number, parse
from local_ee.evaluation.registry import algorithm

_CONSTANTS = {"PI": math.pi, "E": math.e}
_CALLED = {"quotient": "divide"}  # numbers have no floor division


@algorithm("Number.expression")
def expression(expression: str, vars: dict | None) -> int | float:
    """The value of an expression of operators, functions of Number, variables, and Math.PI and Math.E.

    A dot takes a value out of a variable that is a dictionary.
    """
    return _value(parse(expression).tree, vars or {})


def _value(node: Node, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return _number(node.name, _variable(node.name, variables))
    if isinstance(node, Bands):
        return _child(node, variables)
    if node.name == "choose":
        condition, consequent, otherwise = node.arguments
        return _value(consequent if _value(condition, variables) else otherwise, variables)
    return _called(node, [_value(argument, variables) for argument in node.arguments])


def _variable(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        raise EngineError(f"Number.expression: the variable '{name}' is not given.")
    return variables[name]


def _number(name: str, value: Any) -> int | float:
    if not isinstance(value, bool | int | float):
        raise EngineError(f"Number.expression: '{name}' must be a number, got {type_name(value)}.")
    return value


def _child(node: Bands, variables: Mapping[str, Any]) -> int | float:
    """A constant of Math, or a value out of a dictionary."""
    if node.image is None or len(node.selectors) != 1:
        raise EngineError("Number.expression: there are no bands; name a variable.")
    key = node.selectors[0]
    if node.image == "Math" and key in _CONSTANTS and "Math" not in variables:
        return _CONSTANTS[str(key)]
    parent = _variable(node.image, variables)
    if not isinstance(parent, Mapping) or key not in parent:
        raise EngineError(f"Number.expression: '{node.image}' has no element '{key}'.")
    return _number(f"{node.image}.{key}", parent[key])


def _called(call: Call, operands: list[Any]) -> Any:
    if call.name in ("negative", "positive"):
        return -operands[0] if call.name == "negative" else operands[0]
    if call.name == "xor":
        return int(bool(operands[0]) != bool(operands[1]))
    entry = registry.find(f"Number.{_CALLED.get(call.name, call.name)}")
    parameters = entry.signature.parameter_names
    if len(parameters) < len(operands):
        raise EngineError(f"Number.expression: {call.name} takes {len(parameters)} arguments, got {len(operands)}.")
    return entry(dict(zip(parameters, operands, strict=False)), None)
