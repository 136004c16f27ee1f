"""Values that are computed when first asked for, without a lock.

`functools.cached_property` of Python 3.11 has one lock for all instances of a class: the slow value of one would hold
up every other computation, whatever its deadline (python/cpython#87634; Python 3.12 has none either). Two threads
that ask at the same time may both compute the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class lazy_property(Generic[Value]):
    """As `functools.cached_property` of Python 3.12: the value takes the property's place in the instance."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy_property[Value]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> lazy_property[Value] | Value:
        if instance is None:
            return self
        value = self._compute(instance)
        vars(instance)[self._name] = value
        return value


def once(compute: Callable[[], Value]) -> Callable[[], Value]:
    """A function without arguments that computes its value at the first call, and keeps it."""
    kept: list[Value] = []

    def value() -> Value:
        if not kept:
            kept.append(compute())
        return kept[0]

    return value
