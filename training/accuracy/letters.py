"""Letters that say which of several methods differ: those that share one cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import ascii_lowercase


def letters(names: Sequence[str], different: Collection[frozenset[str]]) -> dict[str, str]:
    """By name its letters; two names share one if and only if their pair is not in `different`.

    names: best first, so that the best has an a. Insert and absorb (Piepho 2004, Journal of Computational and Graphical
    Statistics 13, 456-466).
    """
    columns: list[frozenset[str]] = [frozenset(names)]
    for pair in sorted(different, key=lambda pair: sorted(map(names.index, pair))):
        split = [column - {name} for column in columns if pair <= column for name in pair]
        columns = _absorbed([column for column in columns if not pair <= column] + split)
    ranked = sorted(columns, key=lambda column: sorted(map(names.index, column)))
    return {name: "".join(_letter(at) for at, column in enumerate(ranked) if name in column) for name in names}


def _absorbed(columns: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """Without those that lie in another."""
    distinct = list(dict.fromkeys(columns))
    return [column for column in distinct if not any(column < wider for wider in distinct)]


def _letter(at: int) -> str:
    """a to z, then a1 to z1 and so on."""
    turn, letter = divmod(at, len(ascii_lowercase))
    return ascii_lowercase[letter] + (str(turn) if turn else "")
