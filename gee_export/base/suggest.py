"""The nearest of the words that exist, for messages about a word that does not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str], *, most: int = 1, cutoff: float = 0.5) -> list[str]:
    """At most `most` of the words that resemble a word, the nearest first; case, hyphens and spaces do not count.

    cutoff: how much alike they must be, 0 to 1 (difflib's ratio).
    """
    by_key: dict[str, str] = {}
    for each in words:
        by_key.setdefault(_key(each), each)
    return [by_key[key] for key in difflib.get_close_matches(_key(word), by_key, n=most, cutoff=cutoff)]


def suggest(word: str, words: Iterable[str], *, most: int = 1, cutoff: float = 0.5) -> str:
    """`did you mean X, Y?` of the nearest words, or nothing where none is near."""
    near = nearest(word, words, most=most, cutoff=cutoff)
    return f"did you mean {', '.join(near)}?" if near else ""


def _key(word: str) -> str:
    return word.strip().casefold().replace("-", "_").replace(" ", "_")
