"""Graphs that the client would not make: nodes by hand, evaluated in this process."""

from __future__ import annotations

from typing import Any

from local_ee.evaluation import graph
from local_ee.testing.evaluating import NOTHING


def constant(plain: Any) -> dict[str, Any]:
    return {"constantValue": plain}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """A node that calls an algorithm with nodes."""
    return {"functionInvocationValue": {"functionName": name, "arguments": arguments}}


def called(name: str, **arguments: Any) -> dict[str, Any]:
    """A node that calls an algorithm with values; dictionaries of nodes stay as they are."""
    return call(name, **{key: value if _is_node(value) else constant(value) for key, value in arguments.items()})


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.keys() & {"functionInvocationValue", "constantValue", "arrayValue"})


def evaluated(node: dict[str, Any]) -> Any:
    """What value:compute would give."""
    return graph.to_json(graph.evaluate({"result": "0", "values": {"0": node}}, NOTHING))
