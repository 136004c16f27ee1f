"""Values of properties and lists as samples of a reducer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.coerce import type_name
from local_ee.raster.accumulate import Samples


def column(values: Sequence[Any], use: str, *, any_type: bool) -> Samples:
    """Samples (values, 1) that are valid where they are not null; objects where some are no numbers.

    EngineError, beginning with what the values are used for, where they must be numbers and are not.
    """
    valid = np.array([value is not None for value in values], bool)[:, None]
    present = [value for value in values if value is not None]
    if all(isinstance(value, bool | int | float) for value in present):
        return np.array([0 if value is None else value for value in values])[:, None], valid
    if not any_type:
        types = ", ".join(sorted({type_name(value) for value in present}))
        raise EngineError(f"Can't {use} with values of type {types}.")
    objects = np.empty((len(values), 1), object)
    objects[:, 0] = values
    return objects, valid
