"""Texts (String.*)."""

from __future__ import annotations

import json
import re
from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.answers import to_json
from local_ee.evaluation.patterns import IGNORE_CASE, MULTILINE, Pattern
from local_ee.evaluation.registry import algorithm


@algorithm("String")
def string(input: Any) -> str:
    """A value as text."""
    if isinstance(input, str):
        return input
    if isinstance(input, int | float) and not isinstance(input, bool):
        return str(int(input)) if isinstance(input, int) else repr(input)
    return json.dumps(to_json(input), separators=(",", ":"))


@algorithm("String.cat")
def cat(string1: str, string2: str) -> str:
    """Both texts, one after the other."""
    return string1 + string2


@algorithm("String.compareTo")
def compare_to(string1: str, string2: str) -> int:
    """-1, 0 or 1 by alphabetical order."""
    return (string1 > string2) - (string1 < string2)


@algorithm("String.equals")
def equals(reference: str, target: Any) -> bool:
    """Whether both are the same text."""
    return reference == target


@algorithm("String.length")
def length(string: str) -> int:
    """The number of characters."""
    return len(string)


@algorithm("String.index")
def index(target: str, pattern: str) -> int:
    """Where a text first occurs, or -1."""
    return target.find(pattern)


@algorithm("String.rindex")
def rindex(target: str, pattern: str) -> int:
    """Where a text last occurs, or -1."""
    return target.rfind(pattern)


@algorithm("String.slice")
def sliced(string: str, start: int, end: int | None) -> str:
    """The characters from start to before end; negative positions count from the end."""
    return string[start:end]


_REFERENCES = re.compile(r"\\(.?)|\$(\d)", re.DOTALL)


def _flags(flags: str) -> int:
    unknown = set(flags) - set("gim")
    if unknown:
        raise EngineError(f"Unknown flags '{''.join(sorted(unknown))}'. Use a combination of 'g', 'i' and 'm'.")
    return (IGNORE_CASE if "i" in flags else 0) | (MULTILINE if "m" in flags else 0)


@algorithm("String.replace")
def replace(input: str, regex: str, replacement: str, flags: str) -> str:
    """The first match replaced, all of them with the flag g; $1 names a group."""
    return Pattern(regex, _flags(flags)).replace(_template(replacement), input, 0 if "g" in flags else 1)


def _template(replacement: str) -> str:
    """A replacement of Java's form as Python's: $1 names a group, $0 the match; a backslash keeps what follows it."""
    return _REFERENCES.sub(_converted, replacement)


def _converted(reference: re.Match[str]) -> str:
    character, group = reference.groups()
    if group is not None:
        return rf"\g<{group}>"
    return r"\\" if character in ("", "\\") else character


@algorithm("String.match")
def match(input: str, regex: str, flags: str) -> list[str]:
    """The first match and its groups, or all matches with the flag g; empty without a match."""
    if "g" in flags:
        return [hit.group(0) for hit in Pattern(regex, _flags(flags)).matches(input)]
    hit = Pattern(regex, _flags(flags)).search(input)
    return [hit.group(0), *hit.groups()] if hit else []


@algorithm("String.split")
def split(string: str, regex: str, flags: str) -> list[str]:
    """The parts between matches; an empty expression gives the characters."""
    return list(string) if not regex else Pattern(regex, _flags(flags)).split(string)


@algorithm("String.toLowerCase")
def to_lower_case(string: str) -> str:
    """In small letters."""
    return string.lower()


@algorithm("String.toUpperCase")
def to_upper_case(string: str) -> str:
    """In capitals."""
    return string.upper()


@algorithm("String.trim")
def trim(string: str) -> str:
    """Without white space at both ends."""
    return string.strip()


@algorithm("String.encodeJSON")
def encode_json(object: Any) -> str:
    """A value as JSON text."""
    return json.dumps(to_json(object), separators=(",", ":"))


@algorithm("String.decodeJSON")
def decode_json(string: str) -> Any:
    """The value that JSON text holds."""
    try:
        return json.loads(string)
    except json.JSONDecodeError as error:
        raise EngineError(f"Invalid JSON: {error}") from error
