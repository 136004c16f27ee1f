"""The language of Image.expression: text to a tree (guides/image_math, table of operators)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from local_ee.errors import EngineError

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign>\*\*|&&|\|\||==|!=|<=|>=|<<|>>|[-+*/%<>!^?:=(),.\[\]&|~]))"
)
# From loosest to tightest; each sign and what it stands for.
_LEVELS: tuple[dict[str, str], ...] = (
    {"||": "or"},
    {"&&": "and"},
    {"|": "bitwiseOr"},
    {"^": "xor"},
    {"&": "bitwiseAnd"},
    {"==": "eq", "!=": "neq"},
    {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"},
    {"<<": "leftShift", ">>": "rightShift"},
    {"+": "add", "-": "subtract"},
    {"*": "multiply", "/": "quotient", "%": "mod"},
)
_SIGNS = {"-": "negative", "!": "not", "+": "positive", "~": "bitwiseNot"}


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Bands:
    """Bands of an image (None: the default one) by name or position; all of them where none is named."""

    image: str | None
    selectors: tuple[str | int, ...]


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[Node, ...]


Node = Number | Name | Bands | Call


@dataclass(frozen=True)
class Formula:
    """An expression, and the name that it gives its band, if any."""

    tree: Node
    name: str | None


def parse(text: str) -> Formula:
    """The tree of an expression; EngineError where it cannot be read."""
    return _Parser(text).formula()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan(text)
        self._at = 0

    def _scan(self, text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        stripped = text.rstrip()
        while at < len(stripped):
            token = _TOKEN.match(stripped, at)
            if token is None:
                raise self._error(f"unexpected '{stripped[at:].lstrip()[:1]}'")
            tokens.append((token.lastgroup or "", token.group(token.lastgroup or 0)))
            at = token.end()
        return [*tokens, ("end", "")]

    def _error(self, reason: str) -> EngineError:
        return EngineError(f"Could not parse the expression '{self._text}': {reason}.")

    def _peek(self, sign: str) -> bool:
        return self._tokens[self._at] == ("sign", sign)

    def _take(self, sign: str) -> bool:
        if self._peek(sign):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._error(f"expected '{sign}', found '{self._tokens[self._at][1] or 'the end'}'")

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def formula(self) -> Formula:
        name = None
        if self._tokens[0][0] == "name" and self._tokens[1] == ("sign", "="):
            name, self._at = self._tokens[0][1], 2
        tree = self._choice()
        if self._tokens[self._at][0] != "end":
            raise self._error(f"unexpected '{self._tokens[self._at][1]}'")
        return Formula(tree, name)

    def _choice(self) -> Node:
        condition = self._level(0)
        if not self._take("?"):
            return condition
        consequent = self._choice()
        self._expect(":")
        return Call("choose", (condition, consequent, self._choice()))

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._signed()
        tree = self._level(level + 1)
        while self._tokens[self._at][0] == "sign" and self._tokens[self._at][1] in _LEVELS[level]:
            name = _LEVELS[level][self._next()[1]]
            tree = Call(name, (tree, self._level(level + 1)))
        return tree

    def _signed(self) -> Node:
        token_type, sign = self._tokens[self._at]
        if token_type == "sign" and sign in _SIGNS:
            self._at += 1
            return Call(_SIGNS[sign], (self._signed(),))
        return self._power()

    def _power(self) -> Node:
        base = self._atom()
        return Call("pow", (base, self._signed())) if self._take("**") else base

    def _atom(self) -> Node:
        token_type, text = self._next()
        if token_type == "number":
            return Number(int(text) if text.isdigit() else float(text))
        if token_type == "name":
            return self._named(text)
        if (token_type, text) == ("sign", "("):
            inner = self._choice()
            self._expect(")")
            return inner
        raise self._error(f"unexpected '{text or 'end'}'")

    def _named(self, name: str) -> Node:
        if self._take("("):
            return Bands(None, self._selectors(")")) if name == "b" else Call(name, self._arguments())
        if self._take("["):
            return Bands(name, self._selectors("]"))
        if self._take("."):
            return Bands(name, (self._next()[1],))
        return Name(name)

    def _arguments(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not self._take(")"):
            if nodes:
                self._expect(",")
            nodes.append(self._choice())
        return tuple(nodes)

    def _selectors(self, closing: str) -> tuple[str | int, ...]:
        bands: list[str | int] = []
        while not self._take(closing):
            if bands:
                self._expect(",")
            token_type, text = self._next()
            if token_type not in ("number", "text"):
                raise self._error("bands are named by texts or positions")
            bands.append(int(text) if token_type == "number" else text[1:-1])
        return tuple(bands)


def free_names(node: Node) -> set[str]:
    """The variables of an expression."""
    if isinstance(node, Name):
        return {node.name}
    if isinstance(node, Bands):
        return {node.image} if node.image is not None else set()
    if isinstance(node, Call):
        return set().union(*(free_names(argument) for argument in node.arguments))
    return set()


def uses_default(node: Node) -> bool:
    """Whether an expression reads the default image by b()."""
    if isinstance(node, Bands):
        return node.image is None
    return isinstance(node, Call) and any(uses_default(argument) for argument in node.arguments)


__all__: Sequence[str] = ("Bands", "Call", "Formula", "Name", "Node", "Number", "free_names", "parse", "uses_default")
