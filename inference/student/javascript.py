"""An Earth Engine graph as readable JavaScript for the Code Editor: one statement for each value that is used twice.

Method names are those of the client's own signatures; what the JavaScript client spells otherwise is in `SPELLINGS`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Node = Mapping[str, Any]
LONG = 88  # characters of a chain before it is broken
POSITIONAL = 2  # arguments after the receiver that are written without their names
_DAY_MS = 86_400_000
# a collection's methods give a collection of its own kind, whatever their signature says
_COLLECTION = "ImageCollection"
_KEEP_RECEIVER = ("Collection.filter", "Collection.map", "Collection.limit", "Collection.sort", "Collection.merge")
_PREFIXES = {"Collection": _COLLECTION, "reduce": _COLLECTION, "Element": "Image"}
_NAMESPACES = ("Terrain", "Algorithms")
_LOOSE = {"If": "Algorithms.If"}  # functions without a class, which no constructor is called like


@dataclass
class _Scope:
    """A function's body, or the script: its lines, names of its values, and the graph's arguments that it binds."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


class Printer:
    """Prints one graph. signatures: ee.ApiFunction.allSignatures()."""

    def __init__(self, graph: Mapping[str, Any], signatures: Mapping[str, Any]) -> None:
        self._values: Mapping[str, Node] = graph["values"]
        self._result: str = graph["result"]
        self._signatures = signatures
        self._uses = Counter(_references(graph["values"]))
        self._scopes = [_Scope()]
        self._counts: Counter[str] = Counter()
        self._free: dict[str, frozenset[str]] = {}

    def statements(self, name: str) -> str:
        """The statements that end with `var NAME = ...;`."""
        expression = self.text(self._values[self._result])
        self._scopes[0].lines.append(f"var {name} = {expression};")
        return "\n".join(self._scopes[0].lines)

    def text(self, node: Node) -> str:
        """A node as an expression; statements that it needs are written before."""
        ((node_type, content),) = node.items()
        if node_type == "constantValue":
            return literal(content)
        if node_type == "valueReference":
            return self._reference(content)
        if node_type == "argumentReference":
            return next(scope.arguments[content] for scope in reversed(self._scopes) if content in scope.arguments)
        if node_type == "arrayValue":
            return f"[{', '.join(map(self.text, content['values']))}]"
        if node_type == "dictionaryValue":
            return _object({key: self.text(value) for key, value in content["values"].items()})
        if node_type == "functionDefinitionValue":
            return self._function(content)
        if node_type == "functionInvocationValue" and "functionName" in content:
            return self._call(content["functionName"], content["arguments"])
        raise ValueError(f"the graph holds a {node_type} that the Code Editor script cannot state")

    def constant(self, node: Node) -> Any:
        """The number, text or list of a constant node; None where it is computed."""
        node = self.resolved(node)
        return node.get("constantValue")

    def resolved(self, node: Node) -> Node:
        """The node itself, behind its reference."""
        return self._values[node["valueReference"]] if "valueReference" in node else node

    def receiver(self, node: Node, wanted: str) -> str:
        """A node as an object whose methods are `wanted`'s: cast where the client would not know its class."""
        text = self.text(node)
        return text if self._class(node) == wanted and not text[0].isdigit() else f"ee.{wanted}({text})"

    def _class(self, node: Node) -> str:
        node = self.resolved(node)
        if "argumentReference" in node:
            return "Image"
        call = node.get("functionInvocationValue")
        if call is None:
            return type(node.get("constantValue")).__name__
        name = call["functionName"]
        if name in _KEEP_RECEIVER:
            return self._class(call["arguments"]["collection"])
        return str(self._signatures[name]["returns"]) if name in self._signatures else "Object"

    def _reference(self, number: str) -> str:
        node = self._values[number]
        # What is used once is written where it is used, or a script would be a list of a thousand names.
        if "constantValue" in node or self._uses[number] < 2:
            return self.text(node)
        scope = self._scope_of(number)
        if number not in scope.names:
            if self._scopes[-1] is not scope:
                return self._outside(scope, number)
            expression = self.text(node)
            scope.names[number] = self._name(node)
            scope.lines.append(f"var {scope.names[number]} = {expression};")
        return scope.names[number]

    def _outside(self, scope: _Scope, number: str) -> str:
        """The name of a value that is written in an outer function or in the script."""
        depth = self._scopes.index(scope) + 1
        inner, self._scopes = self._scopes[depth:], self._scopes[:depth]
        try:
            return self._reference(number)
        finally:
            self._scopes += inner

    def _scope_of(self, number: str) -> _Scope:
        """The innermost function whose argument the value depends on, else the script."""
        free = self._arguments_of(number)
        return next((scope for scope in reversed(self._scopes) if free & scope.arguments.keys()), self._scopes[0])

    def _arguments_of(self, number: str) -> frozenset[str]:
        if number not in self._free:
            self._free[number] = frozenset(self._free_in(self._values[number]))
        return self._free[number]

    def _free_in(self, node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for item in node:
                yield from self._free_in(item)
        elif isinstance(node, Mapping):
            if "functionDefinitionValue" in node:
                content = node["functionDefinitionValue"]
                yield from self._arguments_of(content["body"]) - set(content["argumentNames"])
                return
            for key, value in node.items():
                if key == "argumentReference":
                    yield value
                elif key == "valueReference":
                    yield from self._arguments_of(value)
                elif key != "constantValue":
                    yield from self._free_in(value)

    def _function(self, content: Mapping[str, Any]) -> str:
        names = {name: self._fresh("image") for name in content["argumentNames"]}
        self._scopes.append(_Scope(names))
        result = self.text(self._values[content["body"]])
        scope = self._scopes.pop()
        body = "\n".join([*scope.lines, f"return {result};"])
        return f"function({', '.join(names.values())}) {{\n{indented(body)}\n}}"

    def _call(self, name: str, arguments: Mapping[str, Node]) -> str:
        if name in SPELLINGS and (text := SPELLINGS[name](self, arguments)) is not None:
            return text
        if name not in self._signatures:
            raise ValueError(f"the graph calls {name}, which this Earth Engine does not list: no script can state it")
        order = [argument["name"] for argument in self._signatures[name]["args"]]
        prefix, _, method = name.rpartition(".")
        types = [str(argument["type"]) for argument in self._signatures[name]["args"]]
        if not prefix:
            return f"ee.{_LOOSE.get(name, name)}({self._arguments(order, types, arguments)})"
        if prefix in _NAMESPACES or not self._is_method(prefix, types):
            return f"ee.{prefix}.{method}({self._arguments(order, types, arguments)})"
        receiver = self.receiver(arguments[order[0]], _PREFIXES.get(prefix, prefix))
        return chain(receiver, method, self._arguments(order[1:], types[1:], arguments))

    def _is_method(self, prefix: str, types: list[str]) -> bool:
        """As the client decides: a method where the first argument is of the class (apifunction.js, importApi)."""
        bases = {prefix, "FeatureCollection"} if prefix == "Collection" else {prefix, _PREFIXES.get(prefix, prefix)}
        return bool(types) and types[0] in bases

    def _arguments(self, order: list[str], types: list[str], arguments: Mapping[str, Node]) -> str:
        present = [name for name in order if name in arguments]
        texts = {
            name: self._promoted(arguments[name], value_type)
            for name, value_type in zip(order, types, strict=True)
            if name in arguments
        }
        first = order[: len(present)] == present and len(present) <= POSITIONAL
        if first and not any(text.startswith("{") for text in texts.values()):
            return ", ".join(texts.values())
        return _object(texts)

    def _promoted(self, node: Node, kind: str) -> str:
        """Numbers where an image is expected: the client makes constant images of them."""
        call = self.resolved(node).get("functionInvocationValue", {})
        if kind == "Image" and call.get("functionName") == "Image.constant":
            value = self.constant(call["arguments"]["value"])
            if isinstance(value, int | float):
                return literal(value)
        return self.text(node)

    def _name(self, node: Node) -> str:
        call = node.get("functionInvocationValue", {})
        return self._fresh(call.get("functionName", "list").rpartition(".")[2])

    def _fresh(self, word: str) -> str:
        """A name that is no word of the language: `mean`, `mean2`, ..."""
        word = _NOUNS.get(word, word[:1].lower() + word[1:])
        self._counts[word] += 1
        return word if self._counts[word] == 1 else f"{word}{self._counts[word]}"


def printed(graph: Mapping[str, Any], signatures: Mapping[str, Any], name: str) -> str:
    """Statements that end with `var NAME = ...;` and make the graph's value. ValueError: a graph that has no words."""
    return Printer(graph, signatures).statements(name)


def literal(value: Any) -> str:
    """JSON, which is JavaScript; whole numbers without a fraction."""
    return json.dumps(value, ensure_ascii=True)


def chain(receiver: str, method: str, arguments: str) -> str:
    """receiver.method(arguments), on a new line where the line would be long."""
    call = f".{method}({arguments})"
    last = receiver.rpartition("\n")[2]
    return f"{receiver}\n{indented(call, '    ')}" if len(last) + len(call) > LONG else receiver + call


def indented(text: str, by: str = "  ") -> str:
    """Every line moved to the right."""
    return "\n".join(by + line for line in text.splitlines())


def _object(members: Mapping[str, str]) -> str:
    return (
        "{"
        + ", ".join(f"{name if name.isidentifier() else literal(name)}: {text}" for name, text in members.items())
        + "}"
    )


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key == "valueReference":
                yield value
            elif key != "constantValue":
                yield from _references(value)


Spelling = Callable[[Printer, Mapping[str, Node]], "str | None"]
_NOUNS = {
    "select": "bands", "multiply": "product", "subtract": "difference", "add": "sum", "divide": "quotient",
    "constant": "constant", "map": "images", "reduce": "reduced", "reduceNeighborhood": "neighbours",
    "filter": "images", "rename": "named", "updateMask": "masked", "addBands": "stack", "bandNames": "names",
    "load": "loaded",
    "and": "both", "or": "either", "not": "inverse", "image": "image", "where": "choice", "min": "least", "max": "most",
    "abs": "size", "gt": "above", "gte": "above", "lt": "below", "lte": "below", "eq": "equal", "neq": "unequal",
    "Polygon": "box", "fromImages": "images", "in": "inside", "mean": "meanReducer", "combine": "reducer",
}  # fmt: skip


def _loaded(printer: Printer, arguments: Mapping[str, Node]) -> str | None:
    return f"ee.ImageCollection({printer.text(arguments['id'])})" if set(arguments) == {"id"} else None


def _image(printer: Printer, arguments: Mapping[str, Node]) -> str | None:
    return f"ee.Image({printer.text(arguments['id'])})" if set(arguments) == {"id"} else None


def _bounds(printer: Printer, arguments: Mapping[str, Node]) -> str | None:
    """ee.Filter.bounds(geometry), as every collection is filtered here."""
    call = printer.resolved(arguments.get("rightValue", {})).get("functionInvocationValue", {})
    if set(arguments) != {"leftField", "rightValue"} or call.get("functionName") != "Feature":
        return None
    geometry = call["arguments"]["geometry"]
    return f"ee.Filter.bounds({printer.text(geometry)})" if set(call["arguments"]) == {"geometry"} else None


def _dates(printer: Printer, arguments: Mapping[str, Node]) -> str | None:
    """ee.Filter.date(start, end), the end excluded."""
    call = printer.resolved(arguments.get("leftValue", {})).get("functionInvocationValue", {})
    if call.get("functionName") != "DateRange" or printer.constant(arguments["rightField"]) != "system:time_start":
        return None
    ends = [call["arguments"].get(name) for name in ("start", "end")]
    if None in ends or set(call["arguments"]) != {"start", "end"}:
        return None
    return f"ee.Filter.date({', '.join(_day(printer, end) for end in ends if end is not None)})"


def _day(printer: Printer, node: Node) -> str:
    millis = printer.constant(node)
    if isinstance(millis, int | float) and millis % _DAY_MS == 0:
        return literal(f"{datetime.fromtimestamp(millis / 1000, UTC):%Y-%m-%d}")
    return printer.text(node)


def _all_of(printer: Printer, arguments: Mapping[str, Node]) -> str:
    filters = printer.resolved(arguments["filters"])["arrayValue"]["values"]
    return f"ee.Filter.and({', '.join(map(printer.text, filters))})"


def _mapped(printer: Printer, arguments: Mapping[str, Node]) -> str | None:
    """collection.map(function); linking, which the client itself writes as a map, by its own method."""
    if set(arguments) != {"collection", "baseAlgorithm"}:
        return None
    receiver = printer.receiver(arguments["collection"], _COLLECTION)
    function = printer.resolved(arguments["baseAlgorithm"])["functionDefinitionValue"]
    body = printer.resolved({"valueReference": function["body"]}).get("functionInvocationValue", {})
    linked = body.get("arguments", {})
    if body.get("functionName") == "Image.linkCollection" and "argumentReference" in printer.resolved(linked["input"]):
        others = [printer.text(linked[name]) for name in ("imageCollection", "linkedBands")]
        return chain(receiver, "linkCollection", ", ".join(others)) if len(linked) == 3 else None
    return chain(receiver, "map", printer.text(arguments["baseAlgorithm"]))


def _several(printer: Printer, arguments: Mapping[str, Node]) -> str:
    receiver = printer.receiver(arguments["object"], "Image")
    return chain(receiver, "set", printer.text(arguments["properties"]))


def _copied(printer: Printer, arguments: Mapping[str, Node]) -> str:
    """image.copyProperties(source, names): a method of every element, whatever its signature's first type."""
    receiver = printer.receiver(arguments["destination"], "Image")
    texts = [printer.text(arguments[name]) for name in ("source", "properties", "exclude") if name in arguments]
    return chain(receiver, "copyProperties", ", ".join(texts))


# algorithm -> its words where the JavaScript client has others; None: as any other algorithm
SPELLINGS: dict[str, Spelling] = {
    "ImageCollection.load": _loaded,
    "Image.load": _image,
    "Filter.intersects": _bounds,
    "Filter.dateRangeContains": _dates,
    "Filter.and": _all_of,
    "Collection.map": _mapped,
    "Element.setMulti": _several,
    "Element.copyProperties": _copied,
    "Image.copyProperties": _copied,
    "GeometryConstructors.Polygon": lambda printer, arguments: (
        f"ee.Geometry.Polygon({printer.text(arguments['coordinates'])}, null, {printer.text(arguments['geodesic'])})"
        if set(arguments) == {"coordinates", "geodesic"}
        else None
    ),
}
