"""Joins of collections (Join.*)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_ee import budget
from local_ee.evaluation.coerce import accept
from local_ee.evaluation.features import Collection, Element, Feature, get_property
from local_ee.evaluation.filters import Filter
from local_ee.evaluation.registry import algorithm


@dataclass(frozen=True)
class Join:
    """combine: what becomes of a primary element and its matches (in order): elements of the result."""

    combine: Callable[[Element, list[Element], Filter], Sequence[Element]]


accept("Join", Join)


@algorithm("Join.apply")
def apply(join: Join, primary: Collection, secondary: Collection, condition: Filter) -> Collection:
    """The joined elements, in the order of the primary collection."""

    def find() -> list[Element]:
        result: list[Element] = []
        for element in primary.elements:
            budget.check()
            index = condition.partner_index(element)
            partners = secondary.elements if index is None else secondary.indexed(index)
            matches = [partner for partner in partners if condition.joins(element, partner)]
            result.extend(join.combine(element, matches, condition))
        return result

    return primary.of(find)


@algorithm("Join.simple")
def simple() -> Join:
    """Primary elements with a match, as they are."""
    return Join(lambda element, matches, _: [element] if matches else [])


@algorithm("Join.inverted")
def inverted() -> Join:
    """Primary elements without a match, as they are."""
    return Join(lambda element, matches, _: [] if matches else [element])


@algorithm("Join.inner")
def inner(primaryKey: str, secondaryKey: str, measureKey: str | None) -> Join:
    """A feature without geometry for each pair, holding both elements."""

    def combine(element: Element, matches: list[Element], condition: Filter) -> list[Element]:
        measured = [_measured(match, element, condition, measureKey) for match in matches]
        return [Feature(None, {primaryKey: element, secondaryKey: match}) for match in measured]

    return Join(combine)


def _measured(match: Element, element: Element, condition: Filter, key: str | None) -> Element:
    if key is None:
        return match
    return match.with_properties({**match.properties, key: condition.measure(element, match)})


def _saving(key: str, choose: Callable[[list[Element]], Any], measure: str | None, outer: bool) -> Join:
    def combine(element: Element, matches: list[Element], condition: Filter) -> list[Element]:
        measured = [_measured(match, element, condition, measure) for match in matches]
        if not measured and not outer:
            return []
        return [element.with_properties({**element.properties, key: choose(measured)})]

    return Join(combine)


def _ordering(ordering: str | None, ascending: bool) -> Callable[[list[Element]], list[Element]]:
    if ordering is None:
        return lambda matches: matches
    return lambda matches: sorted(matches, key=lambda each: get_property(each, ordering), reverse=not ascending)


@algorithm("Join.saveFirst")
def save_first(matchKey: str, ordering: str | None, ascending: bool, measureKey: str | None, outer: bool) -> Join:
    """Primary elements with their first match as a property."""
    order = _ordering(ordering, ascending)
    return _saving(matchKey, lambda matches: next(iter(order(matches)), None), measureKey, outer)


@algorithm("Join.saveAll")
def save_all(matchesKey: str, ordering: str | None, ascending: bool, measureKey: str | None, outer: bool) -> Join:
    """Primary elements with the list of their matches as a property."""
    return _saving(matchesKey, _ordering(ordering, ascending), measureKey, outer)


@algorithm("Join.saveBest")
def save_best(matchKey: str, measureKey: str, outer: bool) -> Join:
    """Primary elements with the match of the smallest measure as a property."""

    def best(matches: list[Element]) -> Element | None:
        return min(matches, key=lambda each: each.properties[measureKey], default=None)

    return _saving(matchKey, best, measureKey, outer)
