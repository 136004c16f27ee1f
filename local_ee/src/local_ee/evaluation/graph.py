"""Evaluates the expression graphs that the `ee` client sends ({"result": key, "values": {...}})."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation import payload, registry
from local_ee.evaluation.answers import to_json

__all__ = ["Function", "evaluate", "to_json"]

Node = Mapping[str, Any]
_LONGEST = 100  # steps of a chain of algorithms that are followed
_CHILDREN = ("valueReference", "functionReference")
# Algorithms whose image has the properties, the id and the footprint of the image in this argument.
_KEEPING = {"Image.select": "input", "Image.rename": "input", "Image.updateMask": "image", "Image.selfMask": "image"}


def evaluate(expression: Any, catalog: Any) -> Any:
    """The value of an expression. Unknown algorithms are refused by name before anything is evaluated."""
    values = payload.checked(expression)
    for node in values.values():
        for name in _named_algorithms(node):
            registry.find(name)
    try:
        return _Evaluation(values, catalog).value_of(expression["result"], _Frame())
    except RecursionError as error:
        raise EngineError(budget.TOO_DEEP) from error


def _named_algorithms(node: Node) -> Iterator[str]:
    for descendant in payload.nodes(node):
        name = descendant.get("functionInvocationValue", {}).get("functionName")
        if name:
            yield name


def _references(node: Node) -> Iterator[str]:
    """The keys of the nodes that a node's value takes in any case: not the branches of an If, nor functions' bodies."""
    if "valueReference" in node:
        yield node["valueReference"]
    elif "arrayValue" in node:
        for item in node["arrayValue"].get("values", []):
            yield from _references(item)
    elif "dictionaryValue" in node:
        for item in node["dictionaryValue"].get("values", {}).values():
            yield from _references(item)
    elif "functionInvocationValue" in node:
        call = node["functionInvocationValue"]
        arguments = call.get("arguments", {})
        eager = [arguments[name] for name in ("condition",) if name in arguments]
        for item in eager if call.get("functionName") == "If" else arguments.values():
            yield from _references(item)
        if call.get("functionReference"):
            yield call["functionReference"]


@dataclass
class _Frame:
    """The arguments of one call, and the values of nodes that depend on them; `outer` is where it was defined."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    outer: _Frame | None = None
    known: dict[str, Any] = field(default_factory=dict)

    def holder(self, free: frozenset[str]) -> _Frame:
        """The innermost frame that binds one of the free names (the outermost where there are none)."""
        frame = self
        while frame.outer is not None and not any(name in frame.arguments for name in free):
            frame = frame.outer
        return frame

    def argument(self, name: str) -> Any:
        frame: _Frame | None = self
        while frame is not None:
            if name in frame.arguments:
                return frame.arguments[name]
            frame = frame.outer
        raise EngineError(f"Reference to undefined argument '{name}'.")


@dataclass(frozen=True, eq=False)
class Function:
    """A function of a graph, with the arguments known where it was defined.

    keeps: it changes only bands and masks of its argument, so that what filters see stays the same.
    """

    names: tuple[str, ...]
    call: Callable[[Mapping[str, Any]], Any]
    keeps: bool = False

    def __call__(self, *arguments: Any) -> Any:
        if len(arguments) != len(self.names):
            raise EngineError(f"Expected a function of {len(arguments)} arguments, got one of {len(self.names)}.")
        return self.call(dict(zip(self.names, arguments, strict=True)))


class _Evaluation:
    """One evaluation of a graph: each node is evaluated once per binding of the arguments that it depends on."""

    def __init__(self, values: Mapping[str, Node], catalog: Any) -> None:
        self._values = values
        self._catalog = catalog
        self._free: dict[str, frozenset[str]] = {}
        self._needs: dict[str, tuple[str, ...]] = {}

    def value_of(self, key: str, frame: _Frame) -> Any:
        """A node's value. What it needs is evaluated first, the deepest node first, so that a chain of many calls takes
        no more of Python's stack than a short one.
        """
        home = frame.holder(self._free_names(key))
        if key not in home.known:
            stack, visits = [(key, home)], set()
            while stack:
                name, holder = stack[-1]
                needs = () if (name, id(holder)) in visits else self._missing(name, holder)
                visits.add((name, id(holder)))
                if needs:
                    stack.extend(reversed(needs))
                    continue
                stack.pop()
                if name not in holder.known:
                    holder.known[name] = self._evaluate(self._values[name], holder)
        return home.known[key]

    def _missing(self, key: str, frame: _Frame) -> list[tuple[str, _Frame]]:
        """The nodes that a node needs in any case and that have no value yet, with the frames that will hold them."""
        if key not in self._needs:
            self._needs[key] = tuple(_references(self._values[key]))
        homes = ((name, frame.holder(self._free_names(name))) for name in self._needs[key])
        return [(name, home) for name, home in homes if name not in home.known]

    def _evaluate(self, node: Node, frame: _Frame) -> Any:
        node_type = next(iter(node), None)
        if node_type == "constantValue":
            return node[node_type]
        if node_type == "valueReference":
            return self.value_of(node[node_type], frame)
        if node_type == "argumentReference":
            return frame.argument(node[node_type])
        if node_type == "functionInvocationValue":
            return self._invoke(node[node_type], frame)
        if node_type == "functionDefinitionValue":
            return self._define(node[node_type], frame)
        if node_type == "arrayValue":
            return [self._evaluate(item, frame) for item in node[node_type].get("values", [])]
        if node_type == "dictionaryValue":
            items = node[node_type].get("values", {}).items()
            return {name: value for name, item in items if (value := self._evaluate(item, frame)) is not None}
        if node_type == "integerValue":
            return int(node[node_type])
        raise EngineError(f"Invalid JSON payload received. Unknown value '{node_type}' in the expression.")

    def _invoke(self, call: Node, frame: _Frame) -> Any:
        budget.check()
        argument_nodes = call.get("arguments", {})
        name = call.get("functionName")
        if name == "If":
            return self._branch(argument_nodes, frame)
        arguments = {key: self._evaluate(node, frame) for key, node in argument_nodes.items()}
        if name:
            return registry.find(name)(arguments, self._catalog)
        function = self.value_of(call["functionReference"], frame)
        if not isinstance(function, Function):
            raise EngineError("The expression calls a value that is not a function.")
        return function.call(arguments)

    def _branch(self, argument_nodes: Mapping[str, Node], frame: _Frame) -> Any:
        """Only the branch that is taken is evaluated."""
        condition = self._evaluate(argument_nodes["condition"], frame) if "condition" in argument_nodes else None
        taken = argument_nodes.get("trueCase" if _truth(condition) else "falseCase")
        return None if taken is None else self._evaluate(taken, frame)

    def _define(self, definition: Node, frame: _Frame) -> Function:
        names = tuple(definition.get("argumentNames", ()))
        body = definition["body"]
        keeps = len(names) == 1 and self._keeps(self._values.get(body, {}), names[0])
        return Function(names, lambda arguments: self.value_of(body, _Frame(arguments, frame)), keeps)

    def _keeps(self, node: Node, name: str) -> bool:
        """Whether a function's value is its argument, or the argument through algorithms of _KEEPING alone."""
        for _ in range(_LONGEST):
            if "valueReference" in node:
                node = self._values.get(node["valueReference"], {})
                continue
            call = node.get("functionInvocationValue")
            if call is None:
                return node.get("argumentReference") == name
            node = call.get("arguments", {}).get(_KEEPING.get(call.get("functionName", ""), ""), {})
        return False

    def _free_names(self, key: str) -> frozenset[str]:
        """The arguments that a node's value depends on."""
        if key not in self._free:
            if key not in self._values:
                raise EngineError(f"Reference to undefined value '{key}'.")
            self._free[key] = frozenset()  # a graph with a cycle ends here instead of never
            self._free[key] = self._free_of(self._values[key])
        return self._free[key]

    def _free_of(self, node: Node) -> frozenset[str]:
        names: set[str] = set()
        for descendant in payload.nodes(node):
            if "argumentReference" in descendant:
                names.add(descendant["argumentReference"])
            for child in (descendant, descendant.get("functionInvocationValue", {})):
                for reference in _CHILDREN:
                    if reference in child:
                        names |= self._free_names(child[reference])
            if "functionDefinitionValue" in descendant:
                definition = descendant["functionDefinitionValue"]
                names |= self._free_names(definition["body"]) - set(definition.get("argumentNames", ()))
        return frozenset(names)


def _truth(value: Any) -> bool:
    """What Earth Engine's If takes for true: everything but null, false, 0 and the empty string."""
    return value is not None and value is not False and value != 0 and value != ""
