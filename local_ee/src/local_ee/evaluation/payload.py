"""The form of an expression, checked before anything is evaluated: REST reference, Expression and ValueNode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_ee.errors import EngineError

Node = Mapping[str, Any]
INVALID = "Invalid JSON payload received."


def checked(expression: Any) -> Mapping[str, Node]:
    """The nodes of {"result": key, "values": {key: node}} by key; EngineError where the form is another one."""
    values = expression.get("values") if isinstance(expression, Mapping) else None
    result = expression.get("result") if isinstance(expression, Mapping) else None
    if not isinstance(values, Mapping) or not isinstance(result, str) or result not in values:
        raise EngineError(f"{INVALID} The expression has no result.")
    for node in values.values():
        for inner in nodes(node):
            _check(inner)
    return values


def nodes(node: Any) -> Iterator[Node]:
    """A node and the nodes written inside it."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if isinstance(current, Mapping):
            stack.extend(_inner(current))


def _inner(node: Node) -> Iterator[Node]:
    if "functionInvocationValue" in node:
        yield from _mapping(_mapping(node, "functionInvocationValue"), "arguments").values()
    elif "arrayValue" in node:
        yield from _list(_mapping(node, "arrayValue"), "values")
    elif "dictionaryValue" in node:
        yield from _mapping(_mapping(node, "dictionaryValue"), "values").values()


def _check(node: Any) -> None:
    if not isinstance(node, Mapping) or not node:
        raise EngineError(f"{INVALID} Expected a value node, got {_words(node)}.")
    for name in ("valueReference", "argumentReference"):
        _text(node, name)
    if "functionInvocationValue" in node:
        _check_call(node["functionInvocationValue"])
    if "functionDefinitionValue" in node:
        definition = _mapping(node, "functionDefinitionValue")
        _text(definition, "body", needed=True)
        if not all(isinstance(name, str) for name in _list(definition, "argumentNames")):
            raise EngineError(f"{INVALID} argumentNames must be strings.")
    if "integerValue" in node:
        _check_integer(node["integerValue"])


def _check_call(call: Any) -> None:
    if not isinstance(call, Mapping):
        raise EngineError(f"{INVALID} functionInvocationValue must be an object, got {_words(call)}.")
    names = [name for name in ("functionName", "functionReference") if call.get(name)]
    if len(names) != 1:
        raise EngineError(f"{INVALID} A function call needs either functionName or functionReference.")
    _text(call, names[0], needed=True)


def _check_integer(value: Any) -> None:
    try:
        int(value)
    except (TypeError, ValueError) as error:
        raise EngineError(f"{INVALID} integerValue must be a whole number, got {_words(value)}.") from error


def _text(node: Node, name: str, *, needed: bool = False) -> None:
    if (needed or name in node) and not isinstance(node.get(name), str):
        raise EngineError(f"{INVALID} {name} must be a string, got {_words(node.get(name))}.")


def _mapping(node: Node, name: str) -> Mapping[str, Any]:
    value = node.get(name, {})
    if not isinstance(value, Mapping):
        raise EngineError(f"{INVALID} {name} must be an object, got {_words(value)}.")
    return value


def _list(node: Node, name: str) -> list[Any]:
    value = node.get(name, [])
    if not isinstance(value, list):
        raise EngineError(f"{INVALID} {name} must be a list, got {_words(value)}.")
    return value


def _words(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
