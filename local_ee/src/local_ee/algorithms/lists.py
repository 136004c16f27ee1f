"""Lists (List.*)."""

from __future__ import annotations

import builtins
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from local_ee import budget
from local_ee.algorithms.collections import order_of
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import of_result
from local_ee.evaluation.columns import column
from local_ee.evaluation.features import Feature
from local_ee.evaluation.filters import Filter
from local_ee.evaluation.registry import algorithm
from local_ee.raster.compound import plain
from local_ee.raster.reducing import Reducer


def _at(items: list, index: int) -> int:
    if not -len(items) <= index < len(items):
        raise EngineError(f"List index must be between 0 and {len(items) - 1}, or -1 and -{len(items)}. Found {index}.")
    return index


def _check_count(count: float) -> None:
    """EngineError for a list that is too long to be a value, before it is made."""
    budget.check_value(count * budget.ELEMENT_BYTES)


def _stepwise(items: Iterable[Any]) -> Iterator[Any]:
    """The items, each a step of the computation's budget: for work that takes long for each."""
    for item in items:
        budget.check()
        yield item


@algorithm("List.get", "List.getNumber", "List.getString", "List.getGeometry")
def get(list: list, index: int) -> Any:
    """The element at a position; negative positions count from the end."""
    return list[_at(list, index)]


@algorithm("List.size", "List.length")
def size(list: list) -> int:
    """The number of elements."""
    return len(list)


@algorithm("List.add")
def add(list: list, element: Any) -> list:
    """With an element at the end."""
    return [*list, element]


@algorithm("List.cat")
def cat(list: list, other: list) -> list:
    """Both lists, one after the other."""
    _check_count(len(list) + len(other))
    return [*list, *other]


@algorithm("List.contains")
def contains(list: list, element: Any) -> bool:
    """Whether an element occurs."""
    return element in list


@algorithm("List.containsAll")
def contains_all(list: list, other: list) -> bool:
    """Whether all elements of another list occur."""
    return all(element in list for element in _stepwise(other))


@algorithm("List.equals")
def equals(list: list, other: list) -> bool:
    """Whether both hold the same elements in the same order."""
    return list == other


@algorithm("List.distinct")
def distinct(list: list) -> list:
    """Each element once, in order of first occurrence."""
    kept: Any = []
    for element in _stepwise(list):
        if element not in kept:
            kept.append(element)
    return kept


@algorithm("List.flatten")
def flatten(list: list) -> list:
    """All elements of lists within the list."""
    inner: Any = []
    for element in _stepwise(list):
        inner += flatten(element) if _is_list(element) else [element]
        _check_count(len(inner))
    return inner


def _is_list(value: Any) -> bool:
    return type(value).__name__ == "list"


@algorithm("List.frequency")
def frequency(list: list, element: Any) -> int:
    """How often an element occurs."""
    return list.count(element)


@algorithm("List.indexOf")
def index_of(list: list, element: Any) -> int:
    """Where an element first occurs, or -1."""
    return list.index(element) if element in list else -1


@algorithm("List.insert")
def insert(list: list, index: int, element: Any) -> list:
    """With an element put in before a position."""
    return [*list[:index], element, *list[index:]]


@algorithm("List.iterate")
def iterate(list: list, function: Callable[..., Any], first: Any) -> Any:
    """The function's last value, each call given an element and the value before."""
    state = first
    for element in _stepwise(list):
        state = function(element, state)
    return state


@algorithm("List.join")
def join(list: list, separator: str) -> str:
    """The elements as one text."""
    texts = [element if isinstance(element, str) else f"{element}" for element in list]
    budget.check_value(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


@algorithm("List.map")
def mapped(list: list, baseAlgorithm: Callable[..., Any], dropNulls: bool) -> list:
    """The function's value of each element."""
    values = [baseAlgorithm(element) for element in list]
    return [value for value in values if value is not None] if dropNulls else values


@algorithm("List.filter")
def filtered(list: list, filter: Filter) -> list:
    """The elements that pass; the filter's field 'item' is the element itself."""
    return [element for element in list if filter.matches(_as_element(element))]


def _as_element(item: Any) -> Any:
    return item if hasattr(item, "properties") else Feature(None, {"item": item})


@algorithm("List.reduce")
def reduce(list: list, reducer: Reducer) -> Any:
    """The reducer's value of the elements, or of lists with an element for each of its inputs.

    One value, or a dictionary where it has several outputs.
    """
    running = reducer.start()
    if list:
        use = f"apply '{reducer.name}' to a list"
        columns = zip(*_rows(list, reducer), strict=True)
        running.add([column(each, use, any_type=reducer.any_type(i)) for i, each in enumerate(columns)])
    results = [of_result(plain(*output)) for output in running.result()]
    return results[0] if len(results) == 1 else dict(zip(reducer.outputs, results, strict=True))


def _rows(elements: list, reducer: Reducer) -> list[list[Any]]:
    """What each element gives to the reducer's inputs."""
    if reducer.inputs == 1:
        return [[element] for element in elements]
    for element in elements:
        if not isinstance(element, builtins.list) or len(element) != reducer.inputs:
            raise EngineError(f"Reducer '{reducer.name}' needs lists of {reducer.inputs} values, one for each input.")
    return elements


@algorithm("List.remove")
def remove(list: list, element: Any) -> list:
    """Without the first occurrence of an element."""
    at = index_of(list, element)
    return list if at < 0 else [*list[:at], *list[at + 1 :]]


@algorithm("List.removeAll")
def remove_all(list: list, other: list) -> list:
    """Without all elements of another list."""
    return [element for element in _stepwise(list) if element not in other]


@algorithm("List.repeat")
def repeat(value: Any, count: int) -> list:
    """A value several times."""
    _check_count(count)
    return [value] * count


@algorithm("List.replace")
def replace(list: list, oldval: Any, newval: Any) -> list:
    """With the first occurrence of a value replaced."""
    at = index_of(list, oldval)
    return list if at < 0 else [*list[:at], newval, *list[at + 1 :]]


@algorithm("List.replaceAll")
def replace_all(list: list, oldval: Any, newval: Any) -> list:
    """With all occurrences of a value replaced."""
    return [newval if element == oldval else element for element in list]


@algorithm("List.reverse")
def reverse(list: list) -> list:
    """From the last element to the first."""
    return list[::-1]


@algorithm("List.rotate")
def rotate(list: list, distance: int) -> list:
    """Turned by a distance: elements that leave the front come back at the end."""
    return [*list[distance % len(list) :], *list[: distance % len(list)]] if list else list


@algorithm("List.sequence")
def sequence(start: float, end: float | None, step: float, count: int | None) -> list:
    """Numbers from start to end (included) by a step, or `count` of them."""
    _check_count(0 if count is None else count)
    if count is not None:
        if end is None:
            return [start + step * i for i in range(count)]
        width = (end - start) / max(count - 1, 1)
        return [start + width * i for i in range(count)]
    if end is None:
        raise EngineError("Either 'end' or 'count' must be specified.")
    if step == 0:
        raise EngineError("The step must not be 0.")
    if (end - start) * step < 0:
        return []
    steps = (end - start) / step + 1e-12
    _check_count(steps)
    return [start + step * i for i in range(int(steps) + 1)]


@algorithm("List.set")
def set_at(list: list, index: int, element: Any) -> list:
    """With another element at a position."""
    changed = [*list]
    changed[_at(list, index)] = element
    return changed


@algorithm("List.shuffle")
def shuffle(list: list, seed: Any) -> list:
    """In an order drawn from a seed; not the order that Google's servers draw."""
    changed = [*list]
    random.Random(repr(seed)).shuffle(changed)
    return changed


@algorithm("List.slice")
def sliced(list: list, start: int, end: int | None, step: int | None) -> list:
    """The elements from start to before end; negative positions count from the end."""
    return list[start:end:step]


@algorithm("List.sort")
def sort(list: list, keys: list | None) -> list:
    """In ascending order, by parallel keys where they are given."""
    keys = list if keys is None else keys
    if len(keys) != len(list):
        raise EngineError(f"Expected {len(list)} keys, got {len(keys)}.")
    try:
        order = sorted(range(len(list)), key=lambda i: order_of(keys[i]))
    except TypeError as error:
        raise EngineError(
            "Cannot sort a list whose elements have no order: expected numbers, dates or strings."
        ) from error
    return [list[i] for i in order]


@algorithm("List.splice")
def splice(list: list, start: int, count: int, other: list | None) -> list:
    """With `count` elements from a start replaced by others."""
    start = start if start >= 0 else len(list) + start
    return [*list[:start], *(other or []), *list[start + count :]]


@algorithm("List.swap")
def swap(list: list, pos1: int, pos2: int) -> list:
    """With two elements exchanged."""
    changed = [*list]
    first, second = _at(list, pos1), _at(list, pos2)
    changed[first], changed[second] = list[second], list[first]
    return changed


@algorithm("List.unzip")
def unzip(list: list) -> list:
    """Two lists: the first and the second elements of pairs."""
    if not all(isinstance(pair, builtins.list) and len(pair) >= 2 for pair in list):
        raise EngineError("Every element of the list must be a list of at least two elements.")
    return [[pair[0] for pair in list], [pair[1] for pair in list]]


@algorithm("List.zip")
def zipped(list: list, other: list) -> list:
    """Pairs of both lists' elements, as many as the shorter one has."""
    return [[left, right] for left, right in zip(list, other, strict=False)]
