"""What the probe of two tiles in one image tells: each tile's pixels, what lies on top, what is masked."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.inference.prove.tiles import FIRST, PROBES, SECOND, _compared, _values


def image(first_on_top: bool = False) -> tuple[np.ndarray, np.ndarray]:
    values = np.zeros_like(_values(False))
    for second in (True, False) if first_on_top else (False, True):
        columns = SECOND if second else FIRST
        values[..., columns] = _values(second)[..., columns]
    valid = np.ones(values.shape, bool)
    valid[:, :4] = False
    return values, valid


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda values, valid: None, {}),
        (lambda values, valid: values.__setitem__((0, 10, 0), 9), {"first": False}),
        (lambda values, valid: values.__setitem__((1, 10, 63), 9), {"second": False}),
        (lambda values, valid: values.__setitem__((1, 10, 35), 9), {"on top": "neither"}),
        (lambda values, valid: valid.__setitem__((0, 0, 0), True), {"masks": False}),
        (lambda values, valid: valid.__setitem__((1, 4, 63), False), {"masks": False}),
    ],
)
def test_each_fault_of_an_image_of_two_tiles_is_told(fault, told):
    values, valid = image()
    fault(values, valid)
    assert _compared(values, valid) == PROBES[0].expected | told


def test_the_tile_on_top_is_told():
    assert _compared(*image(first_on_top=True)) == PROBES[0].expected | {"on top": "first"}
