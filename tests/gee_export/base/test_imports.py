"""Imports without the search for garbage: it comes back, and what was loaded is left out of it."""

from __future__ import annotations

import gc

import pytest

from gee_export.base.imports import quick_imports


@pytest.fixture(autouse=True)
def thawed():
    """The rest of the tests are searched as before."""
    yield
    gc.unfreeze()
    gc.enable()


def test_no_search_runs_in_between_and_it_comes_back():
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_comes_back_after_an_error():
    with pytest.raises(ImportError), quick_imports():
        raise ImportError("no such library")
    assert gc.isenabled()


def test_a_program_that_has_switched_it_off_keeps_it_off():
    gc.disable()
    with quick_imports():
        pass
    assert not gc.isenabled()


def test_what_was_loaded_is_never_searched_again():
    before = gc.get_freeze_count()
    with quick_imports():
        modules = [[number] for number in range(1000)]
    assert gc.get_freeze_count() - before >= len(modules)
