"""Reducers built from others: copies for several inputs, and one for each group (Reducer.repeat, group, forEach)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.raster.accumulate import Together
from local_ee.raster.compound import Grouped, Repeated
from local_ee.raster.reducing import Reducer

_MOST_COPIES = 10_000


@algorithm("Reducer.repeat")
def repeat(reducer: Reducer, count: int) -> Reducer:
    """Copies of a reducer for inputs side by side; every output is the list of the copies' outputs."""
    _check_copies(count)
    return replace(
        reducer,
        name=f"{reducer.name}.repeat",
        start=lambda: Repeated([reducer.start() for _ in range(count)], reducer.inputs),
        inputs=reducer.inputs * count,
        pixels=False,
        any_type=lambda index: reducer.any_type(index % reducer.inputs),
    )


@algorithm("Reducer.group")
def group(reducer: Reducer, groupField: int, groupName: str) -> Reducer:
    """The reducer for each value of an input; the result is a list of dictionaries, ordered by that value."""
    if not 0 <= groupField <= reducer.inputs:
        raise EngineError(f"Reducer.group: groupField {groupField} is not among {reducer.inputs + 1} inputs.")
    return replace(
        reducer,
        name=f"{reducer.name}.group",
        outputs=("groups",),
        start=lambda: Grouped(reducer.start, reducer.outputs, field=groupField, name=groupName),
        inputs=reducer.inputs + 1,
        pixels=False,
        any_type=lambda index: index == groupField or reducer.any_type(index - (index > groupField)),
    )


@algorithm("Reducer.forEach")
def for_each(reducer: Reducer, outputNames: list) -> Reducer:
    """A copy of the reducer for each name; with several outputs they are named name_output."""
    return _side_by_side(reducer, outputNames)


@algorithm("Reducer.forEachBand")
def for_each_band(reducer: Reducer, image: Image) -> Reducer:
    """A copy of the reducer for each band of an image, its output under the band's name."""
    return _side_by_side(reducer, image.band_names)


def _side_by_side(reducer: Reducer, names: Sequence[str]) -> Reducer:
    _check_copies(len(names))
    step = reducer.inputs
    return replace(
        reducer,
        name=f"{reducer.name}.forEach",
        outputs=tuple(key for name in names for key in _outputs(reducer, name)),
        start=lambda: Together([(reducer.start(), slice(i * step, (i + 1) * step)) for i in range(len(names))]),
        typed=lambda input_type: reducer.typed(input_type) * len(names),
        inputs=step * len(names),
        any_type=lambda index: reducer.any_type(index % step),
    )


def _outputs(reducer: Reducer, name: str) -> list[str]:
    return [name] if len(reducer.outputs) == 1 else [f"{name}_{output}" for output in reducer.outputs]


def _check_copies(count: int) -> None:
    budget.check()
    if not 1 <= count <= _MOST_COPIES:
        raise EngineError(f"A reducer can be copied 1 to {_MOST_COPIES} times, not {count}.")
