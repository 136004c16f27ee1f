"""Globs of object names, matched in linear time: every state that the glob can be in advances together.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

MOST_CHARACTERS = 1024  # of a glob, as of an object's name
_MOST_DEPTH = 50  # of braces in braces
_MOST_STEPS = 20_000  # remembered from state and character to state
_TOKENS = re.compile(r"\*\*|\*|\?|\[[^\]]+\]|\\.|.", re.DOTALL)

Test = Callable[[str], bool]
States = frozenset[int]


class Glob:
    """* and ? stay within a folder, ** crosses folders, [..] and {..,..} choose; ValueError where it is not one."""

    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"it has {len(text)} characters, at most {MOST_CHARACTERS} are allowed")
        self._tests: list[tuple[Test, int] | None] = []  # by state: what a character must be, and the state after it
        self._free: list[list[int]] = []  # by state: those reached without a character
        self._tokens = _TOKENS.findall(text)
        self._depth = 0
        self._end = self._sequence(first := self._state(), ("",))
        if self._tokens:
            raise ValueError("a } has no {")
        self._first = self._closure([first])
        self._known: dict[tuple[States, str], States] = {}

    def matches(self, name: str) -> bool:
        """Whether a whole name matches."""
        states = self._first
        for character in name:
            states = self._after(states, character)
            if not states:
                return False
        return self._end in states

    def _after(self, states: States, character: str) -> States:
        key = (states, character)
        if key not in self._known:
            if len(self._known) >= _MOST_STEPS:
                self._known.clear()
            steps = (self._tests[state] for state in states)
            self._known[key] = self._closure(step[1] for step in steps if step is not None and step[0](character))
        return self._known[key]

    def _closure(self, states: Iterable[int]) -> States:
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state not in reached:
                reached.add(state)
                waiting += self._free[state]
        return frozenset(reached)

    def _state(self) -> int:
        self._tests.append(None)
        self._free.append([])
        return len(self._tests) - 1

    def _sequence(self, state: int, closing: tuple[str, ...]) -> int:
        """Reads tokens up to a closing one (which stays) into states after one; the last state."""
        while self._tokens and self._tokens[0] not in closing:
            if self._tokens[0] == "}":
                break
            token = self._tokens.pop(0)
            state = self._choice(state) if token == "{" else self._one(state, token)
        return state

    def _choice(self, state: int) -> int:
        end = self._state()
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError("its braces are nested too deeply")
        while True:
            self._free[state].append(start := self._state())
            self._free[self._sequence(start, (",", "}"))].append(end)
            if not self._tokens:
                raise ValueError("a { has no }")
            if self._tokens.pop(0) == "}":
                self._depth -= 1
                return end

    def _one(self, state: int, token: str) -> int:
        after = self._state()
        if token in ("*", "**"):  # a loop of its own, that ends without a character
            self._free[state].append(after)
            self._tests[after] = (_test(token), after)
            exit_state = self._state()
            self._free[after].append(exit_state)
            return exit_state
        self._tests[state] = (_test(token), after)
        return after


def _test(token: str) -> Test:
    if token == "**":
        return lambda character: True
    if token in ("*", "?"):
        return lambda character: character != "/"
    if len(token) > 2 and token.startswith("["):
        return _characters(token[1:-1])
    return token[-1].__eq__


def _characters(inner: str) -> Test:
    """Single characters and ranges; all others after a leading ! or ^."""
    positive = inner[0] not in "!^" or len(inner) == 1
    text = inner if positive else inner[1:]
    ranges = [(low, high) for low, high in re.findall(r"(.)-(.)", text, re.DOTALL)]
    for low, high in ranges:
        if low > high:
            raise ValueError(f"the range {low}-{high} runs backwards")
    single = set(re.sub(r".-.", "", text, flags=re.DOTALL))
    return lambda character: (character in single or any(low <= character <= high for low, high in ranges)) == positive


@lru_cache(maxsize=256)
def glob(text: str) -> Glob:
    """A glob, read once; ValueError where it is not one."""
    return Glob(text)
