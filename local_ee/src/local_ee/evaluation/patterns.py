"""Regular expressions of users: bounded in time and in the memory that they compile to.

The library `regex` ends a search after a time and lets other threads run meanwhile; the standard library's does
neither. Counted repetitions are written out when an expression is compiled, so their product is bounded before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import regex

from local_ee import budget
from local_ee.errors import EngineError

__all__ = ["IGNORE_CASE", "MULTILINE", "InvalidPattern", "Pattern"]

IGNORE_CASE, MULTILINE = int(regex.IGNORECASE), int(regex.MULTILINE)
MOST_SECONDS = 2.0  # of one search, in processor time (what `regex` measures)
MOST_SIZE = 10_000  # of an expression with its counted repetitions written out
MOST_TEXT = 4 << 20  # characters of a text that is searched
_COUNT = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")
# A brace that begins no count is itself (RE2, syntax); to `regex` it may begin a fuzzy match.
_BRACE = re.compile(r"\\(?:[pPx]\{[^}]*\}|.)|\{\d+(?:,\d*)?\}|(\{)", re.DOTALL)

Match: TypeAlias = regex.Match
Value = TypeVar("Value")


class InvalidPattern(EngineError):
    """The text is not a regular expression."""


class Pattern:
    """A compiled expression; EngineError where it is not one, is too large, or takes too long on a text."""

    def __init__(self, expression: str, flags: int = 0) -> None:
        if not isinstance(expression, str):
            raise InvalidPattern(f"Invalid regular expression {expression!r}: it must be a String.")
        self._expression = expression
        self._compiled = _compiled(expression, flags)

    def search(self, text: str) -> Match | None:
        """The first match."""
        return self._bounded(text, lambda seconds: self._compiled.search(text, timeout=seconds))

    def fullmatch(self, text: str) -> Match | None:
        """The match of a whole text."""
        return self._bounded(text, lambda seconds: self._compiled.fullmatch(text, timeout=seconds))

    def matches(self, text: str) -> list[Match]:
        """All matches, from left to right."""
        return self._bounded(text, lambda seconds: list(_counted(self._compiled.finditer(text, timeout=seconds))))

    def split(self, text: str) -> list[str]:
        """The parts between matches, without empty ones at the end; the text where nothing matches."""
        parts, start = [], 0
        for match in self.matches(text):
            if match.end() == 0:  # nothing before the first character
                continue
            parts.append(text[start : match.start()])
            start = match.end()
        parts.append(text[start:])
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        return parts

    def replace(self, replacement: str, text: str, count: int = 0) -> str:
        r"""A text with `count` matches replaced (0: all); \1 names a group."""

        def replaced(seconds: float) -> str:
            if len(replacement) * (len(text) + 1) <= budget.VALUE_BYTES:
                result: str = self._compiled.sub(replacement, text, count=count, timeout=seconds)
                return result
            return _assembled(self._compiled.finditer(text, timeout=seconds), replacement, text, count)

        return self._bounded(text, replaced)

    def _bounded(self, text: str, search: Callable[[float], Value]) -> Value:
        if len(text) > MOST_TEXT:
            raise budget.refusal(budget.VALUE_TOO_LARGE)
        budget.check()
        granted = max(min(MOST_SECONDS, budget.current().remaining), 0.001)
        try:
            return search(granted)
        except TimeoutError as error:
            budget.check()
            if granted < MOST_SECONDS:  # all that was left, in processor time: the deadline is now or in a moment
                raise budget.refusal(budget.TIMED_OUT) from error
            raise EngineError(
                f"The regular expression '{self._expression}' takes more than {MOST_SECONDS:g} s on a text of "
                f"{len(text)} characters: use one without nested repetitions."
            ) from error
        except (regex.error, IndexError) as error:
            raise _invalid(self._expression, error) from error


@lru_cache(maxsize=256)
def _compiled(expression: str, flags: int) -> Any:
    if written_out(expression) > MOST_SIZE:
        raise EngineError(
            f"The regular expression '{expression[:80]}' is too large: at most {MOST_SIZE} characters, its counted "
            "repetitions written out."
        )
    try:
        return regex.compile(_BRACE.sub(lambda brace: r"\{" if brace[1] else brace[0], expression), flags)
    except (regex.error, RecursionError, OverflowError) as error:
        raise _invalid(expression, error) from error


def _invalid(expression: str, error: Exception) -> EngineError:
    return InvalidPattern(f"Invalid regular expression '{expression[:80]}': {error}.")


def _counted(matches: Iterable[Match]) -> Iterator[Match]:
    for count, match in enumerate(matches):
        if count % 1024 == 0:
            budget.check_value(count * budget.ELEMENT_BYTES)
        yield match


def _assembled(matches: Iterable[Match], replacement: str, text: str, count: int) -> str:
    """As `sub`, piece by piece, for results that may be too large."""
    pieces, size, end = [], 0, 0
    for index, match in enumerate(matches):
        if count and index >= count:
            break
        pieces += [text[end : match.start()], match.expand(replacement)]
        size, end = size + len(pieces[-1]) + len(pieces[-2]), match.end()
        budget.check_value(size)
    return "".join([*pieces, text[end:]])


def written_out(expression: str) -> int:
    """About how many characters an expression has once every x{n} is n times x."""
    sizes, last, position = [0], 0, 0
    while position < len(expression):
        sign = expression[position]
        repeat = _COUNT.match(expression, position) if sign == "{" else None
        if repeat:
            times = max(int(digits) for digits in repeat.groups() if digits)
            sizes[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
            position = repeat.end()
            continue
        if sign == "(":
            sizes.append(1)
        else:
            last = sizes.pop() if sign == ")" and len(sizes) > 1 else 1
            sizes[-1] += last
        position += 2 if sign == "\\" else 1
    return sum(sizes)
