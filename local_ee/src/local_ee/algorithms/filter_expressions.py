"""Filters written as text (apidocs ee-filter-expression): comparisons of properties and values, !, && and ||."""

from __future__ import annotations

import re
from typing import Any

from local_ee.algorithms import filters
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import accept
from local_ee.evaluation.filters import Filter
from local_ee.evaluation.registry import algorithm, find

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_.][\w.:-]*)"
    r"|(?P<sign>==|!=|>=|<=|&&|\|\||[><!()]))"
)
_COMPARISONS = {"==": "equals", "!=": "notEquals", ">": "greaterThan", ">=": "greaterThanOrEquals"}
_COMPARISONS |= {"<": "lessThan", "<=": "lessThanOrEquals"}
_WORDS: dict[str, Any] = {"true": True, "false": False}
_MOST_DEPTH = 100  # of brackets
_END = ("end", "")


@algorithm("Filter.expression")
def expression(expression: str) -> Filter:
    """The filter of a text such as 'country_lg == "Belgium" && gwh > 5'.

    A name is a property, a quoted text or a number is a value.
    """
    return _Parser(expression).filter()


accept("Filter", Filter, expression)


class _Parser:
    """From loosest to tightest: ||, &&, !, comparisons and brackets."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self._tokens = self._scan()

    def _scan(self) -> list[tuple[str, str]]:
        tokens, at, text = [], 0, self._text.rstrip()
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise self._error(f"unexpected '{text[at:].lstrip()[:1]}'")
            tokens.append((token.lastgroup or "", token.group(token.lastgroup or 0)))
            at = token.end()
        return [*tokens, _END]

    def _error(self, reason: str) -> EngineError:
        return EngineError(f"Filter.expression: Could not parse '{self._text}': {reason}.")

    def _take(self, sign: str) -> bool:
        taken = self._tokens[self._at] == ("sign", sign)
        self._at += taken
        return taken

    def filter(self) -> Filter:
        tree = self._any()
        if self._tokens[self._at] != _END:
            raise self._error(f"unexpected '{self._tokens[self._at][1]}'")
        return tree

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._take("||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else filters.any_of(parts)

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._take("&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else filters.all_of(parts)

    def _one(self) -> Filter:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._error(f"more than {_MOST_DEPTH} brackets within each other")
        try:
            if self._take("!"):
                return filters.negated(self._one())
            if self._take("("):
                inner = self._any()
                if not self._take(")"):
                    raise self._error("expected ')'")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Filter:
        left, (token_type, sign), right = self._operand(), self._tokens[self._at], None
        if token_type != "sign" or sign not in _COMPARISONS:
            raise self._error(f"expected a comparison, found '{sign or 'the end'}'")
        self._at += 1
        right = self._operand()
        sides = {f"{side}{end}": value for side, (end, value) in (("left", left), ("right", right))}
        made: Filter = find(f"Filter.{_COMPARISONS[sign]}")(sides, None)
        return made

    def _operand(self) -> tuple[str, Any]:
        """Field and its name, or Value and what it is."""
        token_type, text = self._tokens[self._at]
        self._at += 1
        if token_type == "number":
            return "Value", int(text) if text.lstrip("-").isdigit() else float(text)
        if token_type == "text":
            return "Value", text[1:-1]
        if token_type == "name":
            return ("Value", _WORDS[text]) if text in _WORDS else ("Field", text)
        raise self._error(f"expected a property or a value, found '{text or 'the end'}'")
