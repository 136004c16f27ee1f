"""Where a module can be changed, and into what: the mutants of a program."""

from __future__ import annotations

import ast
import copy
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
              ast.Mod: ast.Mult, ast.Pow: ast.Mult}  # fmt: skip
PATHS = re.compile(r"folder|path|root|home|dir|parent|base|target_file", re.IGNORECASE)
QUIET = {"print", "echo", "debug", "info", "warning", "error", "exception", "TypeVar", "cast"}  # words decide nothing

Change = Callable[[random.Random], str]


@dataclass(frozen=True)
class Place:
    """A piece of a module, by the syntax tree, and what may stand there instead."""

    operator: str
    node: ast.expr | ast.AugAssign
    change: Change

    def mutated(self, source: str, rng: random.Random) -> str | None:
        """The module with the change; None where that is no other program."""
        lines = source.encode().splitlines(keepends=True)
        node = self.node
        start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        end = sum(map(len, lines[: (node.end_lineno or 0) - 1])) + (node.end_col_offset or 0)
        raw = source.encode()
        text = (raw[:start] + self.change(rng).encode() + raw[end:]).decode()
        try:
            # Parentheses alone make no other program, and no test could tell such a mutant.
            same = ast.dump(ast.parse(text)) == ast.dump(ast.parse(source))
        except SyntaxError:
            return None
        return None if same else text


def places(source: str) -> Iterator[Place]:
    """Every place of a module; words, types, decorators, refusals, asserts and joined paths are left alone."""
    yield from _walk(ast.parse(source))


def _walk(node: ast.AST) -> Iterator[Place]:
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr) or _is_quiet(node):
        return
    for maker in MAKERS.get(type(node), ()):
        yield from maker(node)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (isinstance(child, ast.keyword) and child.arg == "strict"):
                yield from _walk(child)


def _is_quiet(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.Call) and (getattr(node.func, "attr", None) or getattr(node.func, "id", "")) in QUIET


def _compared(node: ast.Compare) -> Iterator[Place]:
    for index, operator in enumerate(node.ops):
        if type(operator) in COMPARE:
            mutated = copy.deepcopy(node)
            mutated.ops[index] = COMPARE[type(operator)]()
            yield Place("comparison", node, _text(f"({ast.unparse(mutated)})"))


def _calculated(node: ast.BinOp | ast.AugAssign) -> Iterator[Place]:
    parts = (node.value,) if isinstance(node, ast.AugAssign) else (node.left, node.right)
    words = any(
        isinstance(operand, ast.JoinedStr | ast.List) or isinstance(getattr(operand, "value", None), str)
        for operand in parts
    )
    path = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and PATHS.search(ast.unparse(node.left))
    if type(node.op) in ARITHMETIC and not words and not path:
        mutated = copy.deepcopy(node)
        mutated.op = ARITHMETIC[type(node.op)]()
        text = ast.unparse(mutated)
        yield Place("arithmetic", node, _text(text if isinstance(node, ast.AugAssign) else f"({text})"))


def _constant(node: ast.Constant) -> Iterator[Place]:
    value = node.value
    if isinstance(value, bool):
        yield Place("boolean", node, _text(str(not value)))
    elif isinstance(value, int | float):
        others = (type(value)(1 - value),) if value in (0, 1) else (value + 1, value * 2)
        yield Place("constant", node, lambda rng: repr(rng.choice(others)))


def _joined(node: ast.BoolOp) -> Iterator[Place]:
    mutated = copy.deepcopy(node)
    mutated.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    yield Place("and, or", node, _text(f"({ast.unparse(mutated)})"))


def _returned(node: ast.Return) -> Iterator[Place]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield Place("returned None", node.value, _text("None"))


def _negated(node: ast.UnaryOp) -> Iterator[Place]:
    if isinstance(node.op, ast.Not):
        yield Place("not removed", node, _text(f"({ast.unparse(node.operand)})"))


def _condition(node: ast.If | ast.IfExp | ast.While) -> Iterator[Place]:
    if isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield Place("boolean", node.test, _text(f"(not {ast.unparse(node.test)})"))


def _sliced(node: ast.Slice) -> Iterator[Place]:
    yield from (_shifted(bound) for bound in (node.lower, node.upper) if bound is not None)


def _counted(node: ast.Call) -> Iterator[Place]:
    if getattr(node.func, "id", "") == "range":
        yield from (_shifted(argument) for argument in node.args)


def _shifted(node: ast.expr) -> Place:
    return Place("slice or range", node, lambda rng: f"({ast.unparse(node)}) {rng.choice('+-')} 1")


def _text(text: str) -> Change:
    return lambda rng: text


MAKERS: dict[type[ast.AST], tuple[Callable[..., Iterator[Place]], ...]] = {
    ast.Compare: (_compared,),
    ast.BinOp: (_calculated,),
    ast.AugAssign: (_calculated,),
    ast.Constant: (_constant,),
    ast.BoolOp: (_joined,),
    ast.Return: (_returned,),
    ast.UnaryOp: (_negated,),
    ast.If: (_condition,),
    ast.IfExp: (_condition,),
    ast.While: (_condition,),
    ast.Slice: (_sliced,),
    ast.Call: (_counted,),
}
