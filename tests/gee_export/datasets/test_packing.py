"""How a foreign image's numbers are stored: types, units, scales, glints, and numbers that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.datasets.packing import Numbers, Packing, Unit

BYTE, SHORT, WORD = (Numbers.of_dtype(dtype) for dtype in ("uint8", "int16", "uint16"))


def test_bytes_stay_bytes_where_they_may_and_keep_zero_for_missing():
    packing = Packing.of(BYTE, None, small=True)
    assert (packing.dtype, packing.nodata, packing.unit, packing.scale) == ("uint8", 0, "dn", 1.0)
    stored = packing.stored(np.array([0, 1, 255], np.uint8), np.array([True, True, False]))
    assert stored.tolist() == [1, 1, 0]  # a valid 0 becomes the least number that is not the no-data value


@pytest.mark.parametrize("numbers", [BYTE, SHORT])
def test_whole_numbers_that_fit_are_stored_as_they_are(numbers):
    packing = Packing.of(numbers, None, small=False)
    assert (packing.dtype, packing.nodata, packing.scale, packing.offset) == ("int16", -32768, 1.0, 0.0)
    values = np.array([0, 7, 255], np.int16)
    assert packing.stored(values, values == values).tolist() == [0, 7, 255]


@given(st.integers(0, 65534), st.floats(1e-4, 10), st.floats(-300, 300))
def test_words_keep_their_value_through_scale_and_offset(number, scale, offset):
    packing = Packing.of(WORD, Unit("radiance", scale, offset), small=False)
    stored = packing.stored(np.array([number], np.uint16), np.array([True]))
    band = packing.band("a")
    assert stored.dtype == np.int16 and stored[0] != band.nodata
    assert stored[0] * band.scale + band.offset == pytest.approx(number * scale + offset, rel=1e-6, abs=1e-6)


def test_reflectance_in_words_is_stored_as_it_is_and_glints_are_the_greatest():
    packing = Packing.of(WORD, Unit.parse("reflectance"), small=False)
    assert (packing.scale, packing.offset) == (1e-4, 0.0)
    assert packing.stored(np.array([812, 40000], np.uint16), np.array([True, True])).tolist() == [812, 32767]


@given(st.floats(-3, 3))
def test_floats_are_rounded_half_to_even_at_the_units_step(value):
    packing = Packing.of(Numbers.of_dtype("float32"), Unit.parse("reflectance"), small=False)
    stored = packing.stored(np.array([value, np.nan]), np.array([True, True]))
    assert stored.tolist() == [int(np.rint(value / 1e-4)), -32768]


@pytest.mark.parametrize(
    ("numbers", "unit", "words"),
    [
        (Numbers.of_dtype("float32"), None, "say --unit reflectance, --unit dB, --unit embedding or --unit NAME=STEP"),
        (Numbers.of_dtype("int32"), None, "convert the image to int16 or uint16"),
    ],
)
def test_numbers_that_cannot_be_stored_are_refused(numbers, unit, words):
    with pytest.raises(ValueError, match=words):
        Packing.of(numbers, unit, small=True)


def test_what_the_server_sends_in_another_unit_is_refused():
    packing = Packing.of(Numbers.of_dtype("float32"), Unit.parse("reflectance"), small=False)
    with pytest.raises(ValueError, match="do not fit"):
        packing.sent(np.full((2, 2), 812e4))


def test_a_few_glints_are_cut_to_the_greatest():
    packing = Packing.of(Numbers.of_dtype("float32"), Unit.parse("reflectance"), small=False)
    assert packing.stored(np.array([0.1, 0.2, 9.0]), np.ones(3, bool)).tolist() == [1000, 2000, 32767]


def test_black_bytes_are_no_wrong_unit():
    stored = Packing.of(BYTE, None, small=True).stored(np.zeros(9, np.uint8), np.ones(9, bool))
    assert (stored == 1).all()


@pytest.mark.parametrize("text", ["", "=1", "a=b", "a=0", "a=-1", "a=1,x", "a=nan"])
def test_units_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError, match="expected NAME or NAME=SCALE"):
        Unit.parse(text)
