"""Letters: two names share one if and only if they do not differ."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from isamap.training.accuracy.letters import letters


def test_likeness_is_not_transitive():
    """A is like B and B like C, but A and C differ: B has both letters."""
    assert letters(("A", "B", "C"), {frozenset("AC")}) == {"A": "a", "B": "ab", "C": "b"}


@pytest.mark.parametrize("seed", range(20))
def test_letters_say_exactly_which_pairs_differ(seed):
    rng, names = np.random.default_rng(seed), tuple("ABCDEFG")
    different = {frozenset(pair) for pair in combinations(names, 2) if rng.random() < 0.5}
    shown = letters(names, different)
    for a, b in combinations(names, 2):
        assert bool(set(shown[a]) & set(shown[b])) == (frozenset((a, b)) not in different)


def test_no_letter_is_superfluous():
    """Each of two pairs of likes has its letter, and no third one is given."""
    different = {frozenset(pair) for pair in ("AC", "AD", "BC", "BD")}
    assert letters(("A", "B", "C", "D"), different) == {"A": "a", "B": "a", "C": "b", "D": "b"}
