"""Whether two Earth Engine graphs are the same computation, whichever client wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def digest(graph: Mapping[str, Any]) -> str:
    """A hash of what a graph computes: references followed, arguments by depth, days and whole numbers alike."""
    return _Digest(graph["values"]).reference(graph["result"], {})


class _Digest:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self._known = values, {}

    def reference(self, number: str, bound: dict[str, str]) -> str:
        key = number, tuple(sorted(bound.items()))
        if key not in self._known:
            self._known[key] = self.node(self._values[number], bound)
        return self._known[key]

    def node(self, node: Mapping[str, Any], bound: dict[str, str]) -> str:
        ((sort, content),) = node.items()
        if sort == "valueReference":
            return self.reference(content, bound)
        if sort == "argumentReference":
            return _hash("argument", bound[content])
        if sort == "functionDefinitionValue":
            inner = bound | {name: f"{len(bound)}.{at}" for at, name in enumerate(content["argumentNames"])}
            return _hash("function", self.reference(content["body"], inner))
        if sort == "constantValue":
            return self.constant(content)
        if sort == "arrayValue":
            return _hash("list", [self.node(item, bound) for item in content["values"]])
        if sort == "dictionaryValue":
            return _hash("dict", {key: self.node(value, bound) for key, value in content["values"].items()})
        arguments = {key: self.node(self.plain(content, value), bound) for key, value in content["arguments"].items()}
        if content["functionName"].startswith("GeometryConstructors"):
            arguments.pop("evenOdd", None)  # true unless said otherwise, and only some clients say it
        name = content["functionName"].replace("Image.copyProperties", "Element.copyProperties")  # JavaScript's word
        return _hash("call", name, arguments)

    def plain(self, call: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ends of a range of dates as milliseconds."""
        value = self._values[node["valueReference"]] if "valueReference" in node else node
        text = value.get("constantValue")
        if call["functionName"] == "DateRange" and isinstance(text, str):
            return {"constantValue": datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000}
        return node

    def constant(self, value: Any) -> str:
        if isinstance(value, list):
            return _hash("list", [self.constant(item) for item in value])
        if isinstance(value, dict):
            return _hash("dict", {key: self.constant(item) for key, item in value.items()})
        return _hash("constant", float(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
