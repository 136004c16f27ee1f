"""A Code Editor script run with Google's Python client: a JavaScript parser reads it, methods of the same names run.

What Python spells otherwise (And, Or, Not, named arguments) is translated; `Map`, `ui` and `Export` only take notes.
"""

from __future__ import annotations

from typing import Any

import ee

PYTHON_NAMES = {"and": "And", "or": "Or", "not": "Not"}


class Notes:
    """Takes every call and every attribute, and remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Any]]] = []


def run(text: str) -> tuple[dict[str, Any], Notes]:
    """The script's variables, and what it told the Code Editor."""
    import esprima

    notes = Notes()
    scope = [{"ee": ee, **{name: ("note", name) for name in ("Map", "ui", "Export")}}]
    for statement in esprima.parseScript(text).body:
        _run(statement, scope, notes)
    return scope[0], notes


def _run(node: Any, scope: list[dict[str, Any]], notes: Notes) -> Any:
    if node.type == "VariableDeclaration":
        for declared in node.declarations:
            scope[-1][declared.id.name] = _value(declared.init, scope, notes)
    elif node.type == "FunctionDeclaration":
        scope[-1][node.id.name] = _function(node, scope, notes)
    elif node.type == "ExpressionStatement":
        _value(node.expression, scope, notes)
    else:
        raise NotImplementedError(node.type)


def _function(node: Any, scope: list[dict[str, Any]], notes: Notes):
    def call(first: Any = None, *others: Any) -> Any:  # the client counts the arguments that have names
        values = (first, *others)
        inner = [*scope, dict(zip((parameter.name for parameter in node.params), values, strict=False))]
        for statement in node.body.body:
            if statement.type == "ReturnStatement":
                return _value(statement.argument, inner, notes)
            _run(statement, inner, notes)
        return None

    return call


def _value(node: Any, scope: list[dict[str, Any]], notes: Notes) -> Any:
    of = lambda other: _value(other, scope, notes)  # noqa: E731
    match node.type:
        case "Literal":
            return node.value
        case "Identifier":
            return next((names for names in reversed(scope) if node.name in names), {})[node.name]
        case "ArrayExpression":
            return [of(item) for item in node.elements]
        case "ObjectExpression":
            return {
                getattr(member.key, "name", None) or member.key.value: of(member.value) for member in node.properties
            }
        case "UnaryExpression":
            return -of(node.argument)
        case "BinaryExpression":
            left, right = of(node.left), of(node.right)
            return {"+": lambda: left + right, "-": lambda: left - right, "/": lambda: left / right}[node.operator]()
        case "FunctionExpression":
            return _function(node, scope, notes)
        case "AssignmentExpression":
            names = scope[-1] if node.left.type == "Identifier" else of(node.left.object)
            names[node.left.name if node.left.type == "Identifier" else node.left.property.name] = of(node.right)
            return None
        case "MemberExpression":
            return _member(of(node.object), of(node.property) if node.computed else node.property.name)
        case "CallExpression":
            return _call(node, of, notes)
    raise NotImplementedError(node.type)


def _member(owner: Any, name: Any) -> Any:
    if isinstance(owner, tuple):
        return ("note", f"{owner[1]}.{name}")
    if isinstance(owner, list):
        return len(owner) if name == "length" else owner[int(name)]
    if isinstance(owner, dict):
        return owner[name]
    return getattr(owner, PYTHON_NAMES.get(name, name))


def _call(node: Any, of: Any, notes: Notes) -> Any:
    values = [of(argument) for argument in node.arguments]
    if node.callee.type == "MemberExpression":
        owner = of(node.callee.object)
        if isinstance(owner, list):
            return _of_list(owner, node.callee.property.name, values)
    target = of(node.callee)
    if isinstance(target, tuple):
        notes.calls.append((target[1], values))
        return ("note", target[1])
    named = len(values) == 1 and isinstance(values[0], dict) and target is not ee.Dictionary
    return target(**{PYTHON_NAMES.get(k, k): v for k, v in values[0].items()}) if named else target(*values)


def _of_list(items: list[Any], method: str, values: list[Any]) -> Any:
    match method:
        case "map":
            return [values[0](item) for item in items]
        case "forEach":
            return [values[0](item) for item in items] and None
        case "concat":
            return [*items, *(item for more in values for item in more)]
        case "slice":
            return items[int(values[0]) : int(values[1])]
        case "reduce":
            result = values[1]
            for item in items:
                result = values[0](result, item)
            return result
    raise NotImplementedError(method)
