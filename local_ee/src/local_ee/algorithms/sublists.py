"""Where a list lies in another one (List.indexOfSublist)."""

from __future__ import annotations

from local_ee import budget
from local_ee.evaluation.registry import algorithm


def _positions(items: list, target: list) -> list[int]:
    """Every position at which the target begins."""
    budget.check_value(len(items) * budget.ELEMENT_BYTES)
    return [i for i in range(len(items) - len(target) + 1) if items[i : i + len(target)] == target]


@algorithm("List.indexOfSublist")
def index_of_sublist(list: list, target: list) -> int:
    """The first position at which the target lies in the list, or -1."""
    return next(iter(_positions(list, target)), -1)


@algorithm("List.lastIndexOfSubList")
def last_index_of_sublist(list: list, target: list) -> int:
    """The last position at which the target lies in the list, or -1."""
    return next(reversed(_positions(list, target)), -1)
